//! Bounds of products under drift: what a product can become when its centroid turns.

use ndarray::{ArrayView1, ArrayView2};

use crate::assignment::ABOVE_ALL;
use crate::grouping::Grouping;

/// More than the squared norm of a row: 1.002001 as `UnitRows` checks it, and 1e-3 for the rounding of that check and of products.
///
/// A bound that is off by `E` stays so, and no more, when its centroid turns: `t·cos δ + √(ρ² − t²)·sin δ` of the true product `t` and
/// norm `ρ` is at most `E` more than the same of `t − E` with this for `ρ²`, if `SQUARED_NORM − ρ² ≥ 2·|t|·E + E²`. Without
/// that room it could be `√(2·E)` more. It holds for every row of up to 5,500 columns, of more where norms are nearer to 1
/// (`docs/kmeans.md`, "Bounds under drift").
const SQUARED_NORM: f32 = 1.003;

/// Added to every bound that moves: four roundings of numbers below 2, 6e-8 each, and the norms of two centroids, within 6e-8
/// of 1, take at most 4e-7. Added to every sine too, which covers those of `across * sine`: products of f64 take at most 6e-7 of
/// it at 768 columns, f32 another 2e-7.
const SLACK: f32 = 1e-6;

/// What rounding takes from the squared norm of a centroid is half of it.
const CENTROID_TOLERANCE: f64 = 2.5e-7;

/// How far a centroid turned: cosine and sine of the angle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Drift {
    /// Rounded to the nearest.
    cosine: f32,
    /// At least that of the angle; 0 only if nothing changed.
    sine: f32,
}

impl Drift {
    const NONE: Self = Self { cosine: 1.0, sine: 0.0 };

    /// Of an angle that is not known to be less than a right one. Every bound, being within −2 and 2, is beyond its cosine.
    const UNKNOWN: Self = Self { cosine: -3.0, sine: 2.0 };

    /// That from one centroid to another.
    fn new(before: ArrayView1<'_, f32>, after: ArrayView1<'_, f32>) -> Self {
        if before == after {
            return Self::NONE;
        }
        let (mut product, mut squares) = (0.0, [0.0; 2]);
        for (&b, &a) in before.iter().zip(after) {
            let (b, a) = (f64::from(b), f64::from(a));
            product += b * a;
            squares[0] += b * b;
            squares[1] += a * a;
        }
        let cosine = (product / (squares[0] * squares[1]).sqrt()).clamp(-1.0, 1.0);
        let sine = (1.0 - cosine * cosine).sqrt();
        // A start is a row as it came, of a norm within 1e-3 of 1, and stays where the rows of its cluster cancel.
        let are_unit = squares.iter().all(|squared| (squared - 1.0).abs() <= CENTROID_TOLERANCE);
        match are_unit && cosine > 0.0 {
            true => Self { cosine: cosine as f32, sine: sine as f32 + SLACK },
            false => Self::UNKNOWN,
        }
    }

    /// The farther of two: one of the two f32 differs, whatever the angles. Near a right one the sines are equal, near none the
    /// cosines.
    fn farther(self, other: Self) -> Self {
        if other.cosine < self.cosine || other.sine > self.sine { other } else { self }
    }

    /// The least that a product of at least `bound` can have become: by symmetry the most that its negative can.
    #[inline(always)]
    pub(crate) fn lowered(self, bound: f32) -> f32 {
        -self.raised(-bound)
    }

    /// The most that a product of at most `bound` can have become.
    ///
    /// With `bound = √S·cos β` for the squared norm `S`, that is `√S·cos(β − δ)` for a drift of `δ`, which grows with the bound up
    /// to `√S·cos δ`. Beyond, the centroid may have turned onto the row. The limit is `cos δ`, since `√S > 1.001` leaves the
    /// rounding of `cos δ` and of the sine no way past the top.
    #[inline(always)]
    pub(crate) fn raised(self, bound: f32) -> f32 {
        let across = (SQUARED_NORM - bound * bound).max(0.0).sqrt();
        let moved = bound * self.cosine + across * self.sine + SLACK;
        if self.sine == 0.0 {
            bound
        } else if bound >= self.cosine {
            ABOVE_ALL
        } else {
            moved
        }
    }
}

/// Drifts of all centroids, and of each group that of its farthest.
pub(crate) struct Drifts {
    pub(crate) of_centroids: Vec<Drift>,
    pub(crate) of_groups: Vec<Drift>,
}

impl Drifts {
    pub(crate) fn new(before: ArrayView2<'_, f32>, after: ArrayView2<'_, f32>, grouping: &Grouping) -> Self {
        let each = before.outer_iter().zip(after.outer_iter());
        let of_centroids: Vec<Drift> = each.map(|(before, after)| Drift::new(before, after)).collect();
        let farthest =
            |labels: &[u32]| labels.iter().map(|&label| of_centroids[label as usize]).fold(Drift::NONE, Drift::farther);
        let of_groups = grouping.order.chunks(grouping.group_len).map(farthest).collect();
        Self { of_centroids, of_groups }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, array, aview1};
    use proptest::prelude::*;

