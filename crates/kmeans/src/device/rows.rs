use std::ops::Range;

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Int, Tensor, TensorData};
use ndarray::{Array2, ArrayView2};
use vectors::{UnitRows, VectorsError, is_unit, not_unit};

use crate::rows::checked;
use crate::{KMeansError, NpyVectors, Vectors};

/// Rows in the host's memory or on a device: what [`DeviceKMeans`](crate::DeviceKMeans) labels.
///
/// # Examples
/// ```
/// use burn::tensor::{Tensor, backend::Backend};
/// use kmeans::{Clustering, DeviceKMeans, KMeansError};
/// use ndarray::ArrayView2;
///
/// fn labels<B: Backend>(
///     clusterer: &DeviceKMeans<B>,
///     clustering: &Clustering,
///     (host, device): (ArrayView2<'_, f32>, Tensor<B, 2>),
/// ) -> Result<[Vec<u32>; 2], KMeansError> {
///     Ok([clusterer.predict(host, clustering)?, clusterer.predict(device, clustering)?])
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AnyRows<'a, B: Backend>(Place<'a, B>);

#[derive(Clone, Debug)]
enum Place<'a, B: Backend> {
    Host(Vectors<'a>),
    Device(Tensor<B, 2>),
}

impl<'a, B: Backend> From<Vectors<'a>> for AnyRows<'a, B> {
    fn from(rows: Vectors<'a>) -> Self {
        Self(Place::Host(rows))
    }
}

impl<'a, B: Backend> From<ArrayView2<'a, f32>> for AnyRows<'a, B> {
    fn from(rows: ArrayView2<'a, f32>) -> Self {
        Self(Place::Host(rows.into()))
    }
}

impl<'a, B: Backend> From<&'a NpyVectors> for AnyRows<'a, B> {
    fn from(rows: &'a NpyVectors) -> Self {
        Self(Place::Host(rows.into()))
    }
}

impl<B: Backend> From<Tensor<B, 2>> for AnyRows<'_, B> {
    fn from(rows: Tensor<B, 2>) -> Self {
        Self(Place::Device(rows))
    }
}

impl<B: Backend> AnyRows<'_, B> {
    /// The rows, once they are known to be finite and of unit norm.
    pub(super) fn located(&self, device: &B::Device, block_bytes: usize) -> Result<Located<'_, B>, KMeansError> {
        match &self.0 {
            Place::Host(rows) => Ok(Located::Host(checked(rows)?)),
            Place::Device(rows) => checked_tensor(rows.clone().detach().to_device(device), block_bytes),
        }
    }
}

/// Rows that have been checked, where they are.
pub(super) enum Located<'a, B: Backend> {
    Host(UnitRows<'a>),
    Device(Tensor<B, 2>),
}

/// Rows on the host, read where they lie or copied from a device.
pub(super) enum HostRows<'a> {
    Borrowed(UnitRows<'a>),
    Owned(Vec<f32>),
}

impl HostRows<'_> {
    pub(super) fn source(&self, dim: usize) -> UnitRows<'_> {
        match self {
            Self::Borrowed(source) => *source,
            Self::Owned(values) => UnitRows::of_copies(values, dim),
        }
    }
}

impl<'a, B: Backend> Located<'a, B> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Host(source) => source.len(),
            Self::Device(rows) => rows.dims()[0],
        }
    }

    pub(super) fn dim(&self) -> usize {
        match self {
            Self::Host(source) => source.dim(),
            Self::Device(rows) => rows.dims()[1],
        }
    }

    /// Rows of f32 on the device.
    pub(super) fn block(&self, range: Range<usize>, device: &B::Device) -> Tensor<B, 2> {
        match self {
            Self::Host(source) => {
                let shape = [range.len(), source.dim()];
                // The rows of f16 are widened on the way.
                upload(source.gather(&range.collect::<Vec<_>>()), shape, device)
            }
            Self::Device(rows) => slice(rows, range),
        }
    }

    /// Copies of the rows at `indices` on the host.
    pub(super) fn take(&self, indices: &[usize]) -> Result<Array2<f32>, KMeansError> {
        let values = match self {
            Self::Host(source) => source.gather(indices),
            Self::Device(rows) => read(select(rows, indices))?,
        };
        let shape = (indices.len(), self.dim());
        Ok(Array2::from_shape_vec(shape, values).expect("each index gives one row of `dim` values"))
    }

    /// All rows on the host.
    pub(super) fn to_host(&self, block_rows: usize) -> Result<HostRows<'a>, KMeansError> {
        match self {
            Self::Host(source) => Ok(HostRows::Borrowed(*source)),
            Self::Device(rows) => {
                let mut values = Vec::with_capacity(self.len() * self.dim());
                for range in ranges(self.len(), block_rows) {
                    values.extend(read(slice(rows, range))?);
                }
                Ok(HostRows::Owned(values))
            }
        }
    }

    /// What `train` makes of the rows at `indices` alone.
    pub(super) fn with_sample<T>(&self, indices: &[usize], train: impl FnOnce(&Located<'_, B>) -> T) -> T {
        match self {
            Self::Host(source) => train(&Located::Host(UnitRows::of_copies(&source.gather(indices), source.dim()))),
            Self::Device(rows) => train(&Located::Device(select(rows, indices))),
        }
    }
}

