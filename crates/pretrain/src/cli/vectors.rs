//! `pretrain cluster --vectors`: the rows of a `.npy` file, without a run folder.

use std::io;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, FromArgMatches, ValueEnum};
use kmeans::{Bounds, Clusterer, Clustering, Init, KMeansError, NpyVectors, SphericalKMeansConfig};

use super::{RunArgs, print, start_threads};
use crate::error::{PretrainError, Result};
use crate::progress::{bar, count};

/// The two things that `pretrain cluster` clusters.
#[derive(Debug)]
pub(super) enum ClusterArgs {
    /// The training pairs of a run.
    Run(RunArgs),
    /// The rows of a file.
    Vectors(VectorArgs),
}

/// Written by hand, since clap derives no choice between a positional argument and a group of options.
impl Args for ClusterArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        VectorArgs::augment_args(RunArgs::augment_args(command))
            .mut_arg("source", |source| source.required(false).required_unless_present("vectors"))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ClusterArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        match matches.contains_id("vectors") {
            true => {
                let threads = matches.get_one::<usize>("threads").copied();
                Ok(Self::Vectors(VectorArgs { threads, ..VectorArgs::from_arg_matches(matches)? }))
            }
            false => RunArgs::from_arg_matches(matches).map(Self::Run),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Rows to cluster, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Without a run folder")]
pub(super) struct VectorArgs {
    /// Cluster the unit rows of a .npy file, f32 or f16; it may be larger than memory
    #[arg(
        long,
        value_name = "X.npy",
        required = false,
        requires_all = ["k", "out"],
        conflicts_with_all = ["source", "settings", "device", "force"]
    )]
    vectors: PathBuf,
    /// How many clusters
    #[arg(long, value_name = "N", required = false, requires = "vectors", value_parser = at_least_one())]
    k: u32,
    /// The folder to write labels.npy, centroids.npy and clusters.json to
    #[arg(long, value_name = "DIR", required = false, requires = "vectors")]
    out: PathBuf,
    /// Runs from different starts; the best is kept whole
    #[arg(long, value_name = "N", default_value_t = 1, requires = "vectors", value_parser = at_least_one())]
    runs: u32,
    /// The seed of the starts
    #[arg(long, value_name = "N", default_value_t = 0, requires = "vectors")]
    seed: u64,
    /// Most iterations of one run
    #[arg(long, value_name = "N", default_value_t = 25, requires = "vectors", value_parser = at_least_one())]
    iterations: u32,
    /// How the first centroids are chosen
    #[arg(long, value_enum, default_value_t, requires = "vectors")]
    init: InitArg,
    /// Train on at most so many rows for each cluster; default: on all
    #[arg(long, value_name = "N", requires = "vectors", value_parser = at_least_one())]
    max_points_per_centroid: Option<u32>,
    /// Fewest and most rows of a cluster: labels with the least loss of mean cosine that keep them
    #[arg(long, value_name = "MIN,MAX", requires = "vectors", value_parser = bounds)]
    balance: Option<Bounds>,
    /// `--threads`, which runs have too.
    #[arg(skip)]
    threads: Option<usize>,
}

fn bounds(text: &str) -> std::result::Result<Bounds, String> {
    let parts = text.split_once(',').map(|(min, max)| (min.trim().parse(), max.trim().parse()));
    match parts {
        Some((Ok(min), Ok(max))) => Ok(Bounds { min, max: Some(max) }),
        _ => Err("two whole numbers, MIN,MAX".to_owned()),
    }
}

fn at_least_one() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum InitArg {
    /// Rows drawn uniformly
    #[default]
    RandomRows,
    /// Rows far from each other, one after another
    #[value(name = "k-means++")]
    KMeansPlusPlus,
    /// Rows far from each other, many at a time: for many clusters
    #[value(name = "k-means||")]
    KMeansParallel,
}

