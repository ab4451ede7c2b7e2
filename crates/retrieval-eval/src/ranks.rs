use rustc_hash::FxHashMap;

use crate::metric::{JudgedRanking, Metric, RankedJudgement};

/// Up to this many judgements, a vectorised scan of the results for each beats a table of the judgements.
const SCANNED: usize = 12;

/// The memory of one thread, reused from query to query.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The judged documents among the results, best rank first.
    pub(crate) found: Vec<RankedJudgement>,
    /// The grades of all judged documents, in any order.
    pub(crate) grades: Vec<i32>,
    table: FxHashMap<u32, i32>,
}

impl Scratch {
    /// Puts the value of each measure into `values`, for the query that `found` and `grades` describe.
    pub(crate) fn score<M: Metric>(&mut self, retrieved: usize, level: i32, measures: &[M], values: &mut [f64]) {
        self.grades.sort_unstable_by(|a, b| b.cmp(a));
        let query = JudgedRanking::new(&self.found, retrieved, &self.grades, level);
        for (value, measure) in values.iter_mut().zip(measures) {
            *value = measure.score(&query);
        }
    }

    /// Finds the judged documents among the results, which are given best first and none twice.
    pub(crate) fn find(&mut self, judged: &[(u32, i32)], ranked: &[u32]) {
        self.found.clear();
        if judged.len() <= SCANNED {
            let rank = |document| position(ranked, document).map(|place| place + 1);
            let found =
                judged.iter().filter_map(|&(document, grade)| Some(RankedJudgement { rank: rank(document)?, grade }));
            self.found.extend(found);
            self.found.sort_unstable_by_key(|result| result.rank);
        } else {
            self.table.clear();
            self.table.extend(judged.iter().copied());
            for (rank, document) in (1..).zip(ranked) {
                self.found.extend(self.table.get(document).map(|&grade| RankedJudgement { rank, grade }));
            }
        }
    }
}

/// Where `value` stands. Whole chunks are compared without a branch, which the compiler turns into SIMD.
pub(crate) fn position(values: &[u32], value: u32) -> Option<usize> {
    const CHUNK: usize = 64;
    let has = |chunk: &[u32]| chunk.iter().fold(false, |any, &other| any | (other == value));
    let (chunk, start) = values.chunks(CHUNK).zip((0..).step_by(CHUNK)).find(|(chunk, _)| has(chunk))?;
    Some(start + chunk.iter().position(|&other| other == value)?)
}
