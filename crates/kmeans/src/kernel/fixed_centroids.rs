//! Many centroids, in fixed point, and how far products with them are off.

use std::ops::Range;
use std::sync::Arc;

use ndarray::ArrayView2;
use vectors::fixed_point::{ONE, Panels, quantise, words};

use super::close_calls::CloseCalls;
use crate::grouping::Grouping;

/// Norms of rows and centroids are below it: within 1e-3 of 1, and as much again for the check of rows, which is in f32.
const NORM: f32 = 1.002;

/// What a product of f32 in the order of the plain pass is off by, with all else that f32 rounds on the way to a bound.
///
/// The latter is below 3e-7: bounds are safe wherever this is more. The rest, `dim · 2⁻²⁴` in the worst case, makes the integers
/// decide only what the plain pass decides alike: to 61 columns in any case, to some thousands where rounding does not
/// conspire. Beyond, they decide ties within rounding rightly where the plain pass may not (`docs/kmeans.md`, "Ties").
const ROUNDING: f32 = 4e-6;

/// 1 in the units of a product, exact in f32, and back.
const UNIT: f32 = ONE * ONE;
const OF_UNIT: f32 = 1.0 / UNIT;

/// Centroids that rows are assigned to. A centroid's place is that in the grouping's order.
pub(crate) struct FixedCentroids {
    /// By place.
    pub(super) panels: Panels,
    /// `[places, words]`
    words: Vec<i32>,
    pub(super) count: usize,
    pub(super) words_a_row: usize,
    pub(super) panel_len: usize,
    panels_a_group: usize,
    /// The largest norm of what rounding took from a centroid.
    residue: f32,
    pub(super) close_calls: CloseCalls,
    /// The label at each place.
    labels: Arc<[u32]>,
    /// The place of each label.
    places: Vec<u32>,
}

impl FixedCentroids {
    pub(super) fn new(centroids: ArrayView2<'_, f32>, grouping: &Grouping) -> Self {
        let (count, dim) = centroids.dim();
        let words_a_row = words(dim);
        let (close_calls, labels) = (CloseCalls::new(centroids), grouping.order.clone());
        let mut words = vec![0; count * words_a_row];
        let placed = words.chunks_exact_mut(words_a_row).zip(&*labels);
        let residues = placed.map(|(words, &label)| quantise(close_calls.centroid(label), words));
        let residue = residues.fold(0.0, f32::max);
        let panel_len = Panels::panel_len();
        let panels = Panels::new(words.chunks_exact(words_a_row), words_a_row);
        let mut places = vec![0; count];
        for (place, &label) in (0..).zip(&*labels) {
            places[label as usize] = place;
        }
        let panels_a_group = grouping.group_len / panel_len;
        Self { panels, words, count, words_a_row, panel_len, panels_a_group, residue, close_calls, labels, places }
    }

    pub(super) fn groups(&self) -> usize {
        self.count.div_ceil(self.panel_len).div_ceil(self.panels_a_group)
    }

    pub(super) fn group_of(&self, place: u32) -> usize {
        place as usize / (self.panel_len * self.panels_a_group)
    }

    pub(super) fn panels_of(&self, group: usize) -> Range<usize> {
        let first = group * self.panels_a_group;
        first..self.panels.panels().min(first + self.panels_a_group)
    }

    /// The words of the centroid at a place.
    pub(super) fn words(&self, place: u32) -> &[i32] {
        &self.words[place as usize * self.words_a_row..][..self.words_a_row]
    }

    pub(super) fn label(&self, place: u32) -> u32 {
        self.labels[place as usize]
    }

    pub(super) fn place(&self, label: u32) -> u32 {
        self.places[label as usize]
    }

    /// The most by which products with rows of such a residue are off.
    pub(super) fn product_error(&self, row_residue: f32) -> ProductError {
        ProductError::new(row_residue, self.residue)
    }
}

