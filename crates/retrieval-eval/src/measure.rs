use crate::measures::gain::{self, Gain};
use crate::measures::{over, precision, preference, rank_biased, set};
use crate::metric::{JudgedRanking, Metric};
use crate::summary::Summary;

/// A measure of one query's results, with trec_eval's semantics.
///
/// All are in `[0, 1]`, but for the counts, [`Measure::Utility`] and [`Measure::RbpResidual`] (which trec_eval lets
/// exceed 1 by rounding at most). A document without judgement is not relevant, nor is one of a grade below 0, which
/// [`Measure::InfAp`], [`Measure::Bpref`] and the measures of unjudged documents take for "in the pool, not judged"; a
/// query without relevant documents has the value 0; a cut `k` deeper than the results is no error. `None` as a cut
/// means all results. Relevant is what reaches [`EvalOptions::relevance_level`](crate::EvalOptions::relevance_level);
/// gains are grades above 0, whatever that level.
///
/// # Names
/// [`Display`](std::fmt::Display) writes the first name of a line below, [`FromStr`](std::str::FromStr) reads all of
/// them, in any case, with the cut after `@`, `_` or `.`; serde uses the same strings. [`Measure::trec_name`] is what
/// trec_eval prints. [`MeasureAtLevel`](crate::MeasureAtLevel) also reads ir_measures' `AP(rel=2)@10`, and
/// [`Measure::list`] names for several measures: `P.5,10`, `ndcg_cut`, `all_trec`.
///
/// | measure | names |
/// | --- | --- |
/// | [`Measure::Ndcg`] linear | `nDCG@10`, `ndcg_cut_10`, `ndcg_cut.10`; `nDCG` |
/// | [`Measure::Ndcg`] exponential | `nDCG_exp@10`, `ndcg_exp_cut_10`, `nDCG(dcg='exp-log2')@10`; `nDCG_exp` |
/// | [`Measure::Mrr`] | `MRR@10`, `RR@10`, `recip_rank@10`; `MRR`, `RR`, `recip_rank` |
/// | [`Measure::Ap`] | `AP@10`, `MAP@10`, `map_cut_10`; `AP`, `map` |
/// | [`Measure::ApCapped`] | `AP_cap@10`, `map_cap_10` |
/// | [`Measure::Recall`] | `recall@100`, `R@100`, `recall_100` |
/// | [`Measure::RecallCapped`] | `R_cap@100`, `recall_cap_100` |
/// | [`Measure::Precision`] | `P@5`, `precision@5`, `P_5` |
/// | [`Measure::Success`] | `success@1`, `hit_rate@1`, `hit@1`, `success_1` |
/// | [`Measure::RelativePrecision`] | `relative_P_5` |
/// | [`Measure::InterpolatedPrecision`] | `iprec_at_recall_0.10`, `IPrec@0.1` |
/// | [`Measure::RPrecisionMultiple`] | `Rprec_mult_0.20` |
/// | [`Measure::SetF`] | `set_F`, `SetF`; `set_F_0.50` |
/// | [`Measure::Rbp`], [`Measure::RbpResidual`] | `rbp`, `rbp_p=0.80`; `rbp_resid` |
/// | [`Measure::Unjudged`] | `unj_10` |
/// | the others | trec_eval's name, as each says; also `SetP`, `SetR`, `SetAP`, `SetRelP`, `NumQ`, `NumRet`, `NumRel` |
///
/// # Source
/// Buckley's [trec_eval](https://github.com/usnistgov/trec_eval), version 10.0.
///
/// # Examples
/// ```
/// use retrieval_eval::{Gain, Measure};
///
/// let measure: Measure = "ndcg_cut_10".parse()?;
/// assert_eq!(measure, Measure::Ndcg { k: Some(10), gain: Gain::Linear });
/// assert_eq!(measure.to_string(), "nDCG@10");
/// assert_eq!(measure.trec_name(), "ndcg_cut_10");
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
    /// averaged over all relevant documents of the query. With a cut this is trec_eval's `map_cut`, and the MAP@k that
    /// BEIR and MTEB take from pytrec_eval; [`Measure::ApCapped`] is the other one of that name.
    #[doc(alias = "map")]
    #[doc(alias = "map_cut")]
    Ap {
        /// Ranks that count.
        k: Option<usize>,
    },
    /// As [`Measure::Ap`], but averaged over min(`k`, relevant documents), so that `k` relevant results reach 1: the
    /// MAP@k of sentence-transformers' evaluator, and of MTEB where it runs that. Higher than `map_cut` for queries of
    /// more than `k` relevant documents, equal for all others.
    ApCapped {
        /// Ranks that count.
        k: usize,
    },
    /// Relevant documents among the first `k`, over all relevant documents of the query.
    Recall {
        /// Ranks that count.
        k: usize,
    },
    /// Relevant documents among the first `k`, over min(`k`, relevant documents): BEIR's `R_cap@k`.
    RecallCapped {
        /// Ranks that count.
        k: usize,
    },
    /// Relevant documents among the first `k`, over `k`, even where there are fewer results.
    Precision {
        /// Ranks that count.
        k: usize,
    },
    /// Relevant documents among the first `k`, over the most that can be there: `relative_P`. The same as
    /// [`Measure::RecallCapped`], under trec_eval's name.
    RelativePrecision {
        /// Ranks that count.
        k: usize,
    },
    /// 1 if a relevant document is among the first `k`, else 0.
    #[doc(alias = "hit_rate")]
    Success {
        /// Ranks that count.
        k: usize,
    },
    /// `gm_map`: average precision, whose [summary](Summary) is the geometric mean (Robertson 2006, CIKM).
    GeometricAp,
    /// Precision at rank R, the number of relevant documents: `Rprec`.
    RPrecision,
    /// Precision at a multiple of R, rounded up from a tenth on: `Rprec_mult`.
    RPrecisionMultiple {
        /// 100 times the multiple.
        hundredths: u32,
    },
    /// The highest precision at or after the rank where this recall is reached: `iprec_at_recall`.
    InterpolatedPrecision {
        /// 100 times the recall.
        hundredths: u32,
    },
    /// `11pt_avg`: [`Measure::InterpolatedPrecision`] at the recalls 0, 0.1, … 1, averaged.
    ElevenPointAverage,
    /// `bpref`: how seldom a judged document that is not relevant stands before one that is; unjudged documents do not
    /// count (Buckley & Voorhees 2004, SIGIR).
    Bpref,
    /// `gm_bpref`: [`Measure::Bpref`], whose [summary](Summary) is the geometric mean.
    GeometricBpref,
    /// `infAP`: the average precision expected where part of the pool was judged (Yilmaz & Aslam 2006, CIKM). A grade
    /// below 0 marks a pooled document without judgement.
    InfAp,
    /// `ndcg_rel`: nDCG at the rank of each document of a grade above 0, averaged.
    NdcgAtRelevant,
    /// `Rndcg`: nDCG at the ranks where the gain of the ideal ranking falls, averaged.
    NdcgAtLevels,
    /// `G`: gains over log2(2 + what the ideal ranking would have gained more), over all gains.
    G,
    /// `binG`: 1 / log2(2 + documents not relevant before) of each relevant document, averaged over all relevant ones.
    BinaryG,
    /// `rbp`: rank-biased precision (Moffat & Zobel 2008, *ACM TOIS* 27). Gains are grades over the highest of the
    /// query: trec_eval means to scale them, but reads bounds that it never set, so only grades 0 and 1 are sure there.
    Rbp {
        /// 100 times the probability to go on to the next rank.
        hundredths: u32,
    },
    /// `rbp_resid`: how far [`Measure::Rbp`] could rise; 0 if all results are judged.
    RbpResidual {
        /// 100 times the probability to go on to the next rank.
        hundredths: u32,
    },
    /// `unj`: results among the first `k` that have no judgement, or one below 0, over `k`.
    Unjudged {
        /// Ranks that count.
        k: usize,
    },
    /// `set_P`: relevant results over results.
    SetPrecision,
    /// `set_recall`: relevant results over relevant documents.
    SetRecall,
    /// `set_relative_P`: relevant results over min(results, relevant documents).
    SetRelativePrecision,
    /// `set_map`: [`Measure::SetPrecision`] times [`Measure::SetRecall`].
    SetAp,
    /// `set_F`: (x + 1) P R / (x P + R) of those two; x is 1 unless the name says so (van Rijsbergen 1979).
    SetF {
        /// 100 times x, the weight of recall.
        hundredths: u32,
    },
    /// `utility`: relevant results less the others.
    Utility,
    /// `num_q`: queries.
    Queries,
    /// `num_ret`: results.
    Retrieved,
    /// `num_rel`: relevant documents.
    Relevant,
    /// `num_rel_ret`: relevant results.
    RelevantRetrieved,
    /// `num_nonrel_judged_ret`: results judged not relevant.
    NonrelevantRetrieved,
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

    /// The last rank that counts: 10 for `nDCG@10`; `None` if all results do. A search that stops above it gives another
    /// measure.
    pub const fn cut(&self) -> Option<usize> {
        match *self {
            Self::Ndcg { k, .. } | Self::Mrr { k } | Self::Ap { k } => k,
            Self::ApCapped { k }
            | Self::Recall { k }
            | Self::RecallCapped { k }
            | Self::Precision { k }
            | Self::RelativePrecision { k }
            | Self::Success { k }
            | Self::Unjudged { k } => Some(k),
            _ => None,
        }
    }
}

