use crate::metric::{JudgedRanking, Metric};

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

/// A measure of one query's results, in `[0, 1]`, with trec_eval's semantics.
///
/// A document without judgement is not relevant; a grade of 0 or less never gains; a query without relevant documents
/// has the value 0; a cut `k` deeper than the results is no error. `None` as a cut means all results.
///
/// # Names
/// [`Display`](std::fmt::Display) writes the first name of a line below, [`FromStr`](std::str::FromStr) reads all of
/// them, in any case, with the cut after `@`, `_` or `.`; serde uses the same strings.
///
/// | measure | names |
/// | --- | --- |
/// | [`Measure::Ndcg`] linear | `nDCG@10`, `ndcg_cut_10`, `ndcg_cut.10`; `nDCG` |
/// | [`Measure::Ndcg`] exponential | `nDCG_exp@10`, `ndcg_exp_cut_10`; `nDCG_exp` |
/// | [`Measure::Mrr`] | `MRR@10`, `RR@10`, `recip_rank@10`; `MRR`, `RR`, `recip_rank` |
/// | [`Measure::Ap`] | `AP@10`, `MAP@10`, `map_cut_10`; `AP`, `map` |
/// | [`Measure::Recall`] | `recall@100`, `R@100`, `recall_100` |
/// | [`Measure::Precision`] | `P@5`, `precision@5`, `P_5` |
/// | [`Measure::Success`] | `success@1`, `hit_rate@1`, `hit@1`, `success_1` |
///
/// # Examples
/// ```
/// use retrieval_eval::{Gain, Measure};
///
/// let measure: Measure = "ndcg_cut_10".parse()?;
/// assert_eq!(measure, Measure::Ndcg { k: Some(10), gain: Gain::Linear });
/// assert_eq!(measure.to_string(), "nDCG@10");
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Measure {
    /// Discounted cumulative gain over that of the ideal ranking, both of the first `k` ranks; the discount of rank
    /// `r` is log2(r + 1).
    #[doc(alias = "ndcg_cut")]
    Ndcg {
        /// Ranks that count.
        k: Option<usize>,
        /// What a grade contributes.
        gain: Gain,
    },
    /// 1 / rank of the first relevant document; 0 if the first `k` ranks have none.
    #[doc(alias = "recip_rank")]
    Mrr {
        /// Ranks that count.
        k: Option<usize>,
    },
    /// Average precision: the precision at the rank of each relevant document, 0 for those not retrieved within `k`,
    /// averaged over all relevant documents of the query.
    #[doc(alias = "map")]
    Ap {
        /// Ranks that count.
        k: Option<usize>,
    },
    /// Relevant documents among the first `k`, over all relevant documents of the query.
    Recall {
        /// Ranks that count.
        k: usize,
    },
    /// Relevant documents among the first `k`, over `k`, even where there are fewer results.
    Precision {
        /// Ranks that count.
        k: usize,
    },
    /// 1 if a relevant document is among the first `k`, else 0.
    #[doc(alias = "hit_rate")]
    Success {
        /// Ranks that count.
        k: usize,
    },
}

impl Measure {
    /// nDCG of the first `k` ranks with linear gain, as trec_eval's `ndcg_cut_k`.
    pub const fn ndcg(k: usize) -> Self {
        Self::Ndcg { k: Some(k), gain: Gain::Linear }
    }

    /// Reciprocal rank within the first `k` ranks.
    pub const fn mrr(k: usize) -> Self {
        Self::Mrr { k: Some(k) }
    }

    /// Recall of the first `k` ranks.
    pub const fn recall(k: usize) -> Self {
        Self::Recall { k }
    }
}

impl Metric for Measure {
    fn name(&self) -> String {
        self.to_string()
    }

