use vectors::fixed_point::{IntegerSimd, TILE, dot, products};
use vectors::{UnitRows, prefetch};

use super::candidates::{Candidate, GroupBest, NO_PRODUCT, RowState};
use super::fixed_centroids::{FixedCentroids, ProductError};
use super::open_groups::{MOST_ROWS, OpenGroups};
use crate::assignment::Assignment;
use crate::moves::Move;

/// Rows that are asked for before they are read.
const AHEAD: usize = 8;

/// Words of rows in fixed point: all of the task's, or gathered, the block's.
#[derive(Clone, Copy)]
pub(super) struct BlockWords<'a> {
    pub(super) words: &'a [i32],
    pub(super) gathered: bool,
}

/// Rows that pass over the groups of centroids together.
///
/// # Invariant
/// A product that turned out as `p` belongs to one between `p − error` and `p + error`. So a centroid whose product is below
/// `most − 2·error` is not nearest; all others are candidates. The bounds that are left behind are true: an own bound is
/// `p − error` or a product of f32, that of a group that was multiplied the largest `p + error` of the others in it.
pub(super) struct RowBlock<'a> {
    centroids: &'a FixedCentroids,
    words: BlockWords<'a>,
    /// Indices of the rows in the task.
    rows: &'a [u32],
    error: ProductError,
    state: [RowState; MOST_ROWS],
    candidates: Vec<Candidate>,
}

/// Vectors that each lie in one cache line: where the stack puts them otherwise, each is written to two and read from two.
#[repr(align(64))]
struct CacheLines<T>(T);

impl<'a> RowBlock<'a> {
    #[inline(always)]
    pub(super) fn new(
        centroids: &'a FixedCentroids,
        words: BlockWords<'a>,
        rows: &'a [u32],
        error: ProductError,
    ) -> Self {
        Self { centroids, words, rows, error, state: [RowState::NONE; MOST_ROWS], candidates: Vec::new() }
    }

    /// Multiplies each row with its own centroid: groups whose bound is below that product at its least stay closed.
    #[inline(always)]
    pub(super) fn open_groups<I: IntegerSimd>(&mut self, simd: I, assignment: &Assignment<'_>, open: &mut OpenGroups) {
        let groups = self.centroids.groups();
        open.clear(groups);
        for position in 0..self.rows.len() {
            prefetch(self.row((position + AHEAD).min(self.rows.len() - 1)));
            let row = self.rows[position] as usize;
            let own_place = self.centroids.place(assignment.labels[row]);
            let own = dot(simd, self.row(position), self.centroids.words(own_place));
            self.state[position] = RowState::new(own, own_place);
            let bounds = &assignment.others[row * groups..][..groups];
            open.push(position as u8, bounds, self.error.lower_bound(own));
        }
    }

    #[inline(always)]
    fn row(&self, position: usize) -> &[i32] {
        let index = if self.words.gathered { position } else { self.rows[position] as usize };
        &self.words.words[index * self.centroids.words_a_row..][..self.centroids.words_a_row]
    }

    /// Multiplies the rows for which a group is open with its centroids, and makes its bound of the largest product.
    #[inline(always)]
    pub(super) fn multiply_group<I: IntegerSimd>(
        &mut self,
        simd: I,
        group: usize,
        open: &[u8],
        assignment: &mut Assignment<'_>,
    ) {
        let groups = self.centroids.groups();
        for &position in open {
            self.state[position as usize].group = GroupBest::NONE;
        }
        for panel in self.centroids.panels_of(group) {
            for tile in open.chunks(TILE) {
                self.multiply_panel(simd, panel, tile);
            }
        }
        for &position in open {
            let state = &mut self.state[position as usize];
            let best = state.group;
            if best.most > state.most {
                (state.most, state.place, state.next) = (best.most, best.place, best.next);
            }
            let row = self.rows[position as usize] as usize;
            // Where no product came near the largest, only the next is known.
            assignment.others[row * groups + group] = self.error.upper_bound(best.most.max(best.next));
        }
    }

