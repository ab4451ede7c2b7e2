//! The scoreboard, from the comparison and the scores of every query.

use std::path::Path;

use burn::tensor::backend::AutodiffBackend;
use retrieval_eval::{Bootstrap, BootstrapConfig, SeedValues};

use crate::error::{PretrainError, Result};
use crate::files::read_json;
use crate::parts::Parts;
use crate::pipeline::{Comparison, Gain, Pipeline, Row, Scores};
use crate::report::{GainInterval, MeasureScore, Scoreboard, SystemScore};

/// Enough for ends of an interval to be drawn: 2.5% of them lie beyond either.
const RESAMPLES: usize = 2000;

/// What one system reached with each seed; a baseline has one.
struct System {
    name: String,
    seeds: Vec<Scores>,
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    pub(super) fn scoreboard(&self, comparison: &Comparison) -> Result<Scoreboard> {
        let systems = self.systems()?;
        let bootstrap = BootstrapConfig::default().with_resamples(RESAMPLES).build()?;
        let score = |row: &Row| {
            let seeds = systems.iter().find(|system| system.name == row.system).map_or(&[][..], |system| &system.seeds);
            let measures = 0..row.means.len();
            let scores =
                measures.map(|measure| measure_score(row, measure, seeds, &bootstrap)).collect::<Result<_>>()?;
            Ok(SystemScore { name: row.system.clone(), scores, gain: row.gain.map(GainInterval::from) })
        };
        Ok(Scoreboard {
            measures: comparison.measures.clone(),
            queries: comparison.queries,
            systems: comparison.rows.iter().map(score).collect::<Result<_>>()?,
        })
    }

    fn systems(&self) -> Result<Vec<System>> {
        let mut systems: Vec<System> = Vec::new();
        let arms =
            self.run.members().into_iter().map(|member| (&member.arm.title, self.run.member(member).join("eval.json")));
        for (title, path) in arms.filter(|(_, path)| path.exists()) {
            let scores = read_json(&path)?;
            match systems.iter_mut().find(|system| system.name == *title) {
                Some(system) => system.seeds.push(scores),
                None => systems.push(System { name: title.clone(), seeds: vec![scores] }),
            }
        }
        for path in json_files(&self.run.file("baselines"))? {
            let scores: Scores = read_json(&path)?;
            systems.push(System { name: scores.system.clone(), seeds: vec![scores] });
        }
        Ok(systems)
    }
}

fn measure_score(row: &Row, measure: usize, seeds: &[Scores], bootstrap: &Bootstrap) -> Result<MeasureScore> {
    let values: Vec<&[f64]> =
        seeds.iter().filter_map(|scores| scores.per_query.get(measure)).map(Vec::as_slice).collect();
    let interval = match values.is_empty() {
        true => None,
        false => Some(bootstrap.mean_over_seeds(&SeedValues::new(&values)?)),
    };
    Ok(MeasureScore {
        mean: row.means[measure],
        interval: interval.map(|interval| (interval.lower, interval.upper)),
        deviation: row.deviations.as_ref().and_then(|deviations| deviations.get(measure).copied()),
    })
}

impl From<Gain> for GainInterval {
    fn from(gain: Gain) -> Self {
        Self { relative: gain.relative, low: gain.low, high: gain.high, p_holm: gain.p_holm }
    }
}

/// The folder's files in JSON by name; none where there is no folder.
fn json_files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries = entries.map_err(|source| PretrainError::io(folder, source))?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    Ok(paths)
}
