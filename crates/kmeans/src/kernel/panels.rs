//! Many centroids: a lane is a centroid, and no sum over lanes remains.
//!
//! A product is one sum of `dim` terms, from the first column to the last: off by at most `dim · 2⁻²⁴` of the two norms' product.

use ndarray::ArrayView2;
use pulp::Simd;
use vectors::{Rows, prefetch};

use super::best::Best;
use super::registers::Registers;

/// Rows that share the loads of a panel.
const TILE: usize = 6;

/// Vectors of a panel: the accumulators, `TILE * width`, fill 32 registers or 16.
const WIDTH_OF_MANY: usize = 4;
const WIDTH_OF_FEW: usize = 2;

/// Panel, column, vector of the panel, lane. The last panel has as many vectors as it needs; lanes without a centroid
/// repeat the last one, which changes no maximum and no first index of it.
pub(super) struct Panels {
    values: Vec<f32>,
    width: usize,
    vectors: usize,
    dim: usize,
}

impl Panels {
    pub(super) fn new(centroids: ArrayView2<'_, f32>, registers: Registers) -> Self {
        let width = if registers.many { WIDTH_OF_MANY } else { WIDTH_OF_FEW };
        let (count, dim) = centroids.dim();
        let vectors = count.div_ceil(registers.lanes);
        let mut values = Vec::with_capacity(vectors * registers.lanes * dim);
        for first in (0..vectors).step_by(width) {
            let lanes = first * registers.lanes..vectors.min(first + width) * registers.lanes;
            for column in centroids.columns() {
                values.extend(lanes.clone().map(|lane| column[lane.min(count - 1)]));
            }
        }
        Self { values, width, vectors, dim }
    }

    /// Sets `best` for the rows from `start` on; `next` is read after them.
    #[inline(always)]
    pub(super) fn nearest<S: Simd>(&self, simd: S, rows: Rows<'_>, start: usize, next: &[f32], best: &mut [Best]) {
        let (mut vectors, _) = S::as_simd_f32s(&self.values);
        let mut next = next.chunks(next.len().div_ceil(self.vectors.div_ceil(self.width)).max(1));
        for first in (0..self.vectors).step_by(self.width) {
            prefetch(next.next().unwrap_or_default());
            let width = self.width.min(self.vectors - first);
            let (panel, rest) = vectors.split_at(width * self.dim);
            vectors = rest;
            for (tile, best) in best.chunks_mut(TILE).enumerate() {
                let rows = rows.tile::<TILE>(start + tile * TILE, best.len());
                let tile = Tile { rows, first: first * S::F32_LANES };
                match width {
                    1 => tile.nearest::<S, 1>(simd, panel, best),
                    2 => tile.nearest::<S, 2>(simd, panel, best),
                    3 => tile.nearest::<S, 3>(simd, panel, best),
                    _ => tile.nearest::<S, 4>(simd, panel, best),
                }
            }
        }
    }
}

struct Tile<'a> {
    rows: [&'a [f32]; TILE],
    /// Index of the first centroid of the panel.
    first: usize,
}

impl Tile<'_> {
    #[inline(always)]
    fn nearest<S: Simd, const W: usize>(&self, simd: S, panel: &[S::f32s], best: &mut [Best]) {
        let products = products::<S, W>(simd, panel, self.rows);
        for (best, products) in best.iter_mut().zip(&products) {
            let mut most = products[0];
            for &product in &products[1..] {
                most = simd.max_f32s(most, product);
            }
            let most = simd.reduce_max_f32s(most);
            if most > best.1 {
                // Not `first_true_m32s`: in pulp 0.22 it counts from the last lane where masks are bits.
                let lanes: &[f32] = bytemuck::cast_slice(products);
                let lane = lanes.iter().position(|&product| product == most).unwrap_or(0);
                *best = ((self.first + lane) as u32, most);
            }
        }
    }
}

/// The products of a tile with a panel.
#[inline(always)]
fn products<S: Simd, const W: usize>(simd: S, panel: &[S::f32s], rows: [&[f32]; TILE]) -> [[S::f32s; W]; TILE] {
    let mut sums = [[simd.splat_f32s(0.0); W]; TILE];
    let (columns, _) = panel.as_chunks::<W>();
    let [a, b, c, d, e, f] = rows;
    for ((((((centroids, &a), &b), &c), &d), &e), &f) in columns.iter().zip(a).zip(b).zip(c).zip(d).zip(e).zip(f) {
        for (sums, value) in sums.iter_mut().zip([a, b, c, d, e, f]) {
            let value = simd.splat_f32s(value);
            for (sum, &centroid) in sums.iter_mut().zip(centroids) {
                *sum = simd.mul_add_e_f32s(value, centroid, *sum);
            }
        }
    }
    sums
}
