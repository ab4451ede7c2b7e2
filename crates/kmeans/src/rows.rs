use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use crate::kernel::prefetch;
use crate::vectors::{Values, Vectors};
use crate::{KMeansError, kernel};

/// Rows of f32 in one contiguous slice.
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

    /// The values of some rows.
    #[inline(always)]
    pub(crate) fn values(self, rows: Range<usize>) -> &'a [f32] {
        &self.values[rows.start * self.dim..rows.end * self.dim]
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
}

/// Rows that have been checked, as they are stored.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    values: Stored<'a>,
    dim: usize,
    mapped: bool,
}

#[derive(Clone, Copy)]
enum Stored<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
}

/// Rows of f16 that are widened together: a block of them stays in the second-level cache.
const WIDENED_ROWS: usize = 96;

impl<'a> Source<'a> {
    pub(crate) fn f32(values: &'a [f32], dim: usize) -> Self {
        Self { values: Stored::F32(values), dim, mapped: false }
    }

    pub(crate) fn len(self) -> usize {
        match self.values {
            Stored::F32(values) => values.len() / self.dim,
            Stored::F16(values) => values.len() / self.dim,
        }
    }

    pub(crate) fn dim(self) -> usize {
        self.dim
    }

    /// Whether a file holds the rows, which may be more than fit in memory.
    pub(crate) fn is_mapped(self) -> bool {
        self.mapped
    }

    pub(crate) fn split_at(self, index: usize) -> (Self, Self) {
        let half = |values| Self { values, ..self };
        match self.values {
            Stored::F32(values) => {
                let (left, right) = values.split_at(index * self.dim);
                (half(Stored::F32(left)), half(Stored::F32(right)))
            }
            Stored::F16(values) => {
                let (left, right) = values.split_at(index * self.dim);
                (half(Stored::F16(left)), half(Stored::F16(right)))
            }
        }
    }

    pub(crate) fn range(self, range: Range<usize>) -> Self {
        self.split_at(range.end).0.split_at(range.start).1
    }

    /// All rows in order, in as few blocks as their storage allows.
    #[inline(always)]
    pub(crate) fn blocks(self, mut each: impl FnMut(Rows<'_>)) {
        match self.values {
            Stored::F32(values) => each(Rows::new(values, self.dim)),
            Stored::F16(values) => {
                let mut block = vec![0.0; (WIDENED_ROWS * self.dim).min(values.len())];
                for values in values.chunks(WIDENED_ROWS * self.dim) {
                    let block = &mut block[..values.len()];
                    values.convert_to_f32_slice(block);
                    each(Rows::new(block, self.dim));
                }
            }
        }
    }

    /// Asks for a row that is read soon.
    #[inline(always)]
    pub(crate) fn prefetch(self, index: usize) {
        let range = index * self.dim..(index + 1) * self.dim;
        match self.values {
            Stored::F32(values) => prefetch(&values[range]),
            Stored::F16(values) => prefetch(&values[range]),
        }
    }

    /// One row; `buffer` holds it where it must be widened.
    #[inline(always)]
    pub(crate) fn row<'b>(self, index: usize, buffer: &'b mut Vec<f32>) -> &'b [f32]
    where
        'a: 'b,
    {
        let range = index * self.dim..(index + 1) * self.dim;
        match self.values {
            Stored::F32(values) => &values[range],
            Stored::F16(values) => {
                buffer.resize(self.dim, 0.0);
                values[range].convert_to_f32_slice(buffer);
                buffer
            }
        }
    }

    /// Copies of the rows at `indices`, one after another.
    pub(crate) fn gather(self, indices: &[usize]) -> Vec<f32> {
        let mut buffer = Vec::new();
        let mut gathered = Vec::with_capacity(indices.len() * self.dim);
        for &index in indices {
            gathered.extend_from_slice(self.row(index, &mut buffer));
        }
        gathered
    }

