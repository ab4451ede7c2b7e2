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
        let Some((first, rest)) = self.chunks.split_first() else {
            let embeddings = encoder.forward_training(self.texts, self.dropout, device);
            let (given, gradient) = loss(embeddings.clone().inner());
            return (backward(encoder, embeddings, gradient), given);
        };
        // The first chunk, the fullest, keeps its tape until the loss is known: one forward pass less.
        let taped = self.encode(encoder, first, device);
        let untaped = encoder.valid();
        let mut parts = vec![taped.clone().inner()];
        parts.extend(rest.iter().map(|rows| self.encode(&untaped, rows, device)));
        let embeddings = Tensor::cat(parts, 0).select(0, indices(self.places(), device));
        let (given, gradient) = loss(embeddings);
        let of_rows = |rows: &[usize]| gradient.clone().select(0, indices(rows.iter().copied(), device));
        let mut sums = GradientsAccumulator::new();
        sums.accumulate(encoder, backward(encoder, taped, of_rows(first)));
        for rows in rest {
            let embeddings = self.encode(encoder, rows, device);
            sums.accumulate(encoder, backward(encoder, embeddings, of_rows(rows)));
        }
        (sums.grads(), given)
    }

    /// Where each text is among the chunks' rows, one chunk after another.
    fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.texts.len()];
        self.chunks.iter().flatten().enumerate().for_each(|(place, &row)| places[row] = place);
        places
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
