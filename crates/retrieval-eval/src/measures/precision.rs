//! Measures of the precision at some ranks.

use super::over;
use crate::metric::JudgedRanking;
use crate::summary::total;

/// Relevant documents among the first `k`.
pub(crate) fn found(query: &JudgedRanking<'_>, k: usize) -> f64 {
    query.found(k).count() as f64
}

/// The precision at the rank of each relevant document among the first `k`, summed.
pub(crate) fn precisions(query: &JudgedRanking<'_>, k: usize) -> f64 {
    let found = query.found(k).zip(1..);
    total(found.map(|(result, found)| f64::from(found) / result.rank as f64))
}

/// Average precision: [`precisions`] over all relevant documents.
pub(crate) fn average(query: &JudgedRanking<'_>, k: usize) -> f64 {
    over(precisions(query, k), query.relevant())
}

/// The precision at R × `hundredths` / 100, rounded up from a tenth on, where R is the number of relevant documents.
pub(crate) fn at_multiple_of_r(query: &JudgedRanking<'_>, hundredths: u32) -> f64 {
    let k = (f64::from(hundredths) / 100.0 * query.relevant() as f64 + 0.9) as usize;
    over(found(query, k), k)
}

/// The highest precision at or after the rank where recall reaches `hundredths` / 100, and 0 if it never does.
///
/// The number of relevant documents that this takes is rounded to the nearest, as trec_eval 10 does; versions before
/// add 0.9 and cut.
pub(crate) fn interpolated(query: &JudgedRanking<'_>, hundredths: u32) -> f64 {
    let needed = (f64::from(hundredths) / 100.0 * query.relevant() as f64).round() as usize;
    let found = query.found(usize::MAX).zip(1_usize..).skip(needed.saturating_sub(1));
    found.map(|(result, found)| found as f64 / result.rank as f64).fold(0.0, f64::max)
}

/// [`interpolated`] at the recalls 0, 0.1, … 1, averaged.
pub(crate) fn eleven_points(query: &JudgedRanking<'_>) -> f64 {
    total((0..=10).rev().map(|tenth| interpolated(query, 10 * tenth))) / 11.0
}

/// Results among the first `k` that have no judgement or one below 0, over `k`.
pub(crate) fn unjudged(query: &JudgedRanking<'_>, k: usize) -> f64 {
    let judged = query.judged().iter().take_while(|result| result.rank <= k).filter(|result| result.grade >= 0).count();
    over((query.retrieved().min(k) - judged) as f64, k)
}
