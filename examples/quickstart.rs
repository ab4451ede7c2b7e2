//! Search the code you depend on by meaning, and see what cluster-stratified batches do for it.
//!
//! ```text
//! cargo run --release -p examples --example quickstart                          # a minute and a half on 2 cores
//! cargo run --release -p examples --example quickstart -- --quick               # a sample, about 10 seconds
//! cargo run --release -p examples --example quickstart -- --search "hash map"   # ask the trained model
//! ```
//!
//! Pairs (first paragraph of a doc comment, the item it documents) are read from the sources of the packages in this
//! workspace's `Cargo.lock`. The same small encoder is trained three times, on batches of all pairs, of one passage cluster and
//! of groups from fine clusters, and judged on packages it has not seen. Prints a table, then three searches.

use std::process::ExitCode;

use clap::Parser;
use pretrain::tensor::AutodiffBackend;
use pretrain::{BackendTask, Config, DeviceKind, Pipeline, Result, RunFolder, program};

const SEARCHES: [&str; 3] = [
    "split a string at grapheme cluster boundaries",
    "run closures in parallel on a pool of worker threads",
    "map a file into memory instead of reading it",
];

const STUDY: &str = "\
One seed on one small corpus decides nothing. The study that does: three seeds,
  cargo run --release -p pretrain -- run examples/quickstart.toml --set run.seeds=[0,1,2] --set run.dir=runs/study
and a transformer on a larger corpus, configs/squad-bert.toml (see README).";

/// A sample of the pairs, with fewer and smaller clusters.
const QUICK: [&str; 5] = [
    "data.sample=6000",
    "sampler.batch_size=256",
    "train.epochs=8",
    "run.dir=runs/quickstart-quick",
    "run.arms=[\"none\", \"passages\", { name = \"groups from fine clusters\", cluster = { k = 60 }, \
     sampler = { kind = \"topic-aware\", group = 32 } }]",
];

/// Search the code you depend on by meaning.
#[derive(Parser)]
struct Args {
    /// A sample of the pairs, in a folder of its own
    #[arg(long)]
    quick: bool,
    /// Ask the finished run, without training again
    #[arg(long, value_name = "QUERY")]
    search: Option<String>,
    /// Override a configuration key; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    settings: Vec<String>,
    /// Where to compute
    #[arg(long, value_parser = device, default_value = "cpu")]
    device: DeviceKind,
    /// Use a run folder made with another configuration, and rerun what changed
    #[arg(long)]
    force: bool,
}

fn device(name: &str) -> Result<DeviceKind, String> {
    name.parse().map_err(|error: pretrain::PretrainError| error.to_string())
}

fn main() -> ExitCode {
    let args = Args::parse();
    program::start();
    let device = args.device;
    program::finish(args.config().and_then(|config| device.run(Quickstart { args, config })))
}

impl Args {
    fn config(&self) -> Result<Config> {
        let mut settings = vec![format!("data.path={}", env!("CARGO_MANIFEST_DIR"))];
        if self.quick {
            settings.extend(QUICK.map(String::from));
        }
        settings.extend(self.settings.iter().cloned());
        let config = Config::parse(include_str!("quickstart.toml"), &settings)?;
        match self.search {
            Some(_) => RunFolder::config(&config.run.dir, &[]),
            None => Ok(config),
        }
    }
}

struct Quickstart {
    args: Args,
    config: Config,
}

impl BackendTask for Quickstart {
    type Output = ();

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Result<()> {
        program::start_threads(self.config.run.threads)?;
        if let Some(query) = &self.args.search {
            let pipeline = Pipeline::<B>::open(self.config, device)?;
            let index = pipeline.index(pipeline.folder().find(None, None)?)?;
            return program::print_found(&pipeline.search(&index, query, 5)?);
        }
        let pipeline = Pipeline::<B>::create(self.config, self.args.force, device)?;
        let comparison = pipeline.run()?;
        program::print_comparison(&comparison, pipeline.folder().root())?;
        println!("\n{STUDY}\n");
        let index = pipeline.index(pipeline.folder().find(None, None)?)?;
        for query in SEARCHES {
            println!("search: {query}");
            program::print_found(&pipeline.search(&index, query, 3)?)?;
            println!();
        }
        Ok(())
    }
}
