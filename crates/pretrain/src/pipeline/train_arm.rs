//! Stage `train`: every arm with every seed, from the same initial weights.

use std::path::Path;

use burn::module::Module;
use burn::tensor::backend::AutodiffBackend;
use embed::{Encoder, ExportOptions, SaveFolder, Side};
use stratified_sampler::BatchSampler;

use super::batch_plans::BatchPlans;
use super::checkpoints::{Best, Checkpoints, Progress};
use super::embed_texts::StoredVectors;
use super::events::Events;
use super::initial::Start;
use super::model_card::ModelCard;
use super::recluster::Reclustering;
use super::recorder::Recorder;
use super::step_memory::{self, BYTES_A_PARAMETER};
use super::validation::Validation;
use super::{Pipeline, Scores, check_prefixes};
use crate::config::{Keep, TrainConfig};
use crate::error::{PretrainError, Result};
use crate::files::write_json;
use crate::parts::Parts;
use crate::progress::{count, megabytes};
use crate::run_folder::Member;
use crate::train::{Outcome, PairGuide, Training};

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Trains every arm with every seed.
    ///
    /// # Errors
    /// The clusters are missing, the student cannot be made, or the loss diverges.
    pub fn train(&self) -> Result<()> {
        self.pretrain_masked()?;
        let mut start = None;
        for member in self.run.members() {
            self.mine_hard_negatives(&member.arm.config.loss)?;
            self.run.stage(&self.train_stage(member)?, || {
                let start = Start::of_arm(&mut start, self, &member.arm.config)?;
                self.train_member(member, start)
            })?;
            // Asked for when no step was left.
            if self.stop.grant() {
                return Err(PretrainError::StoppedAfter { name: member.to_string() });
            }
        }
        Ok(())
    }

    fn train_member(&self, member: Member<'_>, start: &Start) -> Result<()> {
        let (folder, config) = (self.run.member(member), &member.arm.config);
        let student = self.in_precision(self.initial_encoder(config, member.seed, start)?, &config.train)?;
        let (dim, prefixes) = (student.dim(), &config.loss.matryoshka);
        check_prefixes(&config.loss, dim)?;
        if !prefixes.is_empty() && prefixes.iter().all(|prefix| prefix.width < dim) {
            tracing::warn!(
                "train {member}: no prefix of loss.matryoshka has all {dim} columns; those beyond the widest learn nothing"
            );
        }
        let sampler = self.sampler(member)?;
        write_json(&folder.join("plan.json"), &sampler.report(0))?;
        let loss = self.parts.loss(&config.loss)?;
        let guide = match config.loss.guide {
            Some(_) => Some([self.vectors(Side::Query)?, self.vectors(Side::Passage)?]),
            None => None,
        };
        let hard_negatives = self.hard_negatives(&config.loss)?;
        let strata = if config.loss.by_stratum { self.labels(member.arm)? } else { None };
        let beside = self.beside(&config.train)?;
        let training = Training::<B> {
            tokens: &start.tokens,
            sampler: &*sampler,
            loss: &*loss,
            loss_config: &config.loss,
            guide: guide.as_ref().map(|rows| self.guide(rows)).transpose()?,
            hard_negatives: hard_negatives.as_ref(),
            strata: strata.as_deref(),
            config: &TrainConfig { seed: member.seed, ..config.training() },
            device: &self.device,
            beside: &beside,
        };
        announce(member, &training, &*sampler, student.num_params());
        step_memory::require(member, &training, &student)?;
        let stage = self.run.identity(&self.train_stage(member)?)?;
        let mut checkpoints = Checkpoints::new(folder.join("checkpoints"), &config.train, stage, sampler.plan_hash());
        let progress = Progress { state: training.start(student), best: None, metrics: 0 };
        let progress = checkpoints.resume(&member.to_string(), self.force, progress, training.config, &self.device)?;
        let trained = self.steps(member, &training, start, progress, &mut checkpoints)?;
        let (dim, folder) = (trained.dim(), folder.join("model"));
        save(&trained, start, &folder)?;
        self.model_card(member, dim, None).write(&folder)
    }

    /// The card of a trained model of so many dimensions.
    pub(super) fn model_card<'a>(
        &'a self,
        member: Member<'a>,
        dim: usize,
        scores: Option<&'a Scores>,
    ) -> ModelCard<'a> {
        ModelCard {
            arm: member.arm,
            parts: self.parts.version(),
            seed: member.seed,
            counts: &self.dataset.counts,
            dim,
            scores: scores.map(|scores| (scores, self.dataset.test.len())),
        }
    }

    /// The trained encoder, from wherever the training stands.
    fn steps(
        &self,
        member: Member<'_>,
        training: &Training<'_, B>,
        start: &Start,
        mut progress: Progress<B, P::Encoder>,
        checkpoints: &mut Checkpoints,
    ) -> Result<P::Encoder> {
        let (config, steps) = (training.config, progress.state.steps());
        let stands = (progress.state.steps_done(), progress.metrics);
        let metrics = self.run.member(member).join("metrics.jsonl");
        let events = match config.tensorboard {
            true => Some(Events::new(self.run.member(member).join("tensorboard"), stands.0)?),
            false => None,
        };
        let mut recorder = Recorder::new(metrics, steps, stands, member, events)?;
        let validation = match config.evaluate_every {
            0 => None,
            _ => Some(Validation::new(self, start)?),
        };
        let reclustering = Reclustering::new(self, member, start);
        if let Some(reclustering) = reclustering.as_ref().filter(|_| stands.0 == 0) {
            reclustering.clear()?;
        }
        let mut plans = BatchPlans::new(training);
        if let Some(reclustering) = &reclustering {
            plans.go_on(reclustering, stands.0)?;
        }
        let _heeding = self.stop.heed();
        let at = |every: usize, step: usize| every > 0 && step.is_multiple_of(every);
        loop {
            let done = progress.state.steps_done();
            if let Some(reclustering) = reclustering.as_ref().filter(|reclustering| reclustering.is_due(done, steps)) {
                reclustering.make(progress.state.judged(), done)?;
                plans.renew(reclustering, done)?;
            }
            let (state, outcome) = training.step_drawn(plans.drawn(), progress.state)?;
            match &outcome {
                Some(Outcome::Trained(report)) => recorder.record(report)?,
                Some(Outcome::Skipped(skipped)) => recorder.record_skipped(skipped)?,
                None => {
                    recorder.finish()?;
                    return Ok(progress.best.map_or_else(|| state.into_encoder(), |best| best.encoder));
                }
            }
            let (step, mut is_best) = (state.steps_done(), false);
            if let Some(validation) = validation.as_ref().filter(|_| at(config.evaluate_every, step) || step == steps) {
                let reached = validation.measure(state.judged())?;
                recorder.record_validation(step - 1, &reached)?;
                let value = reached.means[0];
                if config.keep == Keep::Best && progress.best.as_ref().is_none_or(|best| value > best.value) {
                    progress.best = Some(Best { value, step, encoder: state.exported() });
                    is_best = config.checkpoint_every > 0;
                }
            }
            progress = Progress { state, best: progress.best, metrics: recorder.lines().bytes() };
            let stopped = step < steps && self.stop.grant();
            if step < steps && (stopped || is_best || at(config.checkpoint_every, step)) {
                recorder.lines().sync()?;
                let model = |folder: &Path| save(&progress.state.exported(), start, folder);
                let path = checkpoints.save(&progress, model)?;
                if stopped {
                    return Err(PretrainError::Stopped { step, steps, path });
                }
            }
        }
    }

    /// The clustering embedder's rows as the loss's guide.
    pub(super) fn guide<'a>(&'a self, [queries, passages]: &'a [StoredVectors; 2]) -> Result<PairGuide<'a>> {
        Ok(PairGuide { queries: queries.by_text()?, passages: passages.by_text()?, pairs: &self.dataset.train })
    }
}

/// A student's folder, with the longest text that it is trained on as its limit, and its prompts.
fn save(student: &impl SaveFolder, start: &Start, folder: &Path) -> Result<()> {
    let options = ExportOptions::new(start.longest()).with_prompts(start.prompts.clone());
    Ok(student.save_folder(folder, &start.tokenizer, &options)?)
}

fn announce<B: AutodiffBackend>(
    member: Member<'_>,
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
        member,
        count(training.steps()),
        sampler.batch_size(),
        count(parameters),
        megabytes(parameters * BYTES_A_PARAMETER),
    );
}
