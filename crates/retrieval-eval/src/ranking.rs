use std::cmp::Ordering;
use std::hash::Hasher;

use rustc_hash::FxHasher;

use crate::metric::RankedJudgement;
use crate::problem::Problem;

/// Up to this many judged results are ranked by counting what precedes them, which the compiler turns into SIMD; more
/// by sorting.
const COUNTED: usize = 32;

/// The results of one query in the order in which they come, and where each document stands among them.
pub(crate) struct Ranking<'t> {
    documents: Vec<&'t str>,
    scores: Vec<f64>,
    hashes: Vec<u32>,
    /// Open addressing: a document's hash in the upper half, its place + 1 in the lower one; 0 where free. At most
    /// half of a power of two are taken.
    slots: Vec<u64>,
    /// Whether they come as [`Run`](crate::Run) orders them.
    in_order: bool,
}

/// A result at its rank.
pub(crate) struct Ranked<'t> {
    pub(crate) document: &'t str,
    pub(crate) score: f64,
    pub(crate) hash: u32,
    /// How many came before it.
    pub(crate) place: usize,
}

impl<'t> Ranking<'t> {
    pub(crate) fn new() -> Self {
        let (documents, scores, hashes) = (Vec::new(), Vec::new(), Vec::new());
        Self { documents, scores, hashes, slots: vec![0; 64], in_order: true }
    }

    pub(crate) fn clear(&mut self) {
        // As much as the last query needed; a much larger one before it must not be paid for ever after.
        let slots = (2 * self.documents.len()).next_power_of_two().max(64);
        self.slots.clear();
        self.slots.resize(slots, 0);
        self.documents.clear();
        self.scores.clear();
        self.hashes.clear();
        self.in_order = true;
    }

    pub(crate) fn len(&self) -> usize {
        self.documents.len()
    }

    /// Takes a result of `query`.
    #[inline]
    pub(crate) fn take(&mut self, query: &str, document: &'t str, score: f64) -> Result<(), Problem> {
        let names = || (query.to_owned(), document.to_owned());
        if score.is_nan() {
            let (query, document) = names();
            return Err(Problem::NanScore { query, document });
        }
        if !self.push(document, score) {
            let (query, document) = names();
            return Err(Problem::DuplicateDocument { query, document });
        }
        Ok(())
    }

    /// Takes a result, whose score is not NaN; `false` if the document has one already.
    #[must_use]
    #[inline]
    pub(crate) fn push(&mut self, document: &'t str, score: f64) -> bool {
        if self.slots.len() < 2 * (self.documents.len() + 1) {
            self.grow();
        }
        let hash = hash(document);
        let (slot, place) = self.slot(hash, document);
        if place.is_some() {
            return false;
        }
        if let (Some(&last), Some(&above)) = (self.documents.last(), self.scores.last()) {
            self.in_order &= above > score || (above == score && last > document);
        }
        self.documents.push(document);
        self.scores.push(score);
        self.hashes.push(hash);
        self.slots[slot] = u64::from(hash) << 32 | self.documents.len() as u64;
        true
    }

    /// The slot of a document or the free one that it would get, and its place if it has one.
    #[inline]
    fn slot(&self, hash: u32, document: &str) -> (usize, Option<usize>) {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let taken = self.slots[slot];
            if taken == 0 {
                return (slot, None);
            }
            let place = taken as u32 as usize - 1;
            if (taken >> 32) as u32 == hash && self.documents[place] == document {
                return (slot, Some(place));
            }
            slot = (slot + 1) & mask;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let mask = 2 * self.slots.len() - 1;
        self.slots.clear();
        self.slots.resize(mask + 1, 0);
        for (&hash, place) in self.hashes.iter().zip(1..) {
            let mut slot = hash as usize & mask;
            while self.slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = u64::from(hash) << 32 | place;
        }
    }

