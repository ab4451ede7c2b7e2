//! Labels of new rows from the top down, at each level among the children of the cluster before.

use std::ops::Range;

use ndarray::{ArrayView2, Axis, s};
use rayon::prelude::*;
use vectors::UnitRows;

use super::levels::{Level, members};
use crate::assign::assign;

/// Rows that are copied together: so few that [`assign`] does not divide them further among the threads.
const BLOCK_ROWS: usize = 1024;

pub(super) fn labels(levels: &[Level], rows: UnitRows<'_>) -> Vec<Vec<u32>> {
    let mut labels: Vec<Vec<u32>> = Vec::with_capacity(levels.len());
    for (level, open) in levels.iter().zip(&open(levels)) {
        let choice = Choice { centroids: level.clustering.centroids.view(), open };
        labels.push(match labels.last() {
            None => choice.nearest(0..open.len(), rows),
            Some(coarser) => choice.nearest_child(&level.parents, coarser, rows),
        });
    }
    labels
}

/// Whether each cluster leads to one of the last level. In a fit all of those with rows do.
fn open(levels: &[Level]) -> Vec<Vec<bool>> {
    let mut open: Vec<Vec<bool>> = levels.iter().map(|level| vec![false; level.clustering.centroids.nrows()]).collect();
    if let Some(last) = open.last_mut() {
        last.fill(true);
    }
    for finer in (1..levels.len()).rev() {
        let (coarser, children) = open.split_at_mut(finer);
        for (&parent, &child) in levels[finer].parents.iter().zip(&children[0]) {
            coarser[finer - 1][parent as usize] |= child;
        }
    }
    open
}

/// The clusters of one level, of which rows choose the nearest open one.
struct Choice<'a> {
    centroids: ArrayView2<'a, f32>,
    open: &'a [bool],
}

impl Choice<'_> {
    /// The nearest open cluster of `among`, of which one is open.
    fn nearest(&self, among: Range<usize>, rows: UnitRows<'_>) -> Vec<u32> {
        let centroids = self.centroids.slice(s![among.clone(), ..]);
        let open = &self.open[among.clone()];
        let mut labels = vec![0; rows.len()];
        assign(rows, centroids, &mut labels);
        // The open ones alone in the first place would be summed in another order, which decides ties another way.
        let astray: Vec<usize> = (0..rows.len()).filter(|&row| !open[labels[row] as usize]).collect();
        if !astray.is_empty() {
            let open: Vec<usize> = (0..open.len()).filter(|&cluster| open[cluster]).collect();
            let nearest = nearest_of(centroids.select(Axis(0), &open).view(), rows, &astray);
            for (row, label) in astray.into_iter().zip(nearest) {
                labels[row] = open[label as usize] as u32;
            }
        }
        labels.iter_mut().for_each(|label| *label += among.start as u32);
        labels
    }

    /// The nearest open child of each row's cluster of the level before.
    fn nearest_child(&self, parents: &[u32], coarser: &[u32], rows: UnitRows<'_>) -> Vec<u32> {
        // A row's cluster has a child, so it is no later than the last parent.
        let clusters = parents.last().map_or(0, |&last| last as usize + 1);
        let members = members(coarser, clusters);
        let blocks: Vec<(Range<usize>, &[usize])> = (0..)
            .zip(&members)
            .flat_map(|(parent, members)| {
                members.chunks(BLOCK_ROWS).map(move |block| (children(parents, parent), block))
            })
            .collect();
        let nearest: Vec<Vec<u32>> = blocks
            .par_iter()
            .map(|(children, block)| {
                self.nearest(children.clone(), UnitRows::of_copies(&rows.gather(block), rows.dim()))
            })
            .collect();
        let mut labels = vec![0; rows.len()];
        for (&(_, block), nearest) in blocks.iter().zip(nearest) {
            block.iter().zip(nearest).for_each(|(&row, label)| labels[row] = label);
        }
        labels
    }
}

fn children(parents: &[u32], parent: u32) -> Range<usize> {
    parents.partition_point(|&other| other < parent)..parents.partition_point(|&other| other <= parent)
}

/// The nearest of `centroids` to each of the rows at `indices`.
fn nearest_of(centroids: ArrayView2<'_, f32>, rows: UnitRows<'_>, indices: &[usize]) -> Vec<u32> {
    let blocks = indices.par_chunks(BLOCK_ROWS).flat_map_iter(|block| {
        let values = rows.gather(block);
        let mut labels = vec![0; block.len()];
        assign(UnitRows::of_copies(&values, rows.dim()), centroids, &mut labels);
        labels
    });
    blocks.collect()
}
