use rayon::prelude::*;

use crate::metric::Metric;
use crate::qrels::Qrels;
use crate::ranks::Scratch;
use crate::report::{MeasureValues, Report};
use crate::run::Run;

/// Which queries count, and which grades are relevant.
///
/// ```
/// use retrieval_eval::EvalOptions;
///
/// assert!(!EvalOptions::default().complete);
/// assert!(EvalOptions::default().with_complete(true).complete);
/// assert_eq!(EvalOptions::default().with_relevance_level(2).relevance_level, 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EvalOptions {
    /// `false` leaves judged queries without results out, as trec_eval does by default; `true` counts them as 0, as
    /// `trec_eval -c` does. Set it where every judged query was searched, as in BEIR: a query for which a system finds
    /// nothing must not raise its mean.
    pub complete: bool,
    /// The lowest grade that is relevant, 1 by default: `trec_eval -l`. It does not change the gain of a grade. Grades
    /// below 0 are never relevant.
    pub relevance_level: i32,
}

impl Default for EvalOptions {
    fn default() -> Self {
        Self { complete: false, relevance_level: 1 }
    }
}

impl EvalOptions {
    /// These options with judged queries without results counted as 0, or left out.
    pub fn with_complete(mut self, complete: bool) -> Self {
        self.complete = complete;
        self
    }

    /// These options with grades from `relevance_level` on relevant.
    pub fn with_relevance_level(mut self, relevance_level: i32) -> Self {
        self.relevance_level = relevance_level;
        self
    }
}

/// The values of `measures` for each query of a run, in the order of the judgements, and their means.
///
/// Queries without judgements are left out and counted, whatever the options. Runs on rayon's current pool; the result
/// does not depend on the number of threads.
///
/// # Examples
/// ```
/// use retrieval_eval::{EvalOptions, Measure, Qrels, Run, evaluate};
///
/// let mut qrels = Qrels::new();
/// qrels.insert("q1", "d2", 1)?;
/// qrels.insert("q2", "d1", 1)?;
/// let mut run = Run::new();
/// run.insert("q1", [("d1", 0.9), ("d2", 0.8)])?;
///
/// let measures: [Measure; 2] = ["MRR@10".parse()?, "recall@100".parse()?];
/// let report = evaluate(&qrels, &run, &measures, EvalOptions::default());
/// assert_eq!(report.mean("MRR@10"), Some(0.5));
/// assert_eq!(report.without_results, 1);
///
/// let report = evaluate(&qrels, &run, &measures, EvalOptions::default().with_complete(true));
/// assert_eq!(report.mean("MRR@10"), Some(0.25));
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
pub fn evaluate<M: Metric>(qrels: &Qrels, run: &Run, measures: &[M], options: EvalOptions) -> Report {
    let answered = |query: u32| Some(query).filter(|&query| run.retrieved(query) > 0);
    let results: Vec<Option<u32>> = qrels.queries().map(|query| run.queries.number(query).and_then(answered)).collect();
    let kept: Vec<usize> = (0..results.len()).filter(|&query| options.complete || results[query].is_some()).collect();

    let matrix = score_all(kept.len(), measures, options, |row, scratch| {
        let query = kept[row];
        let judged = &qrels.rows[query];
        scratch.grades.extend(judged.iter().map(|&(_, grade)| grade));
        let names = judged.iter().map(|&(document, grade)| (qrels.documents.name(document), grade));
        results[query].map_or(0, |number| {
            run.find(number, names, &mut scratch.found);
            run.retrieved(number)
        })
    });

    let ids: Vec<&str> = qrels.queries().collect();
    let unjudged = (0..)
        .zip(run.queries())
        .filter(|&(number, query)| run.retrieved(number) > 0 && qrels.queries.number(query).is_none());
    Report {
        queries: kept.iter().map(|&query| ids[query].to_owned()).collect(),
        measures: matrix,
        without_judgements: unjudged.count(),
        without_results: results.iter().filter(|result| result.is_none()).count(),
        complete: options.complete,
    }
}

/// The values of every measure for `rows` queries, in parallel.
///
/// `fill` puts the judgements of a row into the scratch, which has none, and returns the number of the row's results.
pub(crate) fn score_all<M: Metric>(
    rows: usize,
    measures: &[M],
    options: EvalOptions,
    fill: impl Fn(usize, &mut Scratch) -> usize + Sync,
) -> Vec<MeasureValues> {
    let width = measures.len();
    let mut matrix = vec![0.0; rows * width];
    if width > 0 {
        matrix.par_chunks_mut(width).enumerate().for_each_init(Scratch::default, |scratch, (row, values)| {
            scratch.found.clear();
            scratch.grades.clear();
            let retrieved = fill(row, scratch);
            scratch.score(retrieved, options.relevance_level, measures, values);
        });
    }
    columns(&matrix, measures)
}

/// The values of each measure, from a row of all measures for each query.
pub(crate) fn columns<M: Metric>(matrix: &[f64], measures: &[M]) -> Vec<MeasureValues> {
    let column = |place: usize| matrix.iter().skip(place).step_by(measures.len()).copied().collect();
    measures.iter().enumerate().map(|(place, measure)| MeasureValues::new(measure, column(place))).collect()
}
