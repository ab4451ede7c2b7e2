//! A screen before exact inner products: products in fixed point, with a bound of how far they are off, leave few
//! documents that can be among a query's best.
//!
//! # Invariant
//! No document is left out whose score is not below those of `k` others: what is compared with the query's threshold
//! ([`Top`]) is never less than the document's score over the query's norm.
//!
//! # Inequality
//! For a document of norm `n` and direction `d`, and a query of direction `q`, with `r` and `s` for what rounding took from
//! `q` and `d`: `|n·q·d − n·q̂·d̂| ≤ n·(r + (1 + r)·s)` (the error of [`vectors::fixed_point`], as `‖q‖ = ‖d‖ = 1`). `r` is taken as
//! the largest of the batch's, so that factor `n / 32,000²` and offset `n·(r + (1 + r)·s + SLACK)` are the document's alone. A
//! document whose `sum * factor + offset` is below the threshold is none of the best.
//!
//! # Floating point
//! f32 rounds, in units of `n·2⁻²⁴`: both directions as they are scaled, 2 each; norm, factor, sum, product and bound, 1 each, as
//! no product is above `n`. Together 5.4e-7 of `n`, a seventh of [`SLACK`]. The rest is for the residues, which are measured in f32: to
//! one part in `2²⁴ / (dim / 32 + 7)`, so that it is enough up to 130,000 columns in the worst case (`docs/vectors.md`).

use std::ops::Range;

use ndarray::ArrayView2;
use vectors::fixed_point::{
    Direction, IntegerSimd, ONE, Panels, TILE, WIDTH, WithIntegerSimd, dispatch, lanes, products, words,
};

use super::documents::Documents;
use super::queries::{NanScore, Queries, SLACK};
use super::top::{Candidate, Top};

/// Documents that are screened by all queries before the next: in fixed point they stay in the second-level cache.
const BLOCK_ROWS: usize = 128;

/// Some of the queries side by side, as a screen multiplies them.
pub(super) struct QueryPanels {
    panels: Panels,
    /// Row of each lane's query in the batch; lanes without one are left out.
    queries: Vec<u32>,
}

impl QueryPanels {
    pub(super) fn new(all: &Queries, queries: Vec<u32>) -> Self {
        let rows = queries.iter().map(|&query| all.words(query as usize));
        Self { panels: Panels::new(rows, words(all.dim())), queries }
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
    pub(super) fn scan(
        &mut self,
        documents: &impl Documents,
        places: Range<usize>,
        (queries, panels): (&Queries, &QueryPanels),
        tops: &mut [Top],
    ) -> Result<(), NanScore> {
        for start in places.clone().step_by(BLOCK_ROWS) {
            let rows = documents.rows(start..places.end.min(start + BLOCK_ROWS));
            let rows = rows.as_standard_layout();
            dispatch(Quantise { screen: self, rows: rows.view(), residue: queries.residue() });
            dispatch(OfferCandidates { screen: self, documents, start, queries, panels, tops })?;
        }
        Ok(())
    }
}

/// Makes a block of documents fixed point, and the bounds of their products.
struct Quantise<'a> {
    screen: &'a mut Screen,
    rows: ArrayView2<'a, f32>,
    residue: f32,
}

impl WithIntegerSimd for Quantise<'_> {
    type Output = ();

    #[inline(always)]
    fn with<I: IntegerSimd>(self, _: I) {
        let Self { screen, rows, residue: of_queries } = self;
        let words = words(rows.ncols());
        screen.words.resize(rows.nrows() * words, 0);
        screen.bounds.clear();
        for (row, vector) in rows.rows().into_iter().enumerate() {
            let direction =
                Direction::quantise(vector.as_slice().unwrap_or_default(), &mut screen.words[row * words..][..words]);
            // One without a direction can be anything: its bound reaches every threshold, and its score is computed.
            screen.bounds.push(direction.map_or((0.0, f32::INFINITY), |direction| {
                let error = of_queries + (1.0 + of_queries) * direction.residue + SLACK;
                (direction.norm / (ONE * ONE), direction.norm * error)
            }));
        }
    }
}

/// Compares a block of documents with all queries and offers what reaches their thresholds.
struct OfferCandidates<'a, D> {
    screen: &'a mut Screen,
    documents: &'a D,
    /// Place of the first of them that the screen holds.
    start: usize,
    queries: &'a Queries,
    panels: &'a QueryPanels,
    tops: &'a mut [Top],
}

impl<D: Documents> WithIntegerSimd for OfferCandidates<'_, D> {
    type Output = Result<(), NanScore>;

    #[inline(always)]
    fn with<I: IntegerSimd>(self, simd: I) -> Result<(), NanScore> {
        let (queries, panel_len) = (&self.panels.queries, Panels::panel_len());
        for (panel, of_panel) in queries.chunks(panel_len).enumerate() {
            let threshold = |&query: &u32| self.queries.threshold(query as usize, &self.tops[query as usize]);
            self.screen.thresholds.clear();
            self.screen.thresholds.extend(of_panel.iter().map(threshold));
            // Lanes without a query: nothing reaches NaN.
            self.screen.thresholds.resize(panel_len, f32::NAN);
            self.screen.panel(simd, self.panels.panels.panel::<I>(panel));
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
    /// Finds the documents and lanes of which the sums reach the thresholds: `sum * factor + offset`, rounded once or twice as
    /// the instruction set has it, and either way no less than the score.
    #[inline(always)]
    fn panel<I: IntegerSimd>(&mut self, simd: I, panel: &[[I::Vector; WIDTH]]) {
        let words = panel.len();
        let thresholds: &[I::Floats] = bytemuck::cast_slice(&self.thresholds);
        let documents = self.bounds.len();
        self.candidates.clear();
        for first in (0..documents).step_by(TILE) {
            let row = |place: usize| &self.words[(first + place).min(documents - 1) * words..][..words];
            let sums = products(simd, panel, [row(0), row(1), row(2), row(3), row(4), row(5)]);
            for (document, sums) in (first..documents).zip(&sums) {
                let (factor, offset) = self.bounds[document];
                for (vector, (&sums, &thresholds)) in sums.iter().zip(thresholds).enumerate() {
                    let mut reaching = simd.reaching(sums, factor, offset, thresholds);
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
