//! `pretrain eval --model --data`: what any embedder reaches on any data, as BEIR evaluates it.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use burn::tensor::backend::AutodiffBackend;
use clap::Args;
use embed::{FolderOptions, InferencePrecision, load_embedder};
use retrieval_eval::{ExactSearcher, MeasureAtLevel, Report};

use super::report::ReportArgs;
use crate::data::{Beir, Dataset};
use crate::device::{BackendTask, DeviceKind};
use crate::error::Result;
use crate::judge::{Judge, test_split};
use crate::models::model_folder;
use crate::progress::count;

/// The measures where none are asked for.
const MEASURES: &str = "nDCG@10 MRR@10 recall@100";
/// Passages that are retrieved for a query, unless a measure looks further: BEIR's deepest cut.
const DEPTH: usize = 1000;

/// A model folder to evaluate, and the data.
#[derive(Debug, Args)]
#[command(next_help_heading = "A model")]
pub(super) struct ModelArgs {
    /// Evaluate the embedder in a folder of sentence-transformers or Hugging Face, or of a hub: hf://owner/name, hf://owner/name@revision
    #[arg(
        long,
        value_name = "DIR|hf://ID",
        required = false,
        requires = "data",
        conflicts_with_all = ["source", "settings", "force", "qrels"]
    )]
    model: PathBuf,
    /// The data, a BEIR folder: corpus.jsonl (title and text are joined), queries.jsonl, qrels/SPLIT.tsv
    #[arg(long, value_name = "DIR", required = false, requires = "model")]
    data: PathBuf,
    /// The split to evaluate on
    #[arg(long, default_value = "test", requires = "model")]
    split: String,
    /// What goes before every query; default: what the model's folder says
    #[arg(long, value_name = "TEXT", requires = "model")]
    prompt_query: Option<String>,
    /// What goes before every passage; default: what the model's folder says
    #[arg(long, value_name = "TEXT", requires = "model")]
    prompt_passage: Option<String>,
    /// The longest query, in tokens with the special ones; default: the model's own limit
    #[arg(long, value_name = "N", requires = "model")]
    max_query_tokens: Option<NonZeroUsize>,
    /// The longest passage, in tokens with the special ones; default: the model's own limit
    #[arg(long, value_name = "N", requires = "model")]
    max_passage_tokens: Option<NonZeroUsize>,
    /// Keep the first N columns of each vector, scaled to norm 1 again; default: what the model's folder says
    #[arg(long, value_name = "N", requires = "model")]
    truncate_dim: Option<NonZeroUsize>,
    /// What the products with the model's weights are computed in, on the processor: int16 is faster and nearly as exact
    #[arg(long, value_name = "f32|int16", default_value_t, requires = "model")]
    precision: InferencePrecision,
}

impl ModelArgs {
    pub(super) fn evaluate(&self, device: DeviceKind, args: &ReportArgs) -> Result<()> {
        let measures = args.judging.measures(MEASURES)?;
        let folder = model_folder("--model", &self.model)?;
        let dataset = test_split(&Beir::new(&self.data).with_test_split(&self.split))?;
        tracing::info!("data: {} passages, {} queries", count(dataset.passages.len()), count(dataset.test.len()));
        let level = args.judging.level;
        let report =
            device.run(Evaluation { args: self, folder: &folder, dataset: &dataset, measures: &measures, level })?;
        args.print(&report, &measures)
    }

    fn options(&self) -> FolderOptions {
        let mut options = FolderOptions::default();
        options.query_tokens = self.max_query_tokens.map(NonZeroUsize::get);
        options.passage_tokens = self.max_passage_tokens.map(NonZeroUsize::get);
        options.truncate_dim = self.truncate_dim.map(NonZeroUsize::get);
        options.precision = Some(self.precision);
        options.query_prompt = self.prompt_query.clone();
        options.passage_prompt = self.prompt_passage.clone();
        options
    }
}

struct Evaluation<'a> {
    args: &'a ModelArgs,
    folder: &'a Path,
    dataset: &'a Dataset,
    measures: &'a [MeasureAtLevel],
    level: i32,
}

impl BackendTask for Evaluation<'_> {
    type Output = Report;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Result<Report> {
        let Self { args, folder, dataset, measures, level } = self;
        let embedder = load_embedder::<B::InnerBackend>(folder, &args.options(), &device)?;
        let cuts = measures.iter().filter_map(|measure| measure.measure.cut());
        let judge = Judge {
            dataset,
            queries: &dataset.test,
            depth: cuts.fold(DEPTH, usize::max),
            ignore_identical_ids: true,
            relevance_level: level,
        };
        let scratch = std::env::temp_dir();
        let report =
            judge.embed_and_search(&*embedder, |rows| Ok(Box::new(ExactSearcher::new(rows)?)), measures, &scratch)?;
        let id = |&test: &u32| dataset.queries.get(dataset.test[test as usize].query).id.to_owned();
        Ok(Report {
            queries: report.queries.iter().map(id).collect(),
            measures: report.measures,
            without_judgements: report.without_judgements,
            without_results: report.without_results,
            complete: report.complete,
        })
    }
}
