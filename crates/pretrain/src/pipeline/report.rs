//! What a finished run shows in its report.

mod curves;
mod map;
mod masked;
mod scores;
mod strata;

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use serde::Deserialize;

use super::Pipeline;
use super::compare::Comparison;
use super::inspect::ClusterSummary;
use crate::config::{Arm, ClusterOf};
use crate::error::{PretrainError, Result};
use crate::files::{read_json, write_whole};
use crate::parts::Parts;
use crate::progress::{count, duration};
use crate::report::{ArmCurves, ClusterNote, ClusterSet, Fact, ReportData, Settings, StageFacts, render};
use crate::run_folder::{Clusters, Member, StageRecord};

/// Clusters that are described: as many as a map has colours.
const DESCRIBED: usize = 8;

/// Words that describe a cluster.
const TERMS: usize = 6;

/// Points of all maps together: their texts are most of the page.
const POINTS: usize = 2000;

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// What the run has to show by now: stages that are still to come leave their part out.
    ///
    /// # Errors
    /// A file of the run is damaged, or its clusters are stale.
    pub fn report(&self) -> Result<ReportData> {
        let comparison = self.run.file("compare.json");
        let comparison: Option<Comparison> = comparison.exists().then(|| read_json(&comparison)).transpose()?;
        let stages = self.stages()?;
        Ok(ReportData {
            title: self.report_title(),
            facts: self.facts(&stages),
            notes: self.dataset.notes.clone(),
            scores: comparison.as_ref().map(|comparison| self.scoreboard(comparison)).transpose()?,
            arms: self.run.arms().iter().map(|arm| self.curves_of(arm)).collect::<Result<_>>()?,
            clusters: self.cluster_sets()?,
            masked: self.masked_negatives()?,
            settings: self.settings(comparison, stages)?,
        })
    }

    /// Writes the [`report`](Self::report) as `report.html` in the run folder; the path.
    ///
    /// # Errors
    /// As [`report`](Self::report), or the file cannot be written.
    pub fn write_report(&self) -> Result<PathBuf> {
        let path = self.run.file("report.html");
        let page = render(&self.report()?);
        write_whole(&path, |out| out.write_all(page.as_bytes()))?;
        Ok(path)
    }

    fn report_title(&self) -> String {
        let name = self.run.root().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        format!("Run {name}")
    }

    fn facts(&self, stages: &[StageFacts]) -> Vec<Fact> {
        let counts = &self.dataset.counts;
        let seeds = self.run.members().len() / self.run.arms().len().max(1);
        let all = [
            ("passages", counts.passages),
            ("queries", counts.queries),
            ("training pairs", counts.train_pairs),
            ("validation queries", counts.validation_queries),
            ("test queries", counts.test_queries),
            ("arms", self.run.arms().len()),
            ("seeds", seeds),
        ];
        let present = all.into_iter().filter(|&(_, number)| number > 0);
        let counts = present.map(|(name, number)| (name, count(number)));
        let seconds: f64 = stages.iter().map(|stage| stage.seconds).sum();
        let time = (seconds > 0.0).then(|| ("for all stages", duration(seconds)));
        counts.chain(time).map(|(name, value)| Fact { name: name.to_owned(), value }).collect()
    }

    fn curves_of(&self, arm: &Arm) -> Result<ArmCurves> {
        let members = self.run.members().into_iter().filter(|member| member.arm.name == arm.name);
        let metrics = |member: Member<'_>| (self.run.member(member).join("metrics.jsonl"), member.seed);
        curves::of_arm(&arm.title, members.map(metrics))
    }

    fn cluster_sets(&self) -> Result<Vec<ClusterSet>> {
        let done = |clusters: &&Clusters| clusters.folder.join("clusters.json").exists();
        let sets: Vec<&Clusters> = self.run.all_clusters().iter().filter(done).collect();
        let mapped = sets.iter().filter(|clusters| clusters.config.of != ClusterOf::Random).count();
        sets.iter().map(|clusters| self.cluster_set(clusters, POINTS / mapped.max(1))).collect()
    }

    fn cluster_set(&self, clusters: &Clusters, points: usize) -> Result<ClusterSet> {
        let clustering = self.clustering(&clusters.config)?;
        let draws = |arm: &&Arm| arm.clusters().any(|config| *config == clusters.config);
        let arms: Vec<&Arm> = self.run.arms().iter().filter(draws).collect();
        let of = clusters.config.of;
        Ok(ClusterSet {
            name: arms.first().map_or_else(|| clusters.name.clone(), |arm| arm.title.clone()),
            arms: arms.iter().map(|arm| arm.title.clone()).collect(),
            of: if matches!(of, ClusterOf::Both | ClusterOf::Random) { "pairs" } else { of.name() }.to_owned(),
            sizes: clustering.sizes.clone(),
            objective: clustering.objective,
            notes: self.cluster_notes(clusters, &arms)?,
            map: match of {
                ClusterOf::Random => None,
                _ => Some(self.cluster_map(clusters, &clustering.labels, points)?),
            },
        })
    }

    fn cluster_notes(&self, clusters: &Clusters, arms: &[&Arm]) -> Result<Vec<ClusterNote>> {
        // Of an arm that draws from several, the first of texts are described.
        let of_texts = |arm: &Arm| {
            arm.clusters().find(|config| matches!(config.of, ClusterOf::Queries | ClusterOf::Passages)).cloned()
        };
        let Some(arm) = arms.iter().find(|arm| of_texts(arm).as_ref() == Some(&clusters.config)) else {
            return Ok(Vec::new());
        };
        let summaries = self.clusters(Some(&arm.name), TERMS, 1)?;
        Ok(summaries.into_iter().take(DESCRIBED).map(note).collect())
    }

    fn settings(&self, comparison: Option<Comparison>, stages: Vec<StageFacts>) -> Result<Settings> {
        let path = self.run.file("config.toml");
        let configuration = std::fs::read_to_string(&path).map_err(|source| PretrainError::io(&path, source))?;
        let arms = comparison.map(|comparison| comparison.arms).unwrap_or_default();
        Ok(Settings {
            configuration,
            arms: arms.into_iter().map(|arm| (arm.arm, arm.keys)).collect(),
            data_hash: Some(self.data_hash.clone()),
            stages,
        })
    }

    fn stages(&self) -> Result<Vec<StageFacts>> {
        #[derive(Deserialize)]
        struct Document {
            stages: BTreeMap<String, StageRecord>,
        }

        let path = self.run.file("stages.json");
        if !path.exists() {
            return Ok(Vec::new());
        }
        let document: Document = read_json(&path)?;
        let facts = |(name, record): (String, StageRecord)| StageFacts {
            name,
            seconds: record.seconds,
            files: record.wrote.into_iter().collect(),
        };
        Ok(document.stages.into_iter().map(facts).collect())
    }
}

fn note(summary: ClusterSummary) -> ClusterNote {
    let example = summary.nearest.into_iter().next().map_or_else(String::new, |(_, text)| text);
    ClusterNote { label: summary.label, terms: summary.terms, example }
}
