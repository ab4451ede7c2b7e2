//! Examples of what a guide masked: of the last trained arm that has one, in the first batch of its plan.

use burn::tensor::backend::AutodiffBackend;
use embed::Side;
use infonce::Guide;
use rustc_hash::FxHashSet;

use crate::data::Pair;
use crate::error::{PretrainError, Result};
use crate::parts::Parts;
use crate::pipeline::Pipeline;
use crate::report::MaskedNegative;
use crate::run_folder::Member;

/// Examples at most.
const EXAMPLES: usize = 12;
/// Queries of the batch that are looked at.
const LOOKED_AT: usize = 256;

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Of some queries the nearest passage that would be a negative but for the guide; those with the nearest first.
    pub(super) fn masked_negatives(&self) -> Result<Vec<MaskedNegative>> {
        let guided = self.run.members().into_iter().rev().find_map(|member| {
            let guide = member.arm.config.loss.guide?;
            let trained = self.train_stage(member).is_ok_and(|stage| self.run.require(&stage).is_ok());
            trained.then_some((member, guide))
        });
        let Some((member, guide)) = guided else { return Ok(Vec::new()) };
        let found = self.masked_by(member, guide)?;
        let text = |side: &crate::data::Texts, item: u32| side.text(item).to_owned();
        let example = |found: Found| MaskedNegative {
            query: text(&self.dataset.queries, found.pair.query),
            positive: text(&self.dataset.passages, found.pair.passage),
            masked: text(&self.dataset.passages, found.masked),
            reason: format!("guide: its own passage has {:.3}", found.own),
            similarity: Some(found.score.into()),
        };
        Ok(found.into_iter().map(example).collect())
    }

    fn masked_by(&self, member: Member<'_>, guide: Guide) -> Result<Vec<Found>> {
        let sampler = self.sampler(member)?;
        let mut batch = Vec::new();
        let failed = |source| PretrainError::Sample { arm: member.arm.title.clone(), source };
        sampler.batch(0, 0, &mut batch).map_err(failed)?;
        let pairs: Vec<Pair> = batch.iter().take(LOOKED_AT).map(|&pair| self.dataset.train[pair as usize]).collect();
        let vectors = [self.vectors(Side::Query)?, self.vectors(Side::Passage)?];
        let [queries, passages] = [vectors[0].by_text()?, vectors[1].by_text()?];
        let positives = self.dataset.positives();
        let score = |query: u32, passage: u32| match (queries.row(query), passages.row(passage)) {
            (Some(query), Some(passage)) => query.dot(&passage),
            _ => f32::NEG_INFINITY,
        };
        let candidates: FxHashSet<u32> = batch.iter().map(|&pair| self.dataset.train[pair as usize].passage).collect();
        let nearest_masked = |&pair: &Pair| {
            let own = score(pair.query, pair.passage);
            let others = candidates.iter().filter(|passage| positives.of(pair.query).binary_search(passage).is_err());
            let scored = others.map(|&masked| Found { pair, masked, own, score: score(pair.query, masked) });
            scored
                .filter(|found| found.score >= guide.threshold(own))
                .max_by(|a, b| a.score.total_cmp(&b.score).then(b.masked.cmp(&a.masked)))
        };
        let mut found: Vec<Found> = pairs.iter().filter_map(nearest_masked).collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.pair.query.cmp(&b.pair.query)));
        found.dedup_by_key(|found| found.pair.query);
        found.truncate(EXAMPLES);
        Ok(found)
    }
}

/// A passage that is masked for a pair.
struct Found {
    pair: Pair,
    masked: u32,
    /// The guide's score of the pair, and of its query with the masked passage.
    own: f32,
    score: f32,
}