impl From<InitArg> for Init {
    fn from(init: InitArg) -> Self {
        match init {
            InitArg::RandomRows => Self::RandomRows,
            InitArg::KMeansPlusPlus => Self::KMeansPlusPlus,
            InitArg::KMeansParallel => Self::KMeansParallel,
        }
    }
}

const WRITTEN: [&str; 3] = ["labels.npy", "centroids.npy", "clusters.json"];

impl VectorArgs {
    /// Clusters the rows and writes the three files, which nothing precedes that could fail late.
    pub(super) fn cluster(&self) -> Result<()> {
        start_threads(self.threads.unwrap_or(0))?;
        self.check_out()?;
        let file = NpyVectors::open(&self.vectors).map_err(in_option("--vectors"))?;
        let clustering = self.fit(&file)?;
        clustering.save(&self.out).map_err(in_option("--out"))?;
        print(&WRITTEN.map(|name| format!("{}\n", self.out.join(name).display())).concat())
    }

    /// What could not be written in the end is found before hours of work.
    fn check_out(&self) -> Result<()> {
        if self.out.exists() && !self.out.is_dir() {
            return Err(PretrainError::io(&self.out, io::ErrorKind::NotADirectory.into()));
        }
        let same = |name| match (self.out.join(name).canonicalize(), self.vectors.canonicalize()) {
            (Ok(written), Ok(read)) => written == read,
            _ => false,
        };
        match WRITTEN.into_iter().any(same) {
            true => {
                let problem = "would be overwritten: choose another --out".to_owned();
                Err(PretrainError::Npy { path: self.vectors.clone(), problem })
            }
            false => Ok(()),
        }
    }

    fn fit(&self, file: &NpyVectors) -> Result<Clustering> {
        let name = self.vectors.display().to_string();
        let failed = in_option(&name);
        let clusterer = SphericalKMeansConfig::new(self.k as usize)
            .with_n_runs(self.runs as usize)
            .with_max_iterations(self.iterations as usize)
            .with_seed(self.seed)
            .with_init(self.init.into())
            .with_max_points_per_centroid(self.max_points_per_centroid.map(|points| points as usize))
            .build()
            .map_err(&failed)?;
        if let Some(bounds) = self.balance {
            bounds.check(file.len(), self.k as usize).map_err(&failed)?;
        }
        tracing::info!("{name}: {} rows of {} into {}", count(file.len()), file.dim(), self.k);
        let bar = bar(u64::from(self.iterations) * u64::from(self.runs), "cluster");
        let mut observe = |iteration: &kmeans::Iteration| {
            // A run that settles early leaves out its last iterations.
            bar.set_position(iteration.run as u64 * u64::from(self.iterations) + iteration.index as u64 + 1);
            bar.set_message(format!("mean cosine {:.4}", iteration.objective));
        };
        let clustering = clusterer.fit_with(&file.vectors(), &mut observe);
        bar.finish_and_clear();
        let clustering = clustering.map_err(&failed)?;
        describe(&clustering, &self.vectors);
        let Some(bounds) = self.balance else { return Ok(clustering) };
        let balanced = clustering.balanced(file, bounds).map_err(failed)?;
        tracing::info!(
            "{name}: clusters of {} to {} rows, {} rows moved, {:.4} of mean cosine lost",
            count(bounds.min),
            count(bounds.max.unwrap_or(file.len())),
            count(balanced.moved as usize),
            balanced.objective_lost,
        );
        Ok(balanced.clustering)
    }
}

fn describe(clustering: &Clustering, path: &Path) {
    let sizes = clustering.sizes.iter().map(|&size| size as usize);
    tracing::info!(
        "{}: mean cosine {:.4} after {} iterations, clusters of {} to {} rows",
        path.display(),
        clustering.objective,
        clustering.history.len(),
        count(sizes.clone().min().unwrap_or(0)),
        count(sizes.max().unwrap_or(0)),
    );
}

fn in_option(what: &str) -> impl Fn(KMeansError) -> PretrainError {
    let arm = what.to_owned();
    move |source| PretrainError::Cluster { arm: arm.clone(), source }
}
