//! For many centroids: products in fixed point; what they leave open is decided by products of f32, as the plain pass
//! does.

use std::sync::Arc;

use ndarray::ArrayView2;
use vectors::fixed_point::{IntegerSimd, ONE, Panels, TILE, WithIntegerSimd, dispatch, dot, products, quantise, words};
use vectors::{UnitRows, prefetch};

use super::exact::Exact;
use super::look::{Known, Looked, Move};
use crate::grouping::Grouping;

/// Rows that look together; their values stay in the second-level cache.
const TOGETHER: usize = 192;

/// Rows that are asked for before they are read.
const AHEAD: usize = 8;

/// What products of f32 are off by, at most, where rows and centroids have norm 1.
const ROUNDING: f32 = 4e-6;

/// 1 in the units of a product, and back.
const UNIT: f32 = ONE * ONE;
const OF_UNIT: f32 = 1.0 / UNIT;

/// No product.
const NONE: i32 = i32::MIN;

/// Centroids to look at, in fixed point and as they are.
pub(crate) struct Many {
    /// By place.
    panels: Panels,
    /// `[places, words]`: a centroid's place is that in the grouping's order.
    words: Vec<i32>,
    count: usize,
    words_a_row: usize,
    panel_len: usize,
    panels_a_group: usize,
    /// The largest norm of what rounding took from a centroid.
    error: f32,
    exact: Exact,
    /// The label at each place of the panels.
    labels: Arc<[u32]>,
    /// The place of each label.
    places: Vec<u32>,
}

impl Many {
    pub(super) fn new(centroids: ArrayView2<'_, f32>, grouping: &Grouping) -> Self {
        let (count, dim) = centroids.dim();
        let words_a_row = words(dim);
        let (exact, labels) = (Exact::new(centroids), grouping.order.clone());
        let mut words = vec![0; count * words_a_row];
        let placed = words.chunks_exact_mut(words_a_row).zip(&*labels);
        let errors = placed.map(|(words, &label)| quantise(exact.centroid(label), words));
        let error = errors.fold(0.0, f32::max);
        let panel_len = Panels::panel_len();
        let panels = Panels::new(words.chunks_exact(words_a_row), words_a_row);
        let mut places = vec![0; count];
        for (place, &label) in (0..).zip(&*labels) {
            places[label as usize] = place;
        }
        let panels_a_group = grouping.group_len / panel_len;
        Self { panels, words, count, words_a_row, panel_len, panels_a_group, error, exact, labels, places }
    }

    /// Labels the rows `at` (ascending indices into `looked`), makes their bounds those of these centroids, and gives
    /// the ones that changed their label.
    pub(super) fn look(&self, looked: Looked<'_>, at: &[u32], known: Known<'_>) -> Vec<Move> {
        let mut look =
            Look { centroids: self, looked, known, moves: Vec::new(), buffer: Vec::new(), open: OpenRows::default() };
        for at in at.chunks(TOGETHER) {
            dispatch(Together { look: &mut look, at });
        }
        look.moves
    }

    fn groups(&self) -> usize {
        self.count.div_ceil(self.panel_len).div_ceil(self.panels_a_group)
    }

    fn group_of(&self, place: u32) -> usize {
        place as usize / (self.panel_len * self.panels_a_group)
    }

    fn fixed(&self, place: u32) -> &[i32] {
        &self.words[place as usize * self.words_a_row..][..self.words_a_row]
    }

    fn label(&self, place: u32) -> u32 {
        self.labels[place as usize]
    }
}

struct Look<'a> {
    centroids: &'a Many,
    looked: Looked<'a>,
    known: Known<'a>,
    moves: Vec<Move>,
    /// Rows in fixed point where none are kept.
    buffer: Vec<i32>,
    open: OpenRows,
}

struct Together<'l, 'a> {
    look: &'l mut Look<'a>,
    at: &'l [u32],
}

impl WithIntegerSimd for Together<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with<I: IntegerSimd>(self, simd: I) {
        let Look { centroids, looked, known, moves, buffer, open } = self.look;
        let error = match looked.fixed {
            Some(_) => looked.error,
            None => quantise_rows(looked.rows, self.at, centroids.words_a_row, buffer),
        };
        let values = match looked.fixed {
            Some(words) => Values { words, gathered: false },
            None => Values { words: buffer, gathered: true },
        };
        let far = ((error + 1.002 * centroids.error + ROUNDING) * UNIT).ceil() as i32;
        let mut chunk =
            Chunk { centroids, values, at: self.at, far, state: [State::default(); TOGETHER], found: Vec::new() };
        chunk.begin(simd, known, open);
        for group in 0..centroids.groups() {
            chunk.group(simd, group, open.of(group), known);
        }
        chunk.settle(looked.rows, known, moves);
    }
}