impl Metric for Measure {
    fn name(&self) -> String {
        self.to_string()
    }

    fn score(&self, query: &JudgedRanking<'_>) -> f64 {
        let all = usize::MAX;
        match *self {
            Self::Ndcg { k, gain } => gain::ndcg(query, k.unwrap_or(all), gain),
            Self::Mrr { k } => query.found(k.unwrap_or(all)).next().map_or(0.0, |first| 1.0 / first.rank as f64),
            Self::Ap { k } => precision::average(query, k.unwrap_or(all)),
            Self::ApCapped { k } => over(precision::precisions(query, k), query.relevant().min(k)),
            Self::Recall { k } => over(precision::found(query, k), query.relevant()),
            Self::RecallCapped { k } | Self::RelativePrecision { k } => {
                over(precision::found(query, k), query.relevant().min(k))
            }
            Self::Precision { k } => over(precision::found(query, k), k),
            Self::Success { k } => f64::from(query.found(k).next().is_some()),
            Self::GeometricAp => precision::average(query, all),
            Self::RPrecision => over(precision::found(query, query.relevant()), query.relevant()),
            Self::RPrecisionMultiple { hundredths } => precision::at_multiple_of_r(query, hundredths),
            Self::InterpolatedPrecision { hundredths } => precision::interpolated(query, hundredths),
            Self::ElevenPointAverage => precision::eleven_points(query),
            Self::Bpref | Self::GeometricBpref => preference::bpref(query),
            Self::InfAp => preference::inferred_ap(query),
            Self::NdcgAtRelevant => gain::ndcg_rel(query),
            Self::NdcgAtLevels => gain::ndcg_levels(query),
            Self::G => gain::g(query),
            Self::BinaryG => gain::binary_g(query),
            Self::Rbp { hundredths } => rank_biased::rbp(query, hundredths),
            Self::RbpResidual { hundredths } => rank_biased::rbp_residual(query, hundredths),
            Self::Unjudged { k } => precision::unjudged(query, k),
            Self::SetPrecision => set::precision(query),
            Self::SetRecall => set::recall(query),
            Self::SetRelativePrecision => set::relative_precision(query),
            Self::SetAp => set::average_precision(query),
            Self::SetF { hundredths } => set::f(query, hundredths),
            Self::Utility => set::utility(query),
            Self::Queries => 1.0,
            Self::Retrieved => query.retrieved() as f64,
            Self::Relevant => query.relevant() as f64,
            Self::RelevantRetrieved => precision::found(query, all),
            Self::NonrelevantRetrieved => set::nonrelevant(query),
        }
    }

