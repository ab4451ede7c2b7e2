use std::path::Path;

use crate::error::EvalError;
use crate::evaluate::{EvalOptions, evaluate};
use crate::files::{Consumer, Content, Input, LineFormat, Stream};
use crate::metric::Metric;
use crate::problem::Problem;
use crate::qrels::Qrels;
use crate::ranking::Ranking;
use crate::report::Report;
use crate::run::Run;
use crate::scorer::{Evaluation, Scored, Scores};

/// The values of `measures` for the run in a file, which is never in memory as a whole.
///
/// The formats are those of [`Run::from_file`], and so is the result of evaluating that. Memory is bounded, by some
/// megabytes and the results of one query, where the results of each query stand together, as all systems write them;
/// a file in which they do not, or in JSON, is read as a whole. Runs on rayon's current pool.
///
/// # Errors
/// Those of [`Run::from_file`], and [`Problem::ScatteredQuery`] where the results of a query do not stand together in
/// what is not a regular file, which cannot be read twice.
///
/// # Examples
/// ```
/// use retrieval_eval::{EvalOptions, Measure, Qrels, evaluate_file};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("bm25.run");
/// std::fs::write(&path, "q1 Q0 d1 1 9.5 bm25\nq1 Q0 d2 2 8.1 bm25\n")?;
/// let qrels = Qrels::read_trec("q1 0 d2 1\n".as_bytes(), "qrels")?;
/// let report = evaluate_file(&qrels, &path, &[Measure::mrr(10)], EvalOptions::default())?;
/// assert_eq!(report.mean("MRR@10"), Some(0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate_file<M: Metric>(
    qrels: &Qrels,
    path: impl AsRef<Path>,
    measures: &[M],
    options: EvalOptions,
) -> Result<Report, EvalError> {
    let path = path.as_ref();
    let Input { content, reader } = Input::open(path)?;
    let format = match content {
        Content::Json => return Ok(evaluate(qrels, &Run::read_json(reader, path)?, measures, options)),
        Content::MsMarco => LineFormat::MsMarco,
        Content::Trec | Content::Beir => LineFormat::Trec,
    };
    let mut scores = Scores::new(Evaluation { qrels, measures, options });
    match Stream::new(path, format).read(reader, &mut scores) {
        Ok(()) => Ok(scores.report()),
        Err(EvalError::Line { problem: Problem::ScatteredQuery { .. }, .. }) if path.is_file() => {
            Ok(evaluate(qrels, &Run::from_file(path)?, measures, options))
        }
        Err(error) => Err(error),
    }
}

impl<M: Metric> Consumer for Scores<'_, M> {
    type Query<'t> = Scored<'t>;

    fn query<'t>(&self, query: &'t str, results: &Ranking<'t>) -> Scored<'t> {
        self.evaluation.score(query, results)
    }

    fn take(&mut self, scored: Scored<'_>) -> Result<(), (usize, Problem)> {
        let query = scored.query;
        match self.add(scored) {
            true => Ok(()),
            false => Err((0, Problem::ScatteredQuery { query: query.to_owned() })),
        }
    }
}
