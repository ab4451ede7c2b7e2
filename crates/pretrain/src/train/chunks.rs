//! A batch encoded in one piece, or in chunks without a tape first and with one again (GradCache), on one device or several.
//!
//! # Source
//! Gao et al. (2021), arXiv 2101.06983, §3.3.

use burn::module::AutodiffModule;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use embed::{Dropout, Encoder, TokenBatch};

use super::{indices, tape};

/// The distinct texts of a batch and how they are encoded.
pub(super) struct Chunked<'a> {
    texts: &'a TokenBatch,
    dropout: Option<&'a Dropout>,
    /// Rows of each chunk; none where all texts are one.
    chunks: Vec<Vec<usize>>,
}

impl<'a> Chunked<'a> {
    /// In chunks of at most `budget` tokens when padded to their longest text, of texts of about a length; 0, or fewer chunks than `devices`: one
    /// for each device.
    pub(super) fn new(texts: &'a TokenBatch, dropout: Option<&'a Dropout>, budget: usize, devices: usize) -> Self {
        let mut chunks = if budget == 0 { Vec::new() } else { texts.chunks(budget) };
        if chunks.len() < devices.min(texts.len()) {
            chunks = texts.shares(devices.min(texts.len()));
        }
        Self { texts, dropout, chunks: if chunks.len() > 1 { chunks } else { Vec::new() } }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.chunks.len().max(1)
    }

    /// The gradients of the parameters, where `loss` gives something of the embeddings `[texts, dim]` and its gradient with respect to
    /// them; and that something. Chunks are dealt out to `device`, where the loss is computed and the gradients are, and those beside it.
    pub(super) fn gradients<B, E, T>(
        &self,
        encoder: &E,
        device: &B::Device,
        beside: &[B::Device],
        loss: impl FnOnce(Tensor<B::InnerBackend, 2>) -> (T, Tensor<B::InnerBackend, 2>),
    ) -> (GradientsParams, T)
    where
        B: AutodiffBackend,
        E: Encoder<B> + AutodiffModule<B, InnerModule: Encoder<B::InnerBackend>>,
    {
        let _alone = tape::alone();
        if self.chunks.is_empty() {
            let embeddings = encoder.forward_training(self.texts, self.dropout, device);
            let (given, gradient) = loss(embeddings.clone().inner());
            return (backward(encoder, embeddings, gradient), given);
        }
        let encoded: Vec<_> =
            self.shares(encoder, device, beside).into_iter().map(|share| share.encode(self)).collect();
        let of_chunk = |chunk: usize| {
            let share = &encoded[chunk % encoded.len()];
            share.embeddings[chunk / encoded.len()].clone().to_device(device)
        };
        let embeddings = Tensor::cat((0..self.chunks.len()).map(of_chunk).collect(), 0);
        let (given, gradient) = loss(embeddings.select(0, indices(self.places(), device)));
        let of_rows = |&rows: &&[usize]| gradient.clone().select(0, indices(rows.iter().copied(), device));
        // Devices that are told what to do, and do it meanwhile, all have their work before the first one's gradients are asked for.
        let of_shares: Vec<_> = encoded
            .into_iter()
            .map(|encoded| {
                let gradients = encoded.share.chunks.iter().map(of_rows).collect();
                encoded.backward(self, gradients)
            })
            .collect();
        let mut sums = GradientsAccumulator::new();
        for of_share in of_shares {
            let of_share = if beside.is_empty() { of_share } else { of_share.to_device::<B, E>(device, encoder) };
            sums.accumulate(encoder, of_share);
        }
        (sums.grads(), given)
    }

    /// Every device with its copy of the encoder and the chunks that are its own.
    fn shares<'b, B, E>(&'b self, encoder: &E, device: &'b B::Device, beside: &'b [B::Device]) -> Vec<Share<'b, B, E>>
    where
        B: AutodiffBackend,
        E: AutodiffModule<B>,
    {
        let devices = 1 + beside.len();
        let copies = beside.iter().map(|beside| (encoder.clone().fork(beside), beside));
        std::iter::once((encoder.clone(), device))
            .chain(copies)
            .zip(0..)
            .map(|((encoder, device), first)| {
                let chunks = self.chunks.iter().skip(first).step_by(devices).map(Vec::as_slice).collect();
                Share { encoder, device, chunks }
            })
            .filter(|share: &Share<'b, B, E>| !share.chunks.is_empty())
            .collect()
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

/// What one device encodes of a batch.
struct Share<'a, B: AutodiffBackend, E> {
    encoder: E,
    device: &'a B::Device,
    /// At least one.
    chunks: Vec<&'a [usize]>,
}

/// The same, encoded.
struct Encoded<'a, B: AutodiffBackend, E> {
    share: Share<'a, B, E>,
    /// The first chunk's, which keeps its tape until the loss is known: one forward pass less. It is the fullest.
    taped: Tensor<B, 2>,
    /// Of each chunk, without a tape.
    embeddings: Vec<Tensor<B::InnerBackend, 2>>,
}

impl<'a, B, E> Share<'a, B, E>
where
    B: AutodiffBackend,
    E: Encoder<B> + AutodiffModule<B, InnerModule: Encoder<B::InnerBackend>>,
{
    fn encode(self, batch: &Chunked<'_>) -> Encoded<'a, B, E> {
        let taped = batch.encode(&self.encoder, self.chunks[0], self.device);
        let untaped = self.encoder.valid();
        let mut embeddings = vec![taped.clone().inner()];
        embeddings.extend(self.chunks[1..].iter().map(|rows| batch.encode(&untaped, rows, self.device)));
        Encoded { share: self, taped, embeddings }
    }
}

impl<B, E> Encoded<'_, B, E>
where
    B: AutodiffBackend,
    E: Encoder<B> + AutodiffModule<B, InnerModule: Encoder<B::InnerBackend>>,
{
    /// The gradients of the parameters, from those of each chunk's embeddings.
    fn backward(self, batch: &Chunked<'_>, gradients: Vec<Tensor<B::InnerBackend, 2>>) -> GradientsParams {
        let Self { share: Share { encoder, device, chunks }, taped, .. } = self;
        let mut taped = Some(taped);
        let mut sums = GradientsAccumulator::new();
        for (rows, gradient) in chunks.into_iter().zip(gradients) {
            let embeddings = taped.take().unwrap_or_else(|| batch.encode(&encoder, rows, device));
            sums.accumulate(&encoder, backward(&encoder, embeddings, gradient.to_device(device)));
        }
        sums.grads()
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
