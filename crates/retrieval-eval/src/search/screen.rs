//! A screen before exact inner products: products in fixed point, with a bound of how far they are off, leave few
//! documents that can be among a query's best.

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::Hit;
use super::batch::{Batch, NanScore};
use super::fixed::{ONE, dot, quantise, words};
use super::integer::{Integers, WithIntegers, dispatch, lanes};
use super::top::{Candidate, Top};

/// Documents and vectors of queries whose sums fill the registers.
const TILE: usize = 6;
const WIDTH: usize = 2;

/// Documents that are screened by all queries before the next; in fixed point they stay in the second-level cache.
const TOGETHER: usize = 128;

/// More than the rounding of norms and of the comparisons in f32 can change, of products of unit vectors.
const SLACK: f32 = 4e-6;

/// The queries of a batch, also in fixed point.
pub(super) struct Queries {
    /// `[n, dim]`
    values: Array2<f32>,
    /// `[n, words]`
    words: Vec<i32>,
    /// NaN for a query that has no direction: no document can be left out.
    norms: Vec<f32>,
    /// The largest of their residues.
    residue: f32,
}

impl Queries {
    pub(super) fn new(queries: ArrayView2<'_, f32>) -> Self {
        let values = queries.as_standard_layout().into_owned();
        let (count, dim) = values.dim();
        let mut all = vec![0; count * words(dim)];
        let (mut norms, mut residue) = (Vec::with_capacity(count), 0.0_f32);
        for (query, row) in values.rows().into_iter().enumerate() {
            let words = &mut all[query * words(dim)..][..words(dim)];
            let direction = quantise(row.as_slice().unwrap_or_default(), words);
            norms.push(direction.map_or(f32::NAN, |direction| direction.norm));
            residue = direction.map_or(residue, |direction| residue.max(direction.residue));
        }
        Self { values, words: all, norms, residue }
    }

    pub(super) fn len(&self) -> usize {
        self.values.nrows()
    }

    fn row(&self, query: usize) -> &[f32] {
        let dim = self.values.ncols();
        &self.values.as_slice().unwrap_or_default()[query * dim..][..dim]
    }

    /// The exact inner product with the document at a place.
    pub(super) fn hit(&self, query: usize, documents: &impl Documents, place: u32) -> Hit {
        let row = documents.row(place as usize);
        let product = match row.as_slice() {
            Some(row) => dispatch(Dot(self.row(query), row)),
            None => dispatch(Dot(self.row(query), &row.to_vec())),
        };
        Hit { index: documents.index(place as usize), score: product as f32 }
    }

    /// Bounds of a score over the query's norm, as the screen compares them.
    pub(super) fn bounds(&self, query: usize, score: f32) -> (f32, f32) {
        let norm = self.norms[query];
        let score = if norm > 0.0 { score / norm } else { score };
        let slack = if score.is_finite() { score.abs() * SLACK } else { 0.0 };
        (score - slack, score + slack)
    }

    /// Unit vectors of the queries, row after row; zeros for one that has no direction.
    #[cfg(feature = "burn")]
    pub(super) fn directions(&self) -> Vec<f32> {
        let row =
            |(row, &norm): (ArrayView1<'_, f32>, &f32)| row.mapv(|value| if norm > 0.0 { value / norm } else { 0.0 });
        self.values.rows().into_iter().zip(&self.norms).flat_map(row).collect()
    }

    /// Whether no document can be left out for the query.
    pub(super) fn has_no_direction(&self, query: usize) -> bool {
        self.norms[query].is_nan()
    }

    /// What bounds of a document's product have to reach to be of interest to the query's top.
    pub(super) fn threshold(&self, query: usize, top: &Top) -> f32 {
        if self.has_no_direction(query) { f32::NEG_INFINITY } else { top.threshold() }
    }

    /// Offers a document that reaches the threshold to the query's top, unless the query may not find it.
    #[inline]
    pub(super) fn offer(
        &self,
        query: usize,
        documents: &impl Documents,
        mut candidate: Candidate,
        top: &mut Top,
    ) -> Result<(), NanScore> {
        if !documents.admits(query, documents.index(candidate.place as usize)) {
            return Ok(());
        }
        if self.has_no_direction(query) || !candidate.upper.is_finite() {
            let Hit { index, score } = self.hit(query, documents, candidate.place);
            if score.is_nan() {
                return Err(NanScore { query, document: index as usize });
            }
            (candidate.lower, candidate.upper) = self.bounds(query, score);
        }
        if top.offer(candidate) {
            top.cut(|place| self.hit(query, documents, place), |score| self.bounds(query, score));
        }
        Ok(())
    }
}

/// The exact inner product, by the widest vectors: the same on every processor.
struct Dot<'a>(&'a [f32], &'a [f32]);

impl WithIntegers for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn with<I: Integers>(self, _: I) -> f64 {
        dot(self.0, self.1)
    }
}