/// Rows that stay on the device, cut into blocks.
pub(super) struct Blocks<B: Backend> {
    pub(super) tensors: Vec<Tensor<B, 2>>,
    pub(super) rows: usize,
}

impl<B: Backend> Blocks<B> {
    pub(super) fn new(rows: &Located<'_, B>, block_rows: usize, device: &B::Device) -> Self {
        let tensors = ranges(rows.len(), block_rows).map(|range| rows.block(range, device)).collect();
        Self { tensors, rows: rows.len() }
    }
}

/// A slice of a tensor that begins at a multiple of this many rows begins at a multiple of 512 bytes, as cubecl's
/// views must.
const ALIGNED_ROWS: usize = 128;

/// Rows of a block of which neither the values nor the products with the centroids take more than `block_bytes`.
pub(super) fn block_rows(block_bytes: usize, dim: usize, clusters: usize) -> usize {
    match block_bytes / size_of::<f32>() / dim.max(clusters) {
        0 => 1,
        rows if rows < ALIGNED_ROWS => rows,
        rows => rows - rows % ALIGNED_ROWS,
    }
}

/// `0..rows`, cut every `block` rows.
pub(super) fn ranges(rows: usize, block: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(block).map(move |start| start..rows.min(start + block))
}

pub(super) fn upload<B: Backend>(values: Vec<f32>, shape: [usize; 2], device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}

fn checked_tensor<'a, B: Backend>(rows: Tensor<B, 2>, block_bytes: usize) -> Result<Located<'a, B>, KMeansError> {
    let [count, dim] = rows.dims();
    if dim == 0 {
        return Err(VectorsError::NoDimensions.into());
    }
    if count == 0 {
        return Err(KMeansError::NoRows);
    }
    for range in ranges(count, block_rows(block_bytes, dim, 1)) {
        let block = slice(&rows, range.clone());
        let squared_norms = read((block.clone() * block).sum_dim(1))?;
        let bad = squared_norms.iter().position(|&squared| !is_unit(f64::from(squared).sqrt()));
        if let Some(bad) = bad.map(|bad| range.start + bad) {
            return Err(not_unit(&read(select(&rows, &[bad]))?, bad).into());
        }
    }
    Ok(Located::Device(rows))
}

fn slice<B: Backend>(rows: &Tensor<B, 2>, range: Range<usize>) -> Tensor<B, 2> {
    match range == (0..rows.dims()[0]) {
        true => rows.clone().cast(DType::F32),
        false => rows.clone().slice(range).cast(DType::F32),
    }
}

fn select<B: Backend>(rows: &Tensor<B, 2>, indices: &[usize]) -> Tensor<B, 2> {
    let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
    let shape = [indices.len()];
    let indices = Tensor::<B, 1, Int>::from_data(TensorData::new(indices, shape), &rows.device());
    rows.clone().select(0, indices).cast(DType::F32)
}

fn read<B: Backend>(tensor: Tensor<B, 2>) -> Result<Vec<f32>, KMeansError> {
    Ok(tensor.try_into_data()?.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_rows_or_products_is_within_its_bytes_and_never_empty() {
        assert_eq!(block_rows(64 << 20, 768, 10), 21_760);
        assert_eq!(block_rows(64 << 20, 768, 100_000), 128);
        assert_eq!(block_rows(1000, 2, 3), 83);
        assert_eq!(block_rows(0, 768, 10), 1);
    }

    #[test]
    fn ranges_cover_every_row_once() {
        assert_eq!(ranges(7, 3).collect::<Vec<_>>(), [0..3, 3..6, 6..7]);
        assert_eq!(ranges(6, 3).collect::<Vec<_>>(), [0..3, 3..6]);
        assert_eq!(ranges(2, 3).count(), 1);
    }
}
