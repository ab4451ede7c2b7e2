mod leftovers;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::carry::Stream;
use crate::key::{Key, Purpose};
use crate::line::Line;
use crate::merge;
use crate::permutation::Permutation;
use crate::report::measure;
use crate::schedule::{Counts, Schedule};
use crate::strata::Strata;
use crate::uniform::number_of_pairs;
use crate::{BatchSampler, Leftovers, PlanReport, SamplerError, StratifiedConfig};

/// Batches of one stratum each, in an order in which strata come in proportion to their sizes.
///
/// The epoch's batches are shuffled as a whole; only a short batch comes last. A stratum's order of an epoch is a keyed
/// permutation of which any part can be computed alone, so that no order is stored. Memory: 4 bytes a pair, and some tens a
/// stratum. See [`Leftovers`] for the pairs that fill no batch of their stratum.
///
/// # Source
/// Merrick (2024), *Embedding and clustering your data can improve contrastive pretraining*, arXiv 2407.18887, §3: the batches of
/// one cluster, shuffled.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, StratifiedConfig};
///
/// let labels: Vec<u32> = (0..1000).map(|pair| pair % 10).collect();
/// let sampler = StratifiedConfig::new(50).with_seed(1).build(&labels)?;
///
/// let mut batch = Vec::new();
/// for index in 0..sampler.len(0) {
///     sampler.batch(0, index, &mut batch)?;
///     let stratum = labels[batch[0] as usize];
///     assert!(batch.iter().all(|&pair| labels[pair as usize] == stratum));
/// }
/// # Ok::<(), stratified_sampler::SamplerError>(())
/// ```
pub struct Stratified {
    config: StratifiedConfig,
    /// Pairs of a full batch; that of the configuration, as far as it fits.
    batch: u32,
    key: Key,
    strata: Strata,
    /// The leftovers of every epoch; of no stratum if they are dropped or carried.
    line: Line,
    schedule: Schedule,
}

impl Stratified {
    pub(crate) fn new(config: StratifiedConfig, labels: &[u32], nearest: Option<&[u32]>) -> Result<Self, SamplerError> {
        number_of_pairs(labels.len(), config.batch_size)?;
        if let Some(nearest) = nearest {
            merge::check(nearest, labels.iter().copied().max().unwrap_or(0))?;
        }
        let batch = u32::try_from(config.batch_size).unwrap_or(u32::MAX);
        let strata = Strata::group(labels, config.batch_size.max(config.min_stratum));
        let line = Line::new(leftovers::line_up(&strata, config.leftovers, nearest), |stratum| {
            strata.size(stratum) - strata.own_batches(stratum, batch) * batch
        });
        let schedule = match config.leftovers {
            Leftovers::Carry => Schedule::PerEpoch(Arc::default()),
            _ => {
                let own = (0..strata.homes).map(|stratum| strata.own_batches(stratum, batch));
                Schedule::Fixed(Counts::new(own.chain([line.pairs() / batch])))
            }
        };
        let key = Key::from_seed(config.seed);
        let sampler = Self { config, batch, key, strata, line, schedule };
        sampler.check()?;
        Ok(sampler)
    }

    /// Returns the number of pairs drawn from.
    pub fn pairs(&self) -> usize {
        self.strata.pairs() as usize
    }

    /// Returns the number of strata that have pairs.
    pub fn strata(&self) -> usize {
        self.strata.len()
    }

    /// Returns the settings it was built with.
    pub fn config(&self) -> &StratifiedConfig {
        &self.config
    }

    fn check(&self) -> Result<(), SamplerError> {
        if self.len(0) > 0 {
            return Ok(());
        }
        let largest = match self.config.leftovers {
            Leftovers::Drop => self.strata.largest(),
            _ => self.strata.pairs(),
        } as usize;
        let (batch_size, min_stratum) = (self.config.batch_size, self.config.min_stratum);
        Err(if largest < batch_size {
            SamplerError::NothingToDraw { batch_size, largest }
        } else {
            SamplerError::NoStratumLeft { min_stratum, largest }
        })
    }

    fn counts(&self, epoch: u64) -> Counts {
        self.schedule.counts(epoch, || {
            let sources = 0..self.strata.homes + usize::from(self.small_fill_batches());
            Counts::new(sources.map(|source| self.stream(source).batches(epoch)))
        })
    }

