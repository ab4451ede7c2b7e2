//! The comparison of arms and baselines, with intervals over the test queries.

use burn::tensor::backend::AutodiffBackend;
use comfy_table::{CellAlignment, Table, presets};
use retrieval_eval::{Bootstrap, BootstrapConfig, CrossedTTest, EvalError, SeedValues, holm};
use serde::{Deserialize, Serialize};

use super::Pipeline;
use super::evaluate::Scores;
use super::others::System;
use crate::config::{Arm, OtherData};
use crate::data::Sources;
use crate::difference::Difference;
use crate::error::Result;
use crate::files::write_json;
use crate::parts::Parts;
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
    /// The sources of the data, where it has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceQueries>,
    /// What they reached on other data (`eval.others`), where there is any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherComparison>,
}

/// What every system reached on other data than the run's, arms first: zero-shot transfer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OtherComparison {
    /// The data's name.
    pub name: String,
    /// The test queries behind every mean.
    pub queries: usize,
    /// The measures, by name; gains are of the first.
    pub measures: Vec<String>,
    /// One row a system; gains are over the unclustered arm, their p-values corrected for the number of arms on this data.
    pub rows: Vec<Row>,
}

/// A source of several, and how many test queries are of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceQueries {
    /// Its name.
    pub source: String,
    /// Test queries that it asks first.
    pub queries: usize,
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
    /// For each source of several the first measure's mean over its queries and the seeds; absent where it has no queries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_source: Vec<Option<f64>>,
}

/// A relative gain with its interval over queries and seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// The arm's mean over the baseline's, less 1.
    pub relative: f64,
    /// The lower end of the 95% interval.
    pub low: f64,
    /// The upper end of the 95% interval.
    pub high: f64,
    /// How likely a difference as large is where there is none, two-sided, by a t-test over queries and seeds; absent where
    /// all differ by as much.
    pub p: Option<f64>,
    /// That corrected for the number of arms (Holm).
    pub p_holm: Option<f64>,
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Compares all that was evaluated, and writes `compare.json`.
    ///
    /// # Errors
    /// An arm was not evaluated yet.
    pub fn compare(&self) -> Result<Comparison> {
        let arms = self.trained_arms().iter().map(|arm| self.arm_keys(arm));
        let comparison = Comparison {
            measures: self.config.eval.measures.clone(),
            queries: self.dataset.test.len(),
            seeds: self.config.seeds(),
            rows: self.rows(None)?,
            arms: arms.filter(|arm| !arm.keys.is_empty()).collect(),
            sources: self.source_queries(),
            others: self.config.eval.others.iter().map(|other| self.compare_on(other)).collect::<Result<_>>()?,
        };
        write_json(&self.run.file("compare.json"), &comparison)?;
        Ok(comparison)
    }

    fn compare_on(&self, other: &OtherData) -> Result<OtherComparison> {
        let queries = match self.judged().first() {
            Some(&system) => self.other_scores(system, other)?.per_query[0].len(),
            None => 0,
        };
        let (name, measures) = (other.name.clone(), self.config.eval.measures.clone());
        Ok(OtherComparison { name, queries, measures, rows: self.rows(Some(other))? })
    }

    fn trained_arms(&self) -> &[Arm] {
        if self.dataset.train.is_empty() { &[] } else { self.run.arms() }
    }

    /// The rows of arms and baselines, on the run's data or on other.
    fn rows(&self, on: Option<&OtherData>) -> Result<Vec<Row>> {
        let arms = self.trained_arms();
        let unclustered = arms.iter().find(|arm| arm.is_unclustered());
        let baseline = unclustered.map(|arm| self.arm_values(arm, 0, on)).transpose()?;
        let mut rows = Vec::new();
        for arm in arms {
            let against = baseline.as_ref().filter(|_| unclustered != Some(arm));
            rows.push(self.arm_row(arm, against, on)?);
        }
        correct(&mut rows)?;
        for baseline in self.judged_baselines() {
            let scores = self.scores_on(System::Baseline(baseline), on)?;
            let by_source = self.by_source(&scores.per_query[0], on);
            let system = baseline.title().to_owned();
            rows.push(Row { system, means: scores.means, deviations: None, gain: None, by_source });
        }
        Ok(rows)
    }

    fn scores_on(&self, system: System<'_>, on: Option<&OtherData>) -> Result<Scores> {
        match (on, system) {
            (Some(other), system) => self.other_scores(system, other),
            (None, System::Student(member)) => self.scores(member),
            (None, System::Baseline(baseline)) => self.baseline_scores(baseline),
        }
    }

    fn source_queries(&self) -> Vec<SourceQueries> {
        let Some(Sources { names, of_test, .. }) = &self.dataset.sources else { return Vec::new() };
        let mut queries = vec![0; names.len()];
        of_test.iter().for_each(|&source| queries[source as usize] += 1);
        let named = names.iter().zip(queries);
        named.map(|(name, queries)| SourceQueries { source: name.clone(), queries }).collect()
    }

    /// The means over the queries of each source of values of all test queries; other data has no sources.
    fn by_source(&self, values: &[f64], on: Option<&OtherData>) -> Vec<Option<f64>> {
        let (Some(Sources { names, of_test, .. }), None) = (&self.dataset.sources, on) else { return Vec::new() };
        let mean = |source: usize| {
            let of_source =
                values.iter().zip(of_test).filter(|&(_, &of)| of as usize == source).map(|(value, _)| value);
            let (sum, count) = of_source.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
            (count > 0).then(|| sum / f64::from(count))
        };
        (0..names.len()).map(mean).collect()
    }

    fn arm_keys(&self, arm: &Arm) -> ArmKeys {
        let key = |Difference { key, right, .. }: Difference| format!("{key} = {right}");
        ArmKeys { arm: arm.title.clone(), keys: self.config.differences_of(arm).into_iter().map(key).collect() }
    }

    /// One measure of every test query, with every seed.
    fn arm_values(&self, arm: &Arm, measure: usize, on: Option<&OtherData>) -> Result<SeedValues> {
        let scores_of = |seed| self.scores_on(System::Student(Member { arm, seed }), on);
        let scores = self.config.seeds().into_iter().map(scores_of);
        let rows: Vec<Vec<f64>> =
            scores.map(|scores| Ok(scores?.per_query.swap_remove(measure))).collect::<Result<_>>()?;
        Ok(SeedValues::new(&rows)?)
    }

    fn arm_row(&self, arm: &Arm, against: Option<&SeedValues>, on: Option<&OtherData>) -> Result<Row> {
        let measures = 0..self.config.eval.measures.len();
        let values: Vec<SeedValues> =
            measures.map(|measure| self.arm_values(arm, measure, on)).collect::<Result<_>>()?;
        let bootstrap = BootstrapConfig::default().with_resamples(self.config.eval.resamples).build()?;
        Ok(Row {
            system: arm.title.clone(),
            means: values.iter().map(SeedValues::mean).collect(),
            deviations: values.iter().map(SeedValues::seed_deviation).collect(),
            gain: against.map(|baseline| Gain::new(&bootstrap, baseline, &values[0])).transpose()?.flatten(),
            by_source: self.by_source(&values[0].query_means(), on),
        })
    }
}

