use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::EvalError;
use crate::measure::Measure;
use crate::measure_name::parse;
use crate::metric::{JudgedRanking, Metric};
use crate::summary::Summary;

/// A measure with a relevance level of its own, as ir_measures writes it: `AP(rel=2)@10`.
///
/// It reads every name of a [`Measure`] too, which then has the level of
/// [`EvalOptions::relevance_level`](crate::EvalOptions::relevance_level).
///
/// ```
/// use retrieval_eval::{EvalOptions, MeasureAtLevel, Qrels, Run, evaluate};
///
/// let qrels = Qrels::read_trec("q 0 d1 1\nq 0 d2 2\n".as_bytes(), "qrels")?;
/// let mut run = Run::new();
/// run.insert("q", [("d1", 2.0), ("d2", 1.0)])?;
/// let measures: [MeasureAtLevel; 2] = ["RR(rel=2)@10".parse()?, "RR@10".parse()?];
/// let report = evaluate(&qrels, &run, &measures, EvalOptions::default());
/// assert_eq!(report.mean("MRR(rel=2)@10"), Some(0.5));
/// assert_eq!(report.mean("MRR@10"), Some(1.0));
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MeasureAtLevel {
    /// What is measured.
    pub measure: Measure,
    /// The lowest grade that is relevant; `None` for that of the evaluation.
    pub relevance_level: Option<i32>,
}

impl From<Measure> for MeasureAtLevel {
    fn from(measure: Measure) -> Self {
        Self { measure, relevance_level: None }
    }
}

impl Display for MeasureAtLevel {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let name = self.measure.to_string();
        match (self.relevance_level, name.split_once('@')) {
            (None, _) => f.write_str(&name),
            (Some(level), Some((stem, cut))) => write!(f, "{stem}(rel={level})@{cut}"),
            (Some(level), None) => write!(f, "{name}(rel={level})"),
        }
    }
}

impl FromStr for MeasureAtLevel {
    type Err = EvalError;

    fn from_str(name: &str) -> Result<Self, EvalError> {
        let (measure, relevance_level) =
            parse(name).ok_or_else(|| EvalError::UnknownMeasure { name: name.to_owned() })?;
        Ok(Self { measure, relevance_level })
    }
}

impl Serialize for MeasureAtLevel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MeasureAtLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Metric for MeasureAtLevel {
    fn name(&self) -> String {
        self.to_string()
    }

    fn score(&self, query: &JudgedRanking<'_>) -> f64 {
        match self.relevance_level {
            None => self.measure.score(query),
            Some(level) => self.measure.score(&query.at_relevance_level(level)),
        }
    }

    fn summary(&self) -> Summary {
        self.measure.summary()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_level_are_read_and_written() {
        for (name, written) in [
            ("AP(rel=2)@10", "AP(rel=2)@10"),
            ("map_cut_10", "AP@10"),
            ("AP(rel=3)", "AP(rel=3)"),
            ("nDCG(dcg='exp-log2')@5", "nDCG_exp@5"),
            ("IPrec(rel=2)@0.1", "iprec_at_recall_0.10(rel=2)"),
            ("NumRet(rel=1)", "num_rel_ret(rel=1)"),
        ] {
            let measure: MeasureAtLevel = name.parse().unwrap();
            assert_eq!(measure.to_string(), written);
            assert_eq!(written.parse::<MeasureAtLevel>().unwrap(), measure);
        }
        assert!("AP(rel=2, rel=3)".parse::<MeasureAtLevel>().is_err());
        assert!("AP(judged_only=True)".parse::<MeasureAtLevel>().is_err());
    }
}
