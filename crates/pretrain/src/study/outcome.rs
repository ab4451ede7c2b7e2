//! Arms compared: gains with intervals over queries and seeds, and tests.

use retrieval_eval::{
    Bootstrap, BootstrapConfig, CrossedTTest, EvalError, Paired, RandomisationConfig, SeedValues, VarianceComponents,
    holm,
};
use serde::{Deserialize, Serialize};

use super::record::CellRecord;
use super::{Setting, StudyArm};
use crate::error::Result;

/// The power and the level at which seeds are counted.
const POWER: f64 = 0.8;
const LEVEL: f64 = 0.05;
/// The relative difference that is to be told from none.
const DIFFERENCE: f64 = 0.01;

/// What came of the arms of a setting, by data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingOutcome {
    /// Its name; empty where the experiment has no settings.
    pub name: String,
    /// The arm that gains are over.
    pub baseline: String,
    /// On the study's own queries first, then on each of `eval.others`.
    pub sets: Vec<Judged>,
}

/// What came of the arms of a setting on one data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// `test`, or a name of `eval.others`.
    pub set: String,
    /// Queries behind every mean.
    pub queries: usize,
    /// The arms that have any results, in order.
    pub arms: Vec<ArmOutcome>,
    /// The means of the untrained student, BM25 and the clustering embedder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<(String, Vec<f64>)>,
}

/// What came of an arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmOutcome {
    /// Its name.
    pub arm: String,
    /// Its value of the experiment's `along`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub along: Option<f64>,
    /// The seeds that are done.
    pub seeds: Vec<u64>,
    /// For each measure the mean over queries and seeds.
    pub means: Vec<f64>,
    /// For each measure the standard deviation over seeds; absent with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviations: Option<Vec<f64>>,
    /// The gain over the baseline in the first measure, over the seeds that both have; absent of the baseline itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain: Option<StudyGain>,
    /// Seconds of a training with its clusters, in the mean.
    pub seconds: f64,
    /// Steps of a training.
    pub steps: usize,
}

/// A relative gain, with what is known of its reality.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyGain {
    /// The arm's mean over the baseline's, less 1.
    pub relative: f64,
    /// The lower end of the 95% interval, of a bootstrap over seeds and queries.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Seeds behind it.
    pub seeds: usize,
    /// By a t-test over queries and seeds, two-sided: of trainings and clusterings as these; absent with one seed.
    pub p: Option<f64>,
    /// That, corrected for the arms of the experiment (Holm).
    pub p_holm: Option<f64>,
    /// By a randomisation test over queries of the means over seeds: of just these students.
    pub p_randomised: f64,
    /// That, corrected for the arms of the experiment (Holm).
    pub p_randomised_holm: Option<f64>,
    /// What more seeds would tell.
    pub needed: Option<Needed>,
}

/// How many seeds tell a difference from none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needed {
    /// The standard deviation of a seed's difference, relative to the baseline's mean.
    pub of_seed: f64,
    /// The standard error that queries alone leave, relative to the baseline's mean.
    pub of_queries: f64,
    /// The seeds with which a relative difference of 1% is found four times in five at the level .05; absent where none suffice.
    pub seeds_for_one_percent: Option<usize>,
}

/// What an arm's finished trainings say: each seed with its record.
pub(super) struct Finished<'a> {
    pub(super) arm: &'a StudyArm,
    pub(super) records: Vec<(u64, &'a CellRecord)>,
}

impl Finished<'_> {
    /// The values of these seeds, in their order.
    fn values(&self, seeds: &[u64], set: &str, measure: usize) -> Result<SeedValues> {
        let of_seed = |seed: &u64| {
            let record = self.records.iter().find(|(of, _)| of == seed);
            record.and_then(|(_, record)| record.values(set, measure))
        };
        let rows: Vec<&[f64]> = seeds.iter().filter_map(of_seed).collect();
        Ok(SeedValues::new(&rows)?)
    }

    fn seeds(&self) -> Vec<u64> {
        self.records.iter().map(|&(seed, _)| seed).collect()
    }
}