impl Gain {
    /// The gain, its p-value not corrected yet; none where the baseline found nothing at all, or in so many resamples that
    /// the interval has no end.
    fn new(bootstrap: &Bootstrap, baseline: &SeedValues, arm: &SeedValues) -> Result<Option<Self>> {
        let interval = match bootstrap.relative_gain_over_seeds(baseline, arm) {
            Err(EvalError::ZeroBaseline) => return Ok(None),
            interval => interval?,
        };
        let p = CrossedTTest::new(&arm.less(baseline)?).map(|test| test.p_value);
        Ok(Some(Self { relative: interval.estimate, low: interval.lower, high: interval.upper, p, p_holm: None }))
    }
}

/// Corrects the p-values of all gains for their number.
fn correct(rows: &mut [Row]) -> Result<()> {
    let mut gains: Vec<&mut Gain> =
        rows.iter_mut().filter_map(|row| row.gain.as_mut()).filter(|gain| gain.p.is_some()).collect();
    let p_values: Vec<f64> = gains.iter().filter_map(|gain| gain.p).collect();
    for (gain, corrected) in gains.iter_mut().zip(holm(&p_values)?) {
        gain.p_holm = Some(corrected);
    }
    Ok(())
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", table("", &self.measures, &self.rows))?;
        if !self.sources.is_empty() {
            write!(f, "\n\n{}", self.table_by_source())?;
        }
        for OtherComparison { name, queries, measures, rows } in &self.others {
            write!(f, "\n\n{}", table(&format!("{name} ({queries} queries)"), measures, rows))?;
        }
        if !self.arms.is_empty() {
            writeln!(f)?;
        }
        self.arms.iter().try_for_each(|ArmKeys { arm, keys }| write!(f, "\n{arm}: {}", keys.join(", ")))
    }
}

/// What every row reached; `corner` says on what.
fn table(corner: &str, measures: &[String], rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    let mut header = vec![corner.to_owned()];
    header.extend(measures.iter().cloned());
    header.extend([format!("gain in {} (95%)", measures[0]), "p (Holm)".to_owned()]);
    table.set_header(header);
    for row in rows {
        let mut cells = vec![row.system.clone()];
        cells.extend((0..measures.len()).map(|measure| row.cell(measure)));
        cells.push(row.gain.map_or_else(String::new, |gain| gain.to_string()));
        cells.push(row.gain.and_then(|gain| gain.p_holm).map_or_else(String::new, probability));
        table.add_row(cells);
    }
    for column in 1..=measures.len() + 2 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

impl Comparison {
    fn table_by_source(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        let name = |of: &SourceQueries| format!("{} ({} queries)", of.source, of.queries);
        let header = std::iter::once(self.measures[0].clone()).chain(self.sources.iter().map(name));
        table.set_header(header.collect::<Vec<_>>());
        for row in &self.rows {
            let value = |value: &Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4}"));
            let cells = std::iter::once(row.system.clone()).chain(row.by_source.iter().map(value));
            table.add_row(cells.collect::<Vec<_>>());
        }
        for column in 1..=self.sources.len() {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
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
        let Self { relative, low, high, .. } = self;
        write!(f, "{:+.2}% ({:+.2}% to {:+.2}%)", 100.0 * relative, 100.0 * low, 100.0 * high)
    }
}

/// Three decimals; what would round to 0 is less than the least that does not.
fn probability(p: f64) -> String {
    if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }
}

