use std::path::PathBuf;

/// Why a workspace's packages are not known, or their sources cannot be read.
///
/// ```
/// use rust_docs::{RustDocsError, Workspace};
///
/// let error = Workspace::new("no/such/folder").packages().unwrap_err();
/// assert!(matches!(error, RustDocsError::Read { .. }));
/// assert_eq!(error.to_string(), "no/such/folder cannot be read");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RustDocsError {
    /// The folder is missing or cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `cargo metadata` failed, and there is no readable `Cargo.lock` to fall back on.
    #[error("{}: neither `cargo metadata` nor Cargo.lock names the dependencies: {problem}", manifest_dir.display())]
    Workspace {
        /// The folder with the manifest.
        manifest_dir: PathBuf,
        /// What the last attempt said.
        problem: String,
    },
    /// Worker threads could not be started.
    #[error("worker threads cannot be started")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}
