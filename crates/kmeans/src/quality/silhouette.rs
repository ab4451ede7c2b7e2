use ndarray::{Array2, ArrayView1, Axis};
use rayon::prelude::*;
use vectors::UnitRows;

use crate::init::take;
use crate::sums::Sums;

/// The silhouette of single rows, from the sums of the clusters: the distances of a row to those of a cluster sum to
/// the cluster's size less the row's product with the cluster's sum.
pub(super) struct Silhouette<'a> {
    rows: UnitRows<'a>,
    labels: &'a [u32],
    sizes: Vec<u64>,
    /// `[dim, clusters]`.
    sums: Array2<f64>,
}

/// Rows multiplied by the sums together.
const BLOCK: usize = 128;

impl<'a> Silhouette<'a> {
    pub(super) fn new(rows: UnitRows<'a>, labels: &'a [u32], sums: Sums) -> Self {
        let shape = (sums.sizes.len(), rows.dim());
        let values = Array2::from_shape_vec(shape, sums.values).expect("one sum of `dim` values for each cluster");
        Self { rows, labels, sizes: sums.sizes, sums: values.reversed_axes() }
    }

    /// The mean over the rows of `sample`.
    pub(super) fn mean(&self, mut sample: Vec<usize>) -> Option<f64> {
        let filled = self.sizes.iter().filter(|&&size| size > 0).count();
        if filled < 2 || sample.is_empty() {
            return None;
        }
        sample.sort_unstable();
        let sums: Vec<f64> = sample.par_chunks(BLOCK).map(|sample| self.sum(sample)).collect();
        Some(sums.iter().sum::<f64>() / sample.len() as f64)
    }

    fn sum(&self, sample: &[usize]) -> f64 {
        let rows = wide(self.rows, sample);
        let products = rows.dot(&self.sums);
        let of_rows = sample.iter().zip(rows.axis_iter(Axis(0))).zip(products.axis_iter(Axis(0)));
        of_rows.map(|((&index, row), products)| self.of(self.labels[index] as usize, row.dot(&row), products)).sum()
    }

    /// The silhouette of a row with label `own`, whose product with itself is `itself`.
    fn of(&self, own: usize, itself: f64, products: ArrayView1<'_, f64>) -> f64 {
        if self.sizes[own] == 1 {
            return 0.0;
        }
        let distance = |sum: f64, count: u64| (1.0 - sum / count as f64).max(0.0);
        let within = distance(products[own] - itself, self.sizes[own] - 1);
        let others = (0..self.sizes.len()).filter(|&cluster| cluster != own && self.sizes[cluster] > 0);
        let nearest =
            others.map(|cluster| distance(products[cluster], self.sizes[cluster])).fold(f64::INFINITY, f64::min);
        match within.max(nearest) {
            0.0 => 0.0,
            larger => (nearest - within) / larger,
        }
    }
}

/// Copies of the rows at `indices` in double precision.
fn wide(rows: UnitRows<'_>, indices: &[usize]) -> Array2<f64> {
    take(rows, indices).mapv(f64::from)
}
