use rayon::prelude::*;

use crate::error::EvalError;
use crate::evaluate::EvalOptions;
use crate::files::check_score;
use crate::metric::Metric;
use crate::problem::Problem;
use crate::qrels::Qrels;
use crate::report::Report;
use crate::scorer::{Evaluation, Scorer, Scores};

/// Queries that a thread takes at once.
const TOGETHER: usize = 64;

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
    let evaluation = Evaluation { qrels, measures, options };
    let parts: Vec<_> = results
        .par_chunks(TOGETHER)
        .map(|part| {
            let mut scorer = Scorer::new(&evaluation);
            for (query, results) in part.iter().filter(|(_, results)| !results.as_ref().is_empty()) {
                let query = query.as_ref();
                for (document, score) in results.as_ref() {
                    check_score(query, document.as_ref(), *score)?;
                    scorer.push(query, document.as_ref(), *score)?;
                }
                scorer.finish_query(query);
            }
            Ok(scorer.finish())
        })
        .collect::<Result<_, Problem>>()?;
    let mut scores = Scores::new(&evaluation);
    for part in &parts {
        scores.add(part).map_err(|place| Problem::DuplicateQuery { query: part.query(place).to_owned() })?;
    }
    Ok(scores.report())
}
