use std::ops::Range;

use super::directions::direction;
use super::{Directions, IntegerSimd, ONE, Panels, TILE, WIDTH, WithIntegerSimd, dispatch, holds, products, words};
use crate::Matrix;
use crate::shares::{Shares, share_columns};

/// The right side of products in fixed point, laid out once for many of them: the direction of each column, and its norm.
///
/// Twice as fast as [`PackedMatrix`](crate::PackedMatrix) where the processor has AVX2 or AVX-512 VNNI, from half the bytes. A product is off by some 1.3e-5 of both norms'
/// product, and never by more than the module's documentation says. It depends on its row of the left side alone, whatever rows are beside
/// it, and is the same on every machine but for the norms.
///
/// # Examples
/// ```
/// use vectors::Matrix;
/// use vectors::fixed_point::{Directions, PackedColumns};
///
/// let (a, b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, -1.0, 2.0, 1.0, 0.0]);
/// let packed = PackedColumns::new(Matrix::rows(&b, 3)).expect("columns of usual norms");
/// let mut left = Directions::default();
/// left.fill(Matrix::rows(&a, 2));
/// let mut out = [0.0; 6];
/// packed.multiply(&mut out, 3, &left, |_, _, _| ());
/// for (found, exact) in out.iter().zip([5.0, 2.0, -1.0, 11.0, 4.0, -3.0]) {
///     assert!((found - exact).abs() < 1e-3);
/// }
/// ```
#[derive(Clone, Debug)]
pub struct PackedColumns {
    panels: Panels,
    /// Norms over [`ONE`] squared, of whole panels.
    factors: Vec<f32>,
    shape: [usize; 2],
}

impl PackedColumns {
    /// A copy of a matrix. `None` if a column is not finite, its norm is above 1e15, or it has more than [`MOST_COLUMNS`](super::MOST_COLUMNS) rows.
    #[must_use]
    pub fn new(matrix: Matrix<'_>) -> Option<Self> {
        let shape @ [rows, columns] = [matrix.count(), matrix.width()];
        let words_a_column = words(rows);
        let mut all = vec![0; columns * words_a_column];
        let mut factors = vec![0.0; columns.next_multiple_of(Panels::panel_len())];
        let mut column = vec![0.0; rows];
        for (index, factor) in factors[..columns].iter_mut().enumerate() {
            let of_column = matrix.columns(index..index + 1);
            for (row, value) in column.iter_mut().enumerate() {
                *value = of_column.value(row, 0);
            }
            let norm = direction(&column, &mut all[index * words_a_column..][..words_a_column]);
            if norm.is_nan() || !holds(rows) {
                return None;
            }
            *factor = (f64::from(norm) / f64::from(ONE).powi(2)) as f32;
        }
        let each = (0..columns).map(|index| &all[index * words_a_column..][..words_a_column]);
        Some(Self { panels: Panels::new(each, words_a_column), factors, shape })
    }

    /// Rows and columns of the matrix.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// `out = left · self`, on this thread alone; the rows of `out` begin `stride` values apart. When some products of a row are done, `finish` gets its number, that
    /// of their first column and the products, to change while they are in the nearest cache; it should be `#[inline(always)]`.
    ///
    /// # Panics
    /// If the sizes do not fit each other or `out`.
    #[track_caller]
    pub fn multiply(
        &self,
        out: &mut [f32],
        stride: usize,
        left: &Directions,
        finish: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) {
        self.check(out, stride, left);
        let panels = 0..self.panels.panels();
        dispatch(Product { of: self, panels, out, stride, first: 0, left, finish: &finish });
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
        left: &Directions,
        finish: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) {
        self.check(out, stride, left);
        let shares = Shares { rows: left.len(), columns: self.shape[1], panel: Panels::panel_len() };
        share_columns(shares, out, stride, |panels, out, stride, first| {
            dispatch(Product { of: self, panels, out, stride, first, left, finish: &finish });
        });
    }