/// The outcome of a setting, its p-values not corrected yet; `arms` are its arms, as far as they are done.
pub(super) fn outcome(setting: &Setting, arms: &[Finished<'_>], resamples: usize) -> Result<SettingOutcome> {
    let first = arms.iter().find_map(|arm| arm.records.first());
    let sets = first.map_or(&[][..], |(_, record)| &record.scores);
    let sets = sets.iter().map(|(set, scores)| judged(setting, arms, set, scores.measures.len(), resamples));
    let baseline = setting.arms[setting.baseline].name.clone();
    Ok(SettingOutcome { name: setting.name.clone(), baseline, sets: sets.collect::<Result<_>>()? })
}

fn judged(setting: &Setting, arms: &[Finished<'_>], set: &str, measures: usize, resamples: usize) -> Result<Judged> {
    let bootstrap = BootstrapConfig::default().with_resamples(resamples).build()?;
    let baseline = &arms[setting.baseline];
    let mut outcomes = Vec::new();
    for (place, arm) in arms.iter().enumerate().filter(|(_, arm)| !arm.records.is_empty()) {
        let seeds = arm.seeds();
        let values: Vec<SeedValues> =
            (0..measures).map(|measure| arm.values(&seeds, set, measure)).collect::<Result<_>>()?;
        let gain = if place == setting.baseline { None } else { gain(&bootstrap, baseline, arm, set, resamples)? };
        let mean = |value: &dyn Fn(&CellRecord) -> f64| {
            arm.records.iter().map(|(_, record)| value(record)).sum::<f64>() / arm.records.len() as f64
        };
        outcomes.push(ArmOutcome {
            arm: arm.arm.name.clone(),
            along: arm.arm.along,
            seeds,
            means: values.iter().map(SeedValues::mean).collect(),
            deviations: values.iter().map(SeedValues::seed_deviation).collect(),
            gain,
            seconds: mean(&|record| record.seconds.own()),
            steps: mean(&|record| record.steps as f64).round() as usize,
        });
    }
    let records = || arms.iter().flat_map(|arm| &arm.records);
    let queries = records().find_map(|(_, record)| record.values(set, 0)).map_or(0, <[f64]>::len);
    let with_baselines = records().find(|(_, record)| !record.baselines.is_empty());
    let of_set = with_baselines.iter().flat_map(|(_, record)| &record.baselines).filter(|(of, _)| of == set);
    let baselines = of_set.map(|(_, scores)| (scores.system.clone(), scores.means.clone())).collect();
    Ok(Judged { set: set.to_owned(), queries, arms: outcomes, baselines })
}

/// The gain over the seeds that both have; none without such, and where the baseline found nothing.
fn gain(
    bootstrap: &Bootstrap,
    baseline: &Finished<'_>,
    arm: &Finished<'_>,
    set: &str,
    permutations: usize,
) -> Result<Option<StudyGain>> {
    let seeds: Vec<u64> = arm.seeds().into_iter().filter(|seed| baseline.seeds().contains(seed)).collect();
    if seeds.is_empty() {
        return Ok(None);
    }
    let (left, right) = (baseline.values(&seeds, set, 0)?, arm.values(&seeds, set, 0)?);
    let interval = match bootstrap.relative_gain_over_seeds(&left, &right) {
        Err(EvalError::ZeroBaseline) => return Ok(None),
        interval => interval?,
    };
    let differences = right.less(&left)?;
    let means = [left.query_means(), right.query_means()];
    let exchanged = RandomisationConfig::default().with_permutations(permutations).build()?;
    Ok(Some(StudyGain {
        relative: interval.estimate,
        low: interval.lower,
        high: interval.upper,
        seeds: seeds.len(),
        p: CrossedTTest::new(&differences).filter(|_| seeds.len() > 1).map(|test| test.p_value),
        p_holm: None,
        p_randomised: exchanged.p_value(Paired::new(&means[0], &means[1])?),
        p_randomised_holm: None,
        needed: needed(&differences, left.mean())?,
    }))
}

fn needed(differences: &SeedValues, baseline: f64) -> Result<Option<Needed>> {
    let Some(parts) = VarianceComponents::new(differences) else { return Ok(None) };
    let queries = differences.queries();
    Ok(Some(Needed {
        of_seed: (parts.seed + parts.residual / queries as f64).sqrt() / baseline,
        of_queries: (parts.query / queries as f64).sqrt() / baseline,
        seeds_for_one_percent: parts.seeds_for(DIFFERENCE * baseline, queries, POWER, LEVEL)?,
    }))
}

/// Corrects the p-values of an experiment, by data set, for the number of its arms.
pub(super) fn correct(settings: &mut [SettingOutcome]) -> Result<()> {
    let mut sets: Vec<String> = settings.iter().flat_map(|of| &of.sets).map(|set| set.set.clone()).collect();
    sets.sort_unstable();
    sets.dedup();
    for name in sets {
        let judged = settings.iter_mut().flat_map(|setting| &mut setting.sets).filter(|set| set.set == name);
        let mut gains: Vec<&mut StudyGain> =
            judged.flat_map(|set| &mut set.arms).filter_map(|arm| arm.gain.as_mut()).collect();
        let randomised: Vec<f64> = gains.iter().map(|gain| gain.p_randomised).collect();
        for (gain, p) in gains.iter_mut().zip(holm(&randomised)?) {
            gain.p_randomised_holm = Some(p);
        }
        let mut tested: Vec<&mut &mut StudyGain> = gains.iter_mut().filter(|gain| gain.p.is_some()).collect();
        let p_values: Vec<f64> = tested.iter().filter_map(|gain| gain.p).collect();
        for (gain, p) in tested.iter_mut().zip(holm(&p_values)?) {
            gain.p_holm = Some(p);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Hardness, PlanInspection, Scores};
    use crate::study::record::TEST;
    use crate::study::{CellSeconds, DataFacts, StepMeans};

    fn record(values: &[f64]) -> CellRecord {
        let scores = Scores {
            system: "arm".into(),
            measures: vec!["nDCG@10".into()],
            means: vec![values.iter().sum::<f64>() / values.len() as f64],
            per_query: vec![values.to_vec()],
        };
        let plan = PlanInspection {
            name: String::new(),
            batches: 1,
            of: 1,
            batch_size: 2,
            strata: None,
            repeated: [0.0; 2],
            hardness: Hardness::default(),
            by_stratum: Vec::new(),
        };
        CellRecord {
            cell: String::new(),
            config: String::new(),
            judged_by: Default::default(),
            data: DataFacts { hash: String::new(), judged: String::new(), pairs: 2 },
            scores: vec![(TEST.into(), scores)],
            baselines: Vec::new(),
            plan,
            first_steps: StepMeans::default(),
            last_steps: StepMeans::default(),
            steps: 7,
            seconds: CellSeconds { embed: 100.0, cluster: 1.0, train: 2.0 },
            machine: String::new(),
        }
    }

    fn arm(name: &str) -> StudyArm {
        StudyArm { name: name.into(), replicates: Vec::new(), along: None }
    }

    fn outcome_of(plain: &[(u64, CellRecord)], clustered: &[(u64, CellRecord)]) -> SettingOutcome {
        let arms = vec![arm("plain"), arm("clustered")];
        let setting = Setting { name: String::new(), arms, baseline: 0 };
        let finished = [(0, plain), (1, clustered)].map(|(place, records)| Finished {
            arm: &setting.arms[place],
            records: records.iter().map(|(seed, record)| (*seed, record)).collect(),
        });
        outcome(&setting, &finished, 500).unwrap()
    }

    /// Seeds 0 and 2 are paired; what seed 1 of the one and seed 3 of the other reached is no part of the gain.
    #[test]
    fn a_gain_is_over_the_seeds_that_both_have() {
        let plain = [(0, record(&[0.4, 0.6])), (1, record(&[0.9, 0.9])), (2, record(&[0.5, 0.5]))];
        let clustered = [(2, record(&[0.6, 0.5])), (0, record(&[0.5, 0.6])), (3, record(&[0.1, 0.1]))];
        let outcome = outcome_of(&plain, &clustered);
        let arms = &outcome.sets[0].arms;
        let gain = arms[1].gain.unwrap();
        assert_eq!((gain.seeds, arms[1].seeds.len(), outcome.sets[0].queries), (2, 3, 2));
        assert!((gain.relative - 0.1).abs() < 1e-12 && gain.low <= 0.1 && gain.high >= 0.1, "{gain:?}");
        // Each seed gains .05 in the mean over its queries: paired otherwise, one would gain .1 and one nothing.
        assert!(gain.needed.unwrap().of_seed < 0.2, "{gain:?}");
        assert!((arms[0].means[0] - 19.0 / 30.0).abs() < 1e-12);
        assert_eq!((arms[1].seconds, arms[1].steps), (3.0, 7));
        assert!(arms[0].gain.is_none());
    }

    #[test]
    fn what_is_not_done_is_left_out_and_one_seed_says_nothing_of_more() {
        let plain = [(0, record(&[0.4, 0.6]))];
        assert_eq!(outcome_of(&plain, &[]).sets[0].arms.len(), 1);
        assert_eq!(outcome_of(&[], &[]).sets, []);
        let alone = outcome_of(&[], &plain);
        assert!(alone.sets[0].arms[0].gain.is_none());
        let gain = outcome_of(&plain, &[(0, record(&[0.5, 0.6]))]).sets[0].arms[1].gain.unwrap();
        assert_eq!((gain.needed, gain.seeds), (None, 1));
        assert!(outcome_of(&plain, &[(1, record(&[0.5, 0.6]))]).sets[0].arms[1].gain.is_none());
    }

    #[test]
    fn p_values_are_corrected_over_all_settings_of_an_experiment() {
        let gain = StudyGain {
            relative: 0.1,
            low: 0.0,
            high: 0.2,
            seeds: 2,
            p: Some(0.02),
            p_holm: None,
            p_randomised: 0.01,
            p_randomised_holm: None,
            needed: None,
        };
        let arm = |gain| ArmOutcome {
            arm: String::new(),
            along: None,
            seeds: vec![0],
            means: vec![0.5],
            deviations: None,
            gain,
            seconds: 0.0,
            steps: 0,
        };
        let set = |gains: &[Option<StudyGain>]| Judged {
            set: TEST.into(),
            queries: 2,
            arms: gains.iter().map(|gain| arm(*gain)).collect(),
            baselines: Vec::new(),
        };
        let setting = |gains: &[Option<StudyGain>]| SettingOutcome {
            name: String::new(),
            baseline: String::new(),
            sets: vec![set(gains)],
        };
        let without = StudyGain { p: None, ..gain };
        let mut settings = [setting(&[None, Some(gain)]), setting(&[Some(gain), Some(without)])];
        correct(&mut settings).unwrap();
        let all: Vec<StudyGain> = settings.iter().flat_map(|of| &of.sets[0].arms).filter_map(|arm| arm.gain).collect();
        assert_eq!(all.iter().map(|gain| gain.p_holm).collect::<Vec<_>>(), [Some(0.04), Some(0.04), None]);
        assert!(all.iter().all(|gain| (gain.p_randomised_holm.unwrap() - 0.03).abs() < 1e-12));
    }
}
