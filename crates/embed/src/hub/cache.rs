//! The cache that Python's `huggingface_hub` shares: one folder a model.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::content::{Content, is_of};
use super::id::is_commit;
use super::listing::{Entry, Listing, MODULES, is_inside, is_of_model};
use super::{HubId, HubModel, HubOptions};
use crate::EmbedError;
use crate::folder::{module_paths, require_whole};

/// Missing files that a message names.
const NAMED: usize = 3;

/// A model in the cache.
pub(super) struct Cache {
    folder: PathBuf,
    locks: PathBuf,
}

impl Cache {
    pub(super) fn of(id: &HubId, options: &HubOptions) -> Self {
        let root = options.cache.clone().unwrap_or_else(hf_hub::resolve_cache_dir);
        let name = match id.owner() {
            "" => format!("models--{}", id.name()),
            owner => format!("models--{owner}--{}", id.name()),
        };
        Self { locks: root.join(".locks").join(&name), folder: root.join(name) }
    }

    /// The model of a commit, where the list of its files says that all of it is there.
    pub(super) fn whole(&self, commit: &str) -> Option<HubModel> {
        let listing = self.listing(commit)?;
        self.lacking(commit, &listing).is_empty().then(|| self.model(commit, listing.paths()))
    }

    /// The model as the cache alone has it.
    pub(super) fn found(&self, id: &HubId) -> Result<HubModel, EmbedError> {
        let offline = |missing| EmbedError::HubOffline { model: id.to_string(), cache: self.folder.clone(), missing };
        let none = || offline(format!("revision {}", id.revision()));
        let commit = id.commit().map(str::to_owned).or_else(|| self.commit(id.revision())).ok_or_else(none)?;
        if let Some(listing) = self.listing(&commit) {
            let lacking = self.lacking(&commit, &listing);
            return match lacking.is_empty() {
                true => Ok(self.model(&commit, listing.paths())),
                false => Err(offline(some_of(&lacking))),
            };
        }
        // Python leaves no list: what it left is taken where it is a model.
        let snapshot = self.snapshot(&commit);
        if !snapshot.is_dir() {
            return Err(none());
        }
        // Python notes there too what a model has not.
        let noted = self.folder.join(".no_exist").join(&commit).join(MODULES);
        if !snapshot.join(MODULES).is_file() && !noted.is_file() {
            return Err(offline(format!("{MODULES}, nor a note that the model has none")));
        }
        match require_whole(&snapshot) {
            Err(EmbedError::MissingFile { folder, file }) => {
                let inner = folder.strip_prefix(&snapshot).unwrap_or(&folder);
                Err(offline(inner.join(file).display().to_string()))
            }
            other => other.and_then(|()| Ok(self.model(&commit, self.files_in(&snapshot)?))),
        }
    }

    pub(super) fn model(&self, commit: &str, files: Vec<String>) -> HubModel {
        HubModel { path: self.snapshot(commit), commit: commit.to_owned(), files }
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    pub(super) fn blob(&self, name: &str) -> PathBuf {
        self.folder.join("blobs").join(name)
    }

    /// The commit that a revision was last seen at.
    fn commit(&self, revision: &str) -> Option<String> {
        let text = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    pub(super) fn keep_commit(&self, revision: &str, commit: &str) {
        if self.commit(revision).as_deref() != Some(commit) {
            self.keep(&Path::new("refs").join(revision), commit.as_bytes());
        }
    }

    /// The files that make the model of a commit, where they are known.
    pub(super) fn listing(&self, commit: &str) -> Option<Listing> {
        let bytes = fs::read(self.folder.join(list_of(commit))).ok()?;
        let listing: Listing = serde_json::from_slice(&bytes).ok()?;
        listing.files.iter().all(Entry::is_sound).then_some(listing)
    }

    pub(super) fn keep_listing(&self, commit: &str, listing: &Listing) {
        if let Ok(bytes) = serde_json::to_vec(listing) {
            self.keep(&list_of(commit), &bytes);
        }
    }

    /// Writes what only saves requests: a cache may be another's, to be read.
    fn keep(&self, path: &Path, bytes: &[u8]) {
        let path = self.folder.join(path);
        let written = create_above(&path).and_then(|()| vectors::replace_file(&path, |out| out.write_all(bytes)));
        if let Err(error) = written {
            tracing::debug!("{}: cannot be written: {error}", path.display());
        }
    }

    /// The files of the listing that the snapshot has not, or not whole.
    fn lacking<'l>(&self, commit: &str, listing: &'l Listing) -> Vec<&'l str> {
        let lacking = listing.files.iter().filter(|file| !self.has(commit, file));
        lacking.map(|file| file.path.as_str()).collect()
    }

