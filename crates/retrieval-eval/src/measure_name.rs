use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::EvalError;
use crate::measure::Measure;
use crate::measures::gain::Gain;

/// What follows the name of a measure.
enum Argument {
    None,
    Cut(usize),
    Hundredths(u32),
    Persistence(u32),
}

impl Display for Argument {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Cut(k) => write!(f, "{k}"),
            Self::Hundredths(hundredths) => write!(f, "{}.{:02}", hundredths / 100, hundredths % 100),
            Self::Persistence(hundredths) => write!(f, "p={}", Self::Hundredths(*hundredths)),
        }
    }
}

impl Measure {
    /// The name under which trec_eval prints this measure: its own, and for a measure that it does not have one of the
    /// same form (`ndcg_exp_cut_10`, `recip_rank_10`, `map_cap_10`).
    pub fn trec_name(&self) -> String {
        match self.trec_parts() {
            (name, Argument::None) => name.to_owned(),
            (name, argument) => format!("{name}_{argument}"),
        }
    }

    fn trec_parts(&self) -> (&'static str, Argument) {
        let cut = |name, k| (name, Argument::Cut(k));
        let optional = |name, cut_name, k: Option<usize>| k.map_or((name, Argument::None), |k| cut(cut_name, k));
        let hundredths = |name, hundredths| (name, Argument::Hundredths(hundredths));
        let name = match *self {
            Self::Ndcg { k, gain: Gain::Linear } => return optional("ndcg", "ndcg_cut", k),
            Self::Ndcg { k, gain: Gain::Exponential } => return optional("ndcg_exp", "ndcg_exp_cut", k),
            Self::Mrr { k } => return optional("recip_rank", "recip_rank", k),
            Self::Ap { k } => return optional("map", "map_cut", k),
            Self::ApCapped { k } => return cut("map_cap", k),
            Self::Recall { k } => return cut("recall", k),
            Self::RecallCapped { k } => return cut("recall_cap", k),
            Self::Precision { k } => return cut("P", k),
            Self::RelativePrecision { k } => return cut("relative_P", k),
            Self::Success { k } => return cut("success", k),
            Self::Unjudged { k } => return cut("unj", k),
            Self::RPrecisionMultiple { hundredths: multiple } => return hundredths("Rprec_mult", multiple),
            Self::InterpolatedPrecision { hundredths: recall } => return hundredths("iprec_at_recall", recall),
            Self::SetF { hundredths: 100 } => "set_F",
            Self::SetF { hundredths: weight } => return hundredths("set_F", weight),
            Self::Rbp { hundredths: PERSISTENCE } => "rbp",
            Self::Rbp { hundredths: p } => return ("rbp", Argument::Persistence(p)),
            Self::RbpResidual { hundredths: PERSISTENCE } => "rbp_resid",
            Self::RbpResidual { hundredths: p } => return ("rbp_resid", Argument::Persistence(p)),
            Self::GeometricAp => "gm_map",
            Self::RPrecision => "Rprec",
            Self::ElevenPointAverage => "11pt_avg",
            Self::Bpref => "bpref",
            Self::GeometricBpref => "gm_bpref",
            Self::InfAp => "infAP",
            Self::NdcgAtRelevant => "ndcg_rel",
            Self::NdcgAtLevels => "Rndcg",
            Self::G => "G",
            Self::BinaryG => "binG",
            Self::SetPrecision => "set_P",
            Self::SetRecall => "set_recall",
            Self::SetRelativePrecision => "set_relative_P",
            Self::SetAp => "set_map",
            Self::Utility => "utility",
            Self::Queries => "num_q",
            Self::Retrieved => "num_ret",
            Self::Relevant => "num_rel",
            Self::RelevantRetrieved => "num_rel_ret",
            Self::NonrelevantRetrieved => "num_nonrel_judged_ret",
        };
        (name, Argument::None)
    }
}

impl Display for Measure {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let (name, k) = match *self {
            Self::Ndcg { k, gain: Gain::Linear } => ("nDCG", k),
            Self::Ndcg { k, gain: Gain::Exponential } => ("nDCG_exp", k),
            Self::Mrr { k } => ("MRR", k),
            Self::Ap { k } => ("AP", k),
            Self::ApCapped { k } => ("AP_cap", Some(k)),
            Self::Recall { k } => ("recall", Some(k)),
            Self::RecallCapped { k } => ("R_cap", Some(k)),
            Self::Precision { k } => ("P", Some(k)),
            Self::Success { k } => ("success", Some(k)),
            _ => return f.write_str(&self.trec_name()),
        };
        f.write_str(name)?;
        k.map_or(Ok(()), |k| write!(f, "@{k}"))
    }
}

impl FromStr for Measure {
    type Err = EvalError;

    fn from_str(name: &str) -> Result<Self, EvalError> {
        let unknown = || EvalError::UnknownMeasure { name: name.to_owned() };
        match parse(name).ok_or_else(unknown)? {
            (measure, None) => Ok(measure),
            (_, Some(_)) => Err(unknown()),
        }
    }
}