    fn score(&self, query: &JudgedRanking<'_>) -> f64 {
        match *self {
            Self::Ndcg { k, gain } => ndcg(query, k.unwrap_or(usize::MAX), gain),
            Self::Mrr { k } => query.found(k.unwrap_or(usize::MAX)).next().map_or(0.0, |first| 1.0 / first.rank as f64),
            Self::Ap { k } => over(precisions(query, k.unwrap_or(usize::MAX)), query.relevant()),
            Self::Recall { k } => over(query.found(k).count() as f64, query.relevant()),
            Self::Precision { k } => over(query.found(k).count() as f64, k),
            Self::Success { k } => f64::from(query.found(k).next().is_some()),
        }
    }
}

/// `value / count`, and 0 where nothing counts.
fn over(value: f64, count: usize) -> f64 {
    if count == 0 { 0.0 } else { value / count as f64 }
}

fn precisions(query: &JudgedRanking<'_>, k: usize) -> f64 {
    let found = query.found(k).zip(1..);
    total(found.map(|(result, found)| f64::from(found) / result.rank as f64))
}

fn ndcg(query: &JudgedRanking<'_>, k: usize, gain: Gain) -> f64 {
    let Some(&best) = query.ideal().first() else {
        return 0.0;
    };
    let discounted = |(rank, grade): (usize, i32)| gain.of(grade, best) / ((rank + 1) as f64).log2();
    let dcg = total(query.found(k).map(|result| discounted((result.rank, result.grade))));
    let ideal = total((1..=k).zip(query.ideal().iter().copied()).map(discounted));
    if ideal == 0.0 { 0.0 } else { dcg / ideal }
}

/// The sum; `Iterator::sum` would make −0 of no terms.
fn total(terms: impl Iterator<Item = f64>) -> f64 {
    terms.fold(0.0, |sum, term| sum + term)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::RankedJudgement;

    const RANKED: [RankedJudgement; 4] = [
        RankedJudgement { rank: 1, grade: -1 },
        RankedJudgement { rank: 2, grade: 1 },
        RankedJudgement { rank: 3, grade: 0 },
        RankedJudgement { rank: 5, grade: 2 },
    ];

    fn score(measure: &str) -> f64 {
        let measure: Measure = measure.parse().unwrap();
        measure.score(&JudgedRanking::new(&RANKED, 6, &[2, 1, 1, 0, -1]))
    }

    #[test]
    fn values_are_those_worked_out_by_hand() {
        let third = 3f64.log2();
        for (measure, value) in [
            ("MRR", 0.5),
            ("MRR@1", 0.0),
            ("P@5", 0.4),
            ("P@1000", 0.002),
            ("recall@2", 1.0 / 3.0),
            ("recall@5", 2.0 / 3.0),
            ("AP", (1.0 / 2.0 + 2.0 / 5.0) / 3.0),
            ("AP@4", (1.0 / 2.0) / 3.0),
            ("success@1", 0.0),
            ("success@2", 1.0),
            ("nDCG@1", 0.0),
            ("nDCG@2", (1.0 / third) / (2.0 + 1.0 / third)),
            ("nDCG", (1.0 / third + 2.0 / 6f64.log2()) / (2.0 + 1.0 / third + 0.5)),
            ("nDCG_exp@5", (1.0 / third + 3.0 / 6f64.log2()) / (3.0 + 1.0 / third + 0.5)),
        ] {
            assert!((score(measure) - value).abs() < 1e-15, "{measure}: {} is not {value}", score(measure));
        }
    }

    #[test]
    fn a_huge_grade_has_a_finite_exponential_gain() {
        let ranked = [RankedJudgement { rank: 1, grade: i32::MAX }];
        let query = JudgedRanking::new(&ranked, 1, &[i32::MAX, 1]);
        assert!((Measure::Ndcg { k: None, gain: Gain::Exponential }.score(&query) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_cut_of_zero_scores_zero() {
        let query = JudgedRanking::new(&RANKED, 6, &[2, 1, 1, 0, -1]);
        for measure in [
            Measure::ndcg(0),
            Measure::mrr(0),
            Measure::recall(0),
            Measure::Precision { k: 0 },
            Measure::Success { k: 0 },
            Measure::Ap { k: Some(0) },
        ] {
            assert_eq!(measure.score(&query).to_bits(), 0, "{measure}");
        }
    }
}
