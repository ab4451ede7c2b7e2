//! `pretrain cluster --vectors`: the rows of a `.npy` file, without a run folder.

mod fit;

use std::io;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, ArgMatches, Args, FromArgMatches};
use kmeans::{Bounds, HierarchyConfig, Init, KMeansError, NpyOptions, NpyVectors};

use super::RunArgs;
use crate::error::{PretrainError, Result};
use crate::program::{print, start_threads};
use crate::progress::bar;

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
            .group(ArgGroup::new("clusters").args(["k", "levels"]).multiple(true))
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
    /// Cluster the unit rows of a .npy file of floats; it may be larger than memory. f32 and f16 in C order are read where
    /// they lie; f64, Fortran order and big-endian values are converted first, which takes 4 bytes a value on the disk
    /// of --out until the end
    #[arg(
        long,
        value_name = "X.npy",
        required = false,
        requires_all = ["clusters", "out"],
        conflicts_with_all = ["source", "settings", "device", "force"]
    )]
    vectors: PathBuf,
    /// Scale every row to norm 1 first, which takes as much disk as a conversion
    #[arg(long, requires = "vectors")]
    normalize: bool,
    /// How many clusters; default: those of the first level
    #[arg(long, value_name = "N", requires = "vectors", value_parser = at_least_one())]
    k: Option<u32>,
    /// Nested clusters too: how many at each level, the coarsest first, such as 10,100,2000
    #[arg(long, value_name = "N,N,...", requires = "vectors", conflicts_with = "balance", value_parser = levels)]
    levels: Option<Levels>,
    /// The folder to write to: labels.npy, centroids.npy and clusters.json, and for each level of N clusters
    /// labels-N.npy and centroids-N.npy, with hierarchy.json
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
    #[arg(long, default_value_t, requires = "vectors", value_parser = init())]
    init: Init,
    /// Train on at most so many rows for each cluster; default: on all
    #[arg(long, value_name = "N", requires = "vectors", value_parser = at_least_one())]
    max_points_per_centroid: Option<u32>,
    /// Fewest and most rows of a cluster: labels with the least loss of mean cosine that keep them; clusters.json says
    /// how much was lost
    #[arg(long, value_name = "MIN,MAX", requires = "vectors", value_parser = bounds)]
    balance: Option<Bounds>,
    /// `--threads`, which runs have too.
    #[arg(skip)]
    threads: Option<usize>,
}

/// Clusters of each level, as [`HierarchyConfig`] accepts them.
#[derive(Debug, Clone)]
struct Levels(Vec<usize>);

fn levels(text: &str) -> Result<Levels, String> {
    let levels: Vec<usize> = text
        .split(',')
        .map(|part| part.trim().parse())
        .collect::<Result<_, _>>()
        .map_err(|_| "whole numbers, each more than the one before, N,N,...".to_owned())?;
    HierarchyConfig::new(&levels[..]).build().map_err(|error| error.to_string())?;
    Ok(Levels(levels))
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

fn init() -> impl TypedValueParser<Value = Init> {
    let help = |init: Init| match init {
        Init::RandomRows => "Rows drawn uniformly",
        Init::KMeansPlusPlus => "Rows far from each other, one after another",
        Init::KMeansParallel => "Rows far from each other, many at a time: for many clusters",
        _ => "",
    };
    PossibleValuesParser::new(Init::ALL.map(|init| PossibleValue::new(init.name()).help(help(init))))
        .try_map(|name| name.parse::<Init>())
}

impl VectorArgs {
    /// Clusters the rows and writes the files, which nothing precedes that could fail late.
    pub(super) fn cluster(&self) -> Result<()> {
        start_threads(self.threads.unwrap_or(0))?;
        self.check_out()?;
        let file = self.open()?;
        self.fit(&file)?.save(&self.out).map_err(in_option("--out"))?;
        print(&self.written().iter().map(|path| format!("{}\n", path.display())).collect::<String>())
    }

    /// The rows, converted where they cannot be read as they lie.
    fn open(&self) -> Result<NpyVectors> {
        let bar = bar(0, "convert");
        let options = NpyOptions::new(self.scratch()).with_normalise(self.normalize);
        let file = options.open_with(&self.vectors, &mut |done, rows| {
            bar.set_length(rows as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        Ok(file?)
    }

    /// The folder nearest to `--out` that is there already: on the same disk, and nothing is made before the rows are known
    /// to be good.
    fn scratch(&self) -> &Path {
        let mut folders = self.out.ancestors().filter(|folder| !folder.as_os_str().is_empty());
        folders.find(|folder| folder.is_dir()).unwrap_or(Path::new("."))
    }

    fn levels(&self) -> &[usize] {
        self.levels.as_ref().map_or(&[], |levels| &levels.0)
    }

    fn written(&self) -> Vec<PathBuf> {
        let flat = ["labels.npy", "centroids.npy", "clusters.json"].map(str::to_owned);
        let of_level = |clusters: &usize| [format!("labels-{clusters}.npy"), format!("centroids-{clusters}.npy")];
        let nested = self.levels().iter().flat_map(of_level);
        let summary = self.levels.iter().map(|_| "hierarchy.json".to_owned());
        flat.into_iter().chain(nested).chain(summary).map(|name| self.out.join(name)).collect()
    }

    /// What could not be written in the end is found before hours of work.
    fn check_out(&self) -> Result<()> {
        if self.out.exists() && !self.out.is_dir() {
            return Err(PretrainError::io(&self.out, io::ErrorKind::NotADirectory.into()));
        }
        let read = self.vectors.canonicalize().ok();
        match read.is_some() && self.written().iter().any(|written| written.canonicalize().ok() == read) {
            true => Err(PretrainError::WouldOverwrite { path: self.vectors.clone(), option: "--out" }),
            false => Ok(()),
        }
    }
}

fn in_option(option: &'static str) -> impl Fn(KMeansError) -> PretrainError {
    move |source| PretrainError::ClusterOption { option, source }
}
