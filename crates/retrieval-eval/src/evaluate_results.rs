use rayon::prelude::*;

use crate::error::EvalError;
use crate::evaluate::EvalOptions;
use crate::metric::Metric;
use crate::problem::Problem;
use crate::qrels::Qrels;
use crate::ranking::Ranking;
use crate::report::Report;
use crate::scorer::{Evaluation, Scored, Scores};

/// The values of `measures` for results in memory, each query with its (document, score) pairs in any order.
///
/// The same as building a [`Run`](crate::Run) and evaluating that, but once and faster, since no result is copied. A
/// query with an empty list is one without results. Runs on rayon's current pool.
///
/// # Errors
/// [`Problem::NanScore`], [`Problem::DuplicateDocument`] or [`Problem::DuplicateQuery`].
///
/// # Examples
/// ```
/// use retrieval_eval::{EvalOptions, Measure, Qrels, evaluate_results};
///
/// let mut qrels = Qrels::new();
/// qrels.insert("q1", "d2", 1)?;
/// let results = [("q1", vec![("d1", 0.9), ("d2", 0.8)])];
/// let report = evaluate_results(&qrels, &results, &[Measure::mrr(10)], EvalOptions::default())?;
/// assert_eq!(report.mean("MRR@10"), Some(0.5));
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
pub fn evaluate_results<Q, D, R, M>(
    qrels: &Qrels,
    results: &[(Q, R)],
    measures: &[M],
    options: EvalOptions,
) -> Result<Report, EvalError>
where
    Q: AsRef<str> + Sync,
    D: AsRef<str>,
    R: AsRef<[(D, f64)]> + Sync,
    M: Metric,
{
    let mut scores = Scores::new(Evaluation { qrels, measures, options });
    let scored: Vec<Scored<'_>> = results
        .par_iter()
        .filter(|(_, results)| !results.as_ref().is_empty())
        .map_init(Ranking::new, |ranking, (query, results)| {
            let query = query.as_ref();
            ranking.clear();
            for (document, score) in results.as_ref() {
                ranking.take(query, document.as_ref(), *score)?;
            }
            Ok(scores.evaluation.score(query, ranking))
        })
        .collect::<Result<_, Problem>>()?;
    for scored in scored {
        let query = scored.query;
        if !scores.add(scored) {
            return Err(Problem::DuplicateQuery { query: query.to_owned() }.into());
        }
    }
    Ok(scores.report())
}
