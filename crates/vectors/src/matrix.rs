//! Products of matrices that lie in memory as they may.

use std::ops::Range;

/// A matrix in memory, whose rows and columns each begin so many values after the one before.
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
    /// Rows of `width` values, one after another; what is left of the values is no row.
    ///
    /// # Panics
    /// If `width` is 0.
    #[must_use]
    pub fn rows(values: &'a [f32], width: usize) -> Self {
        Self { values, shape: [values.len() / width, width], strides: [width, 1] }
    }

    /// Rows of `width` values that begin `stride` apart, as many as there are whole strides.
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
    #[track_caller]
    pub fn slice(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.count(), "rows {rows:?} of {}", self.count());
        Self { shape: [rows.len(), self.width()], ..self.from([rows.start, 0]) }
    }

    /// Some of the columns.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    #[track_caller]
    pub fn columns(self, columns: Range<usize>) -> Self {
        assert!(columns.start <= columns.end && columns.end <= self.width(), "columns {columns:?} of {}", self.width());
        Self { shape: [self.count(), columns.len()], ..self.from([0, columns.start]) }
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
    pub fn is_row_major(self) -> bool {
        self.strides[1] == 1
    }

    /// One row.
    ///
    /// # Panics
    /// If its values are no neighbours, or there is none.
    #[must_use]
    #[track_caller]
    #[inline]
    pub fn row(self, row: usize) -> &'a [f32] {
        assert!(self.is_row_major() && row < self.count(), "row {row} of {}, or of a transposed matrix", self.count());
        &self.from([row, 0]).values[..self.width()]
    }

    /// One value.
    #[inline]
    pub(crate) fn value(self, row: usize, column: usize) -> f32 {
        self.values[row * self.strides[0] + column * self.strides[1]]
    }

    /// The values, and how far apart rows begin, whose values are neighbours.
    #[inline]
    pub(crate) fn neighbours(self) -> (&'a [f32], usize) {
        debug_assert!(self.is_row_major());
        (self.values, self.strides[0])
    }

    /// The values from a place on, which is no further than one behind the last: nothing where the matrix is empty.
    #[inline]
    fn from(self, [row, column]: [usize; 2]) -> Self {
        let first = row.saturating_mul(self.strides[0]).saturating_add(column.saturating_mul(self.strides[1]));
        Self { values: self.values.get(first..).unwrap_or_default(), ..self }
    }

    /// This, whose last value is in memory.
    #[track_caller]
    fn checked(self) -> Self {
        let last = spans(self.shape, self.strides);
        assert!(last.is_some_and(|last| last <= self.values.len()), "{:?} beyond memory", self.shape);
        self
    }
}

/// Values from the first to the last of a matrix, both included, if that is a number.
fn spans([rows, columns]: [usize; 2], strides: [usize; 2]) -> Option<usize> {
    if rows.min(columns) == 0 {
        return Some(0);
    }
    let [down, right] = [(rows - 1).checked_mul(strides[0])?, (columns - 1).checked_mul(strides[1])?];
    down.checked_add(right)?.checked_add(1)
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
#[track_caller]
pub fn multiply(out: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>, add: bool) {
    let ([m, k], [inner, n]) = (a.shape, b.shape);
    if n == 0 {
        return;
    }
    let (a, b) = (a.checked(), b.checked());
    assert!(
        k == inner && n <= stride && spans([m, n], [stride, 1]).is_some_and(|last| last <= out.len()),
        "{m} x {k} times {inner} x {n} into {}",
        out.len()
    );
    // SAFETY: gemm, which is asked for the transposed product, reads what the shapes and strides span of `a` and `b`, all of it inside their
    // slices, as `checked` has found, and writes m rows of n values `stride` apart, inside `out` as is asserted, without overlap; that is
    // borrowed for it alone.
    unsafe {
        gemm::gemm(
            n,
            m,
            k,
            out.as_mut_ptr(),
            step(stride),
            1,
            add,
            b.values.as_ptr(),
            step(b.strides[0]),
            step(b.strides[1]),
            a.values.as_ptr(),
            step(a.strides[0]),
            step(a.strides[1]),
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// A stride between values of a slice is one that an isize holds; any other is of a single row or column, and not used.
fn step(stride: usize) -> isize {
    isize::try_from(stride).unwrap_or(0)
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
    fn what_is_not_there_is_refused() {
        let values = [0.0; 9];
        let whole = Matrix::rows(&values[..6], 3);
        let refused = |f: &dyn Fn() -> usize| std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err();
        assert!(refused(&|| whole.slice(0..1).slice(0..2).width()));
        assert!(refused(&|| whole.columns(2..4).width()));
        assert!(refused(&|| whole.slice(0..1).row(1).len()));
        assert!(refused(&|| whole.transposed().row(0).len()));
        assert!(refused(&|| Matrix::apart(&values[..5], 4, 2).width()));
        // Nine rows 2⁶¹ values apart end where a number of 64 bits begins anew.
        let (tall, one) = (Matrix::rows(&values, 1), Matrix::rows(&[1.0], 1));
        assert!(refused(&|| {
            multiply(&mut [0.0], 1 << 61, tall, one, false);
            0
        }));
        assert_eq!(whole.slice(2..2).columns(3..3).count(), 0);
    }

    #[test]
    #[should_panic(expected = "2 x 3 times 2 x 3")]
    fn sizes_that_do_not_fit_are_refused() {
        let values = [0.0; 6];
        multiply(&mut [0.0; 4], 2, Matrix::rows(&values, 3), Matrix::rows(&values, 3), false);
    }
}