    /// Whether the small strata together are a stream of their own.
    fn small_fill_batches(&self) -> bool {
        self.strata.small().len() as u32 >= self.batch
    }

    /// Returns the size of the short batch that ends each epoch, 0 if there is none.
    fn short(&self) -> u32 {
        match self.config.leftovers {
            _ if self.config.drop_last => 0,
            Leftovers::Carry if self.small_fill_batches() => 0,
            Leftovers::Carry => self.strata.small().len() as u32,
            _ => self.line.pairs() % self.batch,
        }
    }

    /// Appends the slots of one of a source's full batches.
    fn draw(&self, epoch: u64, (source, nth): (usize, u32), out: &mut Vec<u32>) {
        if self.config.leftovers == Leftovers::Carry {
            self.stream(source).draw(epoch, nth, out);
            shift(out, self.source_slots(source).start);
        } else if source < self.strata.homes {
            let start = nth * self.batch;
            self.draw_stratum(epoch, source, start..start + self.batch, out);
        } else {
            let start = nth * self.batch;
            self.draw_leftovers(epoch, start..start + self.batch, out);
        }
    }

    /// Appends the slots of the short batch.
    fn draw_short(&self, epoch: u64, out: &mut Vec<u32>) {
        if self.config.leftovers == Leftovers::Carry {
            out.extend(self.strata.small());
        } else {
            let end = self.line.pairs();
            self.draw_leftovers(epoch, end - self.short()..end, out);
        }
    }

    /// Appends slots of a stratum, in the epoch's order.
    fn draw_stratum(&self, epoch: u64, stratum: usize, places: Range<u32>, out: &mut Vec<u32>) {
        let from = out.len();
        self.order(epoch, stratum).fill(places, out);
        shift(&mut out[from..], self.strata.slots(stratum).start);
    }

    /// Returns the epoch's order of a stratum.
    fn order(&self, epoch: u64, stratum: usize) -> Permutation {
        Permutation::new(self.strata.size(stratum), self.stratum_key(stratum).child(epoch))
    }

    fn stratum_key(&self, stratum: usize) -> Key {
        let label = self.strata.labels[stratum];
        self.key.purpose(Purpose::Stratum).child(u64::from(label))
    }

    /// Returns the stream of a stratum, or of the small strata together.
    fn stream(&self, source: usize) -> Stream {
        Stream {
            size: self.source_slots(source).len() as u32,
            batch: self.batch,
            key: if source < self.strata.homes {
                self.stratum_key(source)
            } else {
                self.key.purpose(Purpose::Leftovers)
            },
        }
    }

    fn source_slots(&self, source: usize) -> Range<u32> {
        if source < self.strata.homes { self.strata.slots(source) } else { self.strata.small() }
    }
}

impl BatchSampler for Stratified {
    fn len(&self, epoch: u64) -> usize {
        self.counts(epoch).total() as usize + usize::from(self.short() > 0)
    }

    fn batch(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
        out.clear();
        let counts = self.counts(epoch);
        let full = counts.total() as usize;
        if index < full {
            let key = self.key.purpose(Purpose::Order).child(epoch);
            let nth = Permutation::new(full as u32, key).at(index as u32);
            self.draw(epoch, counts.source(nth), out);
        } else if index == full && self.short() > 0 {
            self.draw_short(epoch, out);
        } else {
            let len = self.len(epoch);
            return Err(SamplerError::PastTheEnd { index, len });
        }
        self.strata.look_up(out);
        Ok(())
    }

    fn batch_size(&self) -> usize {
        self.config.batch_size
    }

    fn report(&self, epoch: u64) -> PlanReport {
        let labels = self.strata.labels_of_pairs();
        let mut report = measure(self, epoch, self.pairs(), Some(&labels));
        if self.config.leftovers == Leftovers::Carry {
            let streams = self.strata.homes + usize::from(self.small_fill_batches());
            let in_streams: usize = (0..streams).map(|source| self.source_slots(source).len()).sum();
            let drawn_whole = self.short() as usize;
            report.carried = in_streams + drawn_whole - report.seen;
            report.wasted -= report.carried;
        }
        report
    }
}

impl fmt::Debug for Stratified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stratified")
            .field("config", &self.config)
            .field("pairs", &self.pairs())
            .field("strata", &self.strata())
            .finish_non_exhaustive()
    }
}

fn shift(slots: &mut [u32], by: u32) {
    for slot in slots {
        *slot += by;
    }
}
