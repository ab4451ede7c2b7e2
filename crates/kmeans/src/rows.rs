use ndarray::{ArrayView2, CowArray, Ix2};
use rayon::prelude::*;

use crate::{KMeansError, kernel};

/// Rows of one contiguous slice.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    values: &'a [f32],
    dim: usize,
}

impl<'a> Rows<'a> {
    /// `values` holds whole rows of `dim > 0` values.
    pub(crate) fn new(values: &'a [f32], dim: usize) -> Self {
        debug_assert!(dim > 0 && values.len().is_multiple_of(dim));
        Self { values, dim }
    }

    pub(crate) fn len(self) -> usize {
        self.values.len() / self.dim
    }

    pub(crate) fn dim(self) -> usize {
        self.dim
    }

    #[inline(always)]
    pub(crate) fn row(self, index: usize) -> &'a [f32] {
        &self.values[index * self.dim..][..self.dim]
    }

    /// `T` rows from `start` on, of which only the first `used` count: the last of these fills the rest.
    #[inline(always)]
    pub(crate) fn tile<const T: usize>(self, start: usize, used: usize) -> [&'a [f32]; T] {
        let mut tile = [self.row(start); T];
        for (index, row) in tile.iter_mut().enumerate() {
            *row = self.row(start + index.min(used - 1));
        }
        tile
    }

    pub(crate) fn split_at(self, index: usize) -> (Self, Self) {
        let (left, right) = self.values.split_at(index * self.dim);
        (Self::new(left, self.dim), Self::new(right, self.dim))
    }

    /// Copies of the rows at `indices`, one after another.
    pub(crate) fn gather(self, indices: &[usize]) -> Vec<f32> {
        indices.iter().flat_map(|&index| self.row(index)).copied().collect()
    }
}

/// The same array in row-major order; a copy only if it is not so already.
pub(crate) fn contiguous<'a>(rows: &'a ArrayView2<'_, f32>) -> CowArray<'a, f32, Ix2> {
    rows.as_standard_layout()
}

/// The rows, once they are known to be finite and of unit norm.
pub(crate) fn checked<'a>(rows: &'a CowArray<'_, f32, Ix2>) -> Result<Rows<'a>, KMeansError> {
    match (rows.dim(), rows.as_slice()) {
        ((0, _), _) => Err(KMeansError::NoRows),
        ((_, 0), _) | (_, None) => Err(KMeansError::NoDimensions),
        ((_, dim), Some(values)) => {
            let rows = Rows::new(values, dim);
            first_bad_row(rows).map_or(Ok(rows), Err)
        }
    }
}

/// Norms this close to 1 are taken as 1: it admits vectors stored as f16.
const NORM_TOLERANCE: f64 = 1e-3;

const CHECK_ROWS: usize = 512;

fn first_bad_row(rows: Rows<'_>) -> Option<KMeansError> {
    let bad = rows.values.par_chunks(CHECK_ROWS * rows.dim).enumerate().find_map_first(|(chunk, values)| {
        let norms = kernel::squared_norms(Rows::new(values, rows.dim));
        let bad = norms.iter().position(|&squared| !is_unit(f64::from(squared).sqrt()))?;
        Some(chunk * CHECK_ROWS + bad)
    })?;
    Some(describe(rows.row(bad), bad))
}

pub(crate) fn is_unit(norm: f64) -> bool {
    (norm - 1.0).abs() <= NORM_TOLERANCE
}

fn describe(values: &[f32], row: usize) -> KMeansError {
    if let Some(column) = values.iter().position(|value| !value.is_finite()) {
        return KMeansError::NotFinite { row, column, value: values[column] };
    }
    match norm(values) {
        0.0 => KMeansError::ZeroRow { row },
        norm => KMeansError::NotUnit { row, norm },
    }
}

/// L2 norm in double precision.
pub(crate) fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn error(rows: &Array2<f32>) -> String {
        let view = rows.view();
        checked(&contiguous(&view)).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn an_error_names_the_first_bad_row() {
        let mut rows = Array2::from_shape_fn((2000, 3), |(_, column)| if column == 0 { 1.0 } else { 0.0 });
        rows[[1700, 0]] = 2.0;
        rows[[1999, 0]] = 3.0;
        assert_eq!(error(&rows), "row 1700 has norm 2, not 1");
        rows[[1024, 2]] = f32::NAN;
        assert_eq!(error(&rows), "row 1024 has NaN in column 2");
        rows[[511, 1]] = f32::NEG_INFINITY;
        assert_eq!(error(&rows), "row 511 has -inf in column 1");
        rows[[510, 0]] = 0.0;
        assert_eq!(error(&rows), "row 510 is all zeros");
    }

    #[test]
    fn a_huge_finite_value_is_a_norm_error() {
        assert_eq!(error(&array![[0.0, 1e30]]), format!("row 0 has norm {}, not 1", f64::from(1e30_f32)));
    }

    #[test]
    fn no_rows_and_no_columns_are_refused() {
        assert_eq!(error(&Array2::zeros((0, 3))), "no rows to cluster");
        assert_eq!(error(&Array2::zeros((3, 0))), "rows have dimension 0");
    }

    #[test]
    fn norms_within_a_thousandth_are_taken_as_one() {
        let rows = array![[1.0009_f32, 0.0], [0.0, 0.9991]];
        let view = rows.view();
        assert_eq!(checked(&contiguous(&view)).unwrap().len(), 2);
        assert!(error(&array![[1.0011, 0.0]]).starts_with("row 0 has norm 1.001"));
    }

    #[test]
    fn columns_stored_first_are_read_as_rows() {
        let stored = array![[1.0_f32, 0.0], [0.6, 0.8]];
        let transposed = stored.t().as_standard_layout().into_owned();
        let view = transposed.t();
        let rows = contiguous(&view);
        assert_eq!(checked(&rows).unwrap().row(1), [0.6, 0.8]);
    }
}