#[cfg(test)]
mod tests {
    use retrieval_eval::{Paired, TTest};

    use super::*;

    #[test]
    fn the_table_names_every_row_and_shows_gains_with_their_interval() {
        let row = |system: &str, gain| {
            let by_source = vec![Some(0.25), None];
            Row { system: system.into(), means: vec![0.5], deviations: None, gain, by_source }
        };
        let source = |source: &str, queries| SourceQueries { source: source.into(), queries };
        let comparison = Comparison {
            measures: vec!["nDCG@10".into()],
            queries: 3,
            seeds: vec![0],
            arms: vec![ArmKeys { arm: "passage clusters".into(), keys: vec!["cluster.k = 3".into()] }],
            sources: vec![source("squad", 3), source("rome", 0)],
            others: vec![OtherComparison {
                name: "scifact".into(),
                queries: 300,
                measures: vec!["nDCG@10".into()],
                rows: vec![Row { means: vec![0.125], by_source: Vec::new(), ..row("BM25", None) }],
            }],
            rows: vec![
                row("unclustered", None),
                row(
                    "passage clusters",
                    Some(Gain { relative: 0.02, low: -0.01, high: 0.05, p: Some(0.2), p_holm: Some(0.4) }),
                ),
            ],
        };
        let text = comparison.to_string();
        assert!(text.contains("unclustered") && text.contains("+2.00% (-1.00% to +5.00%) |    0.400"), "{text}");
        assert!(text.contains("| scifact (300 queries) | nDCG@10 |") && text.contains("|  0.1250 |"), "{text}");
        assert!(text.contains("squad (3 queries)") && text.contains("|            0.2500 |"), "{text}");
    }

    fn bootstrap() -> Bootstrap {
        BootstrapConfig::default().with_resamples(2000).build().unwrap()
    }

    fn gain(baseline: &[Vec<f64>], arm: &[Vec<f64>]) -> Option<Gain> {
        let [baseline, arm] = [baseline, arm].map(|rows| SeedValues::new(rows).unwrap());
        Gain::new(&bootstrap(), &baseline, &arm).unwrap()
    }

    /// Averaged over seeds first, every query gains as much, and the interval would have no width.
    #[test]
    fn an_interval_over_several_seeds_is_over_their_luck_too() {
        let arm = [vec![0.56; 50], vec![0.47; 50], vec![0.5; 50]];
        let gain = gain(&vec![vec![0.5; 50]; 3], &arm).unwrap();
        assert!((gain.relative - 0.02).abs() < 1e-12, "{gain:?}");
        assert!(gain.low < -0.03 && gain.high > 0.08 && gain.p > Some(0.5), "{gain:?}");
    }

    #[test]
    fn one_seed_has_the_interval_and_the_test_over_queries() {
        let baseline: Vec<f64> = (0..40).map(|query| f64::from(query % 7) / 7.0).collect();
        let arm: Vec<f64> = (0..40).map(|query| f64::from(query % 7 + query % 3) / 9.0).collect();
        let gain = gain(std::slice::from_ref(&baseline), std::slice::from_ref(&arm)).unwrap();
        let paired = Paired::new(&baseline, &arm).unwrap();
        let interval = bootstrap().relative_gain(paired).unwrap();
        assert_eq!((gain.low, gain.high), (interval.lower, interval.upper));
        assert!((gain.p.unwrap() - TTest::new(paired).unwrap().p_value).abs() < 1e-12);
    }

    #[test]
    fn a_baseline_that_found_nothing_has_no_gain_over_it() {
        assert_eq!(gain(&[vec![0.0; 3]], &[vec![1.0; 3]]), None);
    }

    #[test]
    fn p_values_are_corrected_for_the_number_of_arms() {
        let row = |p| {
            let gain = Gain { relative: 0.1, low: 0.0, high: 0.2, p, p_holm: None };
            Row { system: "arm".into(), means: vec![0.5], deviations: None, gain: Some(gain), by_source: Vec::new() }
        };
        let mut rows = [row(Some(0.25)), row(None), row(Some(0.125)), Row { gain: None, ..row(None) }];
        correct(&mut rows).unwrap();
        let corrected: Vec<_> = rows.iter().map(|row| row.gain.and_then(|gain| gain.p_holm)).collect();
        assert_eq!(corrected, [Some(0.25), None, Some(0.25), None]);
    }
}
