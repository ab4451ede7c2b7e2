//! Rows in the plane of their first two principal components.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

/// Passes over the rows; close eigenvalues are told apart no further than a picture needs.
const MOST_PASSES: usize = 300;

/// Directions that moved less than this between two passes are found.
const TOLERANCE: f64 = 1e-9;

/// Rows in the plane where they vary most.
///
/// # Examples
///
/// ```
/// use ndarray::array;
/// use pretrain::report::principal_plane;
///
/// let plane = principal_plane(array![[0.0_f32, 3.0], [0.0, -3.0], [1.0, 0.0], [-1.0, 0.0]].view());
/// assert_eq!(plane.points[0].map(|x| x.round() as i32), [3, 0]);
/// assert!((plane.explained[0] - 0.9).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plane {
    /// Of each row its place along the first and the second component, from the mean of all.
    pub points: Vec<[f64; 2]>,
    /// The share of the variance along each component, in `[0, 1]`; 0 where no row differs.
    pub explained: [f64; 2],
}

/// The plane of the first two principal components of `rows`, by subspace iteration in f64 from a fixed start. The largest
/// coordinate of each direction is positive. Directions in which no row differs are 0.
///
/// # Shapes
/// - `rows`: `[n, dim]`
///
/// # Source
/// Golub & Van Loan (2013), *Matrix Computations*, 4th edition, §8.2 (orthogonal iteration), with two directions.
#[doc(alias = "PCA")]
pub fn principal_plane(rows: ArrayView2<'_, f32>) -> Plane {
    let rows = centred(rows);
    let variance: f64 = rows.iter().map(|value| value * value).sum();
    if variance == 0.0 {
        return Plane { points: vec![[0.0; 2]; rows.nrows()], explained: [0.0; 2] };
    }
    let directions = directions(&rows);
    let along = rows.dot(&directions);
    let of = |axis: usize| along.column(axis).iter().map(|value| value * value).sum::<f64>() / variance;
    let points = along.rows().into_iter().map(|row| [row[0], row[1]]).collect();
    Plane { points, explained: [of(0), of(1)] }
}

fn centred(rows: ArrayView2<'_, f32>) -> Array2<f64> {
    let rows = rows.mapv(f64::from);
    match rows.mean_axis(Axis(0)) {
        Some(mean) => rows - mean,
        None => rows,
    }
}

/// `[dim, 2]`.
fn directions(rows: &Array2<f64>) -> Array2<f64> {
    // Frequencies without a common period: orthogonal to the components of no data that was not made for it.
    let mut found =
        Array2::from_shape_fn((rows.ncols(), 2), |(at, axis)| ((at + 1) as f64 * (1.0 + axis as f64)).sin());
    orthonormalise(&mut found);
    for _ in 0..MOST_PASSES {
        let before = found.clone();
        found = rows.t().dot(&rows.dot(&found));
        orthonormalise(&mut found);
        let left = &found - &before.dot(&before.t().dot(&found));
        if left.iter().map(|value| value * value).sum::<f64>().sqrt() < TOLERANCE {
            break;
        }
    }
    let mut found = rotated(rows, &found);
    found.columns_mut().into_iter().for_each(|mut direction| {
        let largest =
            direction.iter().fold(0.0_f64, |most, &value| if value.abs() > most.abs() { value } else { most });
        if largest < 0.0 {
            direction.mapv_inplace(|value| -value);
        }
    });
    found
}

fn orthonormalise(directions: &mut Array2<f64>) {
    let unit = |direction: Array1<f64>, before: f64| {
        let norm = direction.dot(&direction).sqrt();
        // What rounding alone left is no direction.
        if norm > 1e-12 * before { direction / norm } else { direction * 0.0 }
    };
    let first = directions.column(0).to_owned();
    let length = first.dot(&first).sqrt();
    let first = unit(first, length);
    let second = directions.column(1).to_owned();
    let length = second.dot(&second).sqrt();
    let second = unit(&second - &(&first * first.dot(&second)), length);
    directions.slice_mut(s![.., 0]).assign(&first);
    directions.slice_mut(s![.., 1]).assign(&second);
}

/// The same plane with its axes along the components: the eigenvectors of the 2 x 2 matrix that the rows have there.
fn rotated(rows: &Array2<f64>, plane: &Array2<f64>) -> Array2<f64> {
    let along = rows.dot(plane);
    let moments = along.t().dot(&along);
    let angle = 0.5 * (2.0 * moments[[0, 1]]).atan2(moments[[0, 0]] - moments[[1, 1]]);
    let (sine, cosine) = angle.sin_cos();
    plane.dot(&ndarray::array![[cosine, -sine], [sine, cosine]])
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// Half axes 3 and 1 at 30 degrees, away from the origin, in the first and third of four columns.
    fn ellipse() -> Array2<f32> {
        let (sine, cosine) = 30.0_f32.to_radians().sin_cos();
        Array2::from_shape_fn((360, 4), |(row, column)| {
            let (short, long) = (row as f32).to_radians().sin_cos();
            match column {
                0 => 5.0 + 3.0 * long * cosine - short * sine,
                2 => -2.0 + 3.0 * long * sine + short * cosine,
                _ => 7.0,
            }
        })
    }

    #[test]
    fn an_ellipse_is_found_with_its_axes() {
        let plane = principal_plane(ellipse().view());
        for (degree, point) in plane.points.iter().enumerate() {
            let (short, long) = (degree as f64).to_radians().sin_cos();
            assert!((point[0] - 3.0 * long).abs() < 1e-4 && (point[1] - short).abs() < 1e-4, "{degree}: {point:?}");
        }
        assert!((plane.explained[0] - 0.9).abs() < 1e-5 && (plane.explained[1] - 0.1).abs() < 1e-5);
    }

    #[test]
    fn the_same_rows_have_the_same_plane_to_the_bit() {
        assert_eq!(principal_plane(ellipse().view()), principal_plane(ellipse().view()));
    }

    #[test]
    fn what_does_not_vary_is_at_the_origin() {
        assert!(principal_plane(Array2::zeros((0, 3)).view()).points.is_empty());
        assert_eq!(principal_plane(array![[1.0, 2.0]].view()).points, [[0.0; 2]]);
        assert_eq!(principal_plane(Array2::ones((3, 5)).view()).points, [[0.0; 2]; 3]);
        assert_eq!(principal_plane(array![[1.0], [3.0]].view()).points, [[-1.0, 0.0], [1.0, 0.0]]);
        let line = principal_plane(array![[0.0, 0.0, 0.0], [1.0, 2.0, 2.0], [2.0, 4.0, 4.0]].view());
        assert!((line.points[2][0] - 3.0).abs() < 1e-9 && line.points[2][1].abs() < 1e-9, "{line:?}");
    }
}
