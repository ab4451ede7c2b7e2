//! `pretrain recommend`: a study of which batches are best for some data.

use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::tensor::backend::AutodiffBackend;
use clap::Args;

use crate::config::Config;
use crate::device::{BackendTask, DeviceKind};
use crate::error::{PretrainError, Result};
use crate::files::write_whole;
use crate::pipeline::{Pipeline, ProposalConfig};
use crate::program::{print, start_threads, stop_on_signals};
use crate::progress::duration;
use crate::study::{Budget, RecommendedStudy};

/// Which data, how much time, and where the study goes.
#[derive(Debug, Args)]
pub(super) struct RecommendArgs {
    /// A configuration (TOML), or data: a BEIR or MS MARCO folder, a file or folder of pairs, a Cargo workspace
    #[arg(value_name = "CONFIG|DATA")]
    source: PathBuf,
    /// Override a configuration key; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    settings: Vec<String>,
    /// Hours that all trainings may take together
    #[arg(long, value_name = "HOURS", default_value_t = 1.0)]
    budget: f64,
    /// The study to write
    #[arg(long, value_name = "STUDY.toml", default_value = "study.toml")]
    out: PathBuf,
    /// The most of a pair's negatives of its own cluster that may be false, as a share of them, beyond those of batches of all pairs alike
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    most_false: f64,
    /// Where to compute; all but the first need a build with that feature
    #[arg(long, value_enum, default_value_t)]
    device: DeviceKind,
    /// Worker threads; 0: one a core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
}

impl RecommendArgs {
    pub(super) fn run(self) -> Result<()> {
        let within = |holds: bool, key: &'static str, value: f64, expected: &'static str| match holds {
            true => Ok(()),
            false => Err(PretrainError::OutOfRange { key, value: value.to_string(), expected }),
        };
        within(self.budget > 0.0 && self.budget <= 1e6, "--budget", self.budget, "above 0 and at most 1000000")?;
        within((0.0..=1.0).contains(&self.most_false), "--most-false", self.most_false, "0 to 1")?;
        if self.out.exists() {
            return Err(PretrainError::WouldOverwrite { path: self.out.clone(), option: "--out" });
        }
        let mut config = self.config()?;
        config.run.arms.clear();
        config.run.seeds.clear();
        // The trial of a training takes its vectors from there.
        config.embedder.cache.get_or_insert_with(|| config.run.dir.join("vectors"));
        start_threads(self.threads)?;
        let proposal =
            ProposalConfig { clusters: Vec::new(), groups: Vec::new(), batches: 16, most_false: self.most_false };
        let budget = Budget { time: Duration::from_secs_f64(3600.0 * self.budget), proposal };
        let RecommendedStudy { toml, trainings, seconds } = self.device.run(Task { config, budget })?;
        write_whole(&self.out, |out| out.write_all(toml.as_bytes()))?;
        let (out, time) = (self.out.display(), duration(seconds));
        print(&format!("{toml}\n{trainings} trainings, about {time}: pretrain experiment {out}\n"))
    }

    fn config(&self) -> Result<Config> {
        let source = &self.source;
        let stem = source.file_stem().map_or_else(|| "data".into(), |stem| stem.to_string_lossy());
        // Not the configuration's own folder, where a finished run may be.
        let dir = format!("run.dir={}", quoted(&format!("runs/recommend-{stem}")));
        if source.extension().is_some_and(|ending| ending == "toml") && source.is_file() {
            return Config::load(source, &[std::slice::from_ref(&dir), self.settings.as_slice()].concat());
        }
        let format = format!("data.format={}", format_of(source)?);
        let path = format!("data.path={}", quoted(&source.display().to_string()));
        Config::parse("", &[&[format, path, dir], self.settings.as_slice()].concat())
    }
}

/// The text as TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// How the data at a path are laid out, by the files that are there.
fn format_of(path: &Path) -> Result<&'static str> {
    let has = |name: &str| path.join(name).exists();
    let metadata = std::fs::metadata(path).map_err(|source| PretrainError::io(path, source))?;
    Ok(match metadata.is_dir() {
        true if has("corpus.jsonl") => "beir",
        true if ["", ".gz", ".zst"].iter().any(|ending| has(&format!("collection.tsv{ending}"))) => "ms-marco",
        true if has("Cargo.toml") => "rust-docs",
        _ => "pairs",
    })
}

struct Task {
    config: Config,
    budget: Budget,
}

impl BackendTask for Task {
    type Output = RecommendedStudy;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Result<RecommendedStudy> {
        Pipeline::<B>::create(self.config, true, device)?.stopped_by(stop_on_signals()?).recommend(&self.budget)
    }
}
