//! `pretrain experiment`: the experiments of studies.

mod jobs;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;

use self::jobs::Jobs;
use crate::device::DeviceKind;
use crate::error::{PretrainError, Result};
use crate::files::write_whole;
use crate::program::{print, stop_on_signals};
use crate::stop::Stop;
use crate::study::{Study, StudyResults};

/// Which studies, and how their trainings are run.
#[derive(Debug, Args)]
pub(super) struct ExperimentArgs {
    /// Studies (TOML): a configuration, and experiments on it
    #[arg(value_name = "STUDY.toml", required = true)]
    studies: Vec<PathBuf>,
    /// Override a key of the configuration that the experiments change; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    settings: Vec<String>,
    /// Where to compute; all but the first need a build with that feature
    #[arg(long, value_enum, default_value_t)]
    device: DeviceKind,
    /// Trainings side by side; default: one a core on the processor, one on any other device
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Worker threads of each; default: the cores shared out
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Only experiments of this name; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Train nothing: write tables, figures and results of what is done
    #[arg(long)]
    no_training: bool,
}

impl ExperimentArgs {
    pub(super) fn run(self) -> Result<()> {
        let stop = stop_on_signals()?;
        self.studies.iter().try_for_each(|path| self.run_study(path, &stop))
    }

    fn run_study(&self, path: &Path, stop: &Stop) -> Result<()> {
        let study = Study::load(path, &self.settings)?;
        if let Some(name) = self.only.iter().find(|name| study.experiments.iter().all(|of| of.name != **name)) {
            let (what, problem) = ("--only".to_owned(), "no experiment is called so");
            return Err(PretrainError::StudyName { what, name: name.clone(), problem });
        }
        study.check_pages()?;
        let trained = match self.no_training {
            true => Ok(()),
            false => Jobs::new(&study, self.device, self.jobs, self.threads).run(&self.wanted(&study), stop),
        };
        // What is done is worth reading, however the rest ended.
        let results = StudyResults::of(&study)?;
        print(&results.to_markdown())?;
        let published = publish(&study, &results);
        trained.and(published)
    }

    /// The places of the cells of the experiments that are asked for.
    fn wanted(&self, study: &Study) -> Vec<usize> {
        let asked = study.experiments.iter().filter(|of| self.only.is_empty() || self.only.contains(&of.name));
        let arms = asked.flat_map(|of| &of.settings).flat_map(|setting| &setting.arms);
        let mut wanted: Vec<usize> = arms.flat_map(|arm| &arm.replicates).map(|&(_, cell)| cell).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }
}

fn publish(study: &Study, results: &StudyResults) -> Result<()> {
    let report = study.dir.join("report.md");
    write_whole(&report, |out| out.write_all(results.to_markdown().as_bytes()))?;
    let folder = study.config.publish.as_deref().unwrap_or(&study.dir);
    results.write_into(&folder.join("results.json"))?;
    #[cfg(feature = "report")]
    for figure in results.write_figures(&folder.join("figures"))? {
        tracing::info!("{}: written", figure.display());
    }
    study.config.pages.iter().try_for_each(|page| results.write_page(page))
}
