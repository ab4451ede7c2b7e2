//! One pass over blocks of rows on the device: nearest centroids, objective and the sums of the next centroids.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Int, Tensor, TensorData, Transaction};
use ndarray::ArrayView2;

use super::rows::upload;
use crate::KMeansError;
use crate::sums::Sums;

/// Labels of a block, `[rows, 1]`.
pub(super) type Labels<B> = Tensor<B, 2, Int>;

/// Centroids on the device.
pub(super) struct Centroids<B: Backend> {
    /// `[dim, clusters]`.
    columns: Tensor<B, 2>,
}

impl<B: Backend> Centroids<B> {
    pub(super) fn new(centroids: ArrayView2<'_, f32>, device: &B::Device) -> Self {
        let (clusters, dim) = centroids.dim();
        Self { columns: upload(centroids.iter().copied().collect(), [clusters, dim], device).transpose() }
    }

    pub(super) fn nearest(&self, rows: Tensor<B, 2>) -> Nearest<B> {
        let (largest, labels) = rows.matmul(self.columns.clone()).max_dim_with_indices(1);
        Nearest { labels, cosines: largest.sum() }
    }

    /// `[1, clusters]`: 0, 1, …
    fn indices(&self) -> Tensor<B, 2, Int> {
        let [_, clusters] = self.columns.dims();
        Tensor::<B, 1, Int>::arange(0..clusters as i64, &self.columns.device()).unsqueeze()
    }
}

/// Labels of one block, and the sum of its rows' cosines with their centroids.
pub(super) struct Nearest<B: Backend> {
    labels: Labels<B>,
    cosines: Tensor<B, 1>,
}

impl<B: Backend> Nearest<B> {
    pub(super) fn read(self) -> Result<(Vec<u32>, f64), KMeansError> {
        let read = Transaction::default().register(self.labels).register(self.cosines);
        let [labels, cosines] = execute(read)?;
        Ok((labels.iter().collect(), total(&cosines)))
    }
}

/// What a pass counts beside the labels it writes.
pub(super) struct Totals {
    /// Sum of the rows' cosines with their centroids.
    pub(super) cosines: f64,
    /// Labels that differ from those before the pass.
    pub(super) changed: u64,
    pub(super) sums: Sums,
}

/// Writes the nearest centroid of every row to `labels`, and sums the rows of each label.
pub(super) fn assign_and_sum<B: Backend>(
    blocks: &[Tensor<B, 2>],
    centroids: &Centroids<B>,
    labels: &mut [Labels<B>],
) -> Result<Totals, KMeansError> {
    let [dim, clusters] = centroids.columns.dims();
    let device = centroids.columns.device();
    let indices = centroids.indices();
    let mut sums = Tensor::<B, 2>::zeros([clusters, dim], (&device, DType::F32));
    let mut sizes = Tensor::<B, 2, Int>::zeros([1, clusters], &device);
    let (mut cosines, mut changed) = (Vec::new(), Vec::new());
    for (rows, labels) in blocks.iter().zip(labels) {
        let nearest = centroids.nearest(rows.clone());
        let one_hot = nearest.labels.clone().equal(indices.clone()).float().cast(DType::F32);
        // Ones add up exactly: f32 counts to 2^24, the most values of a 64 MiB block.
        sizes = sizes + one_hot.clone().sum_dim(0).int();
        sums = sums + one_hot.transpose().matmul(rows.clone());
        changed.push(nearest.labels.clone().not_equal(labels.clone()).int().sum());
        cosines.push(nearest.cosines);
        *labels = nearest.labels;
    }
    let read = Transaction::default().register(Tensor::cat(cosines, 0)).register(Tensor::cat(changed, 0));
    let [cosines, changed, sums, sizes] = execute(read.register(sums).register(sizes))?;
    let sums = Sums { values: sums.iter::<f64>().collect(), sizes: sizes.iter::<u64>().collect() };
    Ok(Totals { cosines: total(&cosines), changed: changed.iter::<u64>().sum(), sums })
}

/// Writes the nearest centroid of every row to `labels`; the sum of the rows' cosines with them.
pub(super) fn assign<B: Backend>(
    blocks: &[Tensor<B, 2>],
    centroids: &Centroids<B>,
    labels: &mut [Labels<B>],
) -> Result<f64, KMeansError> {
    let mut cosines = Vec::with_capacity(blocks.len());
    for (rows, labels) in blocks.iter().zip(labels) {
        let nearest = centroids.nearest(rows.clone());
        cosines.push(nearest.cosines);
        *labels = nearest.labels;
    }
    Ok(total(&Tensor::cat(cosines, 0).try_into_data()?))
}

/// The labels of all blocks on the host.
pub(super) fn read_labels<B: Backend>(labels: Vec<Labels<B>>) -> Result<Vec<u32>, KMeansError> {
    let read = labels.into_iter().fold(Transaction::default(), |read, labels| read.register(labels));
    Ok(read.try_execute()?.iter().flat_map(|labels| labels.iter::<u32>()).collect())
}

fn execute<B: Backend, const N: usize>(read: Transaction<B>) -> Result<[TensorData; N], KMeansError> {
    Ok(read.try_execute()?.try_into().expect("as many values as tensors were registered"))
}

fn total(values: &TensorData) -> f64 {
    values.iter::<f64>().sum()
}
