//! A matrix laid out once for many products.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use crate::Matrix;
use crate::prefetch::prefetch_second;
use crate::shares::{Shares, share_columns};

/// Rows of the left side that share the loads of a panel.
const TILE: usize = 6;

/// Vectors of a panel: the accumulators, `TILE * width`, fill 32 registers or 16.
const WIDTH_OF_MANY: usize = 4;
const WIDTH_OF_FEW: usize = 2;

/// Most terms of a sum between which it is in memory: with fewer than some 300 a panel and the rows of a tile stay in the nearest cache together.
const TERMS: usize = 256;

/// The right side of products, laid out for this processor's registers: panel, row, column of the panel.
///
/// A row of a product depends on that row of the left side alone, whatever rows are beside it, to the last bit.
///
/// # Examples
/// ```
/// use vectors::{Matrix, PackedMatrix};
///
/// let (a, b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, -1.0, 2.0, 1.0, 0.0]);
/// let packed = PackedMatrix::new(Matrix::rows(&b, 3));
/// let mut out = [0.0; 6];
/// packed.multiply(&mut out, 3, Matrix::rows(&a, 2), |_, column, sums| {
///     // The third column's sums, and a bias for it.
///     if column == 0 {
///         sums[2] += 10.0;
///     }
/// });
/// assert_eq!(out, [5.0, 2.0, 9.0, 11.0, 4.0, 7.0]);
/// ```
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    values: Vec<f32>,
    shape: [usize; 2],
    registers: Registers,
}

/// The vector registers of the instruction set that is chosen here.
#[derive(Clone, Copy, Debug)]
struct Registers {
    lanes: usize,
    /// Vectors of a panel.
    width: usize,
}

impl PackedMatrix {
    /// A copy of a matrix.
    #[must_use]
    pub fn new(matrix: Matrix<'_>) -> Self {
        let mut packed = Self { values: Vec::new(), shape: [0, 0], registers: Arch::new().dispatch(OfChosen) };
        packed.pack(matrix);
        packed
    }

    /// Takes another matrix in the place of this one.
    pub fn pack(&mut self, matrix: Matrix<'_>) {
        self.shape = [matrix.count(), matrix.width()];
        let [rows, columns] = self.shape;
        let wide = self.panel();
        self.values.resize(columns.div_ceil(wide) * wide * rows, 0.0);
        if rows == 0 {
            return;
        }
        for (panel, out) in self.values.chunks_exact_mut(wide * rows).enumerate() {
            let columns = panel * wide..columns.min((panel + 1) * wide);
            let part = matrix.columns(columns.clone());
            if matrix.is_row_major() {
                for (row, out) in out.chunks_exact_mut(wide).enumerate() {
                    let (taken, rest) = out.split_at_mut(columns.len());
                    taken.copy_from_slice(part.row(row));
                    rest.fill(0.0);
                }
            } else {
                let part = part.transposed();
                for lane in 0..wide {
                    if lane < columns.len() {
                        let column = part.row(lane);
                        for (out, &value) in out.chunks_exact_mut(wide).zip(column) {
                            out[lane] = value;
                        }
                    } else {
                        out.chunks_exact_mut(wide).for_each(|out| out[lane] = 0.0);
                    }
                }
            }
        }
    }

    /// Rows and columns of the matrix.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Columns of a panel.
    fn panel(&self) -> usize {
        self.registers.lanes * self.registers.width
    }

    /// `out = left · self`, on this thread alone; the rows of `out` begin `stride` values apart. When some sums of a row are done, `finish` gets its number, that
    /// of their first column and the sums, to change while they are in the nearest cache; it should be `#[inline(always)]`.
    ///
    /// # Panics
    /// If the sizes do not fit each other or `out`, or the values of a row of `left` are no neighbours.
    #[track_caller]
    pub fn multiply(
        &self,
        out: &mut [f32],
        stride: usize,
        left: Matrix<'_>,
        finish: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) {
        self.check(out, stride, left);
        let panels = 0..self.shape[1].div_ceil(self.panel());
        Arch::new().dispatch(Product { of: self, panels, out, stride, first: 0, left, finish: &finish });
    }

