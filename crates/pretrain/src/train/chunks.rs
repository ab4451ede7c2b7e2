//! A batch encoded in one piece, or in chunks without a tape first and with one again (GradCache).
//!
//! # Source
//! Gao et al. (2021), arXiv 2101.06983, §3.3.

use burn::module::AutodiffModule;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use embed::{Dropout, Encoder, TokenBatch};

use super::indices;

/// The distinct texts of a batch and how they are encoded.
pub(super) struct Chunked<'a> {
    texts: &'a TokenBatch,
    dropout: Option<&'a Dropout>,
    /// Rows of each chunk; none where all texts are one.
    chunks: Vec<Vec<usize>>,
}

impl<'a> Chunked<'a> {
    /// In chunks of at most `budget` tokens when padded to their longest text, of texts of about a length; 0: all in one.
    pub(super) fn new(texts: &'a TokenBatch, dropout: Option<&'a Dropout>, budget: usize) -> Self {
        let chunks = if budget == 0 { Vec::new() } else { texts.chunks(budget) };
        Self { texts, dropout, chunks: if chunks.len() > 1 { chunks } else { Vec::new() } }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.chunks.len().max(1)
    }

    /// The gradients of the parameters, where `loss` gives something of the embeddings `[texts, dim]` and its gradient with respect to
    /// them; and that something.
    pub(super) fn gradients<B, E, T>(
        &self,
        encoder: &E,
        device: &B::Device,
        loss: impl FnOnce(Tensor<B::InnerBackend, 2>) -> (T, Tensor<B::InnerBackend, 2>),
    ) -> (GradientsParams, T)
    where
        B: AutodiffBackend,
        E: Encoder<B> + AutodiffModule<B, InnerModule: Encoder<B::InnerBackend>>,
    {
        if self.chunks.is_empty() {
            let embeddings = encoder.forward_training(self.texts, self.dropout, device);
            let (given, gradient) = loss(embeddings.clone().inner());
            return (backward(encoder, embeddings, gradient), given);
        }
        let (given, gradient) = loss(self.without_tape(&encoder.valid(), device));
        let mut sums = GradientsAccumulator::new();
        for rows in &self.chunks {
            let embeddings = self.encode(encoder, rows, device);
            let gradient = gradient.clone().select(0, indices(rows.iter().copied(), device));
            sums.accumulate(encoder, backward(encoder, embeddings, gradient));
        }
        (sums.grads(), given)
    }

    /// The embeddings of all texts.
    fn without_tape<B: Backend>(&self, encoder: &impl Encoder<B>, device: &B::Device) -> Tensor<B, 2> {
        let parts = self.chunks.iter().map(|rows| self.encode(encoder, rows, device)).collect();
        let mut places = vec![0; self.texts.len()];
        self.chunks.iter().flatten().enumerate().for_each(|(place, &row)| places[row] = place);
        Tensor::cat(parts, 0).select(0, indices(places, device))
    }

    fn encode<B: Backend>(&self, encoder: &impl Encoder<B>, rows: &[usize], device: &B::Device) -> Tensor<B, 2> {
        let dropout = self.dropout.map(|dropout| dropout.select(rows));
        encoder.forward_training(&self.texts.select(rows), dropout.as_ref(), device)
    }
}

/// The gradients of the embeddings' inner product with their gradient.
fn backward<B, E>(encoder: &E, embeddings: Tensor<B, 2>, gradient: Tensor<B::InnerBackend, 2>) -> GradientsParams
where
    B: AutodiffBackend,
    E: AutodiffModule<B>,
{
    let surrogate = (embeddings * Tensor::from_inner(gradient)).sum();
    GradientsParams::from_grads(surrogate.backward(), encoder)
}
