//! The batches of an epoch as files, for trainers in any language.

use std::path::{Path, PathBuf};

use serde::Serialize;
use stratified_sampler::{BatchSampler, Batches, Leftovers, PlanReport};
use vectors::write_array;

use crate::error::Result;
use crate::files::{write_json, write_whole};

/// A plan on disk.
#[derive(Debug, Clone)]
pub struct PlanFile {
    /// Pair indices as flat u32: batch `i` is `plan[i * batch_size..(i + 1) * batch_size]`, and only the last may be shorter.
    pub plan: PathBuf,
    /// JSON beside it: what the plan was drawn by, the size of its last batch, and the summary.
    pub report: PathBuf,
    /// What the plan draws and leaves.
    pub summary: PlanReport,
}

/// An epoch of a sampler, and what the sampler was built with.
pub(crate) struct Plan<'a> {
    pub(crate) sampler: &'a dyn BatchSampler,
    pub(crate) epoch: u64,
    pub(crate) seed: u64,
    /// `None` for a sampler without strata.
    pub(crate) leftovers: Option<Leftovers>,
}

#[derive(Serialize)]
struct Document<'a> {
    epoch: u64,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    leftovers: Option<Leftovers>,
    batch_size: usize,
    /// Pairs of the last batch.
    last_batch: usize,
    #[serde(flatten)]
    summary: &'a PlanReport,
}

impl Plan<'_> {
    /// Writes the plan to `path`, batch by batch as they are drawn, and its report beside it as `.json`.
    pub(crate) fn write(&self, path: &Path) -> Result<PlanFile> {
        let &Self { sampler, epoch, seed, leftovers } = self;
        let (batches, batch_size) = (Batches::new(sampler, epoch), sampler.batch_size());
        let last_batch = batches.clone().last().map_or(0, |batch| batch.len());
        let indices = batches.len().saturating_sub(1) * batch_size + last_batch;
        let summary = sampler.report(epoch);
        let report = report_beside(path);
        write_whole(path, |out| write_array(out, &[indices], batches.flatten()))?;
        write_json(&report, &Document { epoch, seed, leftovers, batch_size, last_batch, summary: &summary })?;
        Ok(PlanFile { plan: path.to_owned(), report, summary })
    }
}

/// Where the report of the plan at `path` is.
pub(crate) fn report_beside(path: &Path) -> PathBuf {
    path.with_extension("json")
}
