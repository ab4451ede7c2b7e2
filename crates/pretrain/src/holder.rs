//! The process that holds a run folder.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::progress::duration;

/// A process that runs stages in a run folder, as it wrote itself into `run.lock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHolder {
    /// The process's number.
    pub process: u32,
    /// The name of its machine.
    pub host: String,
    /// Its command line.
    pub command: String,
    /// When it began to hold the folder, in seconds since 1970.
    pub since: u64,
}

impl RunHolder {
    pub(crate) fn this_process() -> Self {
        let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        Self {
            process: std::process::id(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            command: words.join(" "),
            since: SystemTime::now().duration_since(UNIX_EPOCH).as_ref().map_or(0, Duration::as_secs),
        }
    }

    /// Who the file at `path` names, if it is whole.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}

impl fmt::Display for RunHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, host, command, since } = self;
        let age = (UNIX_EPOCH + Duration::from_secs(*since)).elapsed().unwrap_or_default();
        write!(f, "process {process} on {host}, which began {} ago: {command}", duration(age.as_secs_f64()))
    }
}
