//! Nearest centroids of the rows that bounds leave open, among the groups that they leave open.

use ndarray::ArrayView2;
use vectors::UnitRows;
use vectors::fixed_point::Panels;

use super::dots;
use super::few::Few;
use super::many::Many;
use crate::grouping::Grouping;

/// What is known of some rows, each slice from the same row on.
pub(crate) struct Known<'a> {
    pub(crate) labels: &'a mut [u32],
    /// Lower bound of each row's product with the centroid of its label.
    pub(crate) own: &'a mut [f32],
    /// Upper bounds of its products with the other centroids of each group, `[rows, groups]`.
    pub(crate) others: &'a mut [f32],
}

/// Rows to look at, as they are stored, and in fixed point if they are kept so.
#[derive(Clone, Copy)]
pub(crate) struct Looked<'a> {
    pub(crate) rows: UnitRows<'a>,
    pub(crate) fixed: Option<&'a [i32]>,
    /// The largest norm of what rounding took from a kept row.
    pub(crate) error: f32,
}

/// A row that changed its label.
#[derive(Clone, Copy)]
pub(crate) struct Move {
    pub(crate) row: u32,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// Centroids to look at.
pub(crate) enum Centroids {
    /// With rows as they are: reading one takes as long as its products with so few.
    Few(Few),
    Many(Many),
}

/// So many centroids at a time are looked at, of as many as there are, by rows that are `kept` in fixed point or not.
pub(crate) fn unit_len(clusters: usize, kept: bool) -> usize {
    if are_few(clusters) && !kept { 1 } else { Panels::panel_len() }
}

/// Whether so many centroids are few.
pub(crate) fn are_few(clusters: usize) -> bool {
    clusters <= dots::MOST
}

impl Centroids {
    /// For rows that are `kept` in fixed point or not, as the grouping is.
    pub(crate) fn new(centroids: ArrayView2<'_, f32>, grouping: &Grouping, kept: bool) -> Self {
        match are_few(centroids.nrows()) && !kept {
            true => Self::Few(Few::new(centroids, grouping)),
            false => Self::Many(Many::new(centroids, grouping)),
        }
    }

    /// Labels the rows `at` (ascending indices into `looked`) and makes their bounds those of these centroids.
    pub(crate) fn look(&self, looked: Looked<'_>, at: &[u32], known: Known<'_>) -> Moved {
        match self {
            Self::Few(few) => Moved::Summed(few.look(looked.rows, at, known)),
            Self::Many(many) => Moved::Rows(many.look(looked, at, known)),
        }
    }
}

/// The rows that changed their label.
pub(crate) enum Moved {
    Rows(Vec<Move>),
    Summed(Change),
}

/// What rows that moved change of the sums of their labels: few sums, so that it is little.
pub(crate) struct Change {
    /// `[clusters, dim]`
    pub(crate) sums: Vec<f64>,
    pub(crate) sizes: Vec<i64>,
    /// Rows that moved.
    pub(crate) count: usize,
}