#[inline(always)]
fn quantise_rows(rows: UnitRows<'_>, at: &[u32], words_a_row: usize, buffer: &mut Vec<i32>) -> f32 {
    buffer.resize(TOGETHER * words_a_row, 0);
    let (mut error, mut widened) = (0.0_f32, Vec::new());
    for (&row, words) in at.iter().zip(buffer.chunks_exact_mut(words_a_row)) {
        error = error.max(quantise(rows.row(row as usize, &mut widened), words));
    }
    error
}

/// Rows in fixed point: all of the part, or gathered, those that look.
#[derive(Clone, Copy)]
struct Values<'a> {
    words: &'a [i32],
    gathered: bool,
}

/// For each group the rows that may have their nearest centroid in it.
#[derive(Default)]
struct OpenRows {
    /// `[groups, TOGETHER]`
    positions: Vec<u8>,
    counts: Vec<u8>,
}

/// Bounds that are compared together.
const LANES: usize = 8;

impl OpenRows {
    fn clear(&mut self, groups: usize) {
        self.positions.resize(groups * TOGETHER, 0);
        self.counts.clear();
        self.counts.resize(groups, 0);
    }

    #[inline(always)]
    fn push(&mut self, position: u8, bounds: &[f32], least: f32) {
        for (eight, bounds) in bounds.chunks(LANES).enumerate() {
            let mut open = 0_u32;
            for (lane, &bound) in bounds.iter().enumerate() {
                open |= u32::from(bound >= least) << lane;
            }
            while open != 0 {
                let group = eight * LANES + open.trailing_zeros() as usize;
                self.positions[group * TOGETHER + self.counts[group] as usize] = position;
                self.counts[group] += 1;
                open &= open - 1;
            }
        }
    }

    fn of(&self, group: usize) -> &[u8] {
        &self.positions[group * TOGETHER..][..self.counts[group] as usize]
    }
}

/// What a row has found so far.
#[derive(Clone, Copy)]
struct State {
    /// Its product with its own centroid.
    own: i32,
    /// Its largest product.
    most: i32,
    /// The place of that one.
    place: u32,
    /// The largest product but that with the other centroids of its group.
    next: i32,
    /// What it has found in the group that it looks at.
    best: Best,
    /// The place of its label.
    from: u32,
    /// Products that may be the largest.
    open: u32,
}

impl Default for State {
    fn default() -> Self {
        Self { own: NONE, most: NONE, place: u32::MAX, next: NONE, best: Best::default(), from: 0, open: 0 }
    }
}

/// A product that may be the largest of its row.
#[derive(Clone, Copy)]
struct Found {
    position: u32,
    place: u32,
    product: i32,
}

/// Rows that look together.
struct Chunk<'a> {
    centroids: &'a Many,
    values: Values<'a>,
    at: &'a [u32],
    /// The most that a product in fixed point is off by.
    far: i32,
    state: [State; TOGETHER],
    found: Vec<Found>,
}

