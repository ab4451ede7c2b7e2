//! Stage `mlm`: students that learn from texts alone first, where `student.mlm` asks for it.

use std::path::Path;

use burn::tensor::backend::AutodiffBackend;
use embed::{ExportOptions, LoadedModel, MaskedBert, SaveFolder};
use stratified_sampler::{BatchSampler, UniformConfig};

use super::Pipeline;
use super::checkpoints::{Checkpoints, Progress};
use super::recorder::{Lines, Pace};
use super::stages::masked_part;
use super::step_memory;
use crate::config::{MlmConfig, StudentConfig};
use crate::error::{PretrainError, Result};
use crate::parts::Parts;
use crate::progress::{bar, count, duration};
use crate::run_folder::Stage;
use crate::student::{self, Student};
use crate::train::{MaskedReport, MaskedTraining, Masking, Outcome};

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Trains every student that is to fill in masked tokens first, from the training texts.
    ///
    /// # Errors
    /// A student cannot be made or has no token that hides others, the loss diverges, or a checkpoint cannot be written.
    pub fn pretrain_masked(&self) -> Result<()> {
        self.require_pairs()?;
        for (config, mlm) in self.masked_students() {
            let stage = self.mlm_stage(config)?;
            self.run.stage(&stage, || self.fill_in(config, mlm, &stage))?;
            if self.stop.grant() {
                return Err(PretrainError::StoppedAfter { name: stage.name.clone() });
            }
        }
        Ok(())
    }

    /// Those that do, each once.
    pub(crate) fn masked_students(&self) -> Vec<(&StudentConfig, &MlmConfig)> {
        let mut students: Vec<(&StudentConfig, &MlmConfig)> = Vec::new();
        for student in self.run.arms().iter().map(|arm| &arm.config.student) {
            if let Some(mlm) = student
                .mlm
                .as_ref()
                .filter(|_| students.iter().all(|(known, _)| masked_part(known) != masked_part(student)))
            {
                students.push((student, mlm));
            }
        }
        students
    }

    fn fill_in(&self, config: &StudentConfig, mlm: &MlmConfig, stage: &Stage) -> Result<()> {
        let name = stage.name.as_str();
        let model_folder = &stage.outputs()[0];
        let folder = model_folder.parent().unwrap_or(model_folder);
        std::fs::create_dir_all(folder).map_err(|source| PretrainError::io(folder, source))?;
        let LoadedModel { encoder, tokenizer, max_tokens, prompts } =
            student::initial::<B>(config, self.origin(config)?, mlm.seed, &self.device)?;
        let Student::Bert(bert) = encoder else { return Err(PretrainError::NotMasked) };
        let bert = self.in_precision(bert, &self.config.train)?;
        let masking = Masking::new(&tokenizer, mlm.mask).ok_or(PretrainError::NotMasked)?;
        if mlm.max_tokens > max_tokens {
            let longest = mlm.max_tokens;
            tracing::warn!(
                "student.mlm.max_tokens = {longest}: the student takes {max_tokens} tokens, texts are cut there"
            );
        }
        let texts = tokenizer.encode(&self.training_texts(), mlm.max_tokens.min(max_tokens))?;
        let model = match &config.from {
            Some(folder) => MaskedBert::with_head_of(bert, self.models.folder(folder), &texts, &self.device)?,
            None => MaskedBert::new(bert, &texts, &self.device),
        };
        let batch_size = mlm.batch_size.min(texts.len());
        let sampler = UniformConfig::new(batch_size).with_seed(mlm.seed).with_drop_last(true).build(texts.len());
        let sampler = sampler.map_err(|source| PretrainError::Sample { arm: name.to_owned(), source })?;
        let config = mlm.training(&self.config.train);
        let tokens = texts.longest() * batch_size;
        step_memory::require_masked(name, &config, &model, tokens, mlm.mask)?;
        tracing::info!(
            "{name}: {} steps of {} of {} texts, {} tokens",
            count(mlm.steps),
            count(batch_size),
            count(texts.len()),
            count(texts.total())
        );
        let training = MaskedTraining::<B> {
            texts: &texts,
            sampler: &sampler,
            masking,
            mlm,
            config: &config,
            device: &self.device,
        };
        let identity = self.run.identity(stage)?;
        let checkpoints = Checkpoints::new(folder.join("checkpoints"), &config, identity, sampler.plan_hash());
        let progress = Progress { state: training.start(model), best: None, metrics: 0 };
        let progress = checkpoints.resume(name, self.force, progress, &config, &self.device)?;
        let export = ExportOptions::new(max_tokens).with_prompts(prompts);
        let save = |model: &MaskedBert<B>, folder: &Path| Ok(model.bert().save_folder(folder, &tokenizer, &export)?);
        let trained =
            self.fill_in_steps(name, &training, progress, checkpoints, &folder.join("metrics.jsonl"), &save)?;
        save(&trained, model_folder)
    }

    /// The trained model, from wherever the training stands.
    fn fill_in_steps(
        &self,
        name: &str,
        training: &MaskedTraining<'_, B>,
        mut progress: Progress<B, MaskedBert<B>>,
        mut checkpoints: Checkpoints,
        metrics: &Path,
        save: &dyn Fn(&MaskedBert<B>, &Path) -> Result<()>,
    ) -> Result<MaskedBert<B>> {
        let (steps, every) = (progress.state.steps(), training.config.checkpoint_every);
        let mut lines = Lines::new(metrics.to_owned(), progress.metrics)?;
        let bar = bar(steps as u64, name);
        bar.set_position(progress.state.steps_done() as u64);
        let (mut pace, mut last) = (Pace::default(), Last::default());
        let _heeding = self.stop.heed();
        loop {
            let (state, outcome) = training.step(progress.state)?;
            match outcome {
                Some(Outcome::Trained(report)) => {
                    lines.write(&report)?;
                    bar.set_message(format!("loss {:.3}", report.loss));
                    if let Some(seconds) = pace.foretold(report.seconds, steps - report.step - 1) {
                        let left = duration(seconds);
                        bar.suspend(|| tracing::info!("{name}: about {left} at the pace of the first steps"));
                    }
                    if 10 * report.step >= 9 * steps {
                        last.add(&report);
                    }
                }
                Some(Outcome::Skipped(skipped)) => {
                    lines.write(&skipped.line())?;
                    bar.suspend(|| tracing::warn!("{name}: step {}: skipped, {skipped}", skipped.step + 1));
                }
                None => {
                    bar.finish_and_clear();
                    tracing::info!("{name}: {last}");
                    return Ok(state.into_encoder());
                }
            }
            bar.inc(1);
            let step = state.steps_done();
            progress = Progress { state, best: None, metrics: lines.bytes() };
            let stopped = step < steps && self.stop.grant();
            if step < steps && (stopped || every > 0 && step.is_multiple_of(every)) {
                lines.sync()?;
                let path = checkpoints.save(&progress, |folder| save(progress.state.encoder(), folder))?;
                if stopped {
                    return Err(PretrainError::Stopped { step, steps, path });
                }
            }
        }
    }
}

/// What the last tenth of the steps reached, of all tokens that they predicted.
#[derive(Default)]
struct Last {
    loss: f64,
    found: f64,
    tokens: f64,
}

impl Last {
    fn add(&mut self, report: &MaskedReport) {
        let tokens = report.masked as f64;
        self.loss += tokens * f64::from(report.loss);
        self.found += tokens * f64::from(report.accuracy);
        self.tokens += tokens;
    }
}

impl std::fmt::Display for Last {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tokens = self.tokens.max(1.0);
        write!(f, "loss {:.3}, {:.1}% of the tokens found", self.loss / tokens, 100.0 * self.found / tokens)
    }
}
