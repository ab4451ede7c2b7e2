//! Measures of the results as a set.

use super::over;
use crate::metric::JudgedRanking;

fn found(query: &JudgedRanking<'_>) -> f64 {
    query.found(usize::MAX).count() as f64
}

/// Relevant results over results.
pub(crate) fn precision(query: &JudgedRanking<'_>) -> f64 {
    over(found(query), query.retrieved())
}

/// Relevant results over relevant documents.
pub(crate) fn recall(query: &JudgedRanking<'_>) -> f64 {
    over(found(query), query.relevant())
}

/// Precision over the highest that a set of this size can have.
pub(crate) fn relative_precision(query: &JudgedRanking<'_>) -> f64 {
    over(found(query), query.retrieved().min(query.relevant()))
}

/// Precision times recall.
pub(crate) fn average_precision(query: &JudgedRanking<'_>) -> f64 {
    let found = found(query);
    if found == 0.0 { 0.0 } else { found * found / (query.retrieved() as f64 * query.relevant() as f64) }
}

/// (x + 1) P R / (x P + R) of the precision P, the recall R and x = `hundredths` / 100, the weight of recall.
///
/// # Source
/// van Rijsbergen (1979), *Information Retrieval*, whose β² is x.
pub(crate) fn f(query: &JudgedRanking<'_>, hundredths: u32) -> f64 {
    let (precision, recall, x) = (precision(query), recall(query), f64::from(hundredths) / 100.0);
    if precision == 0.0 { 0.0 } else { (x + 1.0) * precision * recall / (x * precision + recall) }
}

/// Relevant results less the others.
pub(crate) fn utility(query: &JudgedRanking<'_>) -> f64 {
    2.0 * found(query) - query.retrieved() as f64
}

/// Results that are judged and not relevant.
pub(crate) fn nonrelevant(query: &JudgedRanking<'_>) -> f64 {
    query.judged().iter().filter(|result| (0..query.relevance_level()).contains(&result.grade)).count() as f64
}