/// What is searched: rows at places, each with an index.
pub(super) trait Documents: Sync {
    fn rows(&self, places: Range<usize>) -> ArrayView2<'_, f32>;

    fn row(&self, place: usize) -> ArrayView1<'_, f32>;

    fn index(&self, place: usize) -> u32;

    /// Whether a query of the batch may find the document of an index.
    #[inline(always)]
    fn admits(&self, _query: usize, _index: u32) -> bool {
        true
    }
}

/// Documents of which each query may find only some.
pub(super) struct Admitted<'a, D, F> {
    documents: &'a D,
    /// Row of the batch's first query among all.
    first: usize,
    admits: F,
}

impl<'a, D: Documents, F: Fn(usize, u32) -> bool + Sync> Admitted<'a, D, F> {
    /// Those that `admits` allows for a query, told by its row among all.
    pub(super) fn new(documents: &'a D, batch: &Batch<'_>, admits: F) -> Self {
        Self { documents, first: batch.first, admits }
    }
}

impl<D: Documents, F: Fn(usize, u32) -> bool + Sync> Documents for Admitted<'_, D, F> {
    fn rows(&self, places: Range<usize>) -> ArrayView2<'_, f32> {
        self.documents.rows(places)
    }

    fn row(&self, place: usize) -> ArrayView1<'_, f32> {
        self.documents.row(place)
    }

    fn index(&self, place: usize) -> u32 {
        self.documents.index(place)
    }

    fn admits(&self, query: usize, index: u32) -> bool {
        (self.admits)(self.first + query, index)
    }
}

/// Queries side by side, in the lanes of vectors.
pub(super) struct Panels {
    /// Panel, word, vector of the panel, lane.
    values: Vec<i32>,
    /// Row of each lane's query in the batch; lanes without one are left out.
    queries: Vec<u32>,
    /// Lanes of a panel.
    lanes: usize,
}

impl Panels {
    pub(super) fn new(all: &Queries, queries: Vec<u32>) -> Self {
        let (words, lanes) = (words(all.values.ncols()), dispatch(PanelLanes));
        let mut values = vec![0; queries.len().div_ceil(lanes) * lanes * words];
        for (panel, queries) in values.chunks_mut((lanes * words).max(1)).zip(queries.chunks(lanes)) {
            for (lane, &query) in queries.iter().enumerate() {
                let row = &all.words[query as usize * words..][..words];
                panel.iter_mut().skip(lane).step_by(lanes).zip(row).for_each(|(to, &word)| *to = word);
            }
        }
        Self { values, queries, lanes }
    }
}

struct PanelLanes;

impl WithIntegers for PanelLanes {
    type Output = usize;

    fn with<I: Integers>(self, _: I) -> usize {
        WIDTH * lanes::<I>()
    }
}

/// What a thread's screen keeps between documents.
#[derive(Default)]
pub(super) struct Screen {
    words: Vec<i32>,
    /// Factor and offset of each document: a query's product with it is at most `sum * factor + offset`, over the
    /// query's norm.
    bounds: Vec<(f32, f32)>,
    thresholds: Vec<f32>,
    /// Lane of the query, factor and offset times the sum as bounds, and row of the document.
    candidates: Vec<(u32, Candidate)>,
}

impl Screen {
    /// Offers the documents at some places to the queries' tops.
    pub(super) fn look(
        &mut self,
        documents: &impl Documents,
        places: Range<usize>,
        (queries, panels): (&Queries, &Panels),
        tops: &mut [Top],
    ) -> Result<(), NanScore> {
        for start in places.clone().step_by(TOGETHER) {
            let rows = documents.rows(start..places.end.min(start + TOGETHER));
            let rows = rows.as_standard_layout();
            dispatch(Quantise { screen: self, rows: rows.view(), residue: queries.residue });
            dispatch(All { screen: self, documents, start, queries, panels, tops })?;
        }
        Ok(())
    }
}

struct Quantise<'a> {
    screen: &'a mut Screen,
    rows: ArrayView2<'a, f32>,
    residue: f32,
}

