//! Few centroids: an open row is multiplied with all of them, in f32 and in the order of the plain pass.
//!
//! The own bound and those of the groups are then the very products that the plain pass compares, so that rows whose bounds
//! stay keep its label. How far they are off is what [`Assignment`]'s invariant allows.

use ndarray::ArrayView2;
use pulp::{Arch, Simd, WithSimd};
use vectors::UnitRows;

use super::dots;
use super::registers::Registers;
use crate::assignment::{Assignment, BELOW_ALL};
use crate::grouping::Grouping;
use crate::moves::{Move, SumChange};

pub(crate) struct FloatCentroids {
    values: dots::Dots,
    grouping: Grouping,
    count: usize,
    dim: usize,
}

/// Rows that are assigned before those of them that moved are summed; they stay in the second-level cache.
const BLOCK_ROWS: usize = 64;

impl FloatCentroids {
    pub(super) fn new(centroids: ArrayView2<'_, f32>, grouping: &Grouping) -> Self {
        let (count, dim) = centroids.dim();
        Self { values: dots::Dots::new(centroids, Registers::here()), grouping: grouping.clone(), count, dim }
    }

    pub(super) fn assign(&self, rows: UnitRows<'_>, open: &[u32], assignment: Assignment<'_>) -> SumChange {
        let change = SumChange { sums: vec![0.0; self.count * self.dim], sizes: vec![0; self.count], count: 0 };
        let mut pass = Pass { centroids: self, rows, assignment, change, moves: Vec::new() };
        Arch::new().dispatch(AssignOpen { pass: &mut pass, open });
        pass.change
    }
}

struct Pass<'a> {
    centroids: &'a FloatCentroids,
    rows: UnitRows<'a>,
    assignment: Assignment<'a>,
    change: SumChange,
    moves: Vec<Move>,
}

struct AssignOpen<'p, 'a> {
    pass: &'p mut Pass<'a>,
    open: &'p [u32],
}

impl WithSimd for AssignOpen<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut widened: [Vec<f32>; dots::TILE] = Default::default();
        for block in self.open.chunks(BLOCK_ROWS) {
            for first in (0..block.len()).step_by(dots::TILE) {
                let (tile, next) = block[first..].split_at(dots::TILE.min(block.len() - first));
                next.iter().take(dots::TILE).for_each(|&row| self.pass.rows.prefetch(row as usize));
                self.pass.assign_tile(simd, tile, &mut widened);
            }
            self.pass.sum_moves(&mut widened[0]);
        }
    }
}

impl Pass<'_> {
    #[inline(always)]
    fn assign_tile<S: Simd>(&mut self, simd: S, tile: &[u32], widened: &mut [Vec<f32>; dots::TILE]) {
        let [a, b, c, d] = widened;
        let row = |position: usize| tile[position.min(tile.len() - 1)] as usize;
        let rows = self.rows;
        let values = [rows.row(row(0), a), rows.row(row(1), b), rows.row(row(2), c), rows.row(row(3), d)];
        let products = self.centroids.values.all_products(simd, values);
        let FloatCentroids { grouping, count, .. } = self.centroids;
        for (&row, products) in tile.iter().zip(&products) {
            let (mut label, mut most) = (0, f32::NEG_INFINITY);
            for (index, &product) in (0..).zip(&products[..*count]) {
                if product > most {
                    (most, label) = (product, index);
                }
            }
            let at = row as usize;
            self.assignment.own[at] = most;
            let bounds = &mut self.assignment.others[at * grouping.groups..][..grouping.groups];
            for (bound, labels) in bounds.iter_mut().zip(grouping.order.chunks(grouping.group_len)) {
                let others = labels.iter().filter(|&&other| other != label);
                *bound = others.fold(BELOW_ALL, |most, &other| products[other as usize].max(most));
            }
            let from = std::mem::replace(&mut self.assignment.labels[at], label);
            if from != label {
                self.moves.push(Move { row, from, to: label });
            }
        }
    }

    /// Takes the rows that moved from sum to sum.
    #[inline(always)]
    fn sum_moves(&mut self, widened: &mut Vec<f32>) {
        let dim = self.centroids.dim;
        for Move { row, from, to } in self.moves.drain(..) {
            let row = self.rows.row(row as usize, widened);
            for (label, sign) in [(from as usize, -1), (to as usize, 1)] {
                self.change.sizes[label] += sign;
                let sum = &mut self.change.sums[label * dim..][..dim];
                for (sum, &value) in sum.iter_mut().zip(row) {
                    *sum += sign as f64 * f64::from(value);
                }
            }
            self.change.count += 1;
        }
    }
}
