//! What a training starts from: a tokenizer, the tokens of the pairs, and the student before its first step.

use std::collections::BTreeSet;

use burn::tensor::backend::AutodiffBackend;
use embed::{Encoder, LoadedModel, Prompts, TextTokenizer, TokenLimits};

use super::Pipeline;
use crate::config::{Config, StudentConfig};
use crate::error::Result;
use crate::parts::{Parts, TrainableEncoder};
use crate::progress::count;
use crate::student::{self, Origin};
use crate::train::PairTokens;

/// What every training of an arm starts from, whatever its seed.
pub(super) struct Start {
    of: (StudentConfig, [usize; 2], usize),
    pub(super) tokenizer: TextTokenizer,
    pub(super) prompts: Prompts,
    limits: TokenLimits,
    pub(super) tokens: PairTokens,
    /// For each token its inverse document frequency in the training text, where the student wants it.
    weights: Option<Vec<f32>>,
}

impl Start {
    /// That of the arm of `config`: `known` if the arm before it started from the same.
    pub(super) fn of_arm<'a, B: AutodiffBackend, P: Parts<B>>(
        known: &'a mut Option<Self>,
        pipeline: &Pipeline<B, P>,
        config: &Config,
    ) -> Result<&'a Self> {
        let limits = [config.train.max_query_tokens, config.train.max_passage_tokens];
        let of = (config.student.clone(), limits, config.loss.hard_negatives);
        let same = known.take().filter(|start| start.of == of);
        Ok(known.insert(match same {
            Some(start) => start,
            None => Self::new(of, pipeline, config)?,
        }))
    }

    /// The most tokens of a text of each side in training.
    pub(super) fn limits(&self) -> TokenLimits {
        self.limits
    }

    /// The most tokens of a text in training.
    pub(super) fn longest(&self) -> usize {
        self.limits.query.max(self.limits.passage)
    }

    fn new<B: AutodiffBackend, P: Parts<B>>(
        of: (StudentConfig, [usize; 2], usize),
        pipeline: &Pipeline<B, P>,
        config: &Config,
    ) -> Result<Self> {
        let LoadedModel { encoder, tokenizer, max_tokens, prompts } =
            pipeline.first_model(&config.student, config.train.seed)?;
        let limit = |key: &str, tokens: usize| {
            if tokens > max_tokens {
                tracing::warn!("train.{key} = {tokens}: the student takes {max_tokens} tokens, texts are cut there");
            }
            tokens.min(max_tokens)
        };
        let train = &config.train;
        let limits = TokenLimits::new(
            limit("max_query_tokens", train.max_query_tokens),
            limit("max_passage_tokens", train.max_passage_tokens),
        );
        let given = config.loss.hard_negatives;
        let tokens = PairTokens::with_given_negatives(&pipeline.dataset, &tokenizer, &prompts, limits, given)?;
        let weighted = student::begins_weighted(&pipeline.models.student(&config.student))?;
        // A table may have more rows than there are tokens.
        let weights = weighted.then(|| tokens.inverse_document_frequency(encoder.vocab_size()));
        Ok(Self { of, tokenizer, prompts, limits, tokens, weights })
    }
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// The encoder before its first step; the same seed gives the same weights.
    pub(super) fn initial_encoder(&self, config: &Config, seed: u64, start: &Start) -> Result<P::Encoder> {
        let encoder = self.model(&config.student, seed)?.encoder;
        Ok(match &start.weights {
            Some(weights) => encoder.weighted(weights),
            None => encoder,
        })
    }

    /// The encoder that training on pairs begins with, with what belongs to it.
    pub(super) fn model(&self, config: &StudentConfig, seed: u64) -> Result<LoadedModel<P::Encoder>> {
        if config.mlm.is_none() {
            return self.first_model(config, seed);
        }
        let stage = self.mlm_stage(config)?;
        self.run.require(&stage)?;
        let folder = &stage.outputs()[0];
        let config = StudentConfig { from: Some(folder.clone()), layers: None, mlm: None, ..config.clone() };
        Ok(self.parts.encoder(&config, Origin::Folder(folder), seed, &self.device)?)
    }

    /// The encoder as the folder that it is from or chance has it.
    pub(super) fn first_model(&self, config: &StudentConfig, seed: u64) -> Result<LoadedModel<P::Encoder>> {
        Ok(self.parts.encoder(config, self.origin(config)?, seed, &self.device)?)
    }

    pub(super) fn origin<'a>(&'a self, config: &'a StudentConfig) -> Result<Origin<'a>> {
        Ok(match &config.from {
            Some(folder) => Origin::Folder(self.models.folder(folder)),
            None => Origin::Scratch(Box::new(self.vocabulary(config)?)),
        })
    }

    /// The distinct training texts, queries first.
    pub(super) fn training_texts(&self) -> Vec<&str> {
        let train = &self.dataset.train;
        let distinct = |indices: Vec<u32>| -> BTreeSet<u32> { indices.into_iter().collect() };
        let (queries, passages): (Vec<u32>, Vec<u32>) = train.iter().map(|pair| (pair.query, pair.passage)).unzip();
        let queries = distinct(queries).into_iter().map(|query| self.dataset.queries.text(query));
        let passages = distinct(passages).into_iter().map(|passage| self.dataset.passages.text(passage));
        queries.chain(passages).collect()
    }

    /// The vocabulary of a student from scratch, trained on the training text alone.
    fn vocabulary(&self, config: &StudentConfig) -> Result<TextTokenizer> {
        let stage = self.vocabulary_stage(config)?;
        let path = &stage.outputs()[0];
        self.run.stage_quietly(&stage, || {
            tracing::info!("vocabulary: up to {} pieces from the training text", count(config.vocab_size));
            let tokenizer = TextTokenizer::train_wordpiece(self.training_texts(), config.vocab_size)?;
            Ok(tokenizer.save(path)?)
        })?;
        Ok(TextTokenizer::from_file(path)?)
    }
}
