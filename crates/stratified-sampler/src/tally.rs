//! Counting what batches hold.

use crate::SamplerError;
use crate::report::{PlanReport, StratumReport};
use crate::strata::{Ranks, Strata};

/// Returns the tally of batches of pairs without strata.
pub(crate) fn of_pairs(pairs: usize) -> Tally<impl Fn(u32) -> Option<usize>> {
    Tally::new(pairs, Vec::new(), |_| None)
}

/// Returns the tally of batches of pairs with one label each.
pub(crate) fn of_labels(labels: &[u32]) -> Tally<impl Fn(u32) -> Option<usize>> {
    let ranks = Ranks::new(labels);
    let strata = ranks.sizes.iter().map(|&(label, size)| none_drawn(label, size)).collect();
    Tally::new(labels.len(), strata, move |pair| Some(ranks.of(labels[pair as usize])))
}

/// Returns the tally of batches that come as slots, so that no label of a pair is needed.
pub(crate) fn of_slots(strata: &Strata) -> Tally<impl Fn(u32) -> Option<usize>> {
    let reports = (0..strata.len()).map(|stratum| none_drawn(strata.labels[stratum], strata.size(stratum)));
    Tally::new(strata.pairs() as usize, reports.collect(), |slot| Some(strata.of(slot)))
}

/// The report on a stratum before the first batch.
fn none_drawn(label: u32, size: u32) -> StratumReport {
    let size = size as usize;
    StratumReport { label, size, batches: 0, leftover: size }
}

/// The counts of the batches added so far.
pub(crate) struct Tally<F> {
    report: PlanReport,
    purities: f64,
    /// The stratum of a pair, if there are strata.
    stratum: F,
    /// One bit a pair: whether it was drawn.
    seen: Vec<u64>,
    /// How many pairs of the batch each stratum has.
    shares: Vec<usize>,
    /// The strata of the batch's pairs.
    strata: Vec<usize>,
}

impl<F: Fn(u32) -> Option<usize>> Tally<F> {
    fn new(pairs: usize, strata: Vec<StratumReport>, stratum: F) -> Self {
        let (seen, shares) = (vec![0; pairs.div_ceil(64)], vec![0; strata.len()]);
        let report = PlanReport {
            batches: 0,
            full: 0,
            short: 0,
            pure: 0,
            mixed: 0,
            pairs,
            seen: 0,
            repeated: 0,
            carried: 0,
            wasted: 0,
            mixed_pairs: 0,
            mean_purity: None,
            strata,
        };
        Self { report, purities: 0.0, stratum, seen, shares, strata: Vec::new() }
    }

    /// Returns the report on so many batches, each of which `draw` draws.
    pub(crate) fn over(
        mut self,
        batches: usize,
        batch_size: usize,
        draw: impl Fn(usize, &mut Vec<u32>) -> Result<(), SamplerError>,
    ) -> PlanReport {
        let mut batch = Vec::new();
        for index in 0..batches {
            draw(index, &mut batch).expect("an index below the length has a batch");
            self.add(&batch, batch_size);
        }
        self.finish()
    }

    fn add(&mut self, batch: &[u32], batch_size: usize) {
        self.report.batches += 1;
        self.report.full += usize::from(batch.len() == batch_size);
        let new = self.mark(batch);
        self.report.seen += new;
        self.report.repeated += batch.len() - new;
        match self.largest(batch) {
            Some((stratum, share)) if share == batch.len() => {
                self.report.pure += 1;
                self.purities += 1.0;
                self.report.strata[stratum].batches += 1;
                self.report.strata[stratum].leftover -= new;
            }
            largest => {
                let share = largest.map_or(0, |(_, share)| share);
                self.purities += share as f64 / batch.len() as f64;
                self.report.mixed_pairs += batch.len();
            }
        }
    }

    /// Marks pairs as seen and returns how many were not yet.
    fn mark(&mut self, batch: &[u32]) -> usize {
        let mut new = 0;
        for &pair in batch {
            let (word, bit) = (&mut self.seen[pair as usize / 64], 1 << (pair % 64));
            new += usize::from(*word & bit == 0);
            *word |= bit;
        }
        new
    }

    /// Returns the stratum with the most pairs of a batch, and how many it has.
    fn largest(&mut self, batch: &[u32]) -> Option<(usize, usize)> {
        self.strata.clear();
        self.strata.extend(batch.iter().map_while(|&pair| (self.stratum)(pair)));
        self.strata.iter().for_each(|&stratum| self.shares[stratum] += 1);
        let largest = self.strata.iter().copied().max_by_key(|&stratum| self.shares[stratum])?;
        let share = self.shares[largest];
        self.strata.iter().for_each(|&stratum| self.shares[stratum] = 0);
        Some((largest, share))
    }

    fn finish(self) -> PlanReport {
        let mut report = self.report;
        report.short = report.batches - report.full;
        report.mixed = report.batches - report.pure;
        report.wasted = report.pairs - report.seen;
        if !report.strata.is_empty() && report.batches > 0 {
            report.mean_purity = Some(self.purities / report.batches as f64);
        }
        report.strata.sort_by_key(|stratum| stratum.label);
        report
    }
}
