//! Stage `train`: every arm with every seed, from the same initial weights.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use burn::module::Module;
use burn::tensor::backend::{AutodiffBackend, Backend};
use embed::{ExportOptions, SaveFolder, TextTokenizer};
use infonce::{ContrastiveLoss, InfoNceConfig};
use stratified_sampler::BatchSampler;

use super::Pipeline;
use crate::error::{PretrainError, Result};
use crate::files::write_json;
use crate::progress::{bar, count, duration, megabytes};
use crate::run_folder::{InputHash, Member};
use crate::student::{self, Origin, Student};
use crate::train::{PairTokens, StepReport, Training};

/// Bytes of a parameter with its gradient and AdamW's two moments.
const BYTES_A_PARAMETER: usize = 16;

/// Steps whose pace foretells the rest.
const TRIAL: usize = 3;

impl<B: AutodiffBackend> Pipeline<B> {
    /// Trains every arm with every seed.
    ///
    /// # Errors
    /// The clusters are missing, the student cannot be made, or the loss diverges.
    pub fn train(&self) -> Result<()> {
        self.require_pairs()?;
        let mut tokens = None;
        for member in self.run.members() {
            let folder = self.run.member(member);
            let outputs = ["model", "metrics.jsonl", "plan.json"].map(|name| folder.join(name));
            self.run.stage(&format!("train {}", label(member)), &self.train_hash(member)?, &outputs, || {
                let (student, tokenizer) = self.initial_student::<B>(member.seed)?;
                let tokens = match &tokens {
                    Some(tokens) => tokens,
                    None => tokens.insert(PairTokens::new(&self.dataset, &tokenizer, &self.config.train)?),
                };
                self.train_member(member, (student, &tokenizer), tokens)
            })?;
        }
        Ok(())
    }

    fn train_member(
        &self,
        member: Member,
        (student, tokenizer): (Student<B>, &TextTokenizer),
        tokens: &PairTokens,
    ) -> Result<()> {
        let folder = self.run.member(member);
        let sampler = self.sampler(member)?;
        write_json(&folder.join("plan.json"), &sampler.report(0))?;
        let loss = self.loss()?;
        let training = Training::<B> {
            tokens,
            sampler: &*sampler,
            loss: &*loss,
            config: &self.config.train,
            device: &self.device,
        };
        announce(member, &training, &*sampler, student.num_params());
        let metrics = folder.join("metrics.jsonl");
        let mut recorder = Recorder::new(&metrics, training.steps(), member)?;
        let every = self.config.train.checkpoint_every;
        let trained = training.run(student, &mut |report, student| {
            recorder.record(report)?;
            let step = report.step + 1;
            if every > 0 && step % every == 0 && step < training.steps() {
                self.save(student, tokenizer, &folder.join(format!("checkpoints/step-{step}")))?;
            }
            Ok(())
        })?;
        recorder.finish()?;
        self.save(&trained, tokenizer, &folder.join("model"))
    }

    fn save<S: SaveFolder>(&self, student: &S, tokenizer: &TextTokenizer, folder: &Path) -> Result<()> {
        let options = ExportOptions::new(self.config.eval.max_passage_tokens);
        Ok(student.save_folder(folder, tokenizer, &options)?)
    }

    /// The student before its first step, and its tokenizer.
    pub(super) fn initial_student<C>(&self, seed: u64) -> Result<(Student<C>, TextTokenizer)>
    where
        C: Backend<Device = B::Device>,
    {
        let config = &self.config.student;
        let origin = match &config.from {
            Some(folder) => Origin::Folder(folder),
            None => Origin::Scratch(Box::new(self.vocabulary()?)),
        };
        Ok(student::initial(config, origin, seed, &self.device)?)
    }

    /// The vocabulary of a student from scratch, trained on the training text alone.
    fn vocabulary(&self) -> Result<TextTokenizer> {
        let config = &self.config.student;
        let path = self.run.file("tokenizer.json");
        let hash = self.data_hash.clone().with(&(config.vocab_size, config.kind))?;
        self.run.stage_quietly("vocabulary", &hash, std::slice::from_ref(&path), || {
            tracing::info!("vocabulary: up to {} pieces from the training text", count(config.vocab_size));
            let train = &self.dataset.train;
            let distinct = |indices: Vec<u32>| -> BTreeSet<u32> { indices.into_iter().collect() };
            let (queries, passages): (Vec<u32>, Vec<u32>) = train.iter().map(|pair| (pair.query, pair.passage)).unzip();
            let queries = distinct(queries).into_iter().map(|i| &self.dataset.queries[i as usize]);
            let passages = distinct(passages).into_iter().map(|i| &self.dataset.passages[i as usize]);
            let texts = queries.chain(passages).map(|text| text.text.as_str());
            let tokenizer = TextTokenizer::train_wordpiece(texts, config.vocab_size)?;
            Ok(tokenizer.save(&path)?)
        })?;
        Ok(student::tokenizer_for(config.kind, TextTokenizer::from_file(&path)?))
    }