/// The most by which a product in fixed point is off, in the units of one.
///
/// # Invariant
/// For residues `r` of the row and `s` of the centroid, `|x·c − x̂·ĉ| ≤ r·‖c‖ + (‖x‖ + r)·s` ([`vectors::fixed_point`]). So of two
/// products the one that is larger by more than twice the error belongs to the larger product of the vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProductError(i32);

impl ProductError {
    pub(super) fn new(row_residue: f32, centroid_residue: f32) -> Self {
        let of_residues = NORM * row_residue + (NORM + row_residue) * centroid_residue;
        Self(((of_residues + ROUNDING) * UNIT).ceil() as i32)
    }

    /// The least that a product which turned out as `product` is.
    #[inline(always)]
    pub(super) fn lower_bound(self, product: i32) -> f32 {
        product.saturating_sub(self.0) as f32 * OF_UNIT
    }

    /// The most that a product which turned out as `product` is.
    #[inline(always)]
    pub(super) fn upper_bound(self, product: i32) -> f32 {
        product.saturating_add(self.0) as f32 * OF_UNIT
    }

    /// What a product has to reach so that it may be the largest, where one is `most`.
    #[inline(always)]
    pub(super) fn contender(self, most: i32) -> i32 {
        most.saturating_sub(2 * self.0)
    }
}

#[cfg(test)]
mod tests {
    use vectors::fixed_point::{IntegerSimd, WithIntegerSimd, dispatch, dot};
    use vectors::{inner_product, normalise};

    use super::*;

    struct Dot<'a>(&'a [i32], &'a [i32]);

    impl WithIntegerSimd for Dot<'_> {
        type Output = i32;

        #[inline(always)]
        fn with<I: IntegerSimd>(self, simd: I) -> i32 {
            dot(simd, self.0, self.1)
        }
    }

    /// The product in fixed point, and the bound of its error.
    fn product(x: &[f32], c: &[f32]) -> (i32, ProductError) {
        let (mut x_words, mut c_words) = (vec![0; words(x.len())], vec![0; words(c.len())]);
        let error = ProductError::new(quantise(x, &mut x_words), quantise(c, &mut c_words));
        (dispatch(Dot(&x_words, &c_words)), error)
    }

    /// Every column is rounded from 22.50001 to 23: of so many the residues' own product counts.
    #[test]
    fn the_product_error_holds_where_all_columns_round_alike() {
        let row = vec![22.50001 / ONE; 2_022_716];
        let (product, error) = product(&row, &row);
        let off = f64::from(product) - inner_product(&row, &row) * f64::from(UNIT);
        assert!(off.abs() <= f64::from(error.0), "{off} {error:?}");
        assert!(off.abs() >= 0.99 * f64::from(error.0), "{off} {error:?}");
    }

    /// The worst that was found for f32 at 768 columns: where the terms of a product are alike, they round alike. The numbers are
    /// whole in fixed point, so that the integers decide between products 1.15e-5 apart, and as the exact ones do.
    #[test]
    fn integers_decide_rightly_where_rounding_of_f32_is_biased() {
        let unit = |numbers: [(usize, f32); 2]| {
            let mut row: Vec<f32> = numbers.iter().flat_map(|&(count, number)| vec![number; count]).collect();
            normalise(&mut row).unwrap();
            row
        };
        let row = vec![1154.0 / ONE; 768];
        let (nearer, other) = (unit([(93, 1123.0), (675, 1159.0)]), unit([(395, 1142.0), (373, 1168.0)]));
        let in_order = |c: &[f32]| row.iter().zip(c).fold(0.0_f32, |sum, (x, c)| x.mul_add(*c, sum));
        assert!(inner_product(&row, &nearer) > inner_product(&row, &other) + 1.1e-5);
        assert!(in_order(&nearer) < in_order(&other) - 7e-6);
        let ((nearer, error), (other, _)) = (product(&row, &nearer), product(&row, &other));
        assert!(other < error.contender(nearer), "{nearer} {other} {error:?}");
    }
}
