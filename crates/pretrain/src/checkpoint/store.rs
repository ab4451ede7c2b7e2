//! A folder of checkpoints.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use vectors::sync_folder;

use super::error::{CheckpointError, Damaged, Failure};
use super::folders::{is_leftover, make_store, name_of, names, partial, rename_over, step_of, sync_tree};
use super::state::{self, NamedTensor, State};

/// The checkpoints of one training, in a folder of their own.
///
/// # Examples
/// ```
/// use std::num::NonZeroUsize;
///
/// use pretrain::checkpoint::{NamedTensor, Store};
///
/// let folder = std::env::temp_dir().join("pretrain-checkpoints");
/// let store = Store::new(&folder, NonZeroUsize::MIN);
/// let weights = NamedTensor { name: "weights".into(), shape: vec![2, 1], values: [0.5, -0.0] };
/// store.write(100, &"seed 7".to_owned(), &[weights], |folder| std::fs::write(folder.join("notes.txt"), "halfway"))?;
///
/// let found = store.latest::<String>()?;
/// for damaged in &found.damaged {
///     eprintln!("{damaged}");
/// }
/// let state = found.state.expect("the one just written");
/// assert_eq!((state.step, state.header.as_str()), (100, "seed 7"));
/// assert_eq!(state.tensors[0].values, [0.5, -0.0]);
/// store.remove_all()?;
/// # Ok::<(), pretrain::checkpoint::CheckpointError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    keep: NonZeroUsize,
    protected: BTreeSet<u64>,
}

/// What [`Store::latest`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<H> {
    /// The newest intact checkpoint.
    pub state: Option<State<H>>,
    /// Newer ones that are not, newest first.
    pub damaged: Vec<Damaged>,
}

impl Store {
    /// The store in `folder`, made with the first checkpoint, in which the newest `keep` stay.
    pub fn new(folder: impl Into<PathBuf>, keep: NonZeroUsize) -> Self {
        Self { folder: folder.into(), keep, protected: BTreeSet::new() }
    }

    /// Spares the checkpoints of `steps` from now on, however old, in place of those spared before.
    pub fn protect(&mut self, steps: impl IntoIterator<Item = u64>) {
        self.protected = steps.into_iter().collect();
    }

    /// The folder of the checkpoint of `step`, whether or not it is there.
    pub fn folder_of(&self, step: u64) -> PathBuf {
        self.folder.join(name_of(step))
    }

    /// The steps of all checkpoints that are there, in rising order.
    ///
    /// # Errors
    /// [`CheckpointError::Io`] if the folder cannot be read.
    pub fn steps(&self) -> Result<Vec<u64>, CheckpointError> {
        let names = names(&self.folder).map_err(CheckpointError::at(&self.folder))?;
        let mut steps: Vec<u64> = names.iter().filter_map(|name| step_of(name)).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// Writes the checkpoint of `step`, with what `beside` writes to the folder it is given, and then removes the older
    /// ones that are not to stay. A checkpoint of the same step is replaced.
    ///
    /// Those of later steps are removed as well: a training that is at `step` did not go on from them, and must not be
    /// taken back to them. So afterwards [`latest`](Self::latest) finds `step`, unless a later one is protected.
    ///
    /// The header is written as JSON: infinite and undefined numbers are lost in it.
    ///
    /// # Errors
    /// [`CheckpointError::NotWritten`] if a file cannot be written, `beside` fails or the header cannot be read back from
    /// JSON: all is as it was before. [`CheckpointError::NotPruned`] if the checkpoint is written and another could not be
    /// removed. [`CheckpointError::Io`] if the folder cannot be read or cleared of what a killed process left.
    ///
    /// # Panics
    /// A tensor has not as many values as its shape says.
    #[track_caller]
    pub fn write<H, V, E>(
        &self,
        step: u64,
        header: &H,
        tensors: &[NamedTensor<V>],
        beside: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), CheckpointError>
    where
        H: Serialize + DeserializeOwned,
        V: AsRef<[f32]>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        for NamedTensor { name, shape, values } in tensors {
            let (values, expected) = (values.as_ref().len(), shape.iter().product::<usize>());
            assert_eq!(values, expected, "values of tensor {name} of shape {shape:?}");
        }
        let before = self.steps()?;
        self.clear()?;
        let written = self.write_whole(step, |draft| {
            // First, so that nothing in it takes the place of the state.
            beside(draft).map_err(Failure::at(draft))?;
            state::write(draft, step, header, tensors)
        });
        written.map_err(|Failure { path, source }| {
            // The failure is what matters; the next write removes what is left.
            let _ = self.clear();
            CheckpointError::NotWritten { path, kept: before.last().copied(), source }
        })?;
        let pruned = self.discard(&self.surplus(step, &before));
        pruned.map_err(|error| CheckpointError::NotPruned { written: step, source: error.into() })
    }

