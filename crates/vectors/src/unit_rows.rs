use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::vectors::{Values, Vectors};
use crate::{Rows, VectorsError, norm, prefetch};

/// Rows of norm 1, as they are stored: f32 or f16, in memory or in a mapped file.
///
/// Passes read them in [`blocks`](Self::blocks); parts of them are taken with [`split_at`](Self::split_at) and
/// [`range`](Self::range), without a copy.
///
/// # Invariant
/// Every value is finite, and every row's norm is within 1e-3 of 1, so that its square is at most 1.002001. That square is summed
/// in f32, in the lanes of a vector: the exact one may be `(dim / lanes + 5) · 2⁻²⁴` of itself more, 3e-6 at 768 columns and 16 lanes,
/// but that of no value is above 1.002002.
///
/// # Examples
/// ```
/// use vectors::Vectors;
///
/// let vectors = Vectors::from_f32(&[1.0, 0.0, 0.6, 0.8, 0.6, -0.8], 2)?;
/// let rows = vectors.unit_rows()?;
/// let mut sum = [0.0; 2];
/// rows.range(1..3).blocks(|block| {
///     for row in 0..block.len() {
///         sum.iter_mut().zip(block.row(row)).for_each(|(sum, value)| *sum += value);
///     }
/// });
/// assert_eq!(sum, [1.2, 0.0]);
/// # Ok::<(), vectors::VectorsError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct UnitRows<'a> {
    values: Stored<'a>,
    dim: usize,
    may_exceed_memory: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stored<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
}

/// Rows of f16 that are widened together: a block of them stays in the second-level cache.
const WIDENED_ROWS: usize = 96;