    /// The results, best first.
    pub(crate) fn ranked(&self) -> impl Iterator<Item = Ranked<'t>> {
        let order = if self.in_order { (0..self.documents.len()).collect() } else { self.order() };
        order.into_iter().map(|place| Ranked {
            document: self.documents[place],
            score: self.scores[place],
            hash: self.hashes[place],
            place,
        })
    }

    /// The places of the results, best first.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.documents.len()).collect();
        order.sort_unstable_by(|&a, &b| {
            // -0 and 0 are equal scores, hence `partial_cmp`; there is no NaN.
            let by_score = self.scores[b].partial_cmp(&self.scores[a]).unwrap_or(Ordering::Equal);
            by_score.then_with(|| self.documents[b].cmp(self.documents[a]))
        });
        order
    }

    /// Puts those of the judged documents that are among the results into `found`, best rank first.
    pub(crate) fn find<'j>(&self, judged: impl Iterator<Item = (&'j str, i32)>, found: &mut Vec<RankedJudgement>) {
        let place = |document| self.slot(hash(document), document).1;
        found.clear();
        found.extend(judged.filter_map(|(document, grade)| Some(RankedJudgement { rank: place(document)?, grade })));
        self.ranks(found);
        found.sort_unstable_by_key(|result| result.rank);
    }

    /// Turns the place of each into its rank.
    fn ranks(&self, found: &mut [RankedJudgement]) {
        if self.in_order {
            found.iter_mut().for_each(|result| result.rank += 1);
        } else if found.len() <= COUNTED {
            found.iter_mut().for_each(|result| result.rank = self.rank_of(result.rank));
        } else {
            let mut ranks = vec![0; self.len()];
            self.order().into_iter().zip(1..).for_each(|(place, rank)| ranks[place] = rank);
            found.iter_mut().for_each(|result| result.rank = ranks[result.rank]);
        }
    }

    fn rank_of(&self, place: usize) -> usize {
        let (score, document) = (self.scores[place], self.documents[place]);
        let above = self.scores.iter().filter(|&&other| other > score).count();
        let equal = self.scores.iter().filter(|&&other| other == score).count();
        let precedes = |(&other, &name): (&f64, &&str)| other == score && name > document;
        let tied = match equal {
            1 => 0,
            _ => self.scores.iter().zip(&self.documents).filter(|&result| precedes(result)).count(),
        };
        above + tied + 1
    }
}

/// A number by which most documents differ.
pub(crate) fn hash(document: &str) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(document.as_bytes());
    hasher.finish() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking<'t>(results: &[(&'t str, f64)]) -> Ranking<'t> {
        let mut ranking = Ranking::new();
        for (document, score) in results {
            assert!(ranking.push(document, *score));
        }
        ranking
    }

    fn ranks(results: &[(&str, f64)], judged: &[&str]) -> Vec<usize> {
        let mut found = Vec::new();
        ranking(results).find(judged.iter().map(|&document| (document, 1)), &mut found);
        found.iter().map(|result| result.rank).collect()
    }

    #[test]
    fn equal_scores_are_ordered_by_id_descending_however_they_come() {
        let results = [("d1", 0.0), ("d3", 2.0), ("d2", -0.0), ("d4", f64::INFINITY), ("d9", -1.0)];
        assert_eq!(ranks(&results, &["d1"]), [4]);
        assert_eq!(ranks(&results, &["d2", "x", "d9", "d4"]), [1, 3, 5]);
        let sorted: Vec<_> = ranking(&results).ranked().map(|result| (result.document, result.score)).collect();
        assert_eq!(sorted, [("d4", f64::INFINITY), ("d3", 2.0), ("d2", 0.0), ("d1", 0.0), ("d9", -1.0)]);
        assert_eq!(ranks(&sorted, &["d1", "d2", "d9", "d4"]), [1, 3, 4, 5]);
        assert!(ranks(&[], &["d1"]).is_empty());
    }

    #[test]
    fn many_judged_results_are_ranked_as_few() {
        let names: Vec<String> = (0..500).map(|n| format!("d{n}")).collect();
        let score = |n: usize| [0.0, -0.0, 1.0, -2.5][n * 7 % 4];
        let results: Vec<(&str, f64)> = names.iter().enumerate().map(|(n, name)| (name.as_str(), score(n))).collect();
        let judged: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(ranks(&results, &judged), (1..=500).collect::<Vec<_>>());
        let mut one_by_one: Vec<usize> = judged.iter().flat_map(|name| ranks(&results, &[name])).collect();
        one_by_one.sort_unstable();
        assert_eq!(one_by_one, (1..=500).collect::<Vec<_>>());
    }

    #[test]
    fn a_document_is_taken_once_a_query() {
        let names: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        let mut ranking = Ranking::new();
        for queries in [1000, 3, 1000] {
            ranking.clear();
            assert!(names[..queries].iter().all(|name| ranking.push(name, 0.0)));
            assert!(names[..queries].iter().all(|name| !ranking.push(name, 1.0)));
            assert_eq!(ranking.len(), queries);
        }
    }
}
