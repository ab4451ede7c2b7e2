//! Products of matrices that lie in memory as they may.

use std::ops::Range;

/// A matrix in memory: the value at (i, j) is `values[i * rows + j * columns]`, of its two strides.
///
/// # Examples
/// ```
/// use vectors::{Matrix, multiply};
///
/// let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, -1.0, 2.0, 1.0, 0.0]);
/// let (a, b) = (Matrix::rows(&a, 3), Matrix::rows(&b, 3));
/// let mut out = [0.0; 4];
/// multiply(&mut out, 2, a, b.transposed(), false);
/// assert_eq!(out, [-2.0, 4.0, -2.0, 13.0]);
/// multiply(&mut out[1..], 2, a.columns(0..1), b.slice(0..1).columns(0..1), true);
/// assert_eq!(out, [-2.0, 5.0, -2.0, 17.0]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Rows of `width` values, one after another.
    ///
    /// # Panics
    /// If `width` is 0.
    #[must_use]
    pub fn rows(values: &'a [f32], width: usize) -> Self {
        Self { values, shape: [values.len() / width, width], strides: [width, 1] }
    }

    /// Rows of `width` values that begin `stride` apart.
    ///
    /// # Panics
    /// If `stride` is 0, or the last row ends behind the values.
    #[must_use]
    pub fn apart(values: &'a [f32], width: usize, stride: usize) -> Self {
        Self { values, shape: [values.len() / stride, width], strides: [stride, 1] }.checked()
    }

    /// Some of the rows.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    pub fn slice(self, rows: Range<usize>) -> Self {
        Self { values: &self.values[rows.start * self.strides[0]..], shape: [rows.len(), self.shape[1]], ..self }
            .checked()
    }

    /// Some of the columns.
    ///
    /// # Panics
    /// If they end behind the values.
    #[must_use]
    pub fn columns(self, columns: Range<usize>) -> Self {
        Self { values: &self.values[columns.start * self.strides[1]..], shape: [self.shape[0], columns.len()], ..self }
            .checked()
    }

    /// Rows as columns.
    #[must_use]
    pub fn transposed(self) -> Self {
        let ([m, n], [rows, columns]) = (self.shape, self.strides);
        Self { values: self.values, shape: [n, m], strides: [columns, rows] }
    }

    /// How many values a row has.
    #[must_use]
    pub fn width(self) -> usize {
        self.shape[1]
    }

    /// How many rows there are.
    #[must_use]
    pub fn count(self) -> usize {
        self.shape[0]
    }

    /// Whether the values of a row are neighbours.
    #[must_use]
    pub fn has_whole_rows(self) -> bool {
        self.strides[1] == 1
    }

    /// One row.
    ///
    /// # Panics
    /// If its values are no neighbours, or there is none.
    #[must_use]
    pub fn row(self, row: usize) -> &'a [f32] {
        assert!(self.has_whole_rows(), "a row of a transposed matrix");
        &self.values[row * self.strides[0]..][..self.shape[1]]
    }

    /// This, whose last value is in memory.
    fn checked(self) -> Self {
        assert!(spans(self.shape, self.strides) <= self.values.len(), "{:?} beyond memory", self.shape);
        self
    }
}

/// Values from the first to the last of a matrix, both included.
fn spans([rows, columns]: [usize; 2], strides: [usize; 2]) -> usize {
    match rows.min(columns) {
        0 => 0,
        _ => (rows - 1) * strides[0] + (columns - 1) * strides[1] + 1,
    }
}

/// `out = a b`, or with `add` `out += a b`, on this thread alone; the rows of `out` begin `stride` values apart. Sums are in f32, in an order of
/// the sizes' and the processor's own.
///
/// # Panics
/// If the sizes do not fit each other or `out`.
///
/// # Examples
/// See [`Matrix`].
#[allow(unsafe_code, reason = "gemm has no safe interface")]
pub fn multiply(out: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>, add: bool) {
    let ([m, k], [inner, n]) = (a.shape, b.shape);
    if n == 0 {
        return;
    }
    let (a, b) = (a.checked(), b.checked());
    assert!(
        k == inner && n <= stride && spans([m, n], [stride, 1]) <= out.len(),
        "{m} x {k} times {inner} x {n} into {}",
        out.len()
    );
    // SAFETY: gemm, which is asked for the transposed product, reads what the shapes and strides span of `a` and `b`, all of it inside their
    // slices, as `checked` has found, and writes m rows of n values `stride` apart, inside `out` as is asserted, without overlap; that is
    // borrowed for it alone. Sizes and strides are those of slices that there are, which an isize holds.
    unsafe {
        gemm::gemm(
            n,
            m,
            k,
            out.as_mut_ptr(),
            stride as isize,
            1,
            add,
            b.values.as_ptr(),
            b.strides[0] as isize,
            b.strides[1] as isize,
            a.values.as_ptr(),
            a.strides[0] as isize,
            a.strides[1] as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_multiplied_into_columns() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, -1.0, 2.0, 1.0, 0.0]);
        let (a, b) = (Matrix::rows(&a, 3).columns(1..3), Matrix::rows(&b, 3).columns(1..3));
        assert_eq!((a.row(1), b.slice(1..2).row(0)), (&[5.0, 6.0][..], &[1.0, 0.0][..]));
        let mut out = [9.0; 6];
        multiply(&mut out[1..], 3, a, b.transposed(), false);
        assert_eq!(out, [9.0, -3.0, 2.0, 9.0, -6.0, 5.0]);
    }

    #[test]
    fn nothing_times_nothing_is_nothing() {
        let mut out = [1.0, 2.0];
        multiply(&mut out, 1, Matrix::rows(&[], 2), Matrix::rows(&[1.0, 2.0], 1), false);
        assert_eq!(out, [1.0, 2.0]);
        // No terms: the sum is 0.
        multiply(&mut out, 1, Matrix::rows(&[5.0, 6.0], 1).columns(0..0), Matrix::rows(&[], 1), false);
        assert_eq!(out, [0.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "2 x 3 times 2 x 3")]
    fn sizes_that_do_not_fit_are_refused() {
        let values = [0.0; 6];
        multiply(&mut [0.0; 4], 2, Matrix::rows(&values, 3), Matrix::rows(&values, 3), false);
    }
}
