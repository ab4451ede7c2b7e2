//! Close calls: products of f32 decide between the centroids that those in fixed point leave to a row.
//!
//! The faster of two orders comes first: [`dot`] adds in the lanes of four vectors at a time. Products that it cannot tell apart
//! are summed again as the plain pass sums more than 20 of them, so that ties fall as they do there.

use ndarray::ArrayView2;
use pulp::{Arch, Simd, WithSimd};

/// Products of one row that are nearer than this are summed again in the order of the plain pass.
///
/// With `E` for the rounding of that order and `e` for that of [`dot`], products further apart than `2·(E + e)` are ordered alike
/// by both. `E ≤ dim · 2⁻²⁴`, so that this is below 4e-6 up to 24 columns in the worst case; rounding that does not conspire
/// grows with the root of `dim`, and it is up to 1,400. Beyond, a label may differ from the plain pass's where two products differ
/// by less than `3·E`: by a tie within rounding (`docs/kmeans.md`, "Ties").
const NEAR: f32 = 4e-6;

/// Centroids as they are.
pub(super) struct CloseCalls {
    /// `[count, dim]`
    centroids: Vec<f32>,
    dim: usize,
}

impl CloseCalls {
    pub(super) fn new(centroids: ArrayView2<'_, f32>) -> Self {
        Self { centroids: centroids.iter().copied().collect(), dim: centroids.ncols() }
    }

    pub(super) fn centroid(&self, label: u32) -> &[f32] {
        &self.centroids[label as usize * self.dim..][..self.dim]
    }

    /// Of some labels that of the row's largest product, the lowest on a tie, and that product.
    pub(super) fn nearest(&self, row: &[f32], labels: impl Iterator<Item = u32>) -> (u32, f32) {
        Arch::new().dispatch(NearestOf { close_calls: self, row, labels })
    }
}

struct NearestOf<'a, L> {
    close_calls: &'a CloseCalls,
    row: &'a [f32],
    labels: L,
}

/// A centroid and its product with the row.
#[derive(Clone, Copy)]
struct Scored {
    label: u32,
    product: f32,
    /// Whether the product was summed in the order of the plain pass.
    in_order: bool,
}

impl<L: Iterator<Item = u32>> WithSimd for NearestOf<'_, L> {
    type Output = (u32, f32);

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> (u32, f32) {
        let mut best = Scored { label: 0, product: f32::NEG_INFINITY, in_order: true };
        while let Some(label) = self.labels.next() {
            let product = dot(simd, self.row, self.close_calls.centroid(label));
            best = self.better(simd, best, Scored { label, product, in_order: false });
        }
        (best.label, best.product)
    }
}

impl<L> NearestOf<'_, L> {
    #[inline(always)]
    fn better<S: Simd>(&self, simd: S, mut best: Scored, mut other: Scored) -> Scored {
        if (other.product - best.product).abs() <= NEAR {
            for one in [&mut best, &mut other] {
                if !one.in_order {
                    one.product = dot_in_order(simd, self.row, self.close_calls.centroid(one.label));
                    one.in_order = true;
                }
            }
        }
        let wins = other.product > best.product || other.product == best.product && other.label < best.label;
        if wins { other } else { best }
    }
}

#[inline(always)]
fn dot<S: Simd>(simd: S, row: &[f32], centroid: &[f32]) -> f32 {
    let (row_head, row_tail) = S::as_simd_f32s(row);
    let (centroid_head, centroid_tail) = S::as_simd_f32s(centroid);
    let mut sums = [simd.splat_f32s(0.0); 4];
    let (row_fours, row_rest) = row_head.as_chunks::<4>();
    let (centroid_fours, centroid_rest) = centroid_head.as_chunks::<4>();
    for (row, centroid) in row_fours.iter().zip(centroid_fours) {
        for ((sum, &row), &centroid) in sums.iter_mut().zip(row).zip(centroid) {
            *sum = simd.mul_add_e_f32s(row, centroid, *sum);
        }
    }
    for (&row, &centroid) in row_rest.iter().zip(centroid_rest) {
        sums[0] = simd.mul_add_e_f32s(row, centroid, sums[0]);
    }
    let tail = simd.partial_load_f32s(row_tail);
    sums[1] = simd.mul_add_e_f32s(tail, simd.partial_load_f32s(centroid_tail), sums[1]);
    let halves = [simd.add_f32s(sums[0], sums[1]), simd.add_f32s(sums[2], sums[3])];
    simd.reduce_sum_f32s(simd.add_f32s(halves[0], halves[1]))
}

/// The product as a lane of a panel sums it.
#[inline(always)]
fn dot_in_order<S: Simd>(simd: S, row: &[f32], centroid: &[f32]) -> f32 {
    let mut sum = simd.splat_f32s(0.0);
    for (&value, &centroid) in row.iter().zip(centroid) {
        sum = simd.mul_add_e_f32s(simd.splat_f32s(value), simd.splat_f32s(centroid), sum);
    }
    let lanes: &[f32] = bytemuck::cast_slice(std::slice::from_ref(&sum));
    lanes[0]
}