    fn loss(&self) -> Result<Box<dyn ContrastiveLoss<B::InnerBackend>>> {
        let config = &self.config.loss;
        let loss = InfoNceConfig::default()
            .with_temperature(config.temperature)
            .with_direction(config.direction)
            .with_mask_duplicates(config.mask_duplicates);
        Ok(match config.tile {
            0 => Box::new(loss.build_dense()?),
            tile => Box::new(loss.with_tile(tile).build()?),
        })
    }

    pub(super) fn train_hash(&self, member: Member) -> Result<InputHash> {
        let config = &self.config;
        let mut train = config.train.clone();
        (train.seed, train.checkpoint_every) = (member.seed, 0);
        let hash = self.cluster_hash(member.arm)?.with(&(&config.sampler, &config.student, &config.loss, &train))?;
        let hash = hash.with(&config.eval.max_passage_tokens)?;
        match &config.student.from {
            Some(folder) => hash.with_model(folder),
            None => Ok(hash),
        }
    }
}

/// The member's name in stage records and messages.
pub(super) fn label(member: Member) -> String {
    format!("{} seed {}", member.arm.name(), member.seed)
}

fn announce<B: AutodiffBackend>(
    member: Member,
    training: &Training<'_, B>,
    sampler: &dyn BatchSampler,
    parameters: usize,
) {
    let report = sampler.report(0);
    let batches = match report.mean_purity {
        Some(_) => format!("{} of one cluster and {} mixed an epoch", count(report.pure), count(report.mixed)),
        None => "from all pairs alike".to_owned(),
    };
    tracing::info!(
        "train {}: {} steps of {} pairs, {batches}; {} parameters, {} with optimizer state",
        label(member),
        count(training.steps()),
        sampler.batch_size(),
        count(parameters),
        megabytes(parameters * BYTES_A_PARAMETER),
    );
}

/// Writes every step's report to `metrics.jsonl` and shows it.
struct Recorder<'a> {
    path: &'a Path,
    out: BufWriter<File>,
    bar: indicatif::ProgressBar,
    steps: usize,
    seconds: f64,
    pairs: usize,
    name: String,
}

impl<'a> Recorder<'a> {
    fn new(path: &'a Path, steps: usize, member: Member) -> Result<Self> {
        let out = File::create(path).map(BufWriter::new).map_err(|source| PretrainError::io(path, source))?;
        let name = label(member);
        let bar = bar(steps as u64, &format!("train {name}"));
        Ok(Self { path, out, bar, steps, seconds: 0.0, pairs: 0, name })
    }

    fn record(&mut self, report: &StepReport) -> Result<()> {
        let line = serde_json::to_string(report).map_err(|source| PretrainError::json(self.path, source))?;
        writeln!(self.out, "{line}")
            .and_then(|()| self.out.flush())
            .map_err(|source| PretrainError::io(self.path, source))?;
        self.seconds += report.seconds;
        self.pairs += report.pairs;
        if report.step + 1 == TRIAL && self.steps > 10 * TRIAL {
            let total = self.seconds / TRIAL as f64 * self.steps as f64;
            let (name, total) = (&self.name, duration(total));
            self.bar.suspend(|| tracing::info!("train {name}: about {total} at the pace of the first steps"));
        }
        let pace = self.pairs as f64 / self.seconds.max(f64::MIN_POSITIVE);
        self.bar.set_message(format!("loss {:.3}  {} pairs/s", report.loss, count(pace as usize)));
        self.bar.inc(1);
        Ok(())
    }

    fn finish(self) -> Result<()> {
        self.bar.finish_and_clear();
        let pace = self.pairs as f64 / self.seconds.max(f64::MIN_POSITIVE);
        tracing::info!("train {}: {} pairs/s", self.name, count(pace as usize));
        Ok(())
    }
}
