//! Queries measured one after the other, whose results are not kept.

use rustc_hash::FxHashSet;

use crate::evaluate::{EvalOptions, columns};
use crate::metric::Metric;
use crate::qrels::Qrels;
use crate::ranking::Ranking;
use crate::ranks::Scratch;
use crate::report::Report;

/// What is measured, and against which judgements.
pub(crate) struct Evaluation<'a, M> {
    pub(crate) qrels: &'a Qrels,
    pub(crate) measures: &'a [M],
    pub(crate) options: EvalOptions,
}

/// What a query has reached.
pub(crate) struct Scored<'t> {
    pub(crate) query: &'t str,
    /// Its row among the judgements and its value of every measure, if it has judgements.
    values: Option<(u32, Box<[f64]>)>,
}

impl<M: Metric> Evaluation<'_, M> {
    /// Measures a query, of which these are the results.
    pub(crate) fn score<'t>(&self, query: &'t str, results: &Ranking<'_>) -> Scored<'t> {
        let Some(row) = self.qrels.queries.number(query) else { return Scored { query, values: None } };
        let judged = &self.qrels.rows[row as usize];
        let names = judged.iter().map(|&(document, grade)| (self.qrels.documents.name(document), grade));
        let mut scratch = Scratch::default();
        results.find(names, &mut scratch.found);
        scratch.grades.extend(judged.iter().map(|&(_, grade)| grade));
        let mut values = vec![0.0; self.measures.len()].into_boxed_slice();
        scratch.score(results.len(), self.options.relevance_level, self.measures, &mut values);
        Scored { query, values: Some((row, values)) }
    }
}

/// The values of all queries so far.
pub(crate) struct Scores<'a, M> {
    pub(crate) evaluation: Evaluation<'a, M>,
    /// Query, measure.
    matrix: Vec<f64>,
    answered: Vec<bool>,
    /// Queries without judgements.
    others: FxHashSet<Box<str>>,
}

impl<'a, M: Metric> Scores<'a, M> {
    pub(crate) fn new(evaluation: Evaluation<'a, M>) -> Self {
        let queries = evaluation.qrels.len();
        let matrix = vec![0.0; queries * evaluation.measures.len()];
        Self { evaluation, matrix, answered: vec![false; queries], others: FxHashSet::default() }
    }

    /// Takes a query; `false` if it has been taken before.
    #[must_use]
    pub(crate) fn add(&mut self, Scored { query, values }: Scored<'_>) -> bool {
        let Some((row, values)) = values else { return self.others.insert(query.into()) };
        let row = row as usize;
        self.matrix[row * values.len()..][..values.len()].copy_from_slice(&values);
        !std::mem::replace(&mut self.answered[row], true)
    }

    /// The report on the queries that were taken, and on those without results if they count.
    pub(crate) fn report(mut self) -> Report {
        let Evaluation { qrels, measures, options } = self.evaluation;
        let width = measures.len();
        let missing: Vec<&str> =
            qrels.queries().zip(&self.answered).filter(|(_, is)| !**is).map(|(id, _)| id).collect();
        if options.complete {
            for query in &missing {
                let nothing = self.evaluation.score(query, &Ranking::new());
                // It is the first time.
                let _ = self.add(nothing);
            }
        } else if width > 0 {
            let rows = self.matrix.chunks(width).zip(&self.answered).filter(|(_, answered)| **answered);
            self.matrix = rows.flat_map(|(row, _)| row).copied().collect();
        }
        let kept = qrels.queries().zip(&self.answered).filter(|(_, answered)| **answered);
        Report {
            queries: kept.map(|(query, _)| query.to_owned()).collect(),
            measures: columns(&self.matrix, measures),
            without_judgements: self.others.len(),
            without_results: missing.len(),
            complete: options.complete,
        }
    }
}
