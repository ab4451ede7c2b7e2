//! Exact search with the products on a burn device.

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Int, Tensor, TensorData};
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;
use vectors::fixed_point::Direction;
use vectors::inner_product;

use super::batch::{Batch, QUERIES, hits, in_batches};
use super::documents::Documents;
use super::queries::Queries;
use super::top::{Candidate, Top};
use super::{ExactSearcher, Hit, Searcher};
use crate::error::EvalError;

/// Documents side by side of which only the largest product is read at first.
const GROUP: usize = 32;

/// WebGPU lets a shader see at least twice this much of one buffer.
const BLOCK_BYTES: usize = 64 << 20;

/// How far a product of unit vectors is off if both are cut off after the 10 bits that TF32 keeps: 2⁻⁹, and a little.
const CUT_OFF: f64 = 0.002;

/// More than each addition of f32 puts a sum off, even by cutting off.
const ADDITION: f64 = 1.0 / (1 << 22) as f64;

/// [`ExactSearcher`] with the products on a burn device (feature `burn`): the same hits and scores, to the bit.
///
/// The device multiplies a batch of queries with one block of documents after another. Of every 32 documents side by
/// side it gives the largest product, and of those that can be among the best all products. From these, bounds leave
/// the documents that can be among the best, whose scores are computed on the processor as [`ExactSearcher`] does. The
/// bounds hold for products of f32, with factors cut to the 10 bits of TF32 or better, that are summed in f32. A sample
/// of the products is compared with the exact ones: of every query, one in each block from which any are read.
///
/// Vectors of norms outside 1e-15 to 1e15, unless 0, are compared on the processor alone, and are slow.
///
/// The documents are borrowed, and copied to the device when the searcher is built: 4 bytes a value. A search needs up
/// to about three times [`block_bytes`](Self::in_blocks) there, and 24 bytes · `k` for each of up to 1024 queries at
/// once here.
///
/// # Shapes
/// - `documents`: `[n, dim]`, n < 2³², any strides (rows that are contiguous are fastest)
///
/// # Examples
/// ```
/// use burn::tensor::backend::Backend;
/// use ndarray::ArrayView2;
/// use retrieval_eval::{DeviceSearcher, EvalError, Hit, Searcher};
///
/// fn ten_best<B: Backend>(
///     [documents, queries]: [ArrayView2<'_, f32>; 2],
///     device: &B::Device,
/// ) -> Result<Vec<Vec<Hit>>, EvalError> {
///     DeviceSearcher::<B>::new(documents, device)?.search(queries, 10)
/// }
/// ```
#[doc(alias = "gpu")]
#[doc(alias = "GpuIndexFlatIP")]
#[derive(Clone, Debug)]
pub struct DeviceSearcher<'a, B: Backend> {
    host: ExactSearcher<'a>,
    blocks: Vec<Block<B>>,
    device: B::Device,
}

impl<'a, B: Backend> DeviceSearcher<'a, B> {
    /// A searcher over the rows of `documents`, with blocks of at most 64 MiB.
    ///
    /// # Errors
    /// [`EvalError::TooManyDocuments`] for 2³² rows or more.
    pub fn new(documents: ArrayView2<'a, f32>, device: &B::Device) -> Result<Self, EvalError> {
        Self::in_blocks(documents, device, BLOCK_BYTES)
    }

    /// A searcher with blocks, and products of a batch of queries with one, of at most `block_bytes`; but of no fewer
    /// than 32 documents.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn in_blocks(
        documents: ArrayView2<'a, f32>,
        device: &B::Device,
        block_bytes: usize,
    ) -> Result<Self, EvalError> {
        let host = ExactSearcher::new(documents)?;
        let (count, dim) = documents.dim();
        let rows = (block_bytes / size_of::<f32>() / dim.max(QUERIES) / GROUP).max(1) * GROUP;
        let starts = if dim == 0 { 0..0 } else { 0..count };
        let block = |first| Block::new(host.rows(first..count.min(first + rows)), first, device);
        let blocks = starts.step_by(rows).map(block).collect();
        Ok(Self { host, blocks, device: device.clone() })
    }

    fn search_batch(&self, batch: Batch<'_>) -> Result<Vec<Vec<Hit>>, EvalError> {
        let queries = Queries::new(batch.queries);
        let directions = upload(queries.directions(), batch.queries.dim(), &self.device);
        let mut tops: Vec<Top> = (0..queries.len()).map(|_| Top::new(batch.k)).collect();
        let pass = Pass { batch, queries, documents: &self.host };
        for block in &self.blocks {
            pass.scan(block, directions.clone(), &mut tops)?;
        }
        Ok(hits(tops, pass.documents, &pass.queries))
    }
}

