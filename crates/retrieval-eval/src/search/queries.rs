//! The queries of a batch, and what a document is to one of them.

#[cfg(feature = "burn")]
use ndarray::ArrayView1;
use ndarray::{Array2, ArrayView2};
use vectors::fixed_point::{Direction, IntegerSimd, WithIntegerSimd, dispatch, words};
use vectors::inner_product;

use super::Hit;
use super::documents::Documents;
use super::top::{Candidate, Top};

/// More than f32 can change of a product of two unit vectors, or of a score in proportion.
///
/// As part of a screen's offset it covers nine roundings of 2⁻²⁴ (the screen's documentation counts them). In
/// [`bounds`](Queries::bounds) it covers three of the score: its own, that of the query's norm and that of their quotient,
/// 1.8e-7 of it.
pub(super) const SLACK: f32 = 4e-6;

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
            let direction = Direction::quantise(row.as_slice().unwrap_or_default(), words);
            norms.push(direction.map_or(f32::NAN, |direction| direction.norm));
            residue = direction.map_or(residue, |direction| residue.max(direction.residue));
        }
        Self { values, words: all, norms, residue }
    }

    pub(super) fn len(&self) -> usize {
        self.values.nrows()
    }

    /// Components of a query.
    pub(super) fn dim(&self) -> usize {
        self.values.ncols()
    }

    /// The largest norm of what rounding took from a query's direction.
    pub(super) fn residue(&self) -> f32 {
        self.residue
    }

    /// A query's direction in fixed point.
    pub(super) fn words(&self, query: usize) -> &[i32] {
        let words = words(self.dim());
        &self.words[query * words..][..words]
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
    ///
    /// They grow with the score, so that where quotients fall below the precision of f32 they still order scores as they are;
    /// a screen's offset, at least 4e-21, is far above what is lost there.
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

/// The exact inner product, by the widest vectors.
struct Dot<'a>(&'a [f32], &'a [f32]);

impl WithIntegerSimd for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn with<I: IntegerSimd>(self, _: I) -> f64 {
        inner_product(self.0, self.1)
    }
}

/// Where a score is NaN.
pub(crate) struct NanScore {
    /// Row of the query in its batch.
    pub(crate) query: usize,
    /// Index of the document.
    pub(crate) document: usize,
}
