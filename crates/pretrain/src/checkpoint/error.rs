//! What can go wrong with checkpoints.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// Why a checkpoint was not written, or the folder of checkpoints could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file or folder could not be read or removed.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A checkpoint could not be written; those of before are as they were.
    #[error("{}: checkpoint not written; {}", path.display(), describe(*kept))]
    NotWritten {
        /// The file or folder that failed.
        path: PathBuf,
        /// The step of the newest checkpoint that is there.
        kept: Option<u64>,
        /// What the system or the caller said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A checkpoint is written, and another could not be removed.
    #[error("checkpoint of step {written} is written; one of before is not removed")]
    NotPruned {
        /// The step of the checkpoint that is written.
        written: u64,
        /// Which one, and what the system said.
        #[source]
        source: Box<CheckpointError>,
    },
}

impl CheckpointError {
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

fn describe(kept: Option<u64>) -> String {
    match kept {
        Some(step) => format!("that of step {step} is kept"),
        None => "there is none before it".into(),
    }
}

/// A checkpoint that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("checkpoint step-{step} is damaged ({damage})")]
pub struct Damaged {
    /// Its step.
    pub step: u64,
    /// What is wrong with it.
    pub damage: Damage,
}

/// What is wrong with a checkpoint, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A file is not there.
    #[error("{file} is missing")]
    Missing {
        /// The file.
        file: &'static str,
    },
    /// A file's content is not what was written.
    #[error("{file} has another hash")]
    Hash {
        /// The file.
        file: &'static str,
    },
    /// A file was cut short or grew.
    #[error("{file} has {found} bytes, not {expected}")]
    Length {
        /// The file.
        file: &'static str,
        /// Bytes it has.
        found: u64,
        /// Bytes that were written.
        expected: u64,
    },
    /// Another version of this program wrote it.
    #[error("it has format {found}, not {expected}")]
    Format {
        /// Its format.
        found: u32,
        /// The format of now.
        expected: u32,
    },
    /// Its folder bears the name of another step.
    #[error("it is of step {written}")]
    Step {
        /// The step that was written.
        written: u64,
    },
    /// A file cannot be read, or has a content that nothing can be made of.
    #[error("{file} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: &'static str,
        /// What was said of it.
        reason: String,
    },
}

impl Damage {
    pub(super) fn unreadable(file: &'static str, error: &impl Error) -> Self {
        Self::Unreadable { file, reason: error.to_string().replace('\n', " ") }
    }
}

/// What failed while a checkpoint was written, and where.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) path: PathBuf,
    pub(super) source: Box<dyn Error + Send + Sync>,
}

impl Failure {
    pub(super) fn at<E: Into<Box<dyn Error + Send + Sync>>>(path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self { path: path.to_owned(), source: source.into() }
    }
}
