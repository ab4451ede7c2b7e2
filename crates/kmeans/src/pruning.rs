//! Lloyd's iterations that look only at what may have changed.
//!
//! Each row keeps a lower bound of its product with its own centroid and, for each group of centroids, an upper bound
//! of its products with the others. When centroids move, the triangle inequality of angles moves the bounds. A row whose own
//! bound is still above all others keeps its label; any other is open, and multiplied with the groups that its bounds leave open.
//! Labels are those of the plain iterations, ties within rounding apart.
//!
//! Elkan (2003) and Ding et al. (2015, "Yinyang K-Means") bound Euclidean distances; Schubert, Lang & Feher (2021,
//! "Accelerating Spherical k-Means") cosines, as here.

use ndarray::ArrayView2;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::assignment::{ABOVE_ALL, Assignment, BELOW_ALL, RowsToAssign};
use crate::drift::{Drift, Drifts};
use crate::grouping::Grouping;
use crate::kernel::{Centroids, are_few, unit_len};
use crate::moves::{Moved, Moves, TaskMoves};
use crate::training::Training;

/// Rows of a task.
const TASK_ROWS: usize = 2048;

/// Relabels all rows, each of which has some label, with all centroids.
pub(crate) fn relabel_all(training: Training<'_>, centroids: ArrayView2<'_, f32>, labels: &mut [u32]) -> Moves {
    let kept = training.fixed.is_some();
    let grouping = Grouping::new(centroids, 1, unit_len(centroids.nrows(), kept));
    let centroids = Centroids::new(centroids, &grouping, kept);
    let tasks = labels.par_chunks_mut(TASK_ROWS).enumerate().map(|(task, labels)| {
        let first = task * TASK_ROWS;
        let rows = training.part(first..first + labels.len());
        let (mut own, mut others) = (vec![BELOW_ALL; labels.len()], vec![ABOVE_ALL; labels.len()]);
        let all: Vec<u32> = (0..labels.len() as u32).collect();
        let assignment = Assignment { labels, own: &mut own, others: &mut others };
        TaskMoves::new(centroids.assign(rows, &all, assignment), TASK_ROWS)
    });
    Moves::of_tasks(tasks.collect(), TASK_ROWS)
}

/// Bounds of all rows' products with one set of centroids; [`Assignment`] has their invariant.
pub(crate) struct RowBounds {
    /// Lower bound of each row's product with its centroid.
    own: Vec<f32>,
    /// Upper bounds of its products with the other centroids of each group, `[n, groups]`.
    others: Vec<f32>,
    grouping: Grouping,
    task_rows: usize,
}

/// Groups for rows whose file may be larger than memory: beside their bounds a row has its label, its own bound and,
/// where all rows move, 8 bytes more.
const GROUPS_OF_MAPPED: usize = 3;

impl RowBounds {
    /// Bounds that know nothing yet.
    pub(crate) fn new(training: Training<'_>, centroids: ArrayView2<'_, f32>) -> Self {
        let Training { rows, fixed } = training;
        // More bounds than values would take longer to read than the row.
        let most = if rows.may_exceed_memory() { GROUPS_OF_MAPPED } else { rows.dim() };
        let grouping = Grouping::new(centroids, most, unit_len(centroids.nrows(), fixed.is_some()));
        // What a task changes of the sums takes at most 4 bytes a row, where it keeps sums.
        let task_rows = if are_few(centroids.nrows()) { TASK_ROWS.max(2 * centroids.len()) } else { TASK_ROWS };
        let (own, others) = (vec![BELOW_ALL; rows.len()], vec![ABOVE_ALL; rows.len() * grouping.groups]);
        Self { own, others, grouping, task_rows }
    }

    /// Relabels the rows for `centroids`, which were `before` when the bounds were right.
    pub(crate) fn pass(
        &mut self,
        training: Training<'_>,
        (before, centroids): (ArrayView2<'_, f32>, ArrayView2<'_, f32>),
        labels: &mut [u32],
    ) -> Moves {
        let drifts = Drifts::new(before, centroids, &self.grouping);
        let centroids = Centroids::new(centroids, &self.grouping, training.fixed.is_some());
        let (groups, task_rows) = (self.grouping.groups, self.task_rows);
        let tasks = (labels.par_chunks_mut(task_rows))
            .zip(self.own.par_chunks_mut(task_rows))
            .zip(self.others.par_chunks_mut(task_rows * groups))
            .enumerate()
            .map(|(task, ((labels, own), others))| {
                let first = task * task_rows;
                let rows = training.part(first..first + labels.len());
                let task = Task { assignment: Assignment { labels, own, others }, groups };
                TaskMoves::new(task.relabel(rows, &centroids, &drifts), TASK_ROWS)
            });
        Moves::of_tasks(tasks.collect(), task_rows)
    }
}

/// A task's rows.
struct Task<'a> {
    assignment: Assignment<'a>,
    groups: usize,
}

impl Task<'_> {
    fn relabel(mut self, rows: RowsToAssign<'_>, centroids: &Centroids, drifts: &Drifts) -> Moved {
        let mut open = Vec::new();
        Arch::new().dispatch(MoveBounds { task: &mut self, drifts, open: &mut open });
        centroids.assign(rows, &open, self.assignment)
    }
}

/// Moves the bounds, and finds the rows whose label they leave open.
struct MoveBounds<'t, 'a> {
    task: &'t mut Task<'a>,
    drifts: &'t Drifts,
    open: &'t mut Vec<u32>,
}

/// Bounds that are moved together.
const LANES: usize = 8;

impl WithSimd for MoveBounds<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Assignment { labels, own, others } = &mut self.task.assignment;
        let (drifts, last_drifts) = self.drifts.of_groups.as_chunks::<LANES>();
        for (row, (others, own)) in others.chunks_exact_mut(self.task.groups).zip(&mut **own).enumerate() {
            let mut most = [BELOW_ALL; LANES];
            let (bounds, last_bounds) = others.as_chunks_mut::<LANES>();
            for (bounds, drifts) in bounds.iter_mut().zip(drifts) {
                raise(bounds, drifts, &mut most);
            }
            raise(last_bounds, last_drifts, &mut most);
            *own = self.drifts.of_centroids[labels[row] as usize].lowered(*own);
            if most.iter().any(|most| most > own) {
                self.open.push(row as u32);
            }
        }
    }
}

#[inline(always)]
fn raise(bounds: &mut [f32], drifts: &[Drift], most: &mut [f32; LANES]) {
    for ((bound, drift), most) in bounds.iter_mut().zip(drifts).zip(most) {
        *bound = drift.raised(*bound);
        *most = if *bound > *most { *bound } else { *most };
    }
}
