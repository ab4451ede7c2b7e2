//! What a training draws its batches by, before and after clusters were made anew.

use burn::tensor::backend::AutodiffBackend;
use stratified_sampler::{BatchSampler, Replanned};

use super::recluster::Reclustering;
use crate::error::{PretrainError, Result, one_line};
use crate::parts::Parts;
use crate::train::{Drawn, Training};

/// The batches of a training that may be planned anew.
pub(super) struct BatchPlans<'a> {
    first: Drawn<'a>,
    renewed: Option<Renewed<'a>>,
}

/// The batches since clusters were made anew.
struct Renewed<'a> {
    /// Of the plans before nothing is drawn any more, but the first says how long epochs are.
    sampler: Replanned<Box<dyn BatchSampler + 'a>>,
    /// The strata of reports.
    strata: Option<Vec<u32>>,
}

impl<'a> BatchPlans<'a> {
    /// As the training has them.
    pub(super) fn new<B: AutodiffBackend>(training: &Training<'a, B>) -> Self {
        Self { first: Drawn { sampler: training.sampler, strata: training.strata }, renewed: None }
    }

    /// Takes up the newest clusters that were made, and drawn from, before a training stood after `step` steps.
    pub(super) fn go_on<B: AutodiffBackend, P: Parts<B>>(
        &mut self,
        reclustering: &Reclustering<'_, B, P>,
        step: usize,
    ) -> Result<()> {
        let mut made: Vec<usize> = reclustering.before(step).collect();
        while let Some(step) = made.pop() {
            if self.renew(reclustering, step)? {
                break;
            }
        }
        Ok(())
    }

    /// Draws from the clusters that were made after `step` steps; whether batches can be drawn of them, else those of before stay.
    pub(super) fn renew<B: AutodiffBackend, P: Parts<B>>(
        &mut self,
        reclustering: &Reclustering<'_, B, P>,
        step: usize,
    ) -> Result<bool> {
        let start = place_of(self.first.sampler, step);
        let drawn = reclustering.sampler(step).and_then(|sampler| {
            let first: Box<dyn BatchSampler + 'a> = Box::new(self.first.sampler);
            Replanned::new(first).followed_by(start, sampler).map_err(|source| reclustering.cannot_draw(source))
        });
        let sampler = match drawn {
            Err(error @ (PretrainError::Sample { .. } | PretrainError::NoBatches { .. })) => {
                tracing::warn!("batches stay those of the clusters before step {step}: {}", one_line(&error));
                return Ok(false);
            }
            drawn => drawn?,
        };
        let strata = match self.first.strata {
            Some(_) => reclustering.labels(step)?,
            None => None,
        };
        self.renewed = Some(Renewed { sampler, strata });
        Ok(true)
    }

    /// What the next batch is drawn by.
    pub(super) fn drawn(&self) -> Drawn<'_> {
        match &self.renewed {
            Some(Renewed { sampler, strata }) => Drawn { sampler, strata: strata.as_deref() },
            None => self.first,
        }
    }
}

/// The epoch and the index of the batch after so many of a sampler's.
fn place_of(sampler: &dyn BatchSampler, batches: usize) -> (u64, usize) {
    let (mut epoch, mut index) = (0, batches);
    while index > sampler.len(epoch) {
        (epoch, index) = (epoch + 1, index - sampler.len(epoch));
    }
    (epoch, index)
}