    use super::*;

    const RIGHT: f64 = std::f64::consts::FRAC_PI_2;

    /// Of norm 1, as centroids are.
    fn at(angle: f64) -> Array1<f32> {
        array![angle.cos() as f32, angle.sin() as f32]
    }

    fn drift(angle: f64) -> Drift {
        Drift::new(at(0.0).view(), at(angle).view())
    }

    /// Squared norms that pass as 1 at 4,096 columns, and what a product of f32 can be off by there.
    const MOST_SQUARED: f64 = 1.002001 * (1.0 + PRODUCT_ERROR);
    const PRODUCT_ERROR: f64 = 4096.0 / 16_777_216.0;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// The row at `angle` from the centroid; the true product becomes that of an angle between `angle - turn` and
        /// `angle + turn`. Errors are as large as can be or none, angles often near none, near the turn or near a straight one.
        #[test]
        fn a_bound_that_is_off_by_an_error_is_off_by_no_more_after_a_drift(
            squared in prop_oneof![0.998001..MOST_SQUARED, Just(MOST_SQUARED), Just(1.002001)],
            turn in prop_oneof![0.0..RIGHT, (-18.0..0.0_f64).prop_map(f64::exp), (-18.0..0.0_f64).prop_map(|x| RIGHT - x.exp())],
            from in 0_usize..3,
            apart in prop_oneof![-3.2..3.2_f64, (-18.0..0.0_f64).prop_map(f64::exp), (-18.0..0.0_f64).prop_map(|x| -x.exp())],
            error in prop_oneof![Just(PRODUCT_ERROR), Just(0.0), 0.0..PRODUCT_ERROR],
        ) {
            prop_assume!(turn > 0.0);
            let drift = drift(turn);
            let angle = ([0.0, turn, std::f64::consts::PI][from] + apart).abs().min(std::f64::consts::PI);
            let product = squared.sqrt() * angle.cos();
            let (nearest, farthest) = ((angle - turn).max(0.0), (angle + turn).min(std::f64::consts::PI));
            let (most, least) = (squared.sqrt() * nearest.cos(), squared.sqrt() * farthest.cos());
            // The f32 bound is at most, or at least, the true product and the error.
            let (above, below) = (((product - error) as f32).next_up(), ((product + error) as f32).next_down());
            prop_assert!(f64::from(drift.raised(above)) >= most - error, "{drift:?} {above} {most}");
            prop_assert!(f64::from(drift.lowered(below)) <= least + error, "{drift:?} {below} {least}");
        }
    }

    #[test]
    fn bounds_stay_where_nothing_turned_and_know_nothing_after_more_than_a_right_angle() {
        for bound in [-2.0, -1.001, -0.3, 0.0, 0.7, 1.001, 2.0] {
            assert_eq!((drift(0.0).raised(bound), drift(0.0).lowered(bound)), (bound, bound));
            for angle in [RIGHT + 1e-6, 2.5, std::f64::consts::PI] {
                assert_eq!((drift(angle).raised(bound), drift(angle).lowered(bound)), (2.0, -2.0), "{angle}");
            }
        }
    }

    /// Near a right angle, angles of different cosines have the same sine in f32.
    #[test]
    fn the_farthest_of_a_group_is_told_near_a_right_angle() {
        let (near, far) = (drift(RIGHT - 2e-4), drift(RIGHT - 1e-5));
        assert_eq!(near.sine, far.sine);
        assert_eq!((near.farther(far), far.farther(near)), (far, far));
        let (near, far) = (drift(1e-5), drift(1e-4));
        assert_eq!(near.cosine, far.cosine);
        assert_eq!((near.farther(far), far.farther(near)), (far, far));
        assert_eq!(Drift::NONE.farther(near), near);
        assert_eq!((near.farther(Drift::UNKNOWN), Drift::UNKNOWN.farther(near)), (Drift::UNKNOWN, Drift::UNKNOWN));
    }

    #[test]
    fn a_start_that_is_no_unit_vector_bounds_nothing() {
        assert_eq!(Drift::new(aview1(&[1.001, 0.0]), aview1(&[0.8, 0.6])), Drift::UNKNOWN);
        assert_eq!(Drift::new(aview1(&[1.001, 0.0]), aview1(&[1.001, 0.0])), Drift::NONE);
    }

    #[test]
    fn each_group_has_the_drift_of_its_farthest() {
        let after = |angles: [f64; 3]| Array2::from_shape_fn((3, 2), |(row, column)| at(angles[row])[column]);
        let grouping = Grouping { order: [2, 0, 1].into(), group_len: 2, groups: 2 };
        let drifts = Drifts::new(after([0.0; 3]).view(), after([0.1, 0.0, 0.3]).view(), &grouping);
        assert_eq!(drifts.of_centroids, [drift(0.1), Drift::NONE, drift(0.3)]);
        assert_eq!(drifts.of_groups, [drift(0.3), Drift::NONE]);
    }
}