impl<B: Backend> Searcher for DeviceSearcher<'_, B> {
    /// What [`ExactSearcher`] finds.
    ///
    /// # Errors
    /// Those of [`ExactSearcher`], [`EvalError::Device`], and [`EvalError::DevicePrecision`] where a product is off by
    /// more than the bounds allow for.
    fn search(&self, queries: ArrayView2<'_, f32>, k: usize) -> Result<Vec<Vec<Hit>>, EvalError> {
        if self.blocks.is_empty() {
            // No documents, or none with a component.
            return self.host.search(queries, k);
        }
        in_batches(queries, k, self.host.documents.dim(), |batch| self.search_batch(batch))
    }
}

/// A batch of queries on its way through the blocks.
struct Pass<'q, 'p, 'a> {
    batch: Batch<'q>,
    queries: Queries,
    documents: &'p ExactSearcher<'a>,
}

impl Pass<'_, '_, '_> {
    /// Offers the documents of a block to the queries' tops.
    fn scan<B: Backend>(&self, block: &Block<B>, directions: Tensor<B, 2>, tops: &mut [Top]) -> Result<(), EvalError> {
        let products = block.products(directions);
        let maxima = read(products.clone().max_dim(1))?;
        let of_query = maxima.par_chunks(block.group_slacks.len()).zip(&*tops).enumerate();
        let promising = of_query
            .map(|(query, (maxima, top))| block.promising(maxima, self.batch.k, self.queries.threshold(query, top)));
        let promising: Vec<Vec<usize>> = promising.collect();
        let products = read_groups(products, &promising)?;
        let (mut products, mut candidates) = (products.as_slice(), Vec::with_capacity(promising.len()));
        for groups in &promising {
            let (of_query, others) = products.split_at(groups.len() * GROUP);
            candidates.push(block.candidates(groups, of_query));
            products = others;
        }
        let of_query = tops.par_iter_mut().zip(candidates).enumerate();
        of_query.map(|(query, (top, candidates))| self.offer(query, candidates, top)).collect()
    }

    fn offer(&self, query: usize, candidates: impl Iterator<Item = Candidate>, top: &mut Top) -> Result<(), EvalError> {
        let mut candidates = candidates.peekable();
        let Some(sampled) = candidates.peek() else { return Ok(()) };
        self.check(query, sampled)?;
        for candidate in candidates {
            let offered = self.queries.offer(query, self.documents, candidate, top);
            offered.map_err(|nan| self.documents.nan_error(self.batch, nan))?;
        }
        top.raise();
        Ok(())
    }

    /// Compares the bounds that the device's product gave with the exact product.
    fn check(&self, query: usize, sampled: &Candidate) -> Result<(), EvalError> {
        let Hit { index, score } = self.queries.hit(query, self.documents, sampled.place);
        let (lower, upper) = self.queries.bounds(query, score);
        let bounded = sampled.lower <= upper && lower <= sampled.upper;
        if bounded || sampled.upper == f32::INFINITY || self.queries.has_no_direction(query) {
            return Ok(());
        }
        Err(EvalError::DevicePrecision { query: self.batch.first + query, document: index })
    }
}

/// Documents on a device, and what is known here of their products with unit vectors.
#[derive(Clone, Debug)]
struct Block<B: Backend> {
    /// `[dim, rows]`; the last rows of the last block, which make its last group whole, are no documents.
    columns: Tensor<B, 2>,
    /// Place of the first document.
    first: usize,
    /// For each document, how far a product may be off; infinite where it says nothing.
    slacks: Vec<f32>,
    /// The largest of each group.
    group_slacks: Vec<f32>,
}

impl<B: Backend> Block<B> {
    fn new(documents: ArrayView2<'_, f32>, first: usize, device: &B::Device) -> Self {
        let (count, dim) = documents.dim();
        let rows = count.next_multiple_of(GROUP);
        let mut values = vec![0.0; rows * dim];
        let slacks: Vec<f32> = (values.par_chunks_mut(dim).zip(documents.axis_iter(Axis(0)).into_par_iter()))
            .map(|(values, document)| {
                values.iter_mut().zip(document).for_each(|(to, &value)| *to = value);
                let slack = slack(values);
                if slack == f32::INFINITY {
                    values.fill(0.0);
                }
                slack
            })
            .collect();
        let largest = |slacks: &[f32]| match slacks.len() {
            GROUP => slacks.iter().copied().fold(0.0, f32::max),
            _ => f32::INFINITY,
        };
        let group_slacks = slacks.chunks(GROUP).map(largest).collect();
        Self { columns: upload(values, (rows, dim), device).transpose(), first, slacks, group_slacks }
    }