    /// The same of few rows on all of rayon's threads, which share the columns.
    ///
    /// # Panics
    /// As [`multiply`](Self::multiply).
    #[track_caller]
    pub fn multiply_shared(
        &self,
        out: &mut [f32],
        stride: usize,
        left: Matrix<'_>,
        finish: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) {
        self.check(out, stride, left);
        let shares = Shares { rows: left.count(), columns: self.shape[1], panel: self.panel() };
        share_columns(shares, out, stride, |panels, out, stride, first| {
            Arch::new().dispatch(Product { of: self, panels, out, stride, first, left, finish: &finish });
        });
    }

    #[track_caller]
    fn check(&self, out: &[f32], stride: usize, left: Matrix<'_>) {
        let [inner, columns] = self.shape;
        let rows = left.count();
        let needed = if rows == 0 { 0 } else { (rows - 1) * stride + columns };
        assert!(
            left.width() == inner && left.is_row_major() && columns <= stride && needed <= out.len(),
            "{rows} x {} times {inner} x {columns} into {}, {stride} apart",
            left.width(),
            out.len()
        );
    }
}

struct OfChosen;

impl WithSimd for OfChosen {
    type Output = Registers;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Registers {
        let width = if S::REGISTER_COUNT >= 32 { WIDTH_OF_MANY } else { WIDTH_OF_FEW };
        Registers { lanes: S::F32_LANES, width }
    }
}

struct Product<'a, F> {
    of: &'a PackedMatrix,
    panels: Range<usize>,
    out: &'a mut [f32],
    stride: usize,
    /// The column of the matrix that is the first of `out`.
    first: usize,
    left: Matrix<'a>,
    finish: &'a F,
}

impl<F: Fn(usize, usize, &mut [f32])> WithSimd for Product<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let registers = self.of.registers;
        match registers.width {
            WIDTH_OF_FEW if registers.lanes == S::F32_LANES => self.run::<S, WIDTH_OF_FEW>(simd),
            WIDTH_OF_MANY if registers.lanes == S::F32_LANES => self.run::<S, WIDTH_OF_MANY>(simd),
            _ => unreachable!("the instruction set does not change"),
        }
    }
}

