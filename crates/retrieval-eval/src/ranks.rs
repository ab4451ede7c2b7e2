use rustc_hash::FxHashMap;

use crate::metric::{JudgedRanking, Metric, RankedJudgement};

/// Up to this many judgements, a vectorised scan of the results for each beats a table.
const SCANNED: usize = 12;

/// The memory of one thread, reused from query to query.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The judgements of the query: (document, grade).
    pub(crate) judged: Vec<(u32, i32)>,
    /// The grades of further judged documents, which no result can be.
    pub(crate) unknown: Vec<i32>,
    pub(crate) grades: Vec<i32>,
    pub(crate) found: Vec<RankedJudgement>,
    table: FxHashMap<u32, i32>,
}

impl Scratch {
    /// Puts the value of each measure into `values`, for the results `ranked` (no document twice, best first) and the
    /// judgements in `self.judged`.
    pub(crate) fn score<M: Metric>(&mut self, ranked: &[u32], level: i32, measures: &[M], values: &mut [f64]) {
        self.find_ranks(ranked);
        self.grades.clear();
        self.grades.extend(self.judged.iter().map(|&(_, grade)| grade).chain(self.unknown.iter().copied()));
        self.score_found(ranked.len(), level, measures, values);
    }

    /// As [`Scratch::score`], where the judgements among the `retrieved` results and the grades of all judgements are
    /// known already.
    pub(crate) fn score_found<M: Metric>(&mut self, retrieved: usize, level: i32, measures: &[M], values: &mut [f64]) {
        self.grades.sort_unstable_by(|a, b| b.cmp(a));
        let query = JudgedRanking::new(&self.found, retrieved, &self.grades, level);
        for (value, measure) in values.iter_mut().zip(measures) {
            *value = measure.score(&query);
        }
    }

    fn find_ranks(&mut self, ranked: &[u32]) {
        self.found.clear();
        if self.judged.len() <= SCANNED {
            for &(document, grade) in &self.judged {
                if let Some(place) = position(ranked, document) {
                    self.found.push(RankedJudgement { rank: place + 1, grade });
                }
            }
            self.found.sort_unstable_by_key(|result| result.rank);
        } else {
            self.table.clear();
            self.table.extend(self.judged.iter().copied());
            for (place, document) in ranked.iter().enumerate() {
                if let Some(&grade) = self.table.get(document) {
                    self.found.push(RankedJudgement { rank: place + 1, grade });
                }
            }
        }
    }
}

/// Where `document` stands. Whole chunks are compared without a branch, which the compiler turns into SIMD.
fn position(ranked: &[u32], document: u32) -> Option<usize> {
    const CHUNK: usize = 64;
    let has = |chunk: &[u32]| chunk.iter().fold(false, |any, &other| any | (other == document));
    let (chunk, start) = ranked.chunks(CHUNK).zip((0..).step_by(CHUNK)).find(|(chunk, _)| has(chunk))?;
    Some(start + chunk.iter().position(|&other| other == document)?)
}
