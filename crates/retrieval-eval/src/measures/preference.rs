//! Measures that look at judged documents only.

use super::over;
use crate::metric::JudgedRanking;

/// The share of the top R judged non-relevant documents that stand after a relevant one, averaged over the R relevant
/// documents, 0 for those not retrieved.
///
/// # Source
/// Buckley & Voorhees (2004), SIGIR, with the denominator min(R, N) of trec_eval 8 and later, where N is the number of
/// judged documents that are not relevant.
pub(crate) fn bpref(query: &JudgedRanking<'_>) -> f64 {
    let relevant = query.relevant();
    let judged = query.grades().partition_point(|&grade| grade >= 0);
    let bound = relevant.min(judged - relevant);
    let (mut before, mut sum) = (0_usize, 0.0);
    for result in query.judged().iter().filter(|result| result.grade >= 0) {
        if result.grade < query.relevance_level() {
            before += 1;
        } else {
            sum += if before == 0 { 1.0 } else { 1.0 - before.min(relevant) as f64 / bound as f64 };
        }
    }
    over(sum, relevant)
}

/// The average precision expected of a ranking whose pool was judged in part: a grade below 0 marks a document that was
/// in the pool and not judged.
///
/// # Source
/// Yilmaz & Aslam (2006), CIKM.
pub(crate) fn inferred_ap(query: &JudgedRanking<'_>) -> f64 {
    /// Keeps the share of relevant documents defined where none is judged.
    const EPSILON: f64 = 1e-5;
    let (mut relevant, mut other, mut pooled, mut sum) = (0.0, 0.0, 0.0, 0.0);
    for result in query.judged() {
        if result.grade < 0 {
            pooled += 1.0;
        } else if result.grade < query.relevance_level() {
            other += 1.0;
        } else {
            let above = (result.rank - 1) as f64;
            sum += if above == 0.0 {
                1.0
            } else {
                let in_pool = (relevant + other + pooled) / above;
                let share = (relevant + EPSILON) / (relevant + other + 2.0 * EPSILON);
                1.0 / (above + 1.0) + above / (above + 1.0) * in_pool * share
            };
            relevant += 1.0;
        }
    }
    over(sum, query.relevant())
}