    fn summary(&self) -> Summary {
        match self {
            Self::GeometricAp | Self::GeometricBpref => Summary::GeometricMean,
            Self::Queries | Self::Retrieved | Self::Relevant | Self::RelevantRetrieved | Self::NonrelevantRetrieved => {
                Summary::Sum
            }
            _ => Summary::Mean,
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
        measure.score(&JudgedRanking::new(&RANKED, 6, &[2, 1, 1, 0, -1], 1))
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
    fn results_below_the_cut_do_not_count() {
        let list = Measure::list("all_trec").unwrap();
        for measure in list.into_iter().chain(["nDCG_exp@7", "AP_cap@7", "MRR@7"].map(|name| name.parse().unwrap())) {
            let Some(cut) = measure.cut() else { continue };
            let grades = vec![1; cut + 2];
            let ranked = |ranks: &[usize]| -> Vec<RankedJudgement> {
                ranks.iter().map(|&rank| RankedJudgement { rank, grade: 1 }).collect()
            };
            let score = |ranks: &[usize]| measure.score(&JudgedRanking::new(&ranked(ranks), cut + 2, &grades, 1));
            assert_eq!(score(&[cut + 1, cut + 2]), score(&[]), "{measure}");
            assert_ne!(score(&[cut, cut + 1]), score(&[]), "{measure}");
        }
        assert_eq!(["map", "MRR", "Rprec", "nDCG"].map(|name| name.parse::<Measure>().unwrap().cut()), [None; 4]);
    }

    #[test]
    fn a_huge_grade_has_a_finite_exponential_gain() {
        let ranked = [RankedJudgement { rank: 1, grade: i32::MAX }];
        let query = JudgedRanking::new(&ranked, 1, &[i32::MAX, 1], 1);
        assert!((Measure::Ndcg { k: None, gain: Gain::Exponential }.score(&query) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_cut_of_zero_scores_zero() {
        let query = JudgedRanking::new(&RANKED, 6, &[2, 1, 1, 0, -1], 1);
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
