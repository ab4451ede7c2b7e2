//! The validation split, asked while a student trains.

use std::time::Instant;

use burn::tensor::backend::AutodiffBackend;
use embed::Side;

use super::Pipeline;
use super::evaluate::means;
use super::initial::Start;
use crate::error::{PretrainError, Result};
use crate::rows::{as_array, embed_quietly};
use crate::student::Student;

/// The queries and passages that a student in training is judged on.
pub(super) struct Validation<'a, B: AutodiffBackend> {
    pipeline: &'a Pipeline<B>,
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

impl<'a, B: AutodiffBackend> Validation<'a, B> {
    /// # Errors
    /// The data has no validation split.
    pub(super) fn new(pipeline: &'a Pipeline<B>, start: &'a Start) -> Result<Self> {
        let dataset = &pipeline.dataset;
        if dataset.validation.is_empty() {
            return Err(PretrainError::NoValidation { path: pipeline.config.data.path.clone() });
        }
        let text = |query: u32| dataset.queries[query as usize].text.as_str();
        let queries = dataset.validation.iter().map(|query| text(query.query)).collect();
        Ok(Self { pipeline, start, queries, passages: pipeline.passage_texts() })
    }

    /// What `student` reaches, searching the whole corpus.
    pub(super) fn measure(&self, student: &Student<B::InnerBackend>) -> Result<Reached> {
        let start = Instant::now();
        let (pipeline, eval) = (self.pipeline, &self.pipeline.config.eval);
        let embedder = pipeline.embedder_of(student.clone(), self.start)?;
        let scratch = pipeline.run.root();
        let embed = |texts: &[&str], side| embed_quietly(&embedder, texts, side, scratch, &mut |_| ());
        let (queries, passages) = (embed(&self.queries, Side::Query)?, embed(&self.passages, Side::Passage)?);
        let (queries, passages) = (as_array(&queries, scratch)?, as_array(&passages, scratch)?);
        let judge = pipeline.judge(&pipeline.dataset.validation);
        let means = means(&judge.search(queries, passages, &pipeline.measures()?)?);
        Ok(Reached { measures: eval.measures.clone(), means, seconds: start.elapsed().as_secs_f64() })
    }
}
