//! One training of a study, as `pretrain experiment` starts it in a process of its own.

use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use clap::Args;

use crate::config::Config;
use crate::device::{BackendTask, DeviceKind};
use crate::error::Result;
use crate::files::{read_json, write_json};
use crate::pipeline::Pipeline;
use crate::program::{start_threads, stop_on_signals};
use crate::study::Cell;

/// Which training, and where its record goes.
#[derive(Debug, Args)]
pub(super) struct CellArgs {
    /// Its configuration, as it is run here
    config: PathBuf,
    /// What the study knows of it
    #[arg(long)]
    cell: PathBuf,
    /// The record to write
    #[arg(long)]
    record: PathBuf,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceKind,
}

impl CellArgs {
    pub(super) fn run(self) -> Result<()> {
        let config = Config::load(&self.config, &[])?;
        start_threads(config.run.threads)?;
        let cell = Cell { config, ..read_json(&self.cell)? };
        self.device.run(Task { cell, record: self.record })
    }
}

struct Task {
    cell: Cell,
    record: PathBuf,
}

impl BackendTask for Task {
    type Output = ();

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Result<()> {
        let config = self.cell.config.clone();
        // A folder of the same cell holds the same training, judged otherwise perhaps.
        let pipeline = Pipeline::<B>::create(config, true, device)?.stopped_by(stop_on_signals()?);
        pipeline.check_data_of(&self.cell)?;
        pipeline.run()?;
        write_json(&self.record, &pipeline.cell_record(&self.cell)?)
    }
}
