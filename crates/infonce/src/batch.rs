use burn::tensor::{DType, Tensor, backend::Backend};

use crate::{Direction, InBatch};

/// The checked rows of one batch, in at least single precision.
#[derive(Debug, Clone)]
pub(crate) struct Batch<B: Backend> {
    /// `[b, d]`
    pub(crate) queries: Tensor<B, 2>,
    /// `[b + m, d]`
    pub(crate) passages: Tensor<B, 2>,
}

impl<B: Backend> Batch<B> {
    /// The rows, if they fit each other and the direction.
    #[track_caller]
    pub(crate) fn new(queries: Tensor<B, 2>, passages: Tensor<B, 2>, direction: Direction) -> Self {
        let ([b, d], [n, width]) = (queries.dims(), passages.dims());
        assert!(b > 0, "no queries");
        assert!(d == width, "queries of width {d}, passages of width {width}");
        match direction {
            Direction::QueryToPassage => assert!(n >= b, "{n} passages for {b} queries"),
            Direction::Symmetric => {
                assert!(n == b, "{n} passages for {b} queries: the symmetric loss needs as many");
            }
        }
        Self { queries: at_least_single(queries), passages: at_least_single(passages) }
    }

    /// Panics unless each side has no ids or one a row, and known positives are absent or of each query.
    #[track_caller]
    pub(crate) fn check_ids(&self, ids: &InBatch<'_>) {
        let [b, n] = self.logits_shape();
        let (queries, passages) = (ids.query_ids.len(), ids.passage_ids.len());
        assert!(queries == 0 || queries == b, "{queries} query ids for {b} queries");
        assert!(passages == 0 || passages == n, "{passages} passage ids for {n} passages");
        let known = ids.known_positives.len();
        assert!(known == 0 || known == b, "known positives of {known} queries for {b} queries");
        assert!(known == 0 || passages == n, "known positives without passage ids");
    }

    /// `[b, b + m]`
    pub(crate) fn logits_shape(&self) -> [usize; 2] {
        [self.queries.dims()[0], self.passages.dims()[0]]
    }
}

/// Softmax at a temperature of 0.02 needs more than the 8 bits of bf16.
fn at_least_single<B: Backend>(rows: Tensor<B, 2>) -> Tensor<B, 2> {
    match rows.dtype() {
        DType::F16 | DType::BF16 => rows.cast(DType::F32),
        _ => rows,
    }
}