    #[track_caller]
    fn check(&self, out: &[f32], stride: usize, left: &Directions) {
        let [inner, columns] = self.shape;
        let rows = left.len();
        let needed = if rows == 0 { 0 } else { (rows - 1) * stride + columns };
        assert!(
            (left.dim() == inner || rows == 0) && columns <= stride && needed <= out.len(),
            "{rows} x {} times {inner} x {columns} into {}, {stride} apart",
            left.dim(),
            out.len()
        );
    }
}

struct Product<'a, F> {
    of: &'a PackedColumns,
    panels: Range<usize>,
    out: &'a mut [f32],
    stride: usize,
    /// The column of the matrix that is the first of `out`.
    first: usize,
    left: &'a Directions,
    finish: &'a F,
}

impl<F: Fn(usize, usize, &mut [f32])> WithIntegerSimd for Product<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with<I: IntegerSimd>(mut self, simd: I) {
        let rows = self.left.len();
        for panel in self.panels.clone() {
            let vectors = self.of.panels.panel::<I>(panel);
            let mut row = 0;
            while row < rows {
                match rows - row {
                    1 => self.tile::<I, 1>(simd, vectors, row, panel),
                    2 => self.tile::<I, 2>(simd, vectors, row, panel),
                    3 => self.tile::<I, 3>(simd, vectors, row, panel),
                    4 => self.tile::<I, 4>(simd, vectors, row, panel),
                    5 => self.tile::<I, 5>(simd, vectors, row, panel),
                    _ => self.tile::<I, TILE>(simd, vectors, row, panel),
                }
                row += TILE;
            }
        }
    }
}

