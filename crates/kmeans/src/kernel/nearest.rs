//! The plain pass: the nearest centroid of every row, by products of f32 with all of them.

use ndarray::ArrayView2;
use pulp::{Arch, Simd, WithSimd};
use vectors::Rows;

use super::best::{Best, NONE_YET};
use super::registers::Registers;
use super::{dots, panels};

/// Receives each row's nearest centroid, in row order.
pub(crate) trait OnRow {
    /// `cosine` is the largest product, `label` the lowest index that has it.
    fn on_row(&mut self, row: &[f32], label: u32, cosine: f32);
}

/// Rows that pass over the centroids together: whole tiles of either layout, of 4 and of 6 rows.
const BLOCK: usize = 48;

/// Centroids in the order in which the kernel reads them.
pub(crate) struct PackedCentroids {
    layout: Layout,
    count: usize,
    dim: usize,
}

enum Layout {
    Dots(dots::Dots),
    Panels(panels::Panels),
}

impl PackedCentroids {
    pub(crate) fn new(centroids: ArrayView2<'_, f32>) -> Self {
        Self::for_registers(centroids, Registers::here())
    }

    fn for_registers(centroids: ArrayView2<'_, f32>, registers: Registers) -> Self {
        let (count, dim) = centroids.dim();
        let layout = if count <= dots::MOST {
            Layout::Dots(dots::Dots::new(centroids, registers))
        } else {
            Layout::Panels(panels::Panels::new(centroids, registers))
        };
        Self { layout, count, dim }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// Calls `on_row` with the nearest centroid of every row.
    pub(crate) fn nearest(&self, rows: Rows<'_>, on_row: &mut impl OnRow) {
        debug_assert_eq!(rows.dim(), self.dim);
        Arch::new().dispatch(NearestOfRows { packed: self, rows, on_row });
    }

    fn block_rows(&self) -> usize {
        match &self.layout {
            // Centroids that stay in the first-level cache cost no more to read for each tile.
            Layout::Dots(dots) if dots.are_small() => dots::TILE,
            _ => BLOCK,
        }
    }
}

struct NearestOfRows<'a, O> {
    packed: &'a PackedCentroids,
    rows: Rows<'a>,
    on_row: &'a mut O,
}

impl<O: OnRow> WithSimd for NearestOfRows<'_, O> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut best: [Best; BLOCK] = [NONE_YET; BLOCK];
        let block_rows = self.packed.block_rows();
        for start in (0..self.rows.len()).step_by(block_rows) {
            let end = self.rows.len().min(start + block_rows);
            let next = self.rows.values(end..self.rows.len().min(end + block_rows));
            let best = &mut best[..end - start];
            best.fill(NONE_YET);
            match &self.packed.layout {
                Layout::Dots(dots) => dots.nearest(simd, self.rows, start, next, best),
                Layout::Panels(panels) => panels.nearest(simd, self.rows, start, next, best),
            }
            for (index, &(label, cosine)) in best.iter().enumerate() {
                self.on_row.on_row(self.rows.row(start + index), label, cosine);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ArrayView1};
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Collected(Vec<Best>);

    impl OnRow for Collected {
        fn on_row(&mut self, _: &[f32], label: u32, cosine: f32) {
            self.0.push((label, cosine));
        }
    }

    fn small_integers(count: usize, dim: usize, seed: usize) -> Array2<f32> {
        Array2::from_shape_fn((count, dim), |(row, column)| {
            ((row * 7919 + column * 104_729 + seed).pow(2) % 1009 % 17) as f32 - 8.0
        })
    }

    fn nearest_with<S: Simd>(simd: S, rows: &Array2<f32>, centroids: &Array2<f32>) -> Vec<Best> {
        let packed = PackedCentroids::for_registers(centroids.view(), Registers::of::<S>());
        let rows = Rows::new(rows.as_slice().expect("row-major"), rows.ncols());
        let mut found = Collected::default();
        simd.vectorize(NearestOfRows { packed: &packed, rows, on_row: &mut found });
        found.0
    }

    fn first_of_the_largest(rows: &Array2<f32>, centroids: &Array2<f32>) -> Vec<Best> {
        let first = |row: ArrayView1<'_, f32>| {
            let better = |best: Best, (label, &product): (usize, &f32)| {
                if product > best.1 { (label as u32, product) } else { best }
            };
            row.iter().enumerate().fold(NONE_YET, better)
        };
        rows.dot(&centroids.t()).outer_iter().map(first).collect()
    }

    proptest! {
        /// Products of small integers are exact in f32, so label and product must be equal, ties included.
        #[test]
        fn every_instruction_set_finds_the_first_of_the_largest_products(
            n in 1_usize..130, count in 1_usize..150, dim in 1_usize..70, seed in 0_usize..1000,
        ) {
            let (rows, centroids) = (small_integers(n, dim, seed), small_integers(count, dim, seed + 1));
            let expected = first_of_the_largest(&rows, &centroids);
            let mut found = Collected::default();
            PackedCentroids::new(centroids.view()).nearest(Rows::new(rows.as_slice().unwrap(), dim), &mut found);
            prop_assert_eq!(&found.0, &expected);
            prop_assert_eq!(&nearest_with(pulp::Scalar::new(), &rows, &centroids), &expected);
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = pulp::x86::V3::try_new() {
                prop_assert_eq!(&nearest_with(avx2, &rows, &centroids), &expected);
            }
        }
    }
}
