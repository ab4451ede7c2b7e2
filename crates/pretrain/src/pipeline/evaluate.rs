//! Stage `evaluate`: the test queries against the whole corpus, for every trained student and every baseline.

use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use embed::{Embedder, Encoder, FolderOptions, NeuralEmbedder, Side, TokenLimits, load_embedder};
use ndarray::ArrayView2;
use retrieval_eval::{EvalError, Measure, Report};
use serde::{Deserialize, Serialize};
use vectors::NpyVectors;

use super::Pipeline;
use super::initial::Start;
#[cfg(feature = "bm25")]
use crate::bm25::Bm25;
use crate::config::{Config, EvalConfig};
use crate::data::{Dataset, TestQuery};
use crate::error::Result;
use crate::files::{read_json, write_json};
use crate::judge::Judge;
use crate::parts::Parts;
use crate::rows::{as_array, embed_to_file, embed_to_scratch};
use crate::run_folder::Member;

/// What one system reached on the test queries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The system's name.
    pub system: String,
    /// The measures, by name.
    pub measures: Vec<String>,
    /// Their means over the test queries, in `[0, 1]`.
    pub means: Vec<f64>,
    /// For each measure its value of each test query, in the data's order.
    pub per_query: Vec<Vec<f64>>,
}

/// The encoder of some parts without gradients.
type InnerEncoder<B, P> = <<P as Parts<B>>::Encoder as AutodiffModule<B>>::InnerModule;

/// A system that the arms are judged against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Baseline {
    /// The student before its first step.
    Untrained,
    /// Word matching.
    #[cfg(feature = "bm25")]
    Bm25,
    /// The embedder whose vectors were clustered.
    Embedder,
}

