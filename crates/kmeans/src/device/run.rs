use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use ndarray::Array2;

use super::pass::{Centroids, Labels, Totals, assign, assign_and_sum, read_labels};
use super::rows::Blocks;
use crate::KMeansError;
use crate::clustering::{Clustering, Iteration};
use crate::split::split_empty;
use crate::sums::{Sums, sizes};

/// Everything of one run: never mixed with another's.
pub(super) struct Trained<B: Backend> {
    pub(super) centroids: Array2<f32>,
    /// One tensor for each block.
    labels: Vec<Labels<B>>,
    /// Rows trained on.
    pub(super) rows: usize,
    pub(super) objective: f64,
    pub(super) history: Vec<Iteration>,
    pub(super) converged: bool,
}

impl<B: Backend> Trained<B> {
    pub(super) fn new(start: Array2<f32>, blocks: &Blocks<B>) -> Self {
        // No row has this label yet, so that all of them change.
        let none = start.nrows() as i64;
        let unlabelled = |rows: &Tensor<B, 2>| Labels::full([rows.dims()[0], 1], none, &rows.device());
        Self {
            labels: blocks.tensors.iter().map(unlabelled).collect(),
            centroids: start,
            rows: blocks.rows,
            objective: f64::NEG_INFINITY,
            history: Vec::new(),
            converged: false,
        }
    }

    pub(super) fn iterate(
        &mut self,
        blocks: &Blocks<B>,
        run: usize,
        index: usize,
    ) -> Result<(Iteration, Sums), KMeansError> {
        let centroids = self.on_device(blocks);
        let Totals { cosines, changed, sums } = assign_and_sum(&blocks.tensors, &centroids, &mut self.labels)?;
        let reseeded = sums.sizes.iter().filter(|&&size| size == 0).count();
        Ok((Iteration { run, index, objective: cosines / self.rows as f64, changed, reseeded }, sums))
    }

    pub(super) fn update(&mut self, mut sums: Sums) {
        self.centroids = sums.centroids(self.centroids.view());
        split_empty(&mut self.centroids, &mut sums.sizes);
    }

    /// Labels of the rows that were trained on.
    pub(super) fn relabel(&mut self, blocks: &Blocks<B>) -> Result<(), KMeansError> {
        let centroids = self.on_device(blocks);
        self.objective = assign(&blocks.tensors, &centroids, &mut self.labels)? / self.rows as f64;
        Ok(())
    }

    /// The clustering of the rows that were trained on.
    pub(super) fn into_clustering(mut self) -> Result<Clustering, KMeansError> {
        let (labels, objective) = (read_labels(std::mem::take(&mut self.labels))?, self.objective);
        Ok(self.with_labels(labels, objective))
    }

    /// The clustering of other rows, whose `labels` are by these centroids.
    pub(super) fn with_labels(self, labels: Vec<u32>, objective: f64) -> Clustering {
        Clustering {
            sizes: sizes(&labels, self.centroids.nrows()),
            labels,
            centroids: self.centroids,
            objective,
            history: self.history,
            converged: self.converged,
        }
    }

    fn on_device(&self, blocks: &Blocks<B>) -> Centroids<B> {
        Centroids::new(self.centroids.view(), &blocks.tensors[0].device())
    }
}
