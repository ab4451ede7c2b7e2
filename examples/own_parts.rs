//! A run with parts of one's own: an embedder that hashes letters, linfa's k-means, and a sampler, in place of the
//! configuration's; everything else (data, student, loss, search, stages, records) stays as it is.
//!
//! ```text
//! cargo run --release -p examples --features linfa --example own_parts     # a few seconds after compiling
//! ```
//!
//! The data is a sample of the quickstart's. Prints the table of two arms.

use std::process::ExitCode;

use embed::{EmbedError, Embedder, Side};
use kmeans::{Clusterer, KMeansError, LinfaKMeans};
use ndarray::Array2;
use pretrain::tensor::AutodiffBackend;
use pretrain::{
    BackendTask, ClusterConfig, Config, ConfiguredEncoder, DeviceKind, EmbedderConfig, Parts, Pipeline, Result,
    SamplerConfig, Strata, program,
};
use stratified_sampler::{BatchSampler, PlanHash, SamplerError};

const SETTINGS: [&str; 6] = [
    "data.sample=4000",
    "cluster.k=8",
    "sampler.batch_size=256",
    "train.epochs=6",
    "run.arms=[\"none\",\"passages\"]",
    "run.dir=runs/own-parts",
];

/// Counts of groups of three letters, hashed to 256 columns.
struct Trigrams;

impl Embedder for Trigrams {
    fn dim(&self) -> usize {
        256
    }

    fn embed_with(&self, texts: &[&str], _: Side, on_rows: &mut dyn FnMut(usize)) -> Result<Array2<f32>, EmbedError> {
        let mut rows = Array2::<f32>::zeros((texts.len(), 256));
        for (text, mut row) in texts.iter().zip(rows.rows_mut()) {
            for letters in text.to_lowercase().as_bytes().windows(3) {
                row[letters.iter().fold(7, |hash: usize, &letter| hash * 31 + usize::from(letter)) % 256] += 1.0;
            }
            let norm = row.dot(&row).sqrt();
            if norm > 0.0 { row /= norm } else { row[0] = 1.0 }
        }
        on_rows(texts.len());
        Ok(rows)
    }
}

/// Batches that cross from one stratum into the next: the pairs in the order of their strata, cut from another place each epoch.
struct InLine {
    line: Vec<u32>,
    batch_size: usize,
}

impl BatchSampler for InLine {
    fn len(&self, _: u64) -> usize {
        self.line.len() / self.batch_size
    }

    fn batch(&self, epoch: u64, index: usize, out: &mut Vec<u32>) -> Result<(), SamplerError> {
        out.clear();
        let len = self.len(epoch);
        if index >= len {
            return Err(SamplerError::PastTheEnd { index, len });
        }
        let start = epoch as usize * self.batch_size / 3 + index * self.batch_size;
        out.extend(self.line.iter().cycle().skip(start % self.line.len()).take(self.batch_size));
        Ok(())
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn pairs(&self) -> usize {
        self.line.len()
    }

    fn plan_hash(&self) -> PlanHash {
        PlanHash::of("in line", self.line.iter().map(|&pair| pair.into()).chain([self.batch_size as u64]))
    }
}

struct OwnParts;

impl<B: AutodiffBackend> Parts<B> for OwnParts {
    type Encoder = ConfiguredEncoder<B>;

    fn version(&self) -> String {
        "trigrams, linfa, in line: 1".into()
    }

    fn embedder(&self, _: &EmbedderConfig, _: &[&str], _: &B::Device) -> Result<Box<dyn Embedder>, EmbedError> {
        Ok(Box::new(Trigrams))
    }

    fn clusterer(&self, config: &ClusterConfig, _: &B::Device) -> Result<Box<dyn Clusterer>, KMeansError> {
        Ok(Box::new(LinfaKMeans { runs: 1, max_iterations: 50, ..LinfaKMeans::new(config.clusters()) }))
    }

    fn sampler(
        &self,
        config: &SamplerConfig,
        strata: &Strata,
        seed: u64,
    ) -> Result<Box<dyn BatchSampler>, SamplerError> {
        let Some(labels) = &strata.labels else { return Ok(Box::new(config.uniform(seed).build(strata.pairs)?)) };
        let mut line: Vec<u32> = (0..labels.len() as u32).collect();
        line.sort_by_key(|&pair| labels[pair as usize]);
        Ok(Box::new(InLine { line, batch_size: config.batch_size }))
    }
}

struct Run(Config);

impl BackendTask for Run {
    type Output = ();

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Result<()> {
        let pipeline = Pipeline::<B, _>::create_with(OwnParts, self.0, true, device)?;
        program::print_comparison(&pipeline.run()?, pipeline.folder().root())
    }
}

fn main() -> ExitCode {
    program::start();
    let mut settings = vec![format!("data.path={}", env!("CARGO_MANIFEST_DIR"))];
    settings.extend(SETTINGS.map(String::from));
    let config = Config::parse(include_str!("quickstart.toml"), &settings);
    program::finish(config.and_then(|config| DeviceKind::default().run(Run(config))))
}
