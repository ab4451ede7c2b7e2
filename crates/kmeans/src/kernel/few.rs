//! For few centroids: all products of f32, in the order of the plain pass.

use ndarray::ArrayView2;
use pulp::{Arch, Simd, WithSimd};
use vectors::UnitRows;

use super::look::{Change, Known, Move};
use super::{HereAre, dots};
use crate::grouping::Grouping;

pub(crate) struct Few {
    values: dots::Groups,
    grouping: Grouping,
    count: usize,
    dim: usize,
}

/// Rows that are looked at before those of them that moved are summed; they stay in the second-level cache.
const TOGETHER: usize = 64;

impl Few {
    pub(super) fn new(centroids: ArrayView2<'_, f32>, grouping: &Grouping) -> Self {
        let (count, dim) = centroids.dim();
        let values = dots::Groups::new(centroids, Arch::new().dispatch(HereAre));
        Self { values, grouping: grouping.clone(), count, dim }
    }

    pub(super) fn look(&self, rows: UnitRows<'_>, at: &[u32], known: Known<'_>) -> Change {
        let change = Change { sums: vec![0.0; self.count * self.dim], sizes: vec![0; self.count], count: 0 };
        let mut look = Look { few: self, rows, known, change, moves: Vec::new() };
        Arch::new().dispatch(All { look: &mut look, at });
        look.change
    }
}

struct Look<'a> {
    few: &'a Few,
    rows: UnitRows<'a>,
    known: Known<'a>,
    change: Change,
    moves: Vec<Move>,
}

struct All<'l, 'a> {
    look: &'l mut Look<'a>,
    at: &'l [u32],
}

impl WithSimd for All<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut widened: [Vec<f32>; dots::TILE] = Default::default();
        for at in self.at.chunks(TOGETHER) {
            for first in (0..at.len()).step_by(dots::TILE) {
                let (tile, next) = at[first..].split_at(dots::TILE.min(at.len() - first));
                next.iter().take(dots::TILE).for_each(|&row| self.look.rows.prefetch(row as usize));
                self.look.tile(simd, tile, &mut widened);
            }
            self.look.sum(&mut widened[0]);
        }
    }
}

impl Look<'_> {
    #[inline(always)]
    fn tile<S: Simd>(&mut self, simd: S, at: &[u32], widened: &mut [Vec<f32>; dots::TILE]) {
        let [a, b, c, d] = widened;
        let row = |position: usize| at[position.min(at.len() - 1)] as usize;
        let rows = self.rows;
        let tile = [rows.row(row(0), a), rows.row(row(1), b), rows.row(row(2), c), rows.row(row(3), d)];
        let products = self.few.values.all_products(simd, tile);
        let Few { grouping, count, .. } = self.few;
        for (&row, products) in at.iter().zip(&products) {
            let (mut label, mut most) = (0, f32::NEG_INFINITY);
            for (index, &product) in (0..).zip(&products[..*count]) {
                if product > most {
                    (most, label) = (product, index);
                }
            }
            let at = row as usize;
            self.known.own[at] = most;
            let bounds = &mut self.known.others[at * grouping.groups..][..grouping.groups];
            for (bound, labels) in bounds.iter_mut().zip(grouping.order.chunks(grouping.group_len)) {
                let others = labels.iter().filter(|&&other| other != label);
                *bound = others.fold(-2.0, |most, &other| products[other as usize].max(most));
            }
            let from = std::mem::replace(&mut self.known.labels[at], label);
            if from != label {
                self.moves.push(Move { row, from, to: label });
            }
        }
    }

    /// Takes the rows that moved from sum to sum.
    #[inline(always)]
    fn sum(&mut self, widened: &mut Vec<f32>) {
        let dim = self.few.dim;
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
