//! A strip's anchors side by side, so that what is compared with them has them in the lanes of vectors.

use rayon::prelude::*;
use vectors::Matrix;

use super::product::{VECTOR, product};

/// Anchors of a panel.
pub(super) const LANES: usize = 64;

/// How far apart columns of so many anchors begin: whole vectors, an odd number of them, as columns whole powers of two apart would fall on the
/// same lines of a cache.
pub(super) fn stride(anchors: usize) -> usize {
    (anchors.div_ceil(VECTOR) | 1) * VECTOR
}

/// Some rows in panels of [`LANES`]: panel, column, row. Lanes without a row hold 0.
#[derive(Default)]
pub(super) struct Panels {
    values: Vec<f32>,
    rows: usize,
    width: usize,
}

impl Panels {
    /// These rows, in the memory of earlier ones.
    pub(super) fn fill(&mut self, rows: Matrix<'_>) {
        (self.rows, self.width) = (rows.count(), rows.width());
        self.values.resize(self.rows.div_ceil(LANES) * LANES * self.width, 0.0);
        self.values.par_chunks_mut(LANES * self.width).zip(0..self.rows.div_ceil(LANES)).for_each(|(values, panel)| {
            let lanes = LANES.min(rows.count() - panel * LANES);
            // Some columns at a time, so that what is written stays near.
            for (values, start) in values.chunks_mut(LANES * VECTOR).zip((0..).step_by(VECTOR)) {
                for lane in 0..lanes {
                    let row = &rows.row(panel * LANES + lane)[start..];
                    values[lane..].iter_mut().step_by(LANES).zip(row).for_each(|(value, &of_row)| *value = of_row);
                }
                for column in values.chunks_exact_mut(LANES) {
                    column[lanes..].fill(0.0);
                }
            }
        });
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> usize {
        self.rows
    }

    /// The products of some rows with these by their columns from `start`, or `out` and these: `[rows, anchors]`, rows [`stride`] apart.
    pub(super) fn multiply(&self, start: usize, rows: Matrix<'_>, out: &mut [f32], add: bool) {
        let stride = stride(self.rows);
        for (first, values) in (0..self.rows).step_by(LANES).zip(self.values.chunks_exact(LANES * self.width)) {
            let values = &values[start * LANES..][..rows.width() * LANES];
            let whole_vectors = (self.rows - first).next_multiple_of(VECTOR).min(LANES);
            product(&mut out[first..], stride, rows, Matrix::apart(values, whole_vectors, LANES), add);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_each_pair() {
        let value = |row: usize, column: usize| ((row * 7 + column * 5 + row * column) % 9) as f32 - 4.0;
        let width = 5;
        let values = |rows: usize, salt: usize| -> Vec<f32> {
            (0..rows).flat_map(|row| (0..width).map(move |column| value(row + salt, column))).collect()
        };
        let mut panels = Panels::default();
        for count in [150, 1, 70] {
            let (anchors, rows) = (values(count, 1), values(40, 3));
            let (anchors, rows) = (Matrix::rows(&anchors, width), Matrix::rows(&rows, width));
            panels.fill(anchors);
            let mut out = vec![f32::NAN; rows.count() * stride(count)];
            panels.multiply(0, rows.columns(0..2), &mut out, false);
            panels.multiply(2, rows.columns(2..5), &mut out, true);
            for (row, out) in out.chunks(stride(count)).enumerate() {
                for (anchor, &out) in out[..count].iter().enumerate() {
                    let exact: f32 = anchors.row(anchor).iter().zip(rows.row(row)).map(|(a, b)| a * b).sum();
                    assert_eq!(out, exact, "anchor {anchor} of {count}, row {row}");
                }
            }
        }
    }
}
