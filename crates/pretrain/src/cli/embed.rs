//! `pretrain embed --model`: the texts of a file, without a run folder.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use burn::tensor::backend::AutodiffBackend;
use clap::{ArgMatches, Args, FromArgMatches, ValueEnum};
use embed::{
    CorpusFile, CorpusOptions, EmbedError, FolderOptions, InferencePrecision, Side, Written, folder_hash, load_embedder,
};

use super::RunArgs;
use crate::data::{DataError, each_text};
use crate::device::{BackendTask, DeviceKind};
use crate::error::{PretrainError, Result};
use crate::models::model_folder;
use crate::program::{print, start_threads};
use crate::progress::{bar, count};

/// The two things that `pretrain embed` embeds.
#[derive(Debug)]
pub(super) enum EmbedArgs {
    /// The texts of a run.
    Run(RunArgs),
    /// The texts of a file.
    Texts(TextArgs),
}

/// Written by hand, since clap derives no choice between a positional argument and a group of options.
impl Args for EmbedArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        TextArgs::augment_args(RunArgs::augment_args(command))
            .mut_arg("source", |source| source.required(false).required_unless_present("model"))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for EmbedArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        if !matches.contains_id("model") {
            return RunArgs::from_arg_matches(matches).map(Self::Run);
        }
        let threads = matches.get_one("threads").copied().unwrap_or_default();
        let device = matches.get_one("device").copied().unwrap_or_default();
        Ok(Self::Texts(TextArgs { threads, device, ..TextArgs::from_arg_matches(matches)? }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Texts to embed, and by what.
#[derive(Debug, Args)]
#[command(next_help_heading = "Without a run folder")]
pub(super) struct TextArgs {
    /// Embed with the model in a folder of sentence-transformers, Hugging Face or model2vec, or of a hub: hf://owner/name, hf://owner/name@revision
    #[arg(
        long,
        value_name = "DIR|hf://ID",
        required = false,
        requires_all = ["texts", "out"],
        conflicts_with_all = ["source", "settings", "force"]
    )]
    model: PathBuf,
    /// The texts: a .jsonl, .ndjson, .json (an object a line) or .parquet file, of which --field is embedded, or any other, of which each line is;
    /// .gz and .zst are read through
    #[arg(long, value_name = "FILE", required = false, requires = "model")]
    texts: PathBuf,
    /// The file to write, unit rows in the order of the texts; where a process was interrupted the next one goes on
    #[arg(long, value_name = "X.npy", required = false, requires = "model")]
    out: PathBuf,
    /// The field of a .jsonl or .parquet file
    #[arg(long, value_name = "NAME", default_value = "text", requires = "model")]
    field: String,
    /// Which half of a pair the texts are: the model may have a prompt for each
    #[arg(long, default_value = "passage", requires = "model")]
    prompt: Prompt,
    /// Text before each text instead of the model's prompt
    #[arg(long, value_name = "TEXT", requires = "model")]
    prompt_text: Option<String>,
    /// The longest text, in tokens with the special ones; default: the model's own limit
    #[arg(long, value_name = "N", requires = "model")]
    max_tokens: Option<NonZeroUsize>,
    /// Keep the first N columns, scaled to norm 1 again; default: what the model's folder says
    #[arg(long, value_name = "N", requires = "model")]
    truncate_dim: Option<NonZeroUsize>,
    /// What the products with the model's weights are computed in, on the processor: int16 is faster and nearly as exact
    #[arg(long, value_name = "f32|int16", default_value_t, requires = "model")]
    precision: InferencePrecision,
    /// The type of the values
    #[arg(long, default_value = "f32", requires = "model")]
    dtype: Dtype,
    /// `--threads`, which runs have too.
    #[arg(skip)]
    threads: usize,
    /// `--device`, which runs have too.
    #[arg(skip)]
    device: DeviceKind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Prompt {
    Query,
    Passage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dtype {
    F32,
    F16,
}

impl TextArgs {
    pub(super) fn embed(&self) -> Result<()> {
        start_threads(self.threads)?;
        let read = self.texts.canonicalize().ok();
        if read.is_some() && self.out.canonicalize().ok() == read {
            return Err(PretrainError::WouldOverwrite { path: self.texts.clone(), option: "--out" });
        }
        // It is read twice: all of it is seen to be good before hours of work.
        if std::fs::metadata(&self.texts).is_ok_and(|file| !file.is_file()) {
            let reason = std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a file that can be read twice");
            return Err(PretrainError::io(&self.texts, reason));
        }
        let mut texts = 0;
        each_text(&self.texts, &self.field, |_| {
            texts += 1;
            Ok(())
        })?;
        let folder = model_folder("--model", &self.model)?;
        let written = self.device.run(Embedding { args: self, folder: &folder, texts })?;
        if written.found > 0 {
            tracing::info!("{} rows were there already", count(written.found as usize));
        }
        if written.cut > 0 {
            let cut = count(written.cut as usize);
            tracing::warn!("{cut} of {} texts are longer than the model takes: their ends are left out", count(texts));
        }
        print(&format!("{}\n", self.out.display()))
    }

    fn side(&self) -> Side {
        match self.prompt {
            Prompt::Query => Side::Query,
            Prompt::Passage => Side::Passage,
        }
    }

    fn options(&self) -> FolderOptions {
        let mut options = FolderOptions::default();
        let most = self.max_tokens.map(NonZeroUsize::get);
        (options.query_tokens, options.passage_tokens) = (most, most);
        (options.query_prompt, options.passage_prompt) = (self.prompt_text.clone(), self.prompt_text.clone());
        options.truncate_dim = self.truncate_dim.map(NonZeroUsize::get);
        options.precision = Some(self.precision);
        options
    }
}

struct Embedding<'a> {
    args: &'a TextArgs,
    folder: &'a Path,
    texts: usize,
}

impl BackendTask for Embedding<'_> {
    type Output = Written;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Result<Written> {
        let Self { args, folder, texts } = self;
        let options = args.options();
        let embedder = load_embedder::<B::InnerBackend>(folder, &options, &device)?;
        let model = format!("{} {options:?} {:?} {}", folder_hash(folder)?, args.device, env!("CARGO_PKG_VERSION"));
        let corpus = CorpusOptions::new(model, args.side()).with_f16(args.dtype == Dtype::F16);
        let bar = bar(texts as u64, "embed");
        let mut file = CorpusFile::open(&args.out, &*embedder, &corpus, |rows| {
            bar.set_position(rows);
            bar.set_message(format!("{:.0} texts/s", bar.per_sec()));
        })?;
        let mut pushed = 0;
        each_text(&args.texts, &args.field, |text| {
            pushed += 1;
            file.push(text).map_err(|error| DataError::Other(Box::new(error)))
        })
        .map_err(own)?;
        if pushed != texts {
            return Err(PretrainError::io(&args.texts, std::io::Error::other("changed while it was read")));
        }
        let written = file.finish()?;
        bar.finish_and_clear();
        Ok(written)
    }
}

/// The embedder's own error, where it is behind the data's.
fn own(error: DataError) -> PretrainError {
    match error {
        DataError::Other(source) => match source.downcast::<EmbedError>() {
            Ok(error) => (*error).into(),
            Err(source) => DataError::Other(source).into(),
        },
        other => other.into(),
    }
}