impl WithIntegers for Quantise<'_> {
    type Output = ();

    #[inline(always)]
    fn with<I: Integers>(self, _: I) {
        let Self { screen, rows, residue: of_queries } = self;
        let words = words(rows.ncols());
        screen.words.resize(rows.nrows() * words, 0);
        screen.bounds.clear();
        for (row, vector) in rows.rows().into_iter().enumerate() {
            let direction = quantise(vector.as_slice().unwrap_or_default(), &mut screen.words[row * words..][..words]);
            // One without a direction can be anything.
            screen.bounds.push(direction.map_or((0.0, f32::INFINITY), |direction| {
                let error = of_queries + (1.0 + of_queries) * direction.residue + SLACK;
                (direction.norm / (ONE * ONE), direction.norm * error)
            }));
        }
    }
}

struct All<'a, D> {
    screen: &'a mut Screen,
    documents: &'a D,
    /// Place of the first of them that the screen holds.
    start: usize,
    queries: &'a Queries,
    panels: &'a Panels,
    tops: &'a mut [Top],
}

impl<D: Documents> WithIntegers for All<'_, D> {
    type Output = Result<(), NanScore>;

    #[inline(always)]
    fn with<I: Integers>(self, integers: I) -> Result<(), NanScore> {
        let (panels, words) = (self.panels, words(self.queries.values.ncols()));
        for (panel, of_panel) in panels.queries.chunks(panels.lanes).enumerate() {
            let thresholds =
                of_panel.iter().map(|&query| self.queries.threshold(query as usize, &self.tops[query as usize]));
            self.screen.thresholds.clear();
            self.screen.thresholds.extend(thresholds);
            // Nothing reaches NaN.
            self.screen.thresholds.resize(panels.lanes, f32::NAN);
            let values = &panels.values[panel * panels.lanes * words..][..panels.lanes * words];
            self.screen.panel(integers, values, words);
            for (lane, mut candidate) in std::mem::take(&mut self.screen.candidates) {
                candidate.place += self.start as u32;
                let query = of_panel[lane as usize] as usize;
                self.queries.offer(query, self.documents, candidate, &mut self.tops[query])?;
            }
        }
        Ok(())
    }
}

impl Screen {
    /// Finds the documents and lanes of which the sums reach the thresholds.
    #[inline(always)]
    fn panel<I: Integers>(&mut self, integers: I, panel: &[i32], words: usize) {
        let (panel, _) = bytemuck::cast_slice::<i32, I::Vector>(panel).as_chunks::<WIDTH>();
        let thresholds: &[I::Floats] = bytemuck::cast_slice(&self.thresholds);
        let documents = self.bounds.len();
        self.candidates.clear();
        for first in (0..documents).step_by(TILE) {
            let row = |place: usize| &self.words[(first + place).min(documents - 1) * words..][..words];
            let sums = products(integers, panel, [row(0), row(1), row(2), row(3), row(4), row(5)]);
            for (document, sums) in (first..documents).zip(&sums) {
                let (factor, offset) = self.bounds[document];
                for (vector, (&sums, &thresholds)) in sums.iter().zip(thresholds).enumerate() {
                    let mut reaching = integers.reaching(sums, factor, offset, thresholds);
                    while reaching != 0 {
                        let lane = reaching.trailing_zeros();
                        let sum = bytemuck::cast_slice::<I::Vector, i32>(std::slice::from_ref(&sums))[lane as usize];
                        let product = sum as f32 * factor;
                        let (lower, upper) = (product - offset, product + offset);
                        let lane = vector as u32 * lanes::<I>() as u32 + lane;
                        self.candidates.push((lane, Candidate { lower, upper, place: document as u32 }));
                        reaching &= reaching - 1;
                    }
                }
            }
        }
    }
}

/// The products of a tile with a panel.
#[inline(always)]
fn products<I: Integers>(
    integers: I,
    panel: &[[I::Vector; WIDTH]],
    rows: [&[i32]; TILE],
) -> [[I::Vector; WIDTH]; TILE] {
    let mut sums = [[integers.zero(); WIDTH]; TILE];
    let [a, b, c, d, e, f] = rows;
    for ((((((queries, &a), &b), &c), &d), &e), &f) in panel.iter().zip(a).zip(b).zip(c).zip(d).zip(e).zip(f) {
        for (sums, word) in sums.iter_mut().zip([a, b, c, d, e, f]) {
            let word = integers.splat(word);
            for (sum, &queries) in sums.iter_mut().zip(queries) {
                *sum = integers.add_products(*sum, word, queries);
            }
        }
    }
    sums
}