    /// The products with unit vectors, `[queries * groups, GROUP]`.
    fn products(&self, directions: Tensor<B, 2>) -> Tensor<B, 2> {
        let [queries, _] = directions.dims();
        directions.matmul(self.columns.clone()).reshape([queries * self.group_slacks.len(), GROUP])
    }

    /// The groups that may hold one of a query's best, by the largest product of each.
    fn promising(&self, maxima: &[f32], k: usize, threshold: f32) -> Vec<usize> {
        let below = |group: usize, threshold| maxima[group] + self.group_slacks[group] < threshold;
        let mut groups: Vec<usize> = (0..maxima.len()).filter(|&group| !below(group, threshold)).collect();
        if groups.len() > k {
            // Each has a document that is not below this.
            let mut lower: Vec<f32> = groups.iter().map(|&group| maxima[group] - self.group_slacks[group]).collect();
            let (_, &mut threshold, _) = lower.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
            groups.retain(|&group| !below(group, threshold));
        }
        groups
    }

    /// The documents of some groups, of which these are the products.
    fn candidates<'c>(&'c self, groups: &'c [usize], products: &'c [f32]) -> impl Iterator<Item = Candidate> + 'c {
        groups.iter().zip(products.chunks(GROUP)).flat_map(|(&group, products)| {
            let slacks = &self.slacks[group * GROUP..];
            products.iter().zip(slacks).zip(self.first + group * GROUP..).map(|((product, slack), place)| Candidate {
                lower: product - slack,
                upper: product + slack,
                place: place as u32,
            })
        })
    }
}

/// The products in some groups of each query, of all products by query and group.
fn read_groups<B: Backend>(products: Tensor<B, 2>, of_query: &[Vec<usize>]) -> Result<Vec<f32>, EvalError> {
    let groups = products.dims()[0] / of_query.len();
    let of_query = of_query.iter().enumerate();
    let rows = of_query.flat_map(|(query, kept)| kept.iter().map(move |group| (query * groups + group) as i64));
    let rows: Vec<i64> = rows.collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let shape = [rows.len()];
    let rows = Tensor::<B, 1, Int>::from_data(TensorData::new(rows, shape), &products.device());
    read(products.select(0, rows))
}

/// How far a product of a unit vector with the document may be off.
fn slack(document: &[f32]) -> f32 {
    let norm = inner_product(document, document).sqrt();
    match norm == 0.0 || Direction::NORMS.contains(&norm) {
        true => (norm * (CUT_OFF + document.len() as f64 * ADDITION)) as f32,
        false => f32::INFINITY,
    }
}

fn upload<B: Backend>(values: Vec<f32>, (rows, dim): (usize, usize), device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(values, [rows, dim]), (device, DType::F32))
}

fn read<B: Backend>(tensor: Tensor<B, 2>) -> Result<Vec<f32>, EvalError> {
    Ok(tensor.try_into_data()?.into_vec().expect("tensors made of f32 hold f32"))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_product_that_is_off_by_more_than_its_bounds_is_found() {
        let (documents, queries) = (array![[3.0, 4.0], [0.0, 1e20]], array![[0.0, 2.0], [0.0, 1e-20]]);
        let batch = Batch { queries: queries.view(), first: 70, k: 1 };
        let documents = ExactSearcher::new(documents.view()).unwrap();
        let pass = Pass { batch, queries: Queries::new(batch.queries), documents: &documents };
        let check = |query, product, place, slack| {
            pass.check(query, &Candidate { lower: product - slack, upper: product + slack, place })
        };
        let slack = slack(&[3.0, 4.0]);
        assert!((0.01..0.0101).contains(&slack), "{slack}");
        for product in [4.0, 4.0 - 0.9 * slack, 4.0 + 0.9 * slack] {
            assert!(check(0, product, 0, slack).is_ok());
        }
        for product in [4.0 - 1.1 * slack, 4.0 + 1.1 * slack, f32::NAN] {
            let error = check(0, product, 0, slack).unwrap_err().to_string();
            assert_eq!(error, "the device's product of query 70 and document 0 is off by more than that of TF32");
        }
        // The device is not asked about these.
        assert!(check(0, 0.0, 1, f32::INFINITY).is_ok() && check(1, 0.0, 0, slack).is_ok());
    }
}
