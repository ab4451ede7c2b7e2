use std::cell::OnceCell;
use std::sync::Arc;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::Picks;
use crate::TokenBatch;

/// Where each text's rows lie among the packed rows; the padded view is made when first asked for.
pub(crate) struct Spans<B: Backend> {
    offsets: Arc<[usize]>,
    device: B::Device,
    padded: OnceCell<Padded<B>>,
}

/// How to go between packed rows and a `[texts, longest]` grid.
pub(super) struct Padded<B: Backend> {
    /// `[texts, longest]`.
    pub(super) grid: [usize; 2],
    /// Packed row of each place, and none where there is padding.
    pub(super) rows: Picks<B>,
    /// Place of each packed row.
    pub(super) places: Picks<B>,
    /// 0 at tokens, a large negative number at padding: `[texts, 1, 1, longest]`; none where nothing is padded.
    pub(super) bias: Option<Tensor<B, 4>>,
}

impl<B: Backend> Spans<B> {
    pub(crate) fn new(tokens: &TokenBatch, device: &B::Device) -> Self {
        Spans { offsets: tokens.offsets().into(), device: device.clone(), padded: OnceCell::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(crate) fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    #[cfg(feature = "flex")]
    pub(super) fn shared(&self) -> &Arc<[usize]> {
        &self.offsets
    }

    pub(super) fn device(&self) -> &B::Device {
        &self.device
    }

    pub(super) fn padded(&self) -> &Padded<B> {
        self.padded.get_or_init(|| self.pad())
    }

    fn pad(&self) -> Padded<B> {
        let texts = self.len();
        let longest = self.offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
        let mut rows = vec![None; texts * longest];
        let mut places = Vec::new();
        let mut bias = vec![-1e9_f32; texts * longest];
        for (text, span) in self.offsets.windows(2).enumerate() {
            for (at, row) in (span[0]..span[1]).enumerate() {
                let place = text * longest + at;
                rows[place] = Some(row as u32);
                bias[place] = 0.0;
                places.push(place as u32);
            }
        }
        let ragged = places.len() < rows.len();
        let device = &self.device;
        Padded {
            grid: [texts, longest],
            rows: Picks::with_gaps(rows.iter().copied(), places.len(), device),
            places: Picks::new(&places, rows.len(), device),
            bias: ragged.then(|| Tensor::from_data(TensorData::new(bias, [texts, 1, 1, longest]), device)),
        }
    }
}
