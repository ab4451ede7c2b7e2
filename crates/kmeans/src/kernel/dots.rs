//! For few centroids: lanes along the columns, so that no lane waits for a centroid that is not there.

use ndarray::ArrayView2;
use pulp::Simd;
use vectors::{Rows, prefetch};

use super::{BLOCK, Best, Registers};

/// With more centroids, summing the lanes of each product costs more than lanes without a centroid.
pub(super) const MOST: usize = 20;

/// `MOST` in whole groups of either size.
pub(super) const MOST_PADDED: usize = 21;

/// Rows that share the loads of the centroids.
pub(super) const TILE: usize = 4;

/// Centroids that share the loads of a tile: the accumulators, `TILE * group`, fill the registers.
const GROUP_OF_MANY: usize = 5;
const GROUP_OF_FEW: usize = 3;

/// Packed centroids up to this size stay in the first-level cache beside one tile.
const SMALL: usize = 32 * 1024;

/// Group, chunk of lanes, centroid of the group, lane; what is missing is 0.
pub(super) struct Groups {
    values: Vec<f32>,
    count: usize,
    chunks: usize,
}

impl Groups {
    pub(super) fn new(centroids: ArrayView2<'_, f32>, registers: Registers) -> Self {
        let (count, dim) = centroids.dim();
        let lanes = registers.lanes;
        let group = if registers.many { GROUP_OF_MANY } else { GROUP_OF_FEW };
        let chunks = dim.div_ceil(lanes);
        let mut values = vec![0.0; count.div_ceil(group) * chunks * group * lanes];
        for ((centroid, column), &value) in centroids.indexed_iter() {
            let vector = (centroid / group * chunks + column / lanes) * group + centroid % group;
            values[vector * lanes + column % lanes] = value;
        }
        Self { values, count, chunks }
    }

    pub(super) fn block_rows(&self) -> usize {
        if size_of_val(&self.values[..]) <= SMALL { TILE } else { BLOCK }
    }

    /// Sets `best` for the rows from `start` on; `next` is read after them.
    #[inline(always)]
    pub(super) fn nearest<S: Simd>(&self, simd: S, rows: Rows<'_>, start: usize, next: &[f32], best: &mut [Best]) {
        if Registers::of::<S>().many {
            self.grouped::<S, GROUP_OF_MANY>(simd, rows, start, next, best);
        } else {
            self.grouped::<S, GROUP_OF_FEW>(simd, rows, start, next, best);
        }
    }

    /// The products of a tile with all centroids; the rest of `MOST` is meaningless.
    #[inline(always)]
    pub(super) fn all_products<S: Simd>(&self, simd: S, tile: [&[f32]; TILE]) -> [[f32; MOST_PADDED]; TILE] {
        if Registers::of::<S>().many {
            self.all_grouped::<S, GROUP_OF_MANY>(simd, tile)
        } else {
            self.all_grouped::<S, GROUP_OF_FEW>(simd, tile)
        }
    }

    #[inline(always)]
    fn all_grouped<S: Simd, const G: usize>(&self, simd: S, tile: [&[f32]; TILE]) -> [[f32; MOST_PADDED]; TILE] {
        let (vectors, _) = S::as_simd_f32s(&self.values);
        let (vectors, _) = vectors.as_chunks::<G>();
        let mut all = [[0.0; MOST_PADDED]; TILE];
        for (group, vectors) in vectors.chunks_exact(self.chunks).enumerate() {
            for (all, products) in all.iter_mut().zip(products(simd, vectors, tile)) {
                all[group * G..][..G].copy_from_slice(&products);
            }
        }
        all
    }

    #[inline(always)]
    fn grouped<S: Simd, const G: usize>(&self, simd: S, rows: Rows<'_>, start: usize, next: &[f32], best: &mut [Best]) {
        let (vectors, _) = S::as_simd_f32s(&self.values);
        let (vectors, _) = vectors.as_chunks::<G>();
        let mut next = next.chunks(next.len().div_ceil(self.count.div_ceil(G)).max(1));
        for (group, vectors) in vectors.chunks_exact(self.chunks).enumerate() {
            prefetch(next.next().unwrap_or_default());
            let first = group * G;
            let used = G.min(self.count - first);
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

/// The products of a tile with a group.
#[inline(always)]
fn products<S: Simd, const G: usize>(simd: S, group: &[[S::f32s; G]], rows: [&[f32]; TILE]) -> [[f32; G]; TILE] {
    let mut sums = [[simd.splat_f32s(0.0); G]; TILE];
    let (a, a_tail) = S::as_simd_f32s(rows[0]);
    let (b, b_tail) = S::as_simd_f32s(rows[1]);
    let (c, c_tail) = S::as_simd_f32s(rows[2]);
    let (d, d_tail) = S::as_simd_f32s(rows[3]);
    for ((((centroids, &a), &b), &c), &d) in group.iter().zip(a).zip(b).zip(c).zip(d) {
        step(simd, &mut sums, centroids, [a, b, c, d]);
    }
    if let Some(centroids) = group.get(a.len()) {
        let a = simd.partial_load_f32s(a_tail);
        let b = simd.partial_load_f32s(b_tail);
        let c = simd.partial_load_f32s(c_tail);
        let d = simd.partial_load_f32s(d_tail);
        step(simd, &mut sums, centroids, [a, b, c, d]);
    }
    let mut products = [[0.0; G]; TILE];
    for (products, sums) in products.iter_mut().zip(&sums) {
        for (product, &sum) in products.iter_mut().zip(sums) {
            *product = simd.reduce_sum_f32s(sum);
        }
    }
    products
}

#[inline(always)]
fn step<S: Simd, const G: usize>(
    simd: S,
    sums: &mut [[S::f32s; G]; TILE],
    centroids: &[S::f32s; G],
    rows: [S::f32s; TILE],
) {
    for (sums, row) in sums.iter_mut().zip(rows) {
        for (sum, &centroid) in sums.iter_mut().zip(centroids) {
            *sum = simd.mul_add_e_f32s(row, centroid, *sum);
        }
    }
}
