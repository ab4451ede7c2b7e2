//! Positives beside the pairs' own: few, so that each is a row of its own.

use std::ops::Range;

use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor, TensorData, backend::Backend};

use crate::block::Side;

/// Those of some rows in one block, `f` of them.
pub(super) struct Further<B: Backend> {
    anchors: Side,
    /// Of each the row, counted from the first: `[f]`
    pub(super) rows: Tensor<B, 1, Int>,
    /// The same, counted from the first of the batch.
    anchor: Tensor<B, 1, Int>,
    candidate: Tensor<B, 1, Int>,
    /// What each has of its pair's mean: `[f, 1]`
    shares: Tensor<B, 2>,
    /// `[f, d]`, of the anchors and of the candidates.
    values: [Tensor<B, 2>; 2],
}

/// What is added to some rows of one side's gradient.
pub(super) struct Addition<B: Backend> {
    pub(super) side: Side,
    pub(super) rows: Tensor<B, 1, Int>,
    pub(super) values: Tensor<B, 2>,
}

impl<B: Backend> Further<B> {
    /// Of rows with these candidates and these shares for one; `None` if there are none.
    pub(super) fn new(
        anchors: Side,
        sides: &[Tensor<B, 2>; 2],
        rows: &Range<usize>,
        candidates: &[&[u32]],
        shares: &[f64],
    ) -> Option<Self> {
        let listed = || candidates.iter().enumerate().flat_map(|(row, listed)| listed.iter().map(move |&c| (row, c)));
        listed().next()?;
        let like = &sides[anchors as usize];
        let indices = |values: Vec<i64>| Tensor::<B, 1, Int>::from_data(values.as_slice(), &like.device());
        let anchor = indices(listed().map(|(row, _)| (rows.start + row) as i64).collect());
        let candidate = indices(listed().map(|(_, candidate)| candidate.into()).collect());
        Some(Self {
            anchors,
            rows: indices(listed().map(|(row, _)| row as i64).collect()),
            shares: column(listed().map(|(row, _)| shares[row]).collect(), &like.device(), like.dtype()),
            values: [
                like.clone().select(0, anchor.clone()),
                sides[anchors.other() as usize].clone().select(0, candidate.clone()),
            ],
            anchor,
            candidate,
        })
    }

    /// `[f, 1]`
    pub(super) fn similarities(&self) -> Tensor<B, 2> {
        let [anchors, candidates] = self.values.clone();
        (anchors * candidates).sum_dim(1)
    }

    /// A value of each, times its share, added to the value of its row: `[t, 1]`.
    pub(super) fn add_to(&self, rows: Tensor<B, 2>, values: Tensor<B, 2>) -> Tensor<B, 2> {
        rows.select_assign(0, self.rows.clone(), values * self.shares.clone(), IndexingUpdateOp::Add)
    }

    /// What pulls of `[f, 1]`, each times its share, add to the gradients.
    pub(super) fn pull(self, pulls: Tensor<B, 2>) -> [Addition<B>; 2] {
        let ([anchors, candidates], pulls) = (self.values, (pulls * self.shares).neg());
        [
            Addition { side: self.anchors, rows: self.anchor, values: candidates * pulls.clone() },
            Addition { side: self.anchors.other(), rows: self.candidate, values: anchors * pulls },
        ]
    }
}

/// Numbers one below another: `[n, 1]`.
pub(super) fn column<B: Backend>(values: Vec<f64>, device: &B::Device, dtype: DType) -> Tensor<B, 2> {
    let shape = [values.len(), 1];
    Tensor::from_data(TensorData::new(values, shape), (device, dtype))
}