impl Chunk<'_> {
    /// One product to beat, that with the centroid of the row's label, and the groups that its bounds leave open.
    #[inline(always)]
    fn begin<I: IntegerSimd>(&mut self, simd: I, known: &Known<'_>, open: &mut OpenRows) {
        let groups = self.centroids.groups();
        open.clear(groups);
        for position in 0..self.at.len() {
            prefetch(self.row((position + AHEAD).min(self.at.len() - 1)));
            let from = self.centroids.places[known.labels[self.at[position] as usize] as usize];
            let own = dot(simd, self.row(position), self.centroids.fixed(from));
            self.state[position] = State { own, most: own, place: from, from, ..State::default() };
            let bounds = &known.others[self.at[position] as usize * groups..][..groups];
            open.push(position as u8, bounds, self.least(own));
        }
    }

    #[inline(always)]
    fn row(&self, position: usize) -> &[i32] {
        let index = if self.values.gathered { position } else { self.at[position] as usize };
        &self.values.words[index * self.centroids.words_a_row..][..self.centroids.words_a_row]
    }

    /// Rows whose bound allows that a centroid of the group is nearest look at the group.
    #[inline(always)]
    fn group<I: IntegerSimd>(&mut self, simd: I, group: usize, open: &[u8], known: &mut Known<'_>) {
        let groups = self.centroids.groups();
        for &position in open {
            self.state[position as usize].best = Best::default();
        }
        let panels = self.centroids.panels.panels();
        let first = group * self.centroids.panels_a_group;
        for panel in first..panels.min(first + self.centroids.panels_a_group) {
            for open in open.chunks(TILE) {
                self.panel(simd, panel, open);
            }
        }
        for &position in open {
            let state = &mut self.state[position as usize];
            let best = state.best;
            if best.most > state.most {
                (state.most, state.place, state.next) = (best.most, best.place, best.next);
            }
            let row = self.at[position as usize] as usize;
            known.others[row * groups + group] = self.bound(best.most.max(best.next));
        }
    }

    /// The least that a product can be.
    #[inline(always)]
    fn least(&self, product: i32) -> f32 {
        product.saturating_sub(self.far) as f32 * OF_UNIT
    }

    /// The most that a product can be.
    #[inline(always)]
    fn bound(&self, product: i32) -> f32 {
        product.saturating_add(self.far) as f32 * OF_UNIT
    }

    #[inline(always)]
    fn panel<I: IntegerSimd>(&mut self, simd: I, panel: usize, open: &[u8]) {
        let first = panel * self.centroids.panel_len;
        let len = self.centroids.panel_len.min(self.centroids.count - first);
        let mut tile = [self.row(open[0] as usize); TILE];
        for (row, &position) in tile.iter_mut().zip(open).skip(1) {
            *row = self.row(position as usize);
        }
        let mut products = products(simd, self.centroids.panels.panel::<I>(panel), tile);
        for (&position, products) in open.iter().zip(&mut products) {
            let state = &mut self.state[position as usize];
            let own = (state.from as usize).wrapping_sub(first);
            if own < len {
                bytemuck::cast_slice_mut::<_, i32>(products)[own] = NONE;
            }
            if len < size_of_val(products) / size_of::<i32>() {
                bytemuck::cast_slice_mut::<_, i32>(products)[len..].fill(NONE);
            }
            let mut most = products[0];
            for &product in &products[1..] {
                most = simd.max(most, product);
            }
            let most = simd.reduce_max(most);
            let near = state.most.max(state.best.most).saturating_sub(2 * self.far);
            if most < near {
                state.best.next = state.best.next.max(most);
            } else {
                let lanes: &[i32] = bytemuck::cast_slice(products);
                state.best.take(lanes, (first as u32, most));
                let near = state.most.max(state.best.most).saturating_sub(2 * self.far);
                let found = (first as u32..).zip(lanes).filter(|&(_, &product)| product >= near);
                let position = u32::from(position);
                self.found.extend(found.map(|(place, &product)| Found { position, place, product }));
            }
        }
    }

    /// Labels and bounds of the rows.
    #[inline(always)]
    fn settle(&mut self, rows: UnitRows<'_>, known: &mut Known<'_>, moves: &mut Vec<Move>) {
        let mut found = std::mem::take(&mut self.found);
        found.retain(|found| {
            let state = &mut self.state[found.position as usize];
            let near = found.product >= state.most - 2 * self.far;
            state.open += u32::from(near);
            near
        });
        found.sort_by_key(|found| found.position);
        let (mut found, mut widened) = (&found[..], Vec::new());
        for position in 0..self.at.len() {
            let row = self.at[position] as usize;
            let state = self.state[position];
            let (mine, rest) = found.split_at(state.open as usize);
            found = rest;
            let own_is_near = state.own >= state.most - 2 * self.far;
            let own = own_is_near.then_some(state.from);
            let (label, product) = match (own, mine) {
                (Some(place), []) => (self.centroids.label(place), self.least(state.own)),
                (None, [only]) => (self.centroids.label(only.place), self.least(only.product)),
                _ => {
                    let places = own.into_iter().chain(mine.iter().map(|found| found.place));
                    let labels = places.map(|place| self.centroids.label(place));
                    self.centroids.exact.nearest(rows.row(row, &mut widened), labels)
                }
            };
            known.own[row] = product;
            let from = std::mem::replace(&mut known.labels[row], label);
            if label != from {
                moves.push(Move { row: row as u32, from, to: label });
                self.widen(row, self.centroids.places[label as usize], state, known);
            }
        }
    }

    /// The centroid that a row leaves is one of the others of its group, and the one it takes is none of them.
    #[inline(always)]
    fn widen(&self, row: usize, to: u32, state: State, known: &mut Known<'_>) {
        let groups = self.centroids.groups();
        if to == state.place {
            known.others[row * groups + self.centroids.group_of(to)] = self.bound(state.next);
        }
        let left = &mut known.others[row * groups + self.centroids.group_of(state.from)];
        *left = left.max(self.bound(state.own));
    }
}

/// The largest product of a row with the centroids of a group, and the largest but that.
#[derive(Clone, Copy)]
struct Best {
    most: i32,
    place: u32,
    next: i32,
}

impl Default for Best {
    fn default() -> Self {
        Self { most: NONE, place: u32::MAX, next: NONE }
    }
}

impl Best {
    /// Takes the products with the centroids from `first` on, of which `most` is the largest.
    #[inline(always)]
    fn take(&mut self, lanes: &[i32], (first, most): (u32, i32)) {
        if most <= self.most {
            self.next = self.next.max(most);
            return;
        }
        let lane = lanes.iter().position(|&product| product == most).unwrap_or(0);
        let mut next = self.most.max(self.next);
        for (other, &product) in lanes.iter().enumerate() {
            next = next.max(if other == lane { NONE } else { product });
        }
        *self = Self { most, place: first + lane as u32, next };
    }
}
