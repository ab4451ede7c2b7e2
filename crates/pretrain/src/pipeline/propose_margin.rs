//! Which margin of a guide tells false negatives from hard ones, by the other answers that the data knows.

use infonce::Guide;
use ndarray::ArrayView1;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use stratified_sampler::BatchSampler;

use super::inspect_plan::Inspector;
use crate::data::Pair;
use crate::error::Result;

/// Known other answers below which no margin is found.
const LEAST: usize = 100;
/// Pairs whose query's other answers are looked at.
const MOST: usize = 20_000;
/// Margins that are tried, in hundredths.
const MARGINS: std::ops::RangeInclusive<u16> = 0..=50;

/// A guide's margin, and what it would mask.
///
/// The other known answers of training queries stand for those that nobody judged: how far below a pair's own passage they score is how far below
/// it an answer may score. The nearest negative of each pair in its batch is what a guide must leave. The margin is that which parts the two best
/// (Youden 1950: the largest difference of their shares).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ProposedMargin {
    /// The guide.
    pub guide: Guide,
    /// Other known answers that were looked at.
    pub answers: usize,
    /// The share of them that the guide masks.
    pub masked_answers: f64,
    /// The share of pairs whose nearest negative it masks.
    pub masked_negatives: f64,
}

/// What was found of a guide's margin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoundMargin {
    /// One that parts further answers from negatives.
    Margin(ProposedMargin),
    /// None does: whatever masks the answers masks as many negatives.
    NothingParts,
    /// Training queries have so few further known answers that nothing can be said.
    FewAnswers(usize),
    /// There are no batches to take negatives of.
    NoBatches,
}

impl FoundMargin {
    /// By the training pairs and the batches that `sampler` draws.
    pub(super) fn of(inspector: &Inspector<'_>, sampler: &dyn BatchSampler) -> Result<Self> {
        let answers = of_answers(inspector);
        if answers.len() < LEAST {
            return Ok(Self::FewAnswers(answers.len()));
        }
        let (mut negatives, size) = (Vec::new(), sampler.batch_size());
        let each = MOST.div_ceil(inspector.batches()).min(size);
        inspector.for_each_batch("proposed", sampler, |batch, texts| {
            let [queries, passages] = inspector.rows.rows(batch, None);
            let width = inspector.rows.queries.dim();
            let looked_at: Vec<usize> = (0..batch.len()).step_by(batch.len().div_ceil(each)).collect();
            let nearest = |place: &usize| nearest_negative(inspector, &texts, *place, [&queries, &passages], width);
            negatives.par_extend(looked_at.par_iter().filter_map(nearest));
            Ok(())
        })?;
        Ok(ProposedMargin::parting(&answers, &negatives).map_or(Self::NothingParts, Self::Margin))
    }
}

impl ProposedMargin {
    /// The margin that masks most answers and fewest negatives, each given by the least margin that masks it; `None` if none masks a larger share
    /// of answers than of negatives.
    fn parting(answers: &[f32], negatives: &[f32]) -> Option<Self> {
        let share = |of: &[f32], margin: f32| {
            of.iter().filter(|&&least| least <= margin).count() as f64 / of.len().max(1) as f64
        };
        let tried = MARGINS.map(|hundredths| {
            let margin = f32::from(hundredths) / 100.0;
            Self {
                guide: Guide { margin, relative: true },
                answers: answers.len(),
                masked_answers: share(answers, margin),
                masked_negatives: share(negatives, margin),
            }
        });
        // Of equal ones the smallest.
        let parts = |margin: &Self| margin.masked_answers - margin.masked_negatives;
        let best = tried.reduce(|best, next| if parts(&next) > parts(&best) { next } else { best });
        best.filter(|best| parts(best) > 0.0)
    }
}

/// The least relative margin that masks a candidate: one that is nearer than the own passage needs less than none.
fn least_margin(own: f32, other: f32) -> f32 {
    (own - other) / own.abs().max(f32::MIN_POSITIVE)
}

/// Of other known answers of training queries, evenly over the pairs.
fn of_answers(inspector: &Inspector<'_>) -> Vec<f32> {
    let (queries, passages) = (&inspector.rows.queries, &inspector.rows.passages);
    // An answer may be known and not trained on.
    let score = |query: u32, passage: u32| Some(queries.row(query)?.dot(&passages.row(passage)?));
    let with_others: Vec<&Pair> =
        inspector.pairs.iter().filter(|pair| inspector.positives.of(pair.query).len() > 1).collect();
    let chosen = with_others.iter().step_by(with_others.len().div_ceil(MOST).max(1));
    chosen
        .flat_map(|pair| {
            let others = inspector.positives.of(pair.query).iter().filter(|&&other| other != pair.passage);
            others
                .filter_map(|&other| Some(least_margin(score(pair.query, pair.passage)?, score(pair.query, other)?)))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Of the nearest negative in its batch of the pair at `place`, if it has one.
fn nearest_negative(
    inspector: &Inspector<'_>,
    texts: &[Pair],
    place: usize,
    [queries, passages]: [&[f32]; 2],
    width: usize,
) -> Option<f32> {
    let pair = texts[place];
    let known = inspector.positives.of(pair.query);
    let query = ArrayView1::from(&queries[place * width..(place + 1) * width]);
    let score = |other: usize| query.dot(&ArrayView1::from(&passages[other * width..(other + 1) * width]));
    let is_negative = |other: &Pair| other.query != pair.query && !known.contains(&other.passage);
    let negatives = texts.iter().enumerate().filter(|(_, other)| is_negative(other));
    negatives.map(|(other, _)| score(other)).reduce(f32::max).map(|nearest| least_margin(score(place), nearest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_parts_answers_from_negatives() {
        let answers: Vec<f32> = (0..100).map(|at| at as f32 * 0.001).collect();
        let negatives: Vec<f32> = (0..100).map(|at| 0.05 + at as f32 * 0.01).collect();
        let found = ProposedMargin::parting(&answers, &negatives).expect("they part");
        // At .1 all answers are masked, and six of the negatives.
        assert_eq!(found.guide, Guide { margin: 0.1, relative: true });
        assert_eq!((found.answers, found.masked_answers), (100, 1.0));
        assert!((found.masked_negatives - 0.06).abs() < 0.011, "{found:?}");
        assert_eq!(ProposedMargin::parting(&negatives, &answers[..50]), None);
    }

    #[test]
    fn the_least_margin_is_of_what_the_own_passage_scores() {
        assert_eq!(least_margin(0.5, 0.25), 0.5);
        assert_eq!(least_margin(-0.5, -0.75), 0.5);
        assert!(least_margin(0.5, 0.6) < 0.0);
    }
}
