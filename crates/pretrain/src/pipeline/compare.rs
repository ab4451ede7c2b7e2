//! The comparison of arms and baselines, with intervals over the test queries.

use burn::tensor::backend::AutodiffBackend;
use comfy_table::{CellAlignment, Table, presets};
use retrieval_eval::{BootstrapConfig, Paired};
use serde::{Deserialize, Serialize};

use super::Pipeline;
use super::evaluate::{Scores, mean};
use crate::config::{Arm, Difference};
use crate::error::Result;
use crate::files::write_json;
use crate::run_folder::Member;

/// What every system reached, arms first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The measures, by name; gains are of the first.
    pub measures: Vec<String>,
    /// The test queries behind every mean.
    pub queries: usize,
    /// The seeds that every arm was trained with.
    pub seeds: Vec<u64>,
    /// One row a system.
    pub rows: Vec<Row>,
    /// For each named arm the keys in which it differs from the sections.
    pub arms: Vec<ArmKeys>,
}

/// What makes an arm: the keys in which it differs from the run's sections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmKeys {
    /// The arm's name in the table.
    pub arm: String,
    /// `section.key = value`.
    pub keys: Vec<String>,
}

/// What one system reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The system's name.
    pub system: String,
    /// For each measure the mean over queries and seeds, in `[0, 1]`.
    pub means: Vec<f64>,
    /// For each measure the standard deviation over seeds; absent with one seed, and for baselines.
    pub deviations: Option<Vec<f64>>,
    /// The relative gain over the unclustered arm in the first measure.
    pub gain: Option<Gain>,
}

/// A relative gain and its interval over queries.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// The arm's mean over the baseline's, less 1.
    pub relative: f64,
    /// The lower end of the 95% interval.
    pub low: f64,
    /// The upper end of the 95% interval.
    pub high: f64,
}

impl<B: AutodiffBackend> Pipeline<B> {
    /// Compares all that was evaluated, and writes `compare.json`.
    ///
    /// # Errors
    /// An arm was not evaluated yet.
    pub fn compare(&self) -> Result<Comparison> {
        let trained = !self.dataset.train.is_empty();
        let arms = if trained { self.run.arms() } else { &[] };
        let unclustered = arms.iter().find(|arm| arm.is_unclustered());
        let baseline = unclustered.map(|arm| self.arm_queries(arm)).transpose()?;
        let mut rows = Vec::new();
        for arm in arms {
            let against = baseline.as_deref().filter(|_| unclustered != Some(arm));
            rows.push(self.arm_row(arm, against)?);
        }
        for system in self.baselines() {
            let Some(scores) = self.baseline_scores(system)?.filter(|_| self.config.eval.baselines) else { continue };
            rows.push(Row { system: system.title().to_owned(), means: scores.means, deviations: None, gain: None });
        }
        let comparison = Comparison {
            measures: self.config.eval.measures.clone(),
            queries: self.dataset.test.len(),
            seeds: self.config.seeds(),
            rows,
            arms: arms.iter().map(|arm| self.arm_keys(arm)).filter(|arm| !arm.keys.is_empty()).collect(),
        };
        write_json(&self.run.file("compare.json"), &comparison)?;
        Ok(comparison)
    }

    fn arm_keys(&self, arm: &Arm) -> ArmKeys {
        let key = |Difference { key, right, .. }: Difference| format!("{key} = {right}");
        ArmKeys { arm: arm.title.clone(), keys: self.config.differences_of(arm).into_iter().map(key).collect() }
    }

    fn arm_scores(&self, arm: &Arm) -> Result<Vec<Scores>> {
        self.config.seeds().into_iter().map(|seed| self.scores(Member { arm, seed })).collect()
    }

    /// The first measure of each test query, averaged over seeds.
    fn arm_queries(&self, arm: &Arm) -> Result<Vec<f64>> {
        let scores = self.arm_scores(arm)?;
        let of_query = |query: usize| mean(&scores.iter().map(|scores| scores.per_query[0][query]).collect::<Vec<_>>());
        Ok((0..self.dataset.test.len()).map(of_query).collect())
    }

    fn arm_row(&self, arm: &Arm, against: Option<&[f64]>) -> Result<Row> {
        let scores = self.arm_scores(arm)?;
        let of_measure = |measure: usize| scores.iter().map(|scores| scores.means[measure]).collect::<Vec<f64>>();
        let measures = 0..self.config.eval.measures.len();
        let gain = match against {
            Some(baseline) => self.gain(baseline, &self.arm_queries(arm)?)?,
            None => None,
        };
        Ok(Row {
            system: arm.title.clone(),
            means: measures.clone().map(|measure| mean(&of_measure(measure))).collect(),
            deviations: (scores.len() > 1).then(|| measures.map(|measure| deviation(&of_measure(measure))).collect()),
            gain,
        })
    }

    /// The gain and its interval; none where the baseline found nothing at all.
    fn gain(&self, baseline: &[f64], arm: &[f64]) -> Result<Option<Gain>> {
        let paired = Paired::new(baseline, arm)?;
        let Some(relative) = paired.relative_gain() else { return Ok(None) };
        let bootstrap = BootstrapConfig::default().with_resamples(self.config.eval.resamples).build()?;
        let interval = bootstrap.relative_gain(paired)?;
        Ok(Some(Gain { relative, low: interval.lower, high: interval.upper }))
    }
}

/// The sample standard deviation.
fn deviation(values: &[f64]) -> f64 {
    let center = mean(values);
    let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        let mut header = vec![String::new()];
        header.extend(self.measures.iter().cloned());
        header.push(format!("gain in {} (95%)", self.measures[0]));
        table.set_header(header);
        for row in &self.rows {
            let mut cells = vec![row.system.clone()];
            cells.extend((0..self.measures.len()).map(|measure| row.cell(measure)));
            cells.push(row.gain.map_or_else(String::new, |gain| gain.to_string()));
            table.add_row(cells);
        }
        for column in 1..=self.measures.len() + 1 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        write!(f, "{table}")?;
        if !self.arms.is_empty() {
            writeln!(f)?;
        }
        self.arms.iter().try_for_each(|ArmKeys { arm, keys }| write!(f, "\n{arm}: {}", keys.join(", ")))
    }
}

impl Row {
    fn cell(&self, measure: usize) -> String {
        match &self.deviations {
            Some(deviations) => format!("{:.4} ± {:.4}", self.means[measure], deviations[measure]),
            None => format!("{:.4}", self.means[measure]),
        }
    }
}

impl std::fmt::Display for Gain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { relative, low, high } = self;
        write!(f, "{:+.2}% ({:+.2}% to {:+.2}%)", 100.0 * relative, 100.0 * low, 100.0 * high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_row_and_shows_gains_with_their_interval() {
        let row = |system: &str, gain| Row { system: system.into(), means: vec![0.5], deviations: None, gain };
        let comparison = Comparison {
            measures: vec!["nDCG@10".into()],
            queries: 3,
            seeds: vec![0],
            arms: vec![ArmKeys { arm: "passage clusters".into(), keys: vec!["cluster.k = 3".into()] }],
            rows: vec![
                row("unclustered", None),
                row("passage clusters", Some(Gain { relative: 0.02, low: -0.01, high: 0.05 })),
            ],
        };
        let text = comparison.to_string();
        assert!(text.contains("unclustered") && text.contains("+2.00% (-1.00% to +5.00%)"), "{text}");
    }

    #[test]
    fn deviation_is_the_samples() {
        assert_eq!(deviation(&[1.0, 3.0]), 2.0_f64.sqrt());
    }
}
