//! The passes of one run over its rows, and what one leaves for the next.

use ndarray::{Array2, ArrayView2};
use vectors::fixed_point::holds;

use crate::SphericalKMeansConfig;
use crate::assign::{assign, assign_and_sum};
use crate::pruning::{RowBounds, relabel_all};
use crate::sums::{self, Sums};
use crate::training::Training;

/// What a pass finds beside the labels.
pub(crate) struct Found<'a> {
    /// Mean cosine of the rows with the centroids of their labels.
    pub(crate) objective: f64,
    /// Labels that differ from those before the pass; all of them in the first.
    pub(crate) changed: u64,
    /// The rows of each label.
    pub(crate) sums: &'a Sums,
}

/// From so many clusters on, products in fixed point and a second reading of the rows for their sums take less time
/// than one reading with products of f32.
const MANY: usize = 128;

/// Passes over one run's rows, each with other centroids.
pub(crate) struct Passes<'a> {
    training: Training<'a>,
    pruning: bool,
    /// Those of the last pass.
    sums: Option<Sums>,
    /// Bounds, and the centroids for which they are right.
    bounds: Option<(RowBounds, Array2<f32>)>,
}

impl<'a> Passes<'a> {
    pub(crate) fn new(training: Training<'a>, config: &SphericalKMeansConfig) -> Self {
        let pruning = config.pruning && holds(training.rows.dim());
        Self { training, pruning, sums: None, bounds: None }
    }

    /// Labels the rows.
    pub(crate) fn pass(&mut self, centroids: ArrayView2<'_, f32>, labels: &mut [u32]) -> Found<'_> {
        let (sums, changed) = match self.sums.take() {
            None => (self.first(centroids, labels), labels.len() as u64),
            Some(sums) => self.later(sums, centroids, labels),
        };
        let sums = self.sums.insert(sums);
        Found { objective: sums.alignment(centroids) / labels.len() as f64, changed, sums }
    }

    /// Labels the rows once more, when their sums are of no more use; gives the objective.
    pub(crate) fn last(&mut self, centroids: ArrayView2<'_, f32>, labels: &mut [u32]) -> f64 {
        if self.pruning || self.in_fixed_point(centroids.nrows()) {
            return self.pass(centroids, labels).objective;
        }
        assign(self.training.rows, centroids, labels).cosines / labels.len() as f64
    }

    fn first(&mut self, centroids: ArrayView2<'_, f32>, labels: &mut [u32]) -> Sums {
        let rows = self.training.rows;
        if centroids.nrows() < MANY || !holds(rows.dim()) {
            return assign_and_sum(rows, centroids, labels).1;
        }
        labels.fill(0);
        relabel_all(self.training, centroids, labels);
        sums::by_label(rows, labels, centroids.nrows())
    }

    fn later(&mut self, mut sums: Sums, centroids: ArrayView2<'_, f32>, labels: &mut [u32]) -> (Sums, u64) {
        let in_fixed_point = self.in_fixed_point(centroids.nrows());
        if self.pruning && self.bounds.is_none() {
            // Only now: the first centroids say little of which will be near each other.
            self.bounds = Some((RowBounds::new(self.training, centroids), centroids.to_owned()));
        }
        let moves = match &mut self.bounds {
            Some((bounds, before)) => {
                let moves = bounds.pass(self.training, (before.view(), centroids), labels);
                before.assign(&centroids);
                moves
            }
            None if in_fixed_point => relabel_all(self.training, centroids, labels),
            None => {
                let (totals, sums) = assign_and_sum(self.training.rows, centroids, labels);
                return (sums, totals.changed);
            }
        };
        let changed = moves.count() as u64;
        sums.follow(self.training.rows, labels, moves);
        (sums, changed)
    }

    fn in_fixed_point(&self, clusters: usize) -> bool {
        self.training.fixed.is_some() || (holds(self.training.rows.dim()) && clusters >= MANY)
    }
}
