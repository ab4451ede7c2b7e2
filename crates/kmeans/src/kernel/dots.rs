//! Few centroids: lanes run along the columns, so that no lane waits for a centroid that is not there.
//!
//! A product is a sum of `dim / lanes` terms in each lane, then of the lanes: off by at most `(dim / lanes + log₂ lanes + 1) · 2⁻²⁴` of
//! the two norms' product.

use ndarray::ArrayView2;
use pulp::Simd;
use vectors::{Rows, prefetch};

use super::best::Best;
use super::registers::Registers;

/// With more centroids, summing the lanes of each product costs more than lanes without a centroid.
pub(super) const MOST: usize = 20;

/// `MOST` in whole panels of either size.
pub(super) const MOST_PADDED: usize = 21;

/// Rows that share the loads of the centroids.
pub(super) const TILE: usize = 4;

/// Centroids of a panel, which share the loads of a tile: the accumulators, `TILE * panel`, fill 32 registers or 16.
const PANEL_OF_MANY: usize = 5;
const PANEL_OF_FEW: usize = 3;

/// Bytes of centroids that stay in the first-level cache beside one tile.
const SMALL: usize = 32 * 1024;

/// Panel, chunk of lanes, centroid of the panel, lane; what is missing is 0.
pub(super) struct Dots {
    values: Vec<f32>,
    count: usize,
    chunks: usize,
}

impl Dots {
    pub(super) fn new(centroids: ArrayView2<'_, f32>, registers: Registers) -> Self {
        let (count, dim) = centroids.dim();
        let lanes = registers.lanes;
        let panel = if registers.many { PANEL_OF_MANY } else { PANEL_OF_FEW };
        let chunks = dim.div_ceil(lanes);
        let mut values = vec![0.0; count.div_ceil(panel) * chunks * panel * lanes];
        for ((centroid, column), &value) in centroids.indexed_iter() {
            let vector = (centroid / panel * chunks + column / lanes) * panel + centroid % panel;
            values[vector * lanes + column % lanes] = value;
        }
        Self { values, count, chunks }
    }

    /// Whether they stay in the first-level cache beside a tile.
    pub(super) fn are_small(&self) -> bool {
        size_of_val(&self.values[..]) <= SMALL
    }

    /// Sets `best` for the rows from `start` on; `next` is read after them.
    #[inline(always)]
    pub(super) fn nearest<S: Simd>(&self, simd: S, rows: Rows<'_>, start: usize, next: &[f32], best: &mut [Best]) {
        if Registers::of::<S>().many {
            self.nearest_by::<S, PANEL_OF_MANY>(simd, rows, start, next, best);
        } else {
            self.nearest_by::<S, PANEL_OF_FEW>(simd, rows, start, next, best);
        }
    }

    /// The products of a tile with all centroids; what is beyond their number is meaningless.
    #[inline(always)]
    pub(super) fn all_products<S: Simd>(&self, simd: S, tile: [&[f32]; TILE]) -> [[f32; MOST_PADDED]; TILE] {
        if Registers::of::<S>().many {
            self.all_products_by::<S, PANEL_OF_MANY>(simd, tile)
        } else {
            self.all_products_by::<S, PANEL_OF_FEW>(simd, tile)
        }
    }

    #[inline(always)]
    fn all_products_by<S: Simd, const P: usize>(&self, simd: S, tile: [&[f32]; TILE]) -> [[f32; MOST_PADDED]; TILE] {
        let (vectors, _) = S::as_simd_f32s(&self.values);
        let (vectors, _) = vectors.as_chunks::<P>();
        let mut all = [[0.0; MOST_PADDED]; TILE];
        for (panel, vectors) in vectors.chunks_exact(self.chunks).enumerate() {
            for (all, products) in all.iter_mut().zip(products(simd, vectors, tile)) {
                all[panel * P..][..P].copy_from_slice(&products);
            }
        }
        all
    }

    #[inline(always)]
    fn nearest_by<S: Simd, const P: usize>(
        &self,
        simd: S,
        rows: Rows<'_>,
        start: usize,
        next: &[f32],
        best: &mut [Best],
    ) {
        let (vectors, _) = S::as_simd_f32s(&self.values);
        let (vectors, _) = vectors.as_chunks::<P>();
        let mut next = next.chunks(next.len().div_ceil(self.count.div_ceil(P)).max(1));
        for (panel, vectors) in vectors.chunks_exact(self.chunks).enumerate() {
            prefetch(next.next().unwrap_or_default());
            let first = panel * P;
            let used = P.min(self.count - first);
            for (tile, best) in best.chunks_mut(TILE).enumerate() {
                let tile = rows.tile::<TILE>(start + tile * TILE, best.len());
                let products = products(simd, vectors, tile);
                for (best, products) in best.iter_mut().zip(products) {
                    for (offset, &cosine) in products[..used].iter().enumerate() {
                        if cosine > best.1 {
                            *best = ((first + offset) as u32, cosine);
                        }
                    }
                }
            }
        }
    }
}

/// The products of a tile with a panel.
#[inline(always)]
fn products<S: Simd, const P: usize>(simd: S, panel: &[[S::f32s; P]], rows: [&[f32]; TILE]) -> [[f32; P]; TILE] {
    let mut sums = [[simd.splat_f32s(0.0); P]; TILE];
    let (a, a_tail) = S::as_simd_f32s(rows[0]);
    let (b, b_tail) = S::as_simd_f32s(rows[1]);
    let (c, c_tail) = S::as_simd_f32s(rows[2]);
    let (d, d_tail) = S::as_simd_f32s(rows[3]);
    for ((((centroids, &a), &b), &c), &d) in panel.iter().zip(a).zip(b).zip(c).zip(d) {
        step(simd, &mut sums, centroids, [a, b, c, d]);
    }
    if let Some(centroids) = panel.get(a.len()) {
        let a = simd.partial_load_f32s(a_tail);
        let b = simd.partial_load_f32s(b_tail);
        let c = simd.partial_load_f32s(c_tail);
        let d = simd.partial_load_f32s(d_tail);
        step(simd, &mut sums, centroids, [a, b, c, d]);
    }
    let mut products = [[0.0; P]; TILE];
    for (products, sums) in products.iter_mut().zip(&sums) {
        for (product, &sum) in products.iter_mut().zip(sums) {
            *product = simd.reduce_sum_f32s(sum);
        }
    }
    products
}

#[inline(always)]
fn step<S: Simd, const P: usize>(
    simd: S,
    sums: &mut [[S::f32s; P]; TILE],
    centroids: &[S::f32s; P],
    rows: [S::f32s; TILE],
) {
    for (sums, row) in sums.iter_mut().zip(rows) {
        for (sum, &centroid) in sums.iter_mut().zip(centroids) {
            *sum = simd.mul_add_e_f32s(row, centroid, *sum);
        }
    }
}
