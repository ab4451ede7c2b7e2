use std::ops::Range;
use std::sync::LazyLock;

/// A matrix in memory: the value at (i, j) is `values[i * rows + j * columns]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Rows of so many values, one after another.
    pub(super) fn rows(values: &'a [f32], width: usize) -> Self {
        Self { values, shape: [values.len() / width, width], strides: [width, 1] }
    }

    /// Rows of so many values that begin `stride` apart.
    pub(super) fn apart(values: &'a [f32], width: usize, stride: usize) -> Self {
        Self { values, shape: [values.len() / stride, width], strides: [stride, 1] }.checked()
    }

    /// Some of the rows.
    pub(super) fn slice(self, rows: Range<usize>) -> Self {
        Self { values: &self.values[rows.start * self.strides[0]..], shape: [rows.len(), self.shape[1]], ..self }
            .checked()
    }

    /// Some of the columns.
    pub(super) fn columns(self, columns: Range<usize>) -> Self {
        Self { values: &self.values[columns.start * self.strides[1]..], shape: [self.shape[0], columns.len()], ..self }
            .checked()
    }

    pub(super) fn transposed(self) -> Self {
        let ([m, n], [rows, columns]) = (self.shape, self.strides);
        Self { values: self.values, shape: [n, m], strides: [columns, rows] }
    }

    /// How many values a row has.
    pub(super) fn width(self) -> usize {
        self.shape[1]
    }

    /// How many rows there are.
    pub(super) fn count(self) -> usize {
        self.shape[0]
    }

    /// One row, of a matrix that is not transposed.
    pub(super) fn row(self, row: usize) -> &'a [f32] {
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

/// `out = a b`, or `out += a b`; the rows of `out` begin `stride` values apart. On this thread alone.
pub(super) fn product(out: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>, add: bool) {
    let (m, n) = (a.count(), b.width());
    if n == 0 {
        return;
    }
    let rows = if n.is_multiple_of(VECTOR) && b.strides[1] == 1 { *PIECE } else { m };
    for row in (0..m).step_by(rows.max(1)) {
        multiply(&mut out[row * stride..], stride, a.slice(row..m.min(row.saturating_add(rows))), b.checked(), add);
    }
}

/// Values of a vector, at most.
pub(super) const VECTOR: usize = 16;

/// Rows of a product that gemm is asked for at once where the columns are whole vectors. Its kernels for AVX-512 take six, and it multiplies
/// eight times as many with columns where they lie: for more it packs these, anew for every product. Narrower vectors are faster on what it packs.
static PIECE: LazyLock<usize> = LazyLock::new(|| if has_avx512() { 8 * 6 } else { usize::MAX });

fn has_avx512() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[allow(unsafe_code, reason = "gemm has no safe interface")]
fn multiply(out: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>, add: bool) {
    let ([m, k], [inner, n]) = (a.shape, b.shape);
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
    fn products_are_those_worked_by_hand() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, -1.0, 2.0, 1.0, 0.0]);
        let (a, b) = (Matrix::rows(&a, 3), Matrix::rows(&b, 3));
        let mut out = [0.0; 4];
        product(&mut out, 2, a, b.transposed(), false);
        assert_eq!(out, [-2.0, 4.0, -2.0, 13.0]);
        let mut one = [0.5];
        product(&mut one, 1, a.slice(1..2), b.slice(1..2).transposed(), true);
        assert_eq!((one, a.row(1), a.count()), ([13.5], &[4.0, 5.0, 6.0][..], 2));
    }

    #[test]
    fn columns_are_multiplied_into_columns() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, -1.0, 2.0, 1.0, 0.0]);
        let (a, b) = (Matrix::rows(&a, 3).columns(1..3), Matrix::rows(&b, 3).columns(1..3));
        assert_eq!((a.row(1), b.slice(1..2).row(0)), (&[5.0, 6.0][..], &[1.0, 0.0][..]));
        let mut out = [9.0; 6];
        product(&mut out[1..], 3, a, b.transposed(), false);
        assert_eq!(out, [9.0, -3.0, 2.0, 9.0, -6.0, 5.0]);
    }
}