    /// The newest intact checkpoint, and what is wrong with those that are newer.
    ///
    /// What was written beside is not looked at.
    ///
    /// # Errors
    /// [`CheckpointError::Io`] if the folder cannot be read.
    pub fn latest<H: DeserializeOwned>(&self) -> Result<Found<H>, CheckpointError> {
        // While it is read, another process may replace or remove a checkpoint: what is wrong twice is wrong.
        let mut seen = None;
        loop {
            let found = self.look()?;
            let intact = found.state.is_some() && found.damaged.is_empty();
            let summary = Some((found.state.as_ref().map(|state| state.step), found.damaged.clone()));
            if intact || summary == seen {
                return Ok(found);
            }
            seen = summary;
        }
    }

    /// Removes all checkpoints and what killed processes left of others.
    ///
    /// # Errors
    /// [`CheckpointError::Io`] if the folder cannot be read or one in it not be removed.
    pub fn remove_all(&self) -> Result<(), CheckpointError> {
        let steps = self.steps()?;
        self.clear()?;
        self.discard(&steps)
    }

    fn look<H: DeserializeOwned>(&self) -> Result<Found<H>, CheckpointError> {
        let mut damaged = Vec::new();
        for step in self.steps()?.into_iter().rev() {
            match state::read(&self.folder_of(step), step) {
                Ok(state) => return Ok(Found { state: Some(state), damaged }),
                Err(damage) => damaged.push(Damaged { step, damage }),
            }
        }
        Ok(Found { state: None, damaged })
    }

    /// Puts a checkpoint in its place once all that `fill` writes is on disk.
    fn write_whole(&self, step: u64, fill: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
        let folder = self.folder_of(step);
        let draft = partial(&folder);
        make_store(&self.folder).map_err(Failure::at(&self.folder))?;
        fs::create_dir(&draft).map_err(Failure::at(&draft))?;
        fill(&draft)?;
        sync_tree(&draft).map_err(Failure::at(&draft))?;
        rename_over(&draft, &folder).map_err(Failure::at(&folder))?;
        sync_folder(&self.folder).map_err(Failure::at(&self.folder))
    }

    /// Of the steps `before`, those that go once `step` is written.
    fn surplus(&self, step: u64, before: &[u64]) -> Vec<u64> {
        let (older, newer): (Vec<u64>, Vec<u64>) =
            before.iter().filter(|&&other| other != step).partition(|&&other| other < step);
        let old = older.len().saturating_sub(self.keep.get() - 1);
        older[..old].iter().chain(&newer).copied().filter(|other| !self.protected.contains(other)).collect()
    }

    /// Removes the checkpoints of `steps` and all leftovers, of which there are none yet of these steps.
    fn discard(&self, steps: &[u64]) -> Result<(), CheckpointError> {
        // Under its own name a checkpoint of which a killed process removed a part would look damaged.
        for folder in steps.iter().map(|&step| self.folder_of(step)) {
            fs::rename(&folder, partial(&folder)).map_err(CheckpointError::at(&folder))?;
        }
        if !steps.is_empty() {
            sync_folder(&self.folder).map_err(CheckpointError::at(&self.folder))?;
        }
        self.clear()
    }

    /// Removes what is left of checkpoints that were being written or removed.
    fn clear(&self) -> Result<(), CheckpointError> {
        let names = names(&self.folder).map_err(CheckpointError::at(&self.folder))?;
        for leftover in names.iter().filter(|name| is_leftover(name)).map(|name| self.folder.join(name)) {
            fs::remove_dir_all(&leftover).map_err(CheckpointError::at(&leftover))?;
        }
        Ok(())
    }
}
