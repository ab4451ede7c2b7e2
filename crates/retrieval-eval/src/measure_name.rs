use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::EvalError;
use crate::measure::{Gain, Measure};

impl Display for Measure {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let (name, k) = match *self {
            Self::Ndcg { k, gain: Gain::Linear } => ("nDCG", k),
            Self::Ndcg { k, gain: Gain::Exponential } => ("nDCG_exp", k),
            Self::Mrr { k } => ("MRR", k),
            Self::Ap { k } => ("AP", k),
            Self::Recall { k } => ("recall", Some(k)),
            Self::Precision { k } => ("P", Some(k)),
            Self::Success { k } => ("success", Some(k)),
        };
        f.write_str(name)?;
        k.map_or(Ok(()), |k| write!(f, "@{k}"))
    }
}

impl FromStr for Measure {
    type Err = EvalError;

    fn from_str(name: &str) -> Result<Self, EvalError> {
        let lower = name.to_ascii_lowercase();
        let (stem, k) = split_cut(&lower);
        measure(stem, k).ok_or_else(|| EvalError::UnknownMeasure { name: name.to_owned() })
    }
}

/// The name before the cut, and the cut: what follows `@`, or digits after the last `_` or `.`.
fn split_cut(name: &str) -> (&str, Option<&str>) {
    if let Some((stem, k)) = name.split_once('@') {
        return (stem, Some(k));
    }
    match name.rsplit_once(['_', '.']) {
        Some((stem, k)) if k.starts_with(|c: char| c.is_ascii_digit()) => (stem, Some(k)),
        _ => (name, None),
    }
}

fn measure(stem: &str, cut: Option<&str>) -> Option<Measure> {
    let k = match cut {
        None => None,
        // A plus sign is no part of a name, though an integer may have one.
        Some(digits) if digits.starts_with('+') => return None,
        Some(digits) => Some(digits.parse().ok().filter(|&k: &usize| k > 0)?),
    };
    Some(match stem {
        "ndcg" => Measure::Ndcg { k, gain: Gain::Linear },
        "ndcg_cut" => Measure::Ndcg { k: Some(k?), gain: Gain::Linear },
        "ndcg_exp" => Measure::Ndcg { k, gain: Gain::Exponential },
        "ndcg_exp_cut" => Measure::Ndcg { k: Some(k?), gain: Gain::Exponential },
        "mrr" | "rr" | "recip_rank" => Measure::Mrr { k },
        "ap" | "map" => Measure::Ap { k },
        "map_cut" => Measure::Ap { k: Some(k?) },
        "recall" | "r" => Measure::Recall { k: k? },
        "p" | "precision" => Measure::Precision { k: k? },
        "success" | "hit" | "hits" | "hit_rate" => Measure::Success { k: k? },
        _ => return None,
    })
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
        for name in
            ["", "nDCG@", "nDCG@0", "nDCG@x", "nDCG@+5", "nDCG@-1", "recall", "P", "ndcg_cut", "bpref", "@10", "map_"]
        {
            assert!(name.parse::<Measure>().is_err(), "{name}");
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