    pub(super) fn has(&self, commit: &str, entry: &Entry) -> bool {
        has_size(&self.snapshot(commit).join(&entry.path), entry.size)
    }

    /// The name of the content of `entry` among those in the cache, of another commit or of a download whose process ended before it was linked.
    pub(super) fn held(&self, entry: &Entry) -> Option<String> {
        let candidate = match entry.large {
            false => Some(entry.git.clone()).filter(|name| has_size(&self.blob(name), entry.size)),
            true => fs::read_dir(self.folder.join("blobs")).ok()?.flatten().find_map(|file| {
                let name = file.file_name().into_string().ok()?;
                let is_it = is_of(&name, entry) && has_size(&file.path(), entry.size);
                is_it.then_some(name)
            }),
        }?;
        let mut content = Content::of(entry);
        content.read(File::open(self.blob(&candidate)).ok()?).ok()?;
        (content.name() == candidate).then_some(candidate)
    }

    /// Puts a content at the place of a file of a commit.
    pub(super) fn link(&self, commit: &str, entry: &Entry, blob: &str) -> Result<(), EmbedError> {
        let path = self.snapshot(commit).join(&entry.path);
        let up = "../".repeat(entry.path.split('/').count() + 1);
        let linked = create_above(&path).and_then(|()| {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            #[cfg(unix)]
            return std::os::unix::fs::symlink(format!("{up}blobs/{blob}"), &path);
            #[cfg(not(unix))]
            return fs::hard_link(self.blob(blob), &path).or_else(|_| fs::copy(self.blob(blob), &path).map(|_| ()));
        });
        match linked {
            // Another process did.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other.map_err(|source| EmbedError::Write { path, source }),
        }
    }

    /// Waits until no other process downloads the content, until the file is dropped.
    pub(super) fn lock(&self, name: &str) -> Result<File, EmbedError> {
        let path = self.locks.join(format!("{name}.lock"));
        let lock = || {
            create_above(&path)?;
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    tracing::info!("waits for another process that downloads the same: {}", path.display());
                    file.lock()?;
                }
                // Not every file system has locks.
                Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
                _ => {}
            }
            Ok(file)
        };
        lock().map_err(|source| EmbedError::Write { path: path.clone(), source })
    }

    fn files_in(&self, snapshot: &Path) -> Result<Vec<String>, EmbedError> {
        let modules = module_paths(snapshot)?;
        let mut files = Vec::new();
        let inside = modules.iter().map(String::as_str).filter(|module| is_inside(module));
        for folder in std::iter::once("").chain(inside) {
            let Ok(entries) = fs::read_dir(snapshot.join(folder)) else { continue };
            let names = entries.flatten().filter(|entry| entry.path().is_file());
            let paths = names.filter_map(|entry| {
                let path = Path::new(folder).join(entry.file_name());
                Some(path.to_str()?.replace('\\', "/"))
            });
            files.extend(paths.filter(|path| is_of_model(path, &modules)));
        }
        files.sort();
        files.dedup();
        Ok(files)
    }
}

fn list_of(commit: &str) -> PathBuf {
    Path::new(".embed").join(format!("{commit}.json"))
}

fn has_size(path: &Path, size: u64) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.len() == size)
}

pub(super) fn create_above(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn some_of(files: &[&str]) -> String {
    let named = files[..files.len().min(NAMED)].join(", ");
    match files.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
