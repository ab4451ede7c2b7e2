//! Products of f32 between which those in fixed point cannot decide.

use ndarray::ArrayView2;
use pulp::{Arch, Simd, WithSimd};

/// Products of one row that are closer than this are summed again in the order of the plain pass.
const NEAR: f32 = 4e-6;

/// Centroids as they are.
pub(super) struct Exact {
    /// `[count, dim]`
    values: Vec<f32>,
    dim: usize,
}

impl Exact {
    pub(super) fn new(centroids: ArrayView2<'_, f32>) -> Self {
        Self { values: centroids.iter().copied().collect(), dim: centroids.ncols() }
    }

    pub(super) fn centroid(&self, label: u32) -> &[f32] {
        &self.values[label as usize * self.dim..][..self.dim]
    }

    /// Of some labels that of the row's largest product, the lowest on a tie, and that product.
    pub(super) fn nearest(&self, row: &[f32], labels: impl Iterator<Item = u32>) -> (u32, f32) {
        Arch::new().dispatch(Among { exact: self, row, labels })
    }
}

struct Among<'a, L> {
    exact: &'a Exact,
    row: &'a [f32],
    labels: L,
}

/// The best centroid of a row so far.
#[derive(Clone, Copy)]
struct Best {
    label: u32,
    product: f32,
    /// Whether the product was summed in the order of the plain pass.
    in_order: bool,
}

impl<L: Iterator<Item = u32>> WithSimd for Among<'_, L> {
    type Output = (u32, f32);

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> (u32, f32) {
        let mut best = Best { label: 0, product: f32::NEG_INFINITY, in_order: true };
        while let Some(label) = self.labels.next() {
            let product = dot(simd, self.row, self.exact.centroid(label));
            best = self.better(simd, best, Best { label, product, in_order: false });
        }
        (best.label, best.product)
    }
}

impl<L> Among<'_, L> {
    #[inline(always)]
    fn better<S: Simd>(&self, simd: S, mut best: Best, mut found: Best) -> Best {
        if (found.product - best.product).abs() <= NEAR {
            for one in [&mut best, &mut found] {
                if !one.in_order {
                    one.product = dot_in_order(simd, self.row, self.exact.centroid(one.label));
                    one.in_order = true;
                }
            }
        }
        let wins = found.product > best.product || found.product == best.product && found.label < best.label;
        if wins { found } else { best }
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