impl<'a> UnitRows<'a> {
    /// Rows of `dim` values each that are unit rows already: copies of checked ones.
    ///
    /// # Panics
    /// If `dim` is 0, or `values` are no whole rows; in debug builds, if a row is no unit row.
    #[must_use]
    #[track_caller]
    pub fn of_copies(values: &'a [f32], dim: usize) -> Self {
        let rows = Rows::new(values, dim);
        debug_assert!((0..rows.len()).all(|row| is_unit(norm(rows.row(row)))));
        Self { values: Stored::F32(values), dim, may_exceed_memory: false }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(self) -> usize {
        match self.values {
            Stored::F32(values) => values.len() / self.dim,
            Stored::F16(values) => values.len() / self.dim,
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Values of a row.
    #[must_use]
    pub fn dim(self) -> usize {
        self.dim
    }

    /// Whether they may be more than fit in memory.
    #[must_use]
    pub fn may_exceed_memory(self) -> bool {
        self.may_exceed_memory
    }

    /// The rows before `index`, and those from there on.
    ///
    /// # Panics
    /// If there are fewer rows than `index`.
    #[must_use]
    pub fn split_at(self, index: usize) -> (Self, Self) {
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

    /// Some of the rows.
    ///
    /// # Panics
    /// If there are no such rows.
    #[must_use]
    pub fn range(self, range: Range<usize>) -> Self {
        self.split_at(range.end).0.split_at(range.start).1
    }

    /// All rows in order, in as few blocks as their storage allows.
    #[inline(always)]
    pub fn blocks(self, mut each: impl FnMut(Rows<'_>)) {
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
    ///
    /// # Panics
    /// If there is no such row.
    #[inline(always)]
    pub fn prefetch(self, index: usize) {
        let range = index * self.dim..(index + 1) * self.dim;
        match self.values {
            Stored::F32(values) => prefetch(&values[range]),
            Stored::F16(values) => prefetch(&values[range]),
        }
    }

    /// One row; `buffer` holds it where it must be widened.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline(always)]
    pub fn row<'b>(self, index: usize, buffer: &'b mut Vec<f32>) -> &'b [f32]
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
    ///
    /// # Panics
    /// If one of them is not there.
    #[must_use]
    pub fn gather(self, indices: &[usize]) -> Vec<f32> {
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

impl Vectors<'_> {
    /// The rows, once they are known to be finite and of norm 1.
    ///
    /// # Errors
    /// [`VectorsError::NoDimensions`]; of the first row that is bad, [`NotFinite`](VectorsError::NotFinite),
    /// [`ZeroRow`](VectorsError::ZeroRow) or [`NotUnit`](VectorsError::NotUnit) if its norm is further than 1e-3 from 1.
    pub fn unit_rows(&self) -> Result<UnitRows<'_>, VectorsError> {
        checked(self)
    }
}

fn checked<'a>(vectors: &'a Vectors<'_>) -> Result<UnitRows<'a>, VectorsError> {
    let values = match vectors.values() {
        Values::F32(values) => Stored::F32(values),
        Values::F16(values) => Stored::F16(values),
    };
    let source = match vectors.dim() {
        0 => return Err(VectorsError::NoDimensions),
        dim => UnitRows { values, dim, may_exceed_memory: vectors.may_exceed_memory() },
    };
    first_bad_row(source).map_or(Ok(source), Err)
}

/// Norms this close to 1 are taken as 1: it admits vectors stored as f16.
const NORM_TOLERANCE: f64 = 1e-3;

const CHECK_ROWS: usize = 512;

fn first_bad_row(source: UnitRows<'_>) -> Option<VectorsError> {
    let bad = source.par_blocks(CHECK_ROWS).enumerate().find_map_first(|(block, rows)| {
        let mut norms = Vec::with_capacity(CHECK_ROWS);
        rows.blocks(|rows| norms.extend(squared_norms(rows)));
        let bad = norms.iter().position(|&squared| !is_unit(f64::from(squared).sqrt()))?;
        Some(block * CHECK_ROWS + bad)
    })?;
    Some(not_unit(source.row(bad, &mut Vec::new()), bad))
}

/// Whether a norm is taken as 1: within 1e-3, which admits vectors stored as f16.
///
/// # Examples
/// ```
/// assert!(vectors::is_unit(0.9995) && !vectors::is_unit(1.002) && !vectors::is_unit(f64::NAN));
/// ```
#[must_use]
pub fn is_unit(norm: f64) -> bool {
    (norm - 1.0).abs() <= NORM_TOLERANCE
}

/// What keeps a row from being a unit row: a value that is not finite, zeros, or its norm.
///
/// # Examples
/// ```
/// assert_eq!(vectors::not_unit(&[0.5, 0.0], 7).to_string(), "row 7 has norm 0.5, not 1");
/// ```
#[must_use]
pub fn not_unit(values: &[f32], row: usize) -> VectorsError {
    if let Some(column) = values.iter().position(|value| !value.is_finite()) {
        return VectorsError::NotFinite { row, column, value: values[column] };
    }
    match norm(values) {
        0.0 => VectorsError::ZeroRow { row },
        norm => VectorsError::NotUnit { row, norm },
    }
}

fn squared_norms(rows: Rows<'_>) -> Vec<f32> {
    Arch::new().dispatch(SquaredNorms(rows))
}

struct SquaredNorms<'a>(Rows<'a>);

impl WithSimd for SquaredNorms<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let mut squared = vec![0.0; self.0.len()];
        for (index, squared) in squared.iter_mut().enumerate() {
            let (head, tail) = S::as_simd_f32s(self.0.row(index));
            let tail = simd.partial_load_f32s(tail);
            let mut sum = simd.mul_f32s(tail, tail);
            for &values in head {
                sum = simd.mul_add_e_f32s(values, values, sum);
            }
            *squared = simd.reduce_sum_f32s(sum);
        }
        squared
    }
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
    fn rows_without_columns_are_refused_and_no_rows_are_none() {
        assert!(checked(&Array2::zeros((0, 3)).view().into()).unwrap().is_empty());
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
