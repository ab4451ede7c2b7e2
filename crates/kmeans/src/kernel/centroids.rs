//! Passes over the rows that bounds leave open, with the groups of centroids that they leave open.

use ndarray::ArrayView2;
use vectors::fixed_point::Panels;

use super::fixed_centroids::FixedCentroids;
use super::float_centroids::FloatCentroids;
use super::{dots, fixed_pass};
use crate::assignment::{Assignment, RowsToAssign};
use crate::grouping::Grouping;
use crate::moves::Moved;

/// Centroids that rows are assigned to.
pub(crate) enum Centroids {
    /// Few, for rows as they are: reading one takes as long as its products with so few.
    Float(FloatCentroids),
    Fixed(FixedCentroids),
}

/// Centroids that are multiplied together, where there are so many, by rows that are `kept` in fixed point or not.
pub(crate) fn unit_len(clusters: usize, kept: bool) -> usize {
    if are_few(clusters) && !kept { 1 } else { Panels::panel_len() }
}

/// Whether so many centroids are few.
pub(crate) fn are_few(clusters: usize) -> bool {
    clusters <= dots::MOST
}

impl Centroids {
    /// For rows that are `kept` in fixed point or not; the grouping is of units of [`unit_len`].
    pub(crate) fn new(centroids: ArrayView2<'_, f32>, grouping: &Grouping, kept: bool) -> Self {
        match are_few(centroids.nrows()) && !kept {
            true => Self::Float(FloatCentroids::new(centroids, grouping)),
            false => Self::Fixed(FixedCentroids::new(centroids, grouping)),
        }
    }

    /// Labels the rows `open` (ascending indices into `rows`) and makes their bounds those of these centroids.
    pub(crate) fn assign(&self, rows: RowsToAssign<'_>, open: &[u32], assignment: Assignment<'_>) -> Moved {
        match self {
            Self::Float(centroids) => Moved::Summed(centroids.assign(rows.rows, open, assignment)),
            Self::Fixed(centroids) => Moved::Rows(fixed_pass::assign(centroids, rows, open, assignment)),
        }
    }
}