impl<F: Fn(usize, usize, &mut [f32])> Product<'_, F> {
    #[inline(always)]
    fn run<S: Simd, const W: usize>(&mut self, simd: S) {
        let [inner, columns] = self.of.shape;
        let wide = W * S::F32_LANES;
        let terms = inner.div_ceil(inner.div_ceil(TERMS).max(1)).max(1);
        for panel in self.panels.clone() {
            let columns = panel * wide..columns.min((panel + 1) * wide);
            let values = &self.of.values[panel * wide * inner..][..wide * inner];
            let (vectors, _) = S::as_simd_f32s(values);
            let (vectors, _) = vectors.as_chunks::<W>();
            let mut start = 0;
            loop {
                let end = inner.min(start + terms);
                let part = Part { vectors: &vectors[start..end], terms: start..end, last: end == inner };
                // What comes next is read from memory while this is used.
                let next = &self.of.values[(panel * inner + end) * wide..];
                let next = &next[..next.len().min(terms * wide)];
                let mut next = next.chunks(next.len().div_ceil(self.left.count().div_ceil(TILE).max(1)).max(1));
                let mut row = 0;
                while row < self.left.count() {
                    prefetch_second(next.next().unwrap_or_default());
                    match self.left.count() - row {
                        1 => self.tile::<S, W, 1>(simd, &part, row, &columns),
                        2 => self.tile::<S, W, 2>(simd, &part, row, &columns),
                        3 => self.tile::<S, W, 3>(simd, &part, row, &columns),
                        4 => self.tile::<S, W, 4>(simd, &part, row, &columns),
                        5 => self.tile::<S, W, 5>(simd, &part, row, &columns),
                        _ => self.tile::<S, W, TILE>(simd, &part, row, &columns),
                    }
                    row += TILE;
                }
                start = end;
                if part.last {
                    break;
                }
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const W: usize, const R: usize>(
        &mut self,
        simd: S,
        part: &Part<'_, S, W>,
        row: usize,
        columns: &Range<usize>,
    ) {
        let (values, apart) = self.left.neighbours();
        let first = row * apart + part.terms.start;
        let rows: [&[f32]; R] = std::array::from_fn(|at| &values[first + at * apart..][..part.terms.len()]);
        let mut sums = [[simd.splat_f32s(0.0); W]; R];
        // Where a length is known, copies are a few instructions.
        if columns.len() == W * S::F32_LANES {
            if part.terms.start > 0 {
                for (at, sums) in sums.iter_mut().enumerate() {
                    let sums: &mut [f32] = bytemuck::cast_slice_mut(sums);
                    sums.copy_from_slice(self.row(row + at, columns.start, W * S::F32_LANES));
                }
            }
            let mut sums = products(simd, part.vectors, rows, sums);
            for (at, sums) in sums.iter_mut().enumerate() {
                let sums: &mut [f32] = bytemuck::cast_slice_mut(sums);
                if part.last {
                    (self.finish)(row + at, columns.start, sums);
                }
                self.row(row + at, columns.start, W * S::F32_LANES).copy_from_slice(sums);
            }
            return;
        }
        if part.terms.start > 0 {
            for (at, sums) in sums.iter_mut().enumerate() {
                let sums: &mut [f32] = bytemuck::cast_slice_mut(sums);
                sums[..columns.len()].copy_from_slice(self.row(row + at, columns.start, columns.len()));
            }
        }
        let mut sums = products(simd, part.vectors, rows, sums);
        for (at, sums) in sums.iter_mut().enumerate() {
            let sums: &mut [f32] = &mut bytemuck::cast_slice_mut(sums)[..columns.len()];
            if part.last {
                (self.finish)(row + at, columns.start, sums);
            }
            self.row(row + at, columns.start, columns.len()).copy_from_slice(sums);
        }
    }

    /// So many values of a row of `out`.
    #[inline(always)]
    fn row(&mut self, row: usize, column: usize, count: usize) -> &mut [f32] {
        &mut self.out[row * self.stride + column - self.first..][..count]
    }
}

/// Some terms of the sums of a panel.
struct Part<'a, S: Simd, const W: usize> {
    vectors: &'a [[S::f32s; W]],
    terms: Range<usize>,
    last: bool,
}

/// The sums of a tile, and its products with a panel added to them.
#[inline(always)]
fn products<S: Simd, const W: usize, const R: usize>(
    simd: S,
    panel: &[[S::f32s; W]],
    rows: [&[f32]; R],
    mut sums: [[S::f32s; W]; R],
) -> [[S::f32s; W]; R] {
    let terms = panel.len();
    let rows = rows.map(|row| &row[..terms]);
    for (term, vectors) in panel.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(&rows) {
            let value = simd.splat_f32s(row[term]);
            for (sum, &vector) in sums.iter_mut().zip(vectors) {
                *sum = simd.mul_add_e_f32s(value, vector, *sum);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiply;

    fn sines(count: usize, by: f32) -> Vec<f32> {
        (0..count).map(|at| (at as f32 * by).sin()).collect()
    }

    /// The column's number is added to each sum, so that `finish` is seen.
    fn assert_product(packed: &PackedMatrix, left: Matrix<'_>, expected: &[f32], multiply: impl Fn(&mut [f32], usize)) {
        let [_, columns] = packed.shape();
        let stride = columns + 3;
        let mut found = vec![0.0; left.count() * stride];
        multiply(&mut found, stride);
        for (at, found) in found.iter().enumerate() {
            let (row, column) = (at / stride, at % stride);
            let expected = if column < columns { expected[row * columns + column] + column as f32 } else { 0.0 };
            assert!((found - expected).abs() < 1e-4, "row {row}, column {column}: {found}, expected {expected}");
        }
    }

    fn add_columns(_: usize, column: usize, sums: &mut [f32]) {
        sums.iter_mut().enumerate().for_each(|(at, sum)| *sum += (column + at) as f32);
    }

    #[test]
    fn products_are_those_of_gemm() {
        for [rows, inner, columns] in [[1, 1, 1], [5, 7, 16], [6, 384, 33], [13, 385, 64], [20, 1000, 100], [0, 5, 5]] {
            let (a, b) = (sines(rows * inner, 0.7), sines(inner * columns, 1.3));
            let (left, right) = (Matrix::rows(&a, inner), Matrix::rows(&b, columns));
            let mut expected = vec![0.0; rows * columns];
            multiply(&mut expected, columns, left, right, false);
            let across: Vec<f32> = (0..columns * inner).map(|at| b[at % inner * columns + at / inner]).collect();
            for right in [right, Matrix::rows(&across, inner).transposed()] {
                let packed = PackedMatrix::new(right);
                assert_product(&packed, left, &expected, |out, stride| packed.multiply(out, stride, left, add_columns));
                assert_product(&packed, left, &expected, |out, stride| {
                    packed.multiply_shared(out, stride, left, add_columns);
                });
                // The panels of other processors.
                for width in [WIDTH_OF_FEW, WIDTH_OF_MANY] {
                    let registers = Registers { lanes: 1, width };
                    let mut packed = PackedMatrix { registers, ..packed.clone() };
                    packed.pack(right);
                    assert_product(&packed, left, &expected, |out, stride| {
                        let (of, panels) = (&packed, 0..columns.div_ceil(width));
                        let product = Product { of, panels, out, stride, first: 0, left, finish: &add_columns };
                        product.with_simd(pulp::Scalar::new());
                    });
                }
            }
        }
    }

    #[test]
    fn sums_of_nothing_are_zero_and_finished() {
        let left = Matrix::rows(&[5.0, 6.0], 1).columns(0..0);
        let packed = PackedMatrix::new(Matrix::rows(&[0.0; 4], 4).slice(0..0));
        let mut out = [9.0; 8];
        packed.multiply(&mut out, 4, left, add_columns);
        assert_eq!(out, [0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0]);
        let none = PackedMatrix::new(Matrix::rows(&[1.0, 2.0], 1).columns(0..0));
        none.multiply(&mut out, 4, Matrix::rows(&[1.0; 4], 2), add_columns);
        assert_eq!(out[1], 1.0);
    }

    #[test]
    fn a_row_depends_on_no_other() {
        let (a, b) = (sines(25 * 500, 0.7), sines(500 * 70, 1.3));
        let packed = PackedMatrix::new(Matrix::rows(&b, 70));
        let all = Matrix::rows(&a, 500);
        let mut together = vec![0.0; 25 * 70];
        packed.multiply(&mut together, 70, all, |_, _, _| ());
        for row in 0..25 {
            let mut alone = vec![0.0; 70];
            packed.multiply_shared(&mut alone, 70, all.slice(row..row + 1), |_, _, _| ());
            assert_eq!(alone, together[row * 70..][..70]);
        }
    }

    #[test]
    #[should_panic(expected = "2 x 3 times 2 x 3")]
    fn sizes_that_do_not_fit_are_refused() {
        let values = [0.0; 6];
        PackedMatrix::new(Matrix::rows(&values, 3)).multiply(&mut [0.0; 4], 2, Matrix::rows(&values, 3), |_, _, _| ());
    }
}
