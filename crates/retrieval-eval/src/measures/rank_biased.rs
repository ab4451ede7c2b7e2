//! Rank-biased precision.

use crate::metric::JudgedRanking;
use crate::summary::total;

/// The gain that a user finds who goes on from each rank to the next with probability `persistence` / 100. Gains are
/// grades, divided by the highest of the query if that exceeds 1.
///
/// # Source
/// Moffat & Zobel (2008), *ACM TOIS* 27.
pub(crate) fn rbp(query: &JudgedRanking<'_>, persistence: u32) -> f64 {
    let Some(&best) = query.ideal().first() else {
        return 0.0;
    };
    let p = f64::from(persistence) / 100.0;
    let reached = |rank: usize| p.powf((rank - 1) as f64);
    let gains = query.gaining(usize::MAX).map(|result| f64::from(result.grade) * reached(result.rank));
    (1.0 - p) * total(gains) / f64::from(best)
}

/// How much [`rbp`] can rise if all results that have no judgement, or one below 0, and all documents after the last
/// result have the highest gain; 0 if every result is judged.
pub(crate) fn rbp_residual(query: &JudgedRanking<'_>, persistence: u32) -> f64 {
    let p = f64::from(persistence) / 100.0;
    let mut judged = query.judged().iter().filter(|result| result.grade >= 0).peekable();
    let (mut reached, mut sum) = (1.0, 0.0);
    let mut unjudged = false;
    for rank in 1..=query.retrieved() {
        if judged.next_if(|result| result.rank == rank).is_none() {
            sum += reached;
            unjudged = true;
        }
        reached *= p;
    }
    if unjudged { reached + (1.0 - p) * sum } else { 0.0 }
}