    /// Multiplies a tile with a panel. Products that reach what is a candidate so far are kept: what is one only gets less.
    #[inline(always)]
    fn multiply_panel<I: IntegerSimd>(&mut self, simd: I, panel: usize, tile: &[u8]) {
        let first = panel * self.centroids.panel_len;
        let len = self.centroids.panel_len.min(self.centroids.count - first);
        let mut rows = [self.row(tile[0] as usize); TILE];
        for (row, &position) in rows.iter_mut().zip(tile).skip(1) {
            *row = self.row(position as usize);
        }
        let mut products = CacheLines(products(simd, self.centroids.panels.panel::<I>(panel), rows));
        for (&position, products) in tile.iter().zip(&mut products.0) {
            let state = &mut self.state[position as usize];
            let own = (state.own_place as usize).wrapping_sub(first);
            if own < len {
                bytemuck::cast_slice_mut::<_, i32>(products)[own] = NO_PRODUCT;
            }
            if len < size_of_val(products) / size_of::<i32>() {
                bytemuck::cast_slice_mut::<_, i32>(products)[len..].fill(NO_PRODUCT);
            }
            let mut most = products[0];
            for &product in &products[1..] {
                most = simd.max(most, product);
            }
            let most = simd.reduce_max(most);
            if most < self.error.contender(state.most.max(state.group.most)) {
                state.group.next = state.group.next.max(most);
            } else {
                let lanes: &[i32] = bytemuck::cast_slice(products);
                state.group.take(lanes, (first as u32, most));
                let contender = self.error.contender(state.most.max(state.group.most));
                let candidates = (first as u32..).zip(lanes).filter(|&(_, &product)| product >= contender);
                let position = u32::from(position);
                self.candidates.extend(candidates.map(|(place, &product)| Candidate { position, place, product }));
            }
        }
    }

    /// Labels the rows: by the integers where one candidate is left, by products of f32 where there are more.
    #[inline(always)]
    pub(super) fn label_rows(mut self, rows: UnitRows<'_>, assignment: &mut Assignment<'_>, moves: &mut Vec<Move>) {
        self.keep_contenders();
        let (mut candidates, mut widened) = (&self.candidates[..], Vec::new());
        for position in 0..self.rows.len() {
            let row = self.rows[position] as usize;
            let state = self.state[position];
            let (mine, rest) = candidates.split_at(state.candidates as usize);
            candidates = rest;
            let own = (state.own >= self.error.contender(state.most)).then_some(state.own_place);
            let (label, product) = match (own, mine) {
                (Some(place), []) => (self.centroids.label(place), self.error.lower_bound(state.own)),
                (None, [only]) => (self.centroids.label(only.place), self.error.lower_bound(only.product)),
                _ => {
                    let places = own.into_iter().chain(mine.iter().map(|candidate| candidate.place));
                    let labels = places.map(|place| self.centroids.label(place));
                    self.centroids.close_calls.nearest(rows.row(row, &mut widened), labels)
                }
            };
            assignment.own[row] = product;
            let from = std::mem::replace(&mut assignment.labels[row], label);
            if label != from {
                moves.push(Move { row: row as u32, from, to: label });
                self.bound_after_move(row, self.centroids.place(label), state, assignment);
            }
        }
    }

    /// Drops the candidates that a later product of their row has beaten, and sorts the others by row.
    #[inline(always)]
    fn keep_contenders(&mut self) {
        let (state, error) = (&mut self.state, self.error);
        self.candidates.retain(|candidate| {
            let state = &mut state[candidate.position as usize];
            let contends = candidate.product >= error.contender(state.most);
            state.candidates += u32::from(contends);
            contends
        });
        self.candidates.sort_by_key(|candidate| candidate.position);
    }

    /// The centroid that a row leaves becomes one of the others of its group, the one that it takes is none of them any more.
    #[inline(always)]
    fn bound_after_move(&self, row: usize, to: u32, state: RowState, assignment: &mut Assignment<'_>) {
        let groups = self.centroids.groups();
        // Where another product was the largest, the group's bound only stays wider than it need be.
        if to == state.place {
            assignment.others[row * groups + self.centroids.group_of(to)] = self.error.upper_bound(state.next);
        }
        let left = &mut assignment.others[row * groups + self.centroids.group_of(state.own_place)];
        *left = left.max(self.error.upper_bound(state.own));
    }
}
