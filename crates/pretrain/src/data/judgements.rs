//! Judgements of one split as they are read, and the test queries that they become.

use rustc_hash::FxHashMap;

use super::{Counts, TestQuery};

/// A part of the data that a judgement belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    Train,
    Validation,
    Test,
}

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Document {
    /// The row of a passage.
    Passage(u32),
    /// The number of a document that the corpus lacks.
    Missing(u32),
}

/// How well a document answers a query, as a line has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judgement {
    pub(super) query: u32,
    pub(super) document: Document,
    pub(super) grade: i32,
    /// The number of the source that has it first.
    pub(super) source: u32,
}

/// The judgements of a split in the order of the data, each query and document once.
#[derive(Default)]
pub(super) struct Judgements {
    pub(super) list: Vec<Judgement>,
    place: FxHashMap<(u32, Document), usize>,
}

impl Judgements {
    /// Adds a judgement; of two for the same query and document the last counts, as for BEIR. Whether it is new.
    pub(super) fn add(&mut self, judgement: Judgement) -> bool {
        let next = self.list.len();
        let place = *self.place.entry((judgement.query, judgement.document)).or_insert(next);
        match self.list.get_mut(place) {
            Some(before) => before.grade = judgement.grade,
            None => self.list.push(judgement),
        }
        place == next
    }
}

/// The queries of `judgements` with their relevant documents, in the order of first judgement.
pub(super) fn test_queries(judgements: &[Judgement], own: &FxHashMap<u32, u32>, counts: &mut Counts) -> Vec<TestQuery> {
    let mut queries: Vec<TestQuery> = Vec::new();
    let mut place = FxHashMap::default();
    for &Judgement { query, document, grade, .. } in judgements {
        if grade <= 0 {
            counts.judgements_not_relevant += 1;
            continue;
        }
        let place = *place.entry(query).or_insert_with(|| {
            queries.push(TestQuery { query, own: own.get(&query).copied(), ..TestQuery::default() });
            queries.len() - 1
        });
        match document {
            Document::Passage(passage) => queries[place].relevant.push((passage, grade)),
            Document::Missing(_) => queries[place].missing.push(grade),
        }
    }
    queries.iter_mut().for_each(|query| query.relevant.sort_unstable());
    queries
}
