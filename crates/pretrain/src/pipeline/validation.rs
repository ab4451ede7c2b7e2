//! The validation split, asked while a student trains.

use std::time::Instant;

use burn::tensor::backend::AutodiffBackend;
use embed::{Encoder, Side};

use super::Pipeline;
use super::evaluate::means;
use super::initial::Start;
use crate::error::{PretrainError, Result};
use crate::parts::Parts;
use crate::rows::{as_array, embed_quietly};

/// The queries and passages that a student in training is judged on.
pub(super) struct Validation<'a, B: AutodiffBackend, P: Parts<B>> {
    pipeline: &'a Pipeline<B, P>,
    start: &'a Start,
    queries: Vec<&'a str>,
    passages: Vec<&'a str>,
}

/// What a student reaches on the validation split.
pub(super) struct Reached {
    pub(super) measures: Vec<String>,
    pub(super) means: Vec<f64>,
    pub(super) seconds: f64,
}

impl std::fmt::Display for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |(name, mean): (&String, &f64)| format!("{name} {mean:.4}");
        f.write_str(&self.measures.iter().zip(&self.means).map(shown).collect::<Vec<_>>().join(", "))
    }
}

impl<'a, B: AutodiffBackend, P: Parts<B>> Validation<'a, B, P> {
    /// # Errors
    /// The data has no validation split.
    pub(super) fn new(pipeline: &'a Pipeline<B, P>, start: &'a Start) -> Result<Self> {
        let dataset = &pipeline.dataset;
        if dataset.validation.is_empty() {
            return Err(PretrainError::NoValidation { path: pipeline.config.data.place() });
        }
        let queries = dataset.validation.iter().map(|query| dataset.queries.text(query.query)).collect();
        Ok(Self { pipeline, start, queries, passages: pipeline.passage_texts() })
    }

    /// What `encoder` reaches, searching the whole corpus.
    pub(super) fn measure<E>(&self, encoder: E) -> Result<Reached>
    where
        E: Encoder<B::InnerBackend> + Sync,
    {
        let start = Instant::now();
        let (pipeline, eval) = (self.pipeline, &self.pipeline.config.eval);
        let embedder = pipeline.embedder_of(encoder, self.start, &pipeline.config.eval)?;
        let scratch = pipeline.run.root();
        let embed = |texts: &[&str], side| embed_quietly(&embedder, texts, side, scratch, &mut |_| ());
        let (queries, passages) = (embed(&self.queries, Side::Query)?, embed(&self.passages, Side::Passage)?);
        let (queries, passages) = (as_array(&queries, scratch)?, as_array(&passages, scratch)?);
        let means = means(&pipeline.search_and_judge(&pipeline.dataset.validation, queries, passages)?);
        Ok(Reached { measures: eval.measures.clone(), means, seconds: start.elapsed().as_secs_f64() })
    }
}
