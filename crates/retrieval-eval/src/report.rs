use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::measure::Measure;
use crate::metric::Metric;
use crate::summary::Summary;

/// The values of several measures over the queries of a run, and their means.
///
/// `Q` names a query: its id, or its row where there are no ids ([`evaluate_hits`](crate::evaluate_hits)).
///
/// # Examples
/// ```
/// use retrieval_eval::{EvalOptions, Measure, Qrels, Run, evaluate};
///
/// let qrels = Qrels::read_trec("q1 0 d1 1\nq2 0 d2 1\n".as_bytes(), "qrels")?;
/// let mut run = Run::new();
/// run.insert("q1", [("d1", 2.0), ("d2", 1.0)])?;
/// run.insert("q2", [("d1", 2.0), ("d2", 1.0)])?;
/// let report = evaluate(&qrels, &run, &[Measure::mrr(10)], EvalOptions::default());
/// assert_eq!(report.queries, ["q1", "q2"]);
/// assert_eq!(report.values("MRR@10"), Some(&[1.0, 0.5][..]));
/// assert_eq!(report.mean("MRR@10"), Some(0.75));
/// assert_eq!(report.to_string(), "MRR@10  0.7500\n");
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report<Q = String> {
    /// The evaluated queries, in the order of the judgements.
    pub queries: Vec<Q>,
    /// What was measured, in the order in which it was asked for.
    pub measures: Vec<MeasureValues>,
    /// Queries with results but without judgements: always left out.
    pub without_judgements: usize,
    /// Queries with judgements but without results: left out, or counted as 0 if [`Report::complete`].
    pub without_results: usize,
    /// Whether queries without results count as 0.
    pub complete: bool,
}

/// The values of one measure; see [`Report`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureValues {
    /// As [`Metric::name`](crate::Metric::name) gives it.
    pub name: String,
    /// Arithmetic mean over the queries; `None` without queries.
    pub mean: Option<f64>,
    /// How the values become the one of all queries: [`MeasureValues::overall`].
    #[serde(default)]
    pub summary: Summary,
    /// One for each of [`Report::queries`].
    pub values: Vec<f64>,
}

impl<Q> Report<Q> {
    /// The mean of a measure over the queries; `None` if there is no such measure or no query.
    ///
    /// Any of the names that [`Measure`] reads will do.
    pub fn mean(&self, name: &str) -> Option<f64> {
        self.measure(name)?.mean
    }

    /// The value of a measure for all queries together, trec_eval's line `all`: the mean, or the sum for counts, or the
    /// geometric mean for `gm_map` and `gm_bpref`. `None` if there is no such measure, or no query to average over.
    pub fn overall(&self, name: &str) -> Option<f64> {
        self.measure(name)?.overall()
    }

    /// The values of a measure, one for each of [`Report::queries`]; `None` if there is no such measure.
    pub fn values(&self, name: &str) -> Option<&[f64]> {
        self.measure(name).map(|measure| measure.values.as_slice())
    }

    /// The values of a measure.
    ///
    /// # Errors
    /// [`EvalError::AbsentMeasure`].
    pub(crate) fn expect_values(&self, name: &str) -> Result<&[f64], EvalError> {
        self.values(name).ok_or_else(|| EvalError::AbsentMeasure { name: name.to_owned() })
    }

    fn measure(&self, name: &str) -> Option<&MeasureValues> {
        let named = |name: &str| self.measures.iter().find(|measure| measure.name == name);
        named(name).or_else(|| named(&name.parse::<Measure>().ok()?.to_string()))
    }
}

impl MeasureValues {
    pub(crate) fn new(measure: &impl Metric, values: Vec<f64>) -> Self {
        Self { name: measure.name(), mean: Summary::Mean.of(&values), summary: measure.summary(), values }
    }

    /// The value for all queries together; `None` where it is a mean of no query.
    pub fn overall(&self) -> Option<f64> {
        self.summary.of(&self.values)
    }
}

impl<Q> Display for Report<Q> {
    /// One line a measure: its name and its value for all queries, with four decimals unless it is a count.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let width = self.measures.iter().map(|measure| measure.name.len()).max().unwrap_or(0);
        for measure in &self.measures {
            let name = &measure.name;
            match measure.overall() {
                Some(value) => writeln!(f, "{name:width$}  {value:.*}", measure.summary.decimals())?,
                None => writeln!(f, "{name:width$}  undefined")?,
            }
        }
        Ok(())
    }
}