    fn par_blocks(self, rows: usize) -> impl IndexedParallelIterator<Item = Self> {
        let blocks = self.len().div_ceil(rows);
        (0..blocks).into_par_iter().map(move |block| self.range(block * rows..self.len().min((block + 1) * rows)))
    }
}

/// The rows, once they are known to be finite and of unit norm.
pub(crate) fn checked<'a>(vectors: &'a Vectors<'_>) -> Result<Source<'a>, KMeansError> {
    let values = match vectors.values() {
        Values::F32(values) => Stored::F32(values),
        Values::F16(values) => Stored::F16(values),
    };
    let source = match vectors.dim() {
        0 => return Err(KMeansError::NoDimensions),
        dim => Source { values, dim, mapped: vectors.is_mapped() },
    };
    if source.len() == 0 {
        return Err(KMeansError::NoRows);
    }
    first_bad_row(source).map_or(Ok(source), Err)
}

/// Norms this close to 1 are taken as 1: it admits vectors stored as f16.
const NORM_TOLERANCE: f64 = 1e-3;

const CHECK_ROWS: usize = 512;

fn first_bad_row(source: Source<'_>) -> Option<KMeansError> {
    let bad = source.par_blocks(CHECK_ROWS).enumerate().find_map_first(|(block, rows)| {
        let mut norms = Vec::with_capacity(CHECK_ROWS);
        rows.blocks(|rows| norms.extend(kernel::squared_norms(rows)));
        let bad = norms.iter().position(|&squared| !is_unit(f64::from(squared).sqrt()))?;
        Some(block * CHECK_ROWS + bad)
    })?;
    Some(describe(source.row(bad, &mut Vec::new()), bad))
}

pub(crate) fn is_unit(norm: f64) -> bool {
    (norm - 1.0).abs() <= NORM_TOLERANCE
}

pub(crate) fn describe(values: &[f32], row: usize) -> KMeansError {
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
        checked(&rows.view().into()).map(|_| ()).unwrap_err().to_string()
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
        assert_eq!(error(&Array2::zeros((0, 0))), "rows have dimension 0");
        assert_eq!(error(&Array2::zeros((3, 0))), "rows have dimension 0");
    }

    #[test]
    fn norms_within_a_thousandth_are_taken_as_one() {
        let rows = array![[1.0009_f32, 0.0], [0.0, 0.9991]];
        assert_eq!(checked(&rows.view().into()).unwrap().len(), 2);
        assert!(error(&array![[1.0011, 0.0]]).starts_with("row 0 has norm 1.001"));
    }

    #[test]
    fn columns_stored_first_are_read_as_rows() {
        let stored = array![[1.0_f32, 0.0], [0.6, 0.8]];
        let transposed = stored.t().as_standard_layout().into_owned();
        let rows = transposed.t().into();
        assert_eq!(checked(&rows).unwrap().row(1, &mut Vec::new()), [0.6, 0.8]);
    }

    #[test]
    fn rows_of_f16_are_those_of_f32_where_both_can_hold_them() {
        let (n, dim) = (2 * WIDENED_ROWS + 5, 4);
        let wide: Vec<f32> =
            (0..n).flat_map(|row| [[1.0, 0.0], [0.0, -1.0]][row % 2].into_iter().chain([0.0; 2])).collect();
        let narrow: Vec<f16> = wide.iter().map(|&value| f16::from_f32(value)).collect();
        let vectors = Vectors::from_f16(&narrow, dim).unwrap();
        let rows = checked(&vectors).unwrap();
        let mut blocks = Vec::new();
        rows.blocks(|block| (0..block.len()).for_each(|row| blocks.extend_from_slice(block.row(row))));
        assert_eq!(blocks, wide);
        assert_eq!(
            rows.split_at(n - 2).1.gather(&[1, 0]),
            [&wide[(n - 1) * dim..], &wide[(n - 2) * dim..][..dim]].concat()
        );
    }
}
