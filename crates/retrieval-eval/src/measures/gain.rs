use crate::metric::JudgedRanking;
use crate::summary::total;

/// What a document of a grade contributes to nDCG.
///
/// ```
/// use retrieval_eval::{Gain, Measure};
///
/// assert_eq!(Measure::Ndcg { k: Some(10), gain: Gain::Exponential }.to_string(), "nDCG_exp@10");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gain {
    /// The grade itself, as in trec_eval (Järvelin & Kekäläinen 2002).
    #[default]
    Linear,
    /// 2^grade − 1 (Burges et al. 2005). Differs from [`Gain::Linear`] only where a grade exceeds 1.
    Exponential,
}

impl Gain {
    /// The gain of a grade above 0. Exponential gains are scaled by 2^−best, which nDCG does not see and which keeps
    /// them finite.
    fn of(self, grade: i32, best: i32) -> f64 {
        match self {
            Self::Linear => f64::from(grade),
            Self::Exponential => f64::from(grade - best).exp2() - (-f64::from(best)).exp2(),
        }
    }
}

/// Discounted cumulative gain of the first `k` ranks over that of the ideal ranking.
///
/// # Source
/// Järvelin & Kekäläinen (2002), *ACM TOIS* 20, with the discount log2(rank + 1) from rank 1 on.
pub(crate) fn ndcg(query: &JudgedRanking<'_>, k: usize, gain: Gain) -> f64 {
    let Some(&best) = query.ideal().first() else {
        return 0.0;
    };
    let discounted = |(rank, grade): (usize, i32)| gain.of(grade, best) / discount(rank);
    let dcg = total(query.gaining(k).map(|result| discounted((result.rank, result.grade))));
    let ideal = total((1..=k).zip(query.ideal().iter().copied()).map(discounted));
    if ideal == 0.0 { 0.0 } else { dcg / ideal }
}

/// nDCG at the rank of each retrieved document of a grade above 0, and at the end for each that is not retrieved,
/// averaged.
pub(crate) fn ndcg_rel(query: &JudgedRanking<'_>) -> f64 {
    let count = query.ideal().len();
    if count == 0 {
        return 0.0;
    }
    let (mut results, mut ideal) = (results_dcg(query), ideal_dcg(query));
    let (mut sum, mut found) = (0.0, 0);
    for result in query.gaining(usize::MAX) {
        sum += results.up_to(result.rank) / ideal.up_to(result.rank);
        found += 1;
    }
    sum += (count - found) as f64 * results.up_to(usize::MAX) / ideal.up_to(usize::MAX);
    sum / count as f64
}

/// nDCG where the gain of the ideal ranking falls, averaged over those ranks and, if there are results past the first
/// without ideal gain, over their end.
pub(crate) fn ndcg_levels(query: &JudgedRanking<'_>) -> f64 {
    let grades = query.ideal();
    if grades.is_empty() || query.relevant() == 0 {
        return 0.0;
    }
    let (mut results, mut ideal) = (results_dcg(query), ideal_dcg(query));
    let (mut sum, mut points, mut rank) = (0.0, 0, 0);
    for level in grades.chunk_by(|a, b| a == b) {
        rank += level.len();
        sum += results.up_to(rank) / ideal.up_to(rank);
        points += 1;
    }
    // trec_eval has no point at the end if just one result follows the ideal ranking.
    if query.retrieved() > rank + 1 {
        sum += results.up_to(usize::MAX) / ideal.up_to(usize::MAX);
        points += 1;
    }
    sum / f64::from(points)
}

/// The gains of the results, each over log2(2 + cost − gain so far), over the sum of all gains. The cost of a rank is
/// the gain of the ideal ranking there, and 1 past its end.
pub(crate) fn g(query: &JudgedRanking<'_>) -> f64 {
    let grades = query.ideal();
    if grades.is_empty() {
        return 0.0;
    }
    let mut ideal = Accumulated::new((1..).zip(grades.iter().map(|&grade| f64::from(grade))));
    let (mut gained, mut sum) = (0.0, 0.0);
    for result in query.gaining(usize::MAX) {
        let gain = f64::from(result.grade);
        gained += gain;
        let cost = ideal.up_to(result.rank) + result.rank.saturating_sub(grades.len()) as f64;
        sum += gain / (2.0 + cost - gained).log2();
    }
    sum / ideal.up_to(usize::MAX)
}

/// The mean over the relevant documents of 1 / log2(2 + documents not relevant before), 0 for those not retrieved.
pub(crate) fn binary_g(query: &JudgedRanking<'_>) -> f64 {
    let found = query.found(usize::MAX).zip(1..);
    let sum = total(found.map(|(result, found)| 1.0 / ((2 + result.rank - found) as f64).log2()));
    if query.relevant() == 0 { 0.0 } else { sum / query.relevant() as f64 }
}

fn discount(rank: usize) -> f64 {
    ((rank + 1) as f64).log2()
}

fn results_dcg(query: &JudgedRanking<'_>) -> Accumulated<impl Iterator<Item = (usize, f64)>> {
    let gain = |grade: i32, rank: usize| (rank, f64::from(grade) / discount(rank));
    Accumulated::new(query.gaining(usize::MAX).map(move |result| gain(result.grade, result.rank)))
}

fn ideal_dcg(query: &JudgedRanking<'_>) -> Accumulated<impl Iterator<Item = (usize, f64)>> {
    Accumulated::new((1..).zip(query.ideal()).map(|(rank, &grade)| (rank, f64::from(grade) / discount(rank))))
}

/// A running sum of (rank, term) pairs by ascending rank.
struct Accumulated<I: Iterator<Item = (usize, f64)>> {
    terms: std::iter::Peekable<I>,
    sum: f64,
}

impl<I: Iterator<Item = (usize, f64)>> Accumulated<I> {
    fn new(terms: I) -> Self {
        Self { terms: terms.peekable(), sum: 0.0 }
    }

    /// The sum of the terms up to `rank`, which never falls from call to call.
    fn up_to(&mut self, rank: usize) -> f64 {
        while let Some((_, term)) = self.terms.next_if(|&(place, _)| place <= rank) {
            self.sum += term;
        }
        self.sum
    }
}
