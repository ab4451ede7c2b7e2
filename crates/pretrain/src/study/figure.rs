//! A study's figures.

use std::path::{Path, PathBuf};

use super::outcome::StudyGain;
use super::record::TEST;
use super::results::{ExperimentOutcome, StudyResults};
use crate::error::Result;
use crate::files::write_whole;
use crate::report::{GainEnds, gain_curves, gain_rows};

impl StudyResults {
    /// Writes a figure of the gains of each experiment on each data set into `folder`, as far as there are any: along its axis where it has one, else
    /// a row an arm. The files that were written.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_figures(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        for of in &self.experiments {
            for set in of.sets() {
                let Some(svg) = self.figure(of, &set.set) else { continue };
                let of_set = if set.set == TEST { String::new() } else { format!("-{}", set.set) };
                let path = folder.join(format!("{}-{}{of_set}.svg", self.study, of.name.replace(' ', "-")));
                write_whole(&path, |out| out.write_all(svg.as_bytes()))?;
                written.push(path);
            }
        }
        Ok(written)
    }

    fn figure(&self, of: &ExperimentOutcome, set: &str) -> Option<String> {
        let title = format!("gain in {} (%)", self.measures[0]);
        let judged = of.settings.iter().filter_map(|setting| {
            setting.sets.iter().find(|judged| judged.set == set).map(|judged| (setting.name.clone(), judged))
        });
        if let Some(key) = &of.along {
            let curves: Vec<_> = judged
                .clone()
                .map(|(name, judged)| {
                    let points = judged.arms.iter().filter_map(|arm| Some((arm.along?, ends(&arm.gain?))));
                    let mut points: Vec<_> = points.collect();
                    points.sort_by(|a, b| a.0.total_cmp(&b.0));
                    (name, points)
                })
                .filter(|(_, points)| points.len() > 1)
                .collect();
            if !curves.is_empty() {
                return gain_curves(&curves, key, &title);
            }
        }
        let rows = judged.enumerate().flat_map(|(colour, (name, judged))| {
            let name = move |arm: &str| if name.is_empty() { arm.to_owned() } else { format!("{name}: {arm}") };
            let gains = judged.arms.iter().filter_map(|arm| Some((arm, arm.gain?)));
            gains.map(move |(arm, gain)| (name(&arm.arm), colour, ends(&gain)))
        });
        gain_rows(&rows.collect::<Vec<_>>(), &title)
    }
}

fn ends(gain: &StudyGain) -> GainEnds {
    let [low, middle, high] = [gain.low, gain.relative, gain.high].map(|share| 100.0 * share);
    GainEnds { low, middle, high }
}