/// The measure of a name and the relevance level that it asks for, as ir_measures writes it: `AP(rel=2)@10`.
pub(crate) fn parse(name: &str) -> Option<(Measure, Option<i32>)> {
    let lower = name.to_ascii_lowercase();
    let Some((head, rest)) = lower.split_once('(') else {
        return Some((without_options(&lower)?, None));
    };
    let (options, cut) = rest.split_once(')')?;
    let mut measure = match cut.strip_prefix('@') {
        Some(cut) => from_parts(head, Some(cut))?,
        None if cut.is_empty() => without_options(head)?,
        None => return None,
    };
    let mut level = None;
    for option in options.split(',') {
        let (key, value) = option.split_once('=')?;
        match (key.trim(), value.trim(), measure) {
            ("rel", digits, _) if level.is_none() => level = Some(whole(digits)?),
            ("dcg", "'exp-log2'" | "\"exp-log2\"", Measure::Ndcg { k, .. }) => {
                measure = Measure::Ndcg { k, gain: Gain::Exponential };
            }
            ("dcg", "'log2'" | "\"log2\"", Measure::Ndcg { gain: Gain::Linear, .. }) => {}
            _ => return None,
        }
    }
    // ir_measures counts relevant results under the name of all results, if a level is given.
    match (measure, level) {
        (Measure::Retrieved, Some(_)) => Some((Measure::RelevantRetrieved, level)),
        _ => Some((measure, level)),
    }
}

/// The measure of a name whose cut, if any, follows `@`, or a `_` or `.` of which the name may have more.
fn without_options(name: &str) -> Option<Measure> {
    if let Some((stem, cut)) = name.split_once('@') {
        return from_parts(stem, Some(cut));
    }
    let split = |place: usize| from_parts(&name[..place], Some(&name[place + 1..]));
    from_parts(name, None).or_else(|| name.match_indices(['_', '.']).find_map(|(place, _)| split(place)))
}

/// trec_eval's persistence of `rbp`, in hundredths.
const PERSISTENCE: u32 = 90;

/// The measure of a name in lower case and of what follows it.
pub(crate) fn from_parts(stem: &str, argument: Option<&str>) -> Option<Measure> {
    without_argument(stem, argument).or_else(|| with_cut(stem, argument)).or_else(|| with_number(stem, argument))
}

fn without_argument(stem: &str, argument: Option<&str>) -> Option<Measure> {
    if argument.is_some() {
        return None;
    }
    Some(match stem {
        "ndcg" => Measure::Ndcg { k: None, gain: Gain::Linear },
        "ndcg_exp" => Measure::Ndcg { k: None, gain: Gain::Exponential },
        "mrr" | "rr" | "recip_rank" => Measure::Mrr { k: None },
        "ap" | "map" => Measure::Ap { k: None },
        "gm_map" => Measure::GeometricAp,
        "rprec" => Measure::RPrecision,
        "11pt_avg" => Measure::ElevenPointAverage,
        "bpref" => Measure::Bpref,
        "gm_bpref" => Measure::GeometricBpref,
        "infap" => Measure::InfAp,
        "ndcg_rel" => Measure::NdcgAtRelevant,
        "rndcg" => Measure::NdcgAtLevels,
        "g" => Measure::G,
        "bing" => Measure::BinaryG,
        "rbp" => Measure::Rbp { hundredths: PERSISTENCE },
        "rbp_resid" => Measure::RbpResidual { hundredths: PERSISTENCE },
        "set_p" | "setp" => Measure::SetPrecision,
        "set_recall" | "setr" => Measure::SetRecall,
        "set_relative_p" | "setrelp" => Measure::SetRelativePrecision,
        "set_map" | "setap" => Measure::SetAp,
        "set_f" | "setf" => Measure::SetF { hundredths: 100 },
        "utility" => Measure::Utility,
        "num_q" | "numq" => Measure::Queries,
        "num_ret" | "numret" => Measure::Retrieved,
        "num_rel" | "numrel" => Measure::Relevant,
        "num_rel_ret" | "numrelret" => Measure::RelevantRetrieved,
        "num_nonrel_judged_ret" => Measure::NonrelevantRetrieved,
        _ => return None,
    })
}

fn with_cut(stem: &str, argument: Option<&str>) -> Option<Measure> {
    let k: usize = whole(argument?).filter(|&k| k > 0)?;
    Some(match stem {
        "ndcg" | "ndcg_cut" => Measure::Ndcg { k: Some(k), gain: Gain::Linear },
        "ndcg_exp" | "ndcg_exp_cut" => Measure::Ndcg { k: Some(k), gain: Gain::Exponential },
        "mrr" | "rr" | "recip_rank" => Measure::Mrr { k: Some(k) },
        "ap" | "map" | "map_cut" => Measure::Ap { k: Some(k) },
        "ap_cap" | "map_cap" => Measure::ApCapped { k },
        "recall" | "r" => Measure::Recall { k },
        "recall_cap" | "r_cap" => Measure::RecallCapped { k },
        "p" | "precision" => Measure::Precision { k },
        "relative_p" => Measure::RelativePrecision { k },
        "success" | "hit" | "hits" | "hit_rate" => Measure::Success { k },
        "unj" => Measure::Unjudged { k },
        _ => return None,
    })
}