impl<F: Fn(usize, usize, &mut [f32])> Product<'_, F> {
    #[inline(always)]
    fn tile<I: IntegerSimd, const R: usize>(
        &mut self,
        simd: I,
        vectors: &[[I::Vector; WIDTH]],
        row: usize,
        panel: usize,
    ) {
        let wide = size_of::<[I::Vector; WIDTH]>() / size_of::<i32>();
        let start = panel * wide;
        let count = wide.min(self.of.shape[1] - start);
        let factors = &self.of.factors[start..][..wide];
        let left = self.left;
        let sums = products(simd, vectors, std::array::from_fn::<_, R, _>(|at| left.words(row + at)));
        for (at, sums) in sums.iter().enumerate() {
            let mut values: [I::Floats; WIDTH] = bytemuck::Zeroable::zeroed();
            let values: &mut [f32] = bytemuck::cast_slice_mut(&mut values);
            let sums: &[i32] = bytemuck::cast_slice(sums);
            let norm = left.norm(row + at);
            for ((value, &sum), &factor) in values.iter_mut().zip(sums).zip(factors) {
                *value = sum as f32 * (norm * factor);
            }
            let to = (row + at) * self.stride + start - self.first;
            // Where a length is known, a copy is a few instructions.
            if count == wide {
                (self.finish)(row + at, start, values);
                self.out[to..][..wide].copy_from_slice(values);
            } else {
                let values = &mut values[..count];
                (self.finish)(row + at, start, values);
                self.out[to..][..count].copy_from_slice(values);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::instructions::Portable;
    use super::*;

    fn sines(count: usize, by: f32) -> Vec<f32> {
        (0..count).map(|at| (at as f32 * by).sin() * 3.0).collect()
    }

    fn filled(left: Matrix<'_>) -> Directions {
        let mut directions = Directions::default();
        directions.fill(left);
        directions
    }

    /// The column's number is added to each product, so that `finish` is seen.
    fn add_columns(_: usize, column: usize, values: &mut [f32]) {
        values.iter_mut().enumerate().for_each(|(at, value)| *value += (column + at) as f32);
    }

    #[test]
    fn products_are_off_by_no_more_than_the_module_says() {
        for [rows, inner, columns] in [[1, 1, 1], [5, 7, 16], [6, 384, 33], [13, 385, 64], [20, 1000, 100], [0, 5, 5]] {
            let (a, b) = (sines(rows * inner, 0.7), sines(inner * columns, 1.3));
            let (left, right) = (Matrix::rows(&a, inner), Matrix::rows(&b, columns));
            let across: Vec<f32> = (0..columns * inner).map(|at| b[at % inner * columns + at / inner]).collect();
            let directions = filled(left);
            let stride = columns + 3;
            let mut before: Option<Vec<f32>> = None;
            for right in [right, Matrix::rows(&across, inner).transposed()] {
                let packed = PackedColumns::new(right).expect("columns of usual norms");
                assert_eq!(packed.shape(), [inner, columns]);
                let mut alone = vec![0.0; rows * stride];
                packed.multiply(&mut alone, stride, &directions, add_columns);
                let mut shared = vec![0.0; rows * stride];
                packed.multiply_shared(&mut shared, stride, &directions, add_columns);
                assert_eq!(alone, shared);
                assert!(before.is_none_or(|before| before == alone));
                // The widest vectors have other panels.
                if Panels::panel_len() == WIDTH * 8 {
                    let (panels, out) = (0..packed.panels.panels(), &mut shared[..]);
                    let (of, left, finish) = (&packed, &directions, &add_columns);
                    Product { of, panels, out, stride, first: 0, left, finish }.with(Portable);
                    assert_eq!(alone, shared);
                }
                for (row, found) in alone.chunks_exact(stride).enumerate() {
                    for (column, found) in found[..columns].iter().enumerate() {
                        let (x, c) = (left.row(row), &across[column * inner..][..inner]);
                        let norms = crate::norm(x) * crate::norm(c);
                        let residues = (inner as f64).sqrt() / f64::from(ONE);
                        let off = (f64::from(*found) - column as f64 - crate::inner_product(x, c)).abs();
                        assert!(off <= norms * residues * 1.001 + 1e-5 * (1.0 + columns as f64), "{off} of {norms}");
                    }
                    assert!(found[columns..].iter().all(|&value| value == 0.0));
                }
                before = Some(alone);
            }
        }
    }

    #[test]
    fn a_row_depends_on_no_other() {
        let (a, b) = (sines(25 * 500, 0.7), sines(500 * 70, 1.3));
        let packed = PackedColumns::new(Matrix::rows(&b, 70)).unwrap();
        let all = Matrix::rows(&a, 500);
        let mut together = vec![0.0; 25 * 70];
        packed.multiply(&mut together, 70, &filled(all), |_, _, _| ());
        for row in 0..25 {
            let mut alone = vec![0.0; 70];
            packed.multiply_shared(&mut alone, 70, &filled(all.slice(row..row + 1)), |_, _, _| ());
            assert_eq!(alone, together[row * 70..][..70]);
        }
    }

    #[test]
    fn rows_of_any_size_are_taken_and_what_is_not_finite_stays_so() {
        let sizes = [1e-30, 1e-12, 1.0, 1e12, 1e30, f32::INFINITY, f32::NAN, 0.0];
        let a: Vec<f32> = sizes.iter().flat_map(|size| [0.6 * size, 0.8 * size]).collect();
        let packed = PackedColumns::new(Matrix::rows(&[1.0, 0.0, 2.0, 0.0], 2)).unwrap();
        let mut out = [0.0; 16];
        packed.multiply(&mut out, 2, &filled(Matrix::rows(&a, 2)), |_, _, _| ());
        for (size, out) in sizes.iter().zip(out.chunks_exact(2)) {
            match *size {
                1e-30 | 0.0 => assert_eq!(out, [0.0, 0.0]),
                size if size.is_finite() && size < 1e15 => {
                    assert!((out[0] / (2.2 * size) - 1.0).abs() < 1e-4 && out[1] == 0.0, "{out:?} of {size}");
                }
                _ => assert!(out.iter().all(|value| value.is_nan())),
            }
        }
        assert!([f32::NAN, 1e16].iter().all(|&value| PackedColumns::new(Matrix::rows(&[1.0, value], 2)).is_none()));
        // A column that died is zero.
        assert!(PackedColumns::new(Matrix::rows(&[1.0, 1e-20], 2)).is_some());
    }

    #[test]
    #[should_panic(expected = "2 x 3 times 2 x 3")]
    fn sizes_that_do_not_fit_are_refused() {
        let values = [0.5; 6];
        let left = filled(Matrix::rows(&values, 3));
        PackedColumns::new(Matrix::rows(&values, 3)).unwrap().multiply(&mut [0.0; 6], 3, &left, |_, _, _| ());
    }
}