impl Baseline {
    const ALL: &[Self] = &[
        Self::Untrained,
        #[cfg(feature = "bm25")]
        Self::Bm25,
        Self::Embedder,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Untrained => "untrained student",
            #[cfg(feature = "bm25")]
            Self::Bm25 => "BM25",
            Self::Embedder => "clustering embedder",
        }
    }

    /// The name in files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Untrained => "untrained",
            #[cfg(feature = "bm25")]
            Self::Bm25 => "bm25",
            Self::Embedder => "embedder",
        }
    }

    pub(super) fn file(self) -> String {
        format!("baselines/{}.json", self.name())
    }
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Judges every trained student, and the baselines where `eval.baselines` says so, on the run's data and on `eval.others`.
    ///
    /// # Errors
    /// A model or other data is missing, there are no test queries, or a vector is not finite.
    pub fn evaluate(&self) -> Result<()> {
        self.require_test()?;
        for member in self.trained_members() {
            let folder = self.run.member(member);
            self.run.stage(&self.evaluate_stage(member)?, || {
                let embedder = self.trained(member)?;
                let path = folder.join("passages.npy");
                embed_to_file(&*embedder, &self.passage_texts(), Side::Passage, &path)?;
                let passages = NpyVectors::open(&path)?;
                let scores = self.score(&*embedder, as_array(&passages, &path)?, &member.arm.title)?;
                write_json(&folder.join("eval.json"), &scores)
            })?;
            // Outside the stage, since training writes a model anew that comes out alike.
            let (dim, scores) = (NpyVectors::open(&folder.join("passages.npy"))?.dim(), self.scores(member)?);
            self.model_card(member, dim, Some(&scores)).write(&folder.join("model"))?;
        }
        #[cfg(not(feature = "bm25"))]
        if self.config.eval.baselines {
            tracing::warn!("BM25 is left out: it needs a build with --features bm25");
        }
        for baseline in self.judged_baselines() {
            self.evaluate_baseline(baseline)?;
        }
        self.evaluate_others()
    }

    /// The arms and seeds that are trained; none where the data has no training pairs.
    pub(super) fn trained_members(&self) -> Vec<Member<'_>> {
        if self.dataset.train.is_empty() { Vec::new() } else { self.run.members() }
    }

    /// What the arms are judged against, if anything; a student needs training text for its vocabulary.
    pub(super) fn judged_baselines(&self) -> Vec<Baseline> {
        if !self.config.eval.baselines {
            return Vec::new();
        }
        let student = &self.baseline_config().student;
        let untrained = !self.dataset.train.is_empty() || student.from.is_some() && student.mlm.is_none();
        Baseline::ALL.iter().copied().filter(|&baseline| untrained || baseline != Baseline::Untrained).collect()
    }

    fn evaluate_baseline(&self, baseline: Baseline) -> Result<()> {
        let (path, stage) = (self.run.file(&baseline.file()), self.baseline_stage(baseline)?);
        // The corpus is a stage of its own, needed only where this is not done.
        let judged = match baseline {
            Baseline::Embedder if self.run.require(&stage).is_err() => Some(self.embedder_of_corpus()?),
            _ => None,
        };
        self.run.stage(&stage, || {
            let scores = match baseline {
                Baseline::Untrained => {
                    self.score_all(&self.untrained(&self.config.eval)?, &self.dataset, baseline.title())?
                }
                #[cfg(feature = "bm25")]
                Baseline::Bm25 => self.score_words(&self.dataset, baseline.title())?,
                Baseline::Embedder => {
                    let (embedder, path) = judged.map_or_else(|| self.embedder_of_corpus(), Ok)?;
                    let passages = NpyVectors::open(&path)?;
                    self.score(&*embedder, as_array(&passages, &path)?, baseline.title())?
                }
            };
            write_json(&path, &scores)
        })
    }

    /// The stored scores of a member.
    pub(super) fn scores(&self, member: Member<'_>) -> Result<Scores> {
        self.run.require(&self.evaluate_stage(member)?)?;
        read_json(&self.run.member(member).join("eval.json"))
    }

    /// The stored scores of a baseline.
    pub(super) fn baseline_scores(&self, baseline: Baseline) -> Result<Scores> {
        self.run.require(&self.baseline_stage(baseline)?)?;
        read_json(&self.run.file(&baseline.file()))
    }

    /// The trained student of a member, read from the folder that it was saved to.
    pub(super) fn trained(&self, member: Member<'_>) -> Result<Box<dyn Embedder>> {
        self.trained_within(member, &self.config.eval)
    }

    /// The same with the limits of another section.
    pub(super) fn trained_within(&self, member: Member<'_>, eval: &EvalConfig) -> Result<Box<dyn Embedder>> {
        self.run.require(&self.train_stage(member)?)?;
        let folder = self.run.member(member).join("model");
        let options = FolderOptions::default().with_limits(eval.max_query_tokens, eval.max_passage_tokens);
        Ok(load_embedder::<B::InnerBackend>(&folder, &options, &self.device)?)
    }

    /// The student before its first step.
    pub(super) fn untrained(&self, eval: &EvalConfig) -> Result<NeuralEmbedder<B::InnerBackend, InnerEncoder<B, P>>> {
        let mut start = None;
        let config = self.baseline_config();
        let start = Start::of_arm(&mut start, self, config)?;
        let encoder = self.initial_encoder(config, self.first_seed(), start)?;
        self.embedder_of(encoder.valid(), start, eval)
    }

    /// An encoder as evaluation asks it.
    pub(super) fn embedder_of<E>(
        &self,
        encoder: E,
        start: &Start,
        eval: &EvalConfig,
    ) -> Result<NeuralEmbedder<B::InnerBackend, E>>
    where
        E: Encoder<B::InnerBackend>,
    {
        let limits = TokenLimits::new(eval.max_query_tokens, eval.max_passage_tokens);
        let embedder = NeuralEmbedder::new(encoder, start.tokenizer.clone(), limits, &self.device)?;
        Ok(embedder.with_prompts(start.prompts.clone()))
    }

    /// The configuration whose student is judged untrained: that of the arm that gains are measured against, else of the first.
    pub(super) fn baseline_config(&self) -> &Config {
        let arms = self.run.arms();
        &arms.iter().find(|arm| arm.is_unclustered()).unwrap_or(&arms[0]).config
    }

    pub(super) fn first_seed(&self) -> u64 {
        self.config.seeds()[0]
    }

    /// The scores on the test of `dataset`, of which nothing is embedded yet.
    pub(super) fn score_all(&self, embedder: &dyn Embedder, dataset: &Dataset, system: &str) -> Result<Scores> {
        let judge = self.judge(dataset, &dataset.test);
        let (measures, scratch) = (self.measures()?, self.run.root());
        let report =
            judge.embed_and_search(embedder, |rows| self.parts.searcher(rows, &self.device), &measures, scratch)?;
        Ok(self.scores_of(system, report))
    }

    /// The scores of BM25 on the test of `dataset`.
    #[cfg(feature = "bm25")]
    pub(super) fn score_words(&self, dataset: &Dataset, system: &str) -> Result<Scores> {
        let index = Bm25::new(&dataset.passage_texts())?;
        let judge = self.judge(dataset, &dataset.test);
        let found = index.search_all(&judge.query_texts(), judge.search_depth())?;
        Ok(self.scores_of(system, judge.judge(found, &self.measures()?)?))
    }

    /// The scores on the run's test, by the vectors of all passages.
    fn score(&self, embedder: &dyn Embedder, passages: ArrayView2<'_, f32>, system: &str) -> Result<Scores> {
        let scratch = self.run.root();
        let texts = self.judge(&self.dataset, &self.dataset.test).query_texts();
        let queries = embed_to_scratch(embedder, &texts, Side::Query, scratch)?;
        let queries = as_array(&queries, scratch)?;
        Ok(self.scores_of(system, self.search_and_judge(&self.dataset.test, queries, passages)?))
    }

    /// The report on what a search finds for `queries`, by their vectors and those of all passages.
    pub(super) fn search_and_judge(
        &self,
        queries: &[TestQuery],
        vectors: ArrayView2<'_, f32>,
        passages: ArrayView2<'_, f32>,
    ) -> Result<Report<u32>> {
        let searcher = self.parts.searcher(passages, &self.device)?;
        self.judge(&self.dataset, queries).search(&*searcher, vectors, &self.measures()?)
    }

    /// What the system found for `queries` of `dataset` is judged by.
    fn judge<'a>(&self, dataset: &'a Dataset, queries: &'a [TestQuery]) -> Judge<'a> {
        let eval = &self.config.eval;
        Judge {
            dataset,
            queries,
            depth: eval.depth,
            ignore_identical_ids: eval.ignore_identical_ids,
            relevance_level: 1,
        }
    }

    /// The measures that the configuration names.
    pub(super) fn measures(&self) -> Result<Vec<Measure>> {
        let parsed = self.config.eval.measures.iter().map(|name| name.parse());
        Ok(parsed.collect::<std::result::Result<_, EvalError>>()?)
    }

    fn scores_of(&self, system: &str, report: Report<u32>) -> Scores {
        Scores {
            system: system.to_owned(),
            measures: self.config.eval.measures.clone(),
            means: means(&report),
            per_query: report.measures.into_iter().map(|measure| measure.values).collect(),
        }
    }
}

/// The mean of each measure; 0 without queries.
pub(super) fn means(report: &Report<u32>) -> Vec<f64> {
    report.measures.iter().map(|measure| measure.mean.unwrap_or(0.0)).collect()
}
