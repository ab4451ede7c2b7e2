//! `pretrain plan --labels`: the batches of any pairs whose strata a `.npy` file says, without a run folder.

use std::io;
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, PossibleValue, PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{ArgMatches, Args};
use ndarray::Array2;
use stratified_sampler::{Leftovers, Stratified, StratifiedConfig};
use vectors::{NpyOptions, read_labels};

use crate::error::{PretrainError, Result};
use crate::nearest::build_with_centroids;
use crate::plan_file::{Plan, PlanFile, report_beside};
use crate::program::{print, start_threads};
use crate::progress::count;

/// Strata of pairs, and how to draw batches of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Without a run folder")]
pub(in crate::cli) struct LabelArgs {
    /// Draw batches of the pairs whose strata are the integers of a .npy file, [n]
    #[arg(
        long,
        value_name = "LABELS.npy",
        required = false,
        requires_all = ["batch_size", "out"],
        conflicts_with_all = ["source", "settings", "device", "force", "arm"]
    )]
    labels: PathBuf,
    /// Pairs of a batch
    #[arg(
        long,
        value_name = "N",
        required = false,
        requires = "labels",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..)
    )]
    batch_size: usize,
    /// What becomes of the pairs that fill no batch of their stratum
    #[arg(long, default_value_t, requires = "labels", value_parser = leftovers())]
    leftovers: Leftovers,
    /// With `--leftovers merge`: the centroids of strata 0 to k - 1, floats of [k, dim]; leftovers go to the stratum of the
    /// largest inner product. Without: to the smallest other one
    #[arg(long, value_name = "CENTROIDS.npy", requires = "labels")]
    centroids: Option<PathBuf>,
    /// The file to write: indices of pairs, flat; batch i is plan[i*N:(i+1)*N], and only the last may be shorter. The
    /// report lies beside it as .json
    #[arg(
        long,
        value_name = "PLAN.npy",
        required = false,
        requires = "labels",
        value_parser = PathBufValueParser::new().try_map(npy_path)
    )]
    out: PathBuf,
    /// `--seed`, `--epoch` and `--threads`, which runs have too.
    #[arg(skip)]
    seed: u64,
    #[arg(skip)]
    epoch: u64,
    #[arg(skip)]
    threads: usize,
}

fn npy_path(path: PathBuf) -> Result<PathBuf, String> {
    match path.extension() {
        Some(extension) if extension == "npy" => Ok(path),
        _ => Err("the name of a file that ends in .npy".to_owned()),
    }
}

fn leftovers() -> impl TypedValueParser<Value = Leftovers> {
    let help = |leftovers: Leftovers| match leftovers {
        Leftovers::Drop => "Not drawn in this epoch",
        Leftovers::Carry => "Drawn first in the stratum's next epoch",
        Leftovers::Merge => "Batches shared with the leftovers of the nearest strata",
        Leftovers::Mix => "Batches shared with the leftovers of any strata",
    };
    let value = |leftovers: Leftovers| PossibleValue::new(leftovers.name()).help(help(leftovers));
    PossibleValuesParser::new(Leftovers::ALL.map(value)).try_map(|name| name.parse::<Leftovers>())
}

/// The rows of a file of floats of any size and order, in memory.
fn rows_of(path: &Path) -> Result<Array2<f32>> {
    let file = NpyOptions::new(std::env::temp_dir()).open(path)?;
    let values = file.vectors().to_f32().into_owned();
    Array2::from_shape_vec((file.len(), file.dim()), values)
        .map_err(|error| PretrainError::io(path, io::Error::other(error)))
}

impl LabelArgs {
    /// The arguments together with those that runs have too.
    pub(super) fn with_shared(self, matches: &ArgMatches) -> Result<Self, clap::Error> {
        if self.centroids.is_some() && self.leftovers != Leftovers::Merge {
            let problem = "the argument '--centroids <CENTROIDS.npy>' needs '--leftovers merge'\n";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, problem));
        }
        let seed = matches.get_one("seed").copied().unwrap_or_default();
        let epoch = matches.get_one("epoch").copied().unwrap_or_default();
        let threads = matches.get_one("threads").copied().unwrap_or_default();
        Ok(Self { seed, epoch, threads, ..self })
    }

    /// Draws the epoch and writes its files.
    pub(in crate::cli) fn plan(&self) -> Result<()> {
        start_threads(self.threads)?;
        self.check_out()?;
        let sampler = self.sampler()?;
        let plan = Plan { sampler: &sampler, epoch: self.epoch, seed: self.seed, leftovers: Some(self.leftovers) };
        let written = plan.write(&self.out)?;
        self.describe(&written);
        print(&format!("{}\n{}\n", written.plan.display(), written.report.display()))
    }

    /// The labels are freed once the sampler has grouped the pairs by them.
    fn sampler(&self) -> Result<Stratified> {
        let labels = read_labels(&self.labels)?;
        let config = StratifiedConfig::new(self.batch_size).with_leftovers(self.leftovers).with_seed(self.seed);
        let built = match &self.centroids {
            Some(path) => build_with_centroids(config, &labels, self.centroids_of(path, &labels)?.view()),
            None => config.build(&labels),
        };
        built.map_err(|source| PretrainError::SampleFile { path: self.labels.clone(), source })
    }

    /// The centroids in a file, which must be finite and as many as the labels ask for.
    fn centroids_of(&self, path: &Path, labels: &[u32]) -> Result<Array2<f32>> {
        let centroids = rows_of(path)?;
        let strata = centroids.nrows();
        if let Some(((row, column), &value)) = centroids.indexed_iter().find(|(_, value)| !value.is_finite()) {
            return Err(PretrainError::NotFinite { path: path.to_owned(), row, column, value });
        }
        if let Some((row, &label)) = labels.iter().enumerate().find(|&(_, &label)| label as usize >= strata) {
            let (labels, centroids) = (self.labels.clone(), path.to_owned());
            return Err(PretrainError::NoCentroid { labels, row, label, centroids, strata });
        }
        Ok(centroids)
    }

    /// What could not be written in the end is found before anything is read.
    fn check_out(&self) -> Result<()> {
        let read = [Some(&self.labels), self.centroids.as_ref()].into_iter().flatten();
        let canonical: Vec<PathBuf> = read.filter_map(|path| path.canonicalize().ok()).collect();
        for written in [&self.out, &report_beside(&self.out)] {
            if written.is_dir() {
                return Err(PretrainError::io(written, io::ErrorKind::IsADirectory.into()));
            }
            if written.canonicalize().is_ok_and(|path| canonical.contains(&path)) {
                return Err(PretrainError::WouldOverwrite { path: written.clone(), option: "--out" });
            }
        }
        Ok(())
    }

    fn describe(&self, plan: &PlanFile) {
        let summary = &plan.summary;
        tracing::info!(
            "{}: {} pairs, epoch {}: {} batches of {}, {} of one stratum; {} pairs not drawn",
            self.labels.display(),
            count(summary.pairs),
            self.epoch,
            count(summary.batches),
            count(self.batch_size),
            count(summary.pure),
            count(summary.pairs - summary.seen)
        );
    }
}