fn with_number(stem: &str, argument: Option<&str>) -> Option<Measure> {
    let number = argument?;
    Some(match stem {
        "rprec_mult" => Measure::RPrecisionMultiple { hundredths: decimal(number)? },
        "iprec_at_recall" | "iprec" => Measure::InterpolatedPrecision { hundredths: proportion(number)? },
        "set_f" => Measure::SetF { hundredths: decimal(number)? },
        "rbp" => Measure::Rbp { hundredths: proportion(number.strip_prefix("p=")?)? },
        "rbp_resid" => Measure::RbpResidual { hundredths: proportion(number.strip_prefix("p=")?)? },
        _ => return None,
    })
}

/// A whole number of digits only; an integer may have a sign, but a name has none.
fn whole<T: FromStr>(digits: &str) -> Option<T> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Hundredths of a decimal number such as `0.1`, which has no more than them.
fn decimal(number: &str) -> Option<u32> {
    let (units, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let fraction = match fraction.len() {
        1 => 10 * whole::<u32>(fraction)?,
        2 => whole(fraction)?,
        _ => return None,
    };
    whole::<u32>(units)?.checked_mul(100)?.checked_add(fraction)
}

fn proportion(number: &str) -> Option<u32> {
    decimal(number).filter(|&hundredths| hundredths <= 100)
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Measure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_as_its_measure_and_is_written_in_one_way() {
        for (names, written) in [
            ("nDCG@10 ndcg_cut_10 ndcg_cut.10 NDCG@10 ndcg_10", "nDCG@10"),
            ("nDCG_exp@5 ndcg_exp_cut_5", "nDCG_exp@5"),
            ("nDCG ndcg", "nDCG"),
            ("MRR@10 RR@10 mrr_10 recip_rank_10", "MRR@10"),
            ("recip_rank RR mrr", "MRR"),
            ("recall@100 recall_100 R@100 recall.100", "recall@100"),
            ("P@5 P_5 P.5 precision@5", "P@5"),
            ("map AP MAP", "AP"),
            ("map_cut_10 AP@10 map@10", "AP@10"),
            ("success@1 success_1 hit_rate@1 hit@1 hits@1", "success@1"),
            ("AP_cap@10 map_cap_10", "AP_cap@10"),
            ("R_cap@10 recall_cap_10", "R_cap@10"),
            ("iprec_at_recall_0.10 iprec_at_recall.0.1 IPrec@0.1", "iprec_at_recall_0.10"),
            ("Rprec_mult_1.20 Rprec_mult.1.2", "Rprec_mult_1.20"),
            ("set_F SetF set_F.1 set_F_1.00", "set_F"),
            ("set_F_0.50 set_F.0.5", "set_F_0.50"),
            ("rbp rbp_p=0.90", "rbp"),
            ("rbp_p=0.80 rbp.p=0.8", "rbp_p=0.80"),
            ("rbp_resid_p=0.80", "rbp_resid_p=0.80"),
            ("bpref Bpref", "bpref"),
            ("nDCG(dcg='exp-log2')@10 ndcg_exp_cut_10", "nDCG_exp@10"),
            ("num_rel NumRel", "num_rel"),
            ("11pt_avg", "11pt_avg"),
        ] {
            for name in names.split(' ') {
                let measure: Measure = name.parse().unwrap();
                assert_eq!(measure.to_string(), written, "{name}");
                assert_eq!(written.parse::<Measure>().unwrap(), measure);
            }
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in [
            "",
            "nDCG@",
            "nDCG@0",
            "nDCG@x",
            "nDCG@+5",
            "nDCG@-1",
            "recall",
            "P",
            "ndcg_cut",
            "@10",
            "map_",
            "iprec@1.1",
            "iprec@0.125",
            "iprec@.",
            "set_F_",
            "set_F_-1",
            "rbp_0.8",
            "bpref@10",
            "AP(rel=2)",
            "AP()",
            "AP(rel=1",
            "P(rel)@5",
            "AP(dcg='log2')",
            "num_ret_5",
            "runid",
            "relstring",
        ] {
            assert!(name.parse::<Measure>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_name_of_trec_eval_reads_as_the_measure_that_is_called_so() {
        for name in
            "ndcg_cut_10 ndcg recip_rank recip_rank_10 map map_cut_5 P_5 recall_100 success_1 unj_5 relative_P_5 \
                     G binG set_F Rprec Rprec_mult_0.20 gm_map infAP num_q num_nonrel_judged_ret rbp_resid"
                .split_ascii_whitespace()
        {
            assert_eq!(name.parse::<Measure>().unwrap().trec_name(), name);
        }
    }

    #[test]
    fn json_holds_the_name() {
        let text = serde_json::to_string(&Measure::mrr(10)).unwrap();
        assert_eq!(text, r#""MRR@10""#);
        assert_eq!(serde_json::from_str::<Measure>(&text).unwrap(), Measure::mrr(10));
        assert!(serde_json::from_str::<Measure>(r#""MRR@""#).is_err());
    }
}
