//! Models of a hub, downloaded into the cache that Python's libraries share.
//!
//! ```no_run
//! use burn_flex::{Flex, FlexDevice};
//! use embed::hub::{HubId, HubOptions, fetch};
//! use embed::{FolderOptions, load_embedder};
//!
//! let id: HubId = "hf://Snowflake/snowflake-arctic-embed-m".parse()?;
//! let model = fetch(&id, &HubOptions::default())?;
//! println!("{id} is commit {}", model.commit);
//! let embedder = load_embedder::<Flex>(&model.path, &FolderOptions::default(), &FlexDevice)?;
//! # Ok::<(), embed::EmbedError>(())
//! ```
//!
//! Files lie as `huggingface_hub` puts them: contents in `blobs/`, a folder of links for each commit in `snapshots/`, and in `refs/` the
//! commit that a branch or tag was last seen at. `.embed/` beside them has the list of the files that make the model of a commit.
//!
//! `hf-hub` asks the hub, and gives the bytes. Its own cache is not used: it would write what a server says of an error into the cache as the
//! file's content, begin every interrupted file from nothing, and write files of the hub's newer storage where they count as whole while they are not.

mod cache;
mod content;
mod download;
mod id;
mod listing;
mod options;
mod remote;

use std::path::PathBuf;

pub use id::HubId;
pub use options::HubOptions;

use cache::Cache;
use remote::Remote;

use crate::EmbedError;
use crate::error::HubProblem;

/// A model of a hub, on the disk.
///
/// # Examples
/// ```no_run
/// let model = embed::hub::fetch(&"owner/name".parse()?, &Default::default())?;
/// assert_eq!(model.commit.len(), 40);
/// # Ok::<(), embed::EmbedError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubModel {
    /// Its folder in the cache, of one commit.
    pub path: PathBuf,
    /// The commit, 40 hexadecimal digits.
    pub commit: String,
    /// The files that make the model, by their paths in the folder, sorted: others in the folder are none of it.
    pub files: Vec<String>,
}

/// The folder of a model, after what it lacks was downloaded: configurations, tokenizers and safetensors, of the model and its modules.
///
/// Nothing is asked for where `id` names a commit whose files are all there. A branch or tag is asked for each time; where the hub cannot be
/// reached, what it was last seen at is taken, with a warning. Offline only the cache is looked into.
///
/// A folder is given when it is whole. An interrupted file is continued by the next call, and compared with the hash that the hub has of it.
///
/// # Errors
/// [`EmbedError::Hub`] if the hub has no such model or revision, refuses it, or cannot be reached; [`EmbedError::HubOffline`] for a model that is not
/// whole in the cache; [`EmbedError::HubWeights`] for one without safetensors; [`EmbedError::Write`] with the file of the cache.
///
/// # Examples
/// ```
/// use embed::hub::{HubId, HubOptions, fetch};
///
/// let id: HubId = "hf://owner/name@v1.0".parse()?;
/// let options = HubOptions::default().with_cache("no/such/folder").with_offline(true);
/// let error = fetch(&id, &options).unwrap_err();
/// assert!(error.to_string().starts_with("hf://owner/name@v1.0: offline"));
/// # Ok::<(), embed::EmbedError>(())
/// ```
pub fn fetch(id: &HubId, options: &HubOptions) -> Result<HubModel, EmbedError> {
    let cache = Cache::of(id, options);
    if options.is_offline() {
        return cache.found(id);
    }
    if let Some(model) = id.commit().and_then(|commit| cache.whole(commit)) {
        return Ok(model);
    }
    match Remote::of(id, options)?.fetch(&cache) {
        Err(error @ EmbedError::Hub { problem: HubProblem::Unreachable, .. }) => {
            let Ok(model) = cache.found(id) else { return Err(error) };
            tracing::warn!("{error}: commit {}, which is in the cache, is taken", model.commit);
            Ok(model)
        }
        other => other,
    }
}
