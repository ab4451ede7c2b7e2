//! Queries measured one after the other, while their results pass by.

use rustc_hash::FxHashSet;

use crate::evaluate::{EvalOptions, columns};
use crate::metric::Metric;
use crate::problem::Problem;
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

/// What some queries have reached.
pub(crate) struct Scored<'t> {
    /// With their rows among the judgements.
    queries: Vec<(&'t str, Option<u32>)>,
    /// For each that has judgements, its value of every measure.
    values: Vec<f64>,
}

impl<'t> Scored<'t> {
    pub(crate) fn query(&self, place: usize) -> &'t str {
        self.queries[place].0
    }
}

/// Measures queries whose results come one by one.
pub(crate) struct Scorer<'a, 't, M> {
    evaluation: &'a Evaluation<'a, M>,
    ranking: Ranking<'t>,
    scratch: Scratch,
    scored: Scored<'t>,
}

impl<'a, 't, M: Metric> Scorer<'a, 't, M> {
    pub(crate) fn new(evaluation: &'a Evaluation<'a, M>) -> Self {
        let mut ranking = Ranking::default();
        ranking.clear();
        let scored = Scored { queries: Vec::new(), values: Vec::new() };
        Self { evaluation, ranking, scratch: Scratch::default(), scored }
    }

    /// Takes a result of the query that comes next, whose score is not NaN.
    #[inline]
    pub(crate) fn push(&mut self, query: &str, document: &'t str, score: f64) -> Result<(), Problem> {
        match self.ranking.push(document, score) {
            true => Ok(()),
            false => Err(Problem::DuplicateDocument { query: query.to_owned(), document: document.to_owned() }),
        }
    }

    /// Measures `query`, of which all results have been pushed.
    pub(crate) fn finish_query(&mut self, query: &'t str) {
        let Evaluation { qrels, measures, options } = self.evaluation;
        let row = qrels.queries.number(query);
        self.scored.queries.push((query, row));
        if let Some(row) = row {
            let judged = &qrels.rows[row as usize];
            let names = judged.iter().map(|&(document, grade)| (qrels.documents.name(document), grade));
            self.ranking.find(names, &mut self.scratch.found);
            self.scratch.grades.clear();
            self.scratch.grades.extend(judged.iter().map(|&(_, grade)| grade));
            let start = self.scored.values.len();
            self.scored.values.resize(start + measures.len(), 0.0);
            let values = &mut self.scored.values[start..];
            self.scratch.score_found(self.ranking.len(), options.relevance_level, measures, values);
        }
        self.ranking.clear();
    }

    pub(crate) fn finish(self) -> Scored<'t> {
        self.scored
    }
}

/// The values of all queries so far.
pub(crate) struct Scores<'a, M> {
    evaluation: &'a Evaluation<'a, M>,
    /// Query, measure.
    matrix: Vec<f64>,
    answered: Vec<bool>,
    /// Queries without judgements.
    others: FxHashSet<Box<str>>,
}

impl<'a, M: Metric> Scores<'a, M> {
    pub(crate) fn new(evaluation: &'a Evaluation<'a, M>) -> Self {
        let queries = evaluation.qrels.len();
        let matrix = vec![0.0; queries * evaluation.measures.len()];
        Self { evaluation, matrix, answered: vec![false; queries], others: FxHashSet::default() }
    }

    /// Adds what some queries have reached, or returns the place of the first that had been added before.
    pub(crate) fn add(&mut self, scored: &Scored<'_>) -> Result<(), usize> {
        let width = self.evaluation.measures.len();
        let mut rest = scored.values.as_slice();
        for (place, &(query, row)) in scored.queries.iter().enumerate() {
            let new = match row {
                Some(row) => {
                    let row = row as usize;
                    let (values, others) = rest.split_at(width);
                    rest = others;
                    self.matrix[row * width..][..width].copy_from_slice(values);
                    !std::mem::replace(&mut self.answered[row], true)
                }
                None => self.others.insert(query.into()),
            };
            if !new {
                return Err(place);
            }
        }
        Ok(())
    }

    /// The report on all queries that were added, and on those without results if they count.
    pub(crate) fn report(mut self) -> Report {
        let Evaluation { qrels, measures, options } = self.evaluation;
        let width = measures.len();
        let without_results = self.answered.iter().filter(|&&answered| !answered).count();
        if options.complete {
            let mut scorer = Scorer::new(self.evaluation);
            let unanswered = qrels.queries().zip(&self.answered).filter(|(_, answered)| !**answered);
            unanswered.for_each(|(query, _)| scorer.finish_query(query));
            // None of them is there already.
            let _ = self.add(&scorer.finish());
        } else if width > 0 {
            let mut answered = self.answered.iter();
            let rows = self.matrix.chunks(width).filter(|_| answered.next() == Some(&true));
            self.matrix = rows.flatten().copied().collect();
        }
        let kept = qrels.queries().zip(&self.answered).filter(|(_, answered)| **answered);
        Report {
            queries: kept.map(|(query, _)| query.to_owned()).collect(),
            measures: columns(&self.matrix, measures),
            without_judgements: self.others.len(),
            without_results,
            complete: options.complete,
        }
    }
}
