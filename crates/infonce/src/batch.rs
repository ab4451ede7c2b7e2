use burn::tensor::{DType, Tensor, backend::Backend};

use crate::{InBatch, Part};

/// The checked rows of one batch, in at least single precision.
#[derive(Debug, Clone)]
pub(crate) struct Batch<B: Backend> {
    /// `[b, d]`
    pub(crate) queries: Tensor<B, 2>,
    /// `[n, d]`
    pub(crate) passages: Tensor<B, 2>,
}

impl<B: Backend> Batch<B> {
    /// The rows, if they fit each other and what is said of them.
    #[track_caller]
    pub(crate) fn new(queries: Tensor<B, 2>, passages: Tensor<B, 2>, known: &InBatch<'_>) -> Self {
        let ([b, d], [n, width]) = (queries.dims(), passages.dims());
        assert!(b > 0, "no queries");
        assert!(d > 0, "rows of width 0");
        assert!(d == width, "queries of width {d}, passages of width {width}");
        let least = known.hard_negatives.checked_add(1).and_then(|each| each.checked_mul(b)).unwrap_or(usize::MAX);
        assert!(n >= least, "{n} passages for {b} queries with {} hard negatives each", known.hard_negatives);
        check(known, b, n);
        Self { queries: at_least_single(queries), passages: at_least_single(passages) }
    }
}

/// Panics unless each side has no ids or one a row, known positives are absent or of each query, and so is the guide.
#[track_caller]
fn check(known: &InBatch<'_>, b: usize, n: usize) {
    let (queries, passages) = (known.query_ids.len(), known.passage_ids.len());
    assert!(queries == 0 || queries == b, "{queries} query ids for {b} queries");
    assert!(passages == 0 || passages == n, "{passages} passage ids for {n} passages");
    let positives = known.known_positives.len();
    assert!(positives == 0 || positives == b, "known positives of {positives} queries for {b} queries");
    assert!(positives == 0 || passages == n, "known positives without passage ids");
    let strata = known.strata.len();
    assert!(strata == 0 || strata == b, "strata of {strata} pairs for {b} pairs");
    if let Some(Part { first, pairs }) = known.part {
        let end = first.checked_add(pairs);
        assert!(pairs > 0 && end.is_some_and(|end| end <= b), "{pairs} pairs from {first} on, of {b}");
    }
    if let Some(guide) = known.guide {
        let (width, given) = (guide.width, [guide.queries.len(), guide.passages.len()]);
        assert!(width > 0, "a guide of width 0");
        assert!(
            given == [b, n].map(|rows| rows * width),
            "a guide of {given:?} values, {width} a row, for {b} queries, {n} passages"
        );
    }
}

/// Softmax at a temperature of 0.02 needs more than the 8 bits of bf16.
fn at_least_single<B: Backend>(rows: Tensor<B, 2>) -> Tensor<B, 2> {
    match rows.dtype() {
        DType::F16 | DType::BF16 => rows.cast(DType::F32),
        _ => rows,
    }
}
