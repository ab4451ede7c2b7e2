//! Memory of one loss, kept for the next: an allocator that hands it back to the kernel has it mapped and cleared anew each time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::columns::Columns;
use super::guide;
use super::panels::Panels;

/// What a loss works in beside its inputs and outputs.
#[derive(Default)]
pub(crate) struct Workspace {
    /// One for each part of the candidates, direction and prefix.
    pub(super) columns: Vec<Columns>,
    /// Of a strip's queries and passages, as anchors.
    pub(super) anchors: [Panels; 2],
    /// Tiles of the gradients of a strip's anchors.
    pub(super) sums: Vec<f32>,
    pub(super) guide: guide::Memory,
    scratch: Vec<Mutex<Scratch>>,
}

/// What a processor needs for a part of a strip.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) scores: guide::Products,
    pub(super) products: Vec<f32>,
}

/// Scratch of every processor.
pub(super) struct Scratches(Vec<Mutex<Scratch>>);

impl Scratches {
    /// That of the processor that this runs on.
    pub(super) fn here(&self) -> MutexGuard<'_, Scratch> {
        let place = rayon::current_thread_index().unwrap_or(0);
        self.0[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workspace {
    pub(super) fn scratches(&mut self) -> Scratches {
        let mut all = std::mem::take(&mut self.scratch);
        all.resize_with(rayon::current_num_threads(), Mutex::default);
        Scratches(all)
    }

    pub(super) fn keep(&mut self, Scratches(all): Scratches) {
        self.scratch = all;
    }
}

/// A workspace between losses. One at a time works in it; a loss meanwhile has a new one.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Workspace>);

impl Kept {
    pub(crate) fn take(&self) -> Workspace {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn keep(&self, workspace: Workspace) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = workspace;
    }
}

/// What is kept is no part of what a loss is: it is shared with no copy, and of no matter to equality.
impl Clone for Kept {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Kept {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}
