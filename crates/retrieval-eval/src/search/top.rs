//! The best documents of a query so far, known by bounds of their scores.
//!
//! # Invariant
//! `k` documents have scores of at least the threshold, since their lower bounds are not below it. A document whose upper bound
//! is below it has `k` others strictly above, whatever the order of equal scores. So every one of the best is among the
//! candidates, and the threshold only rises.

use super::Hit;

/// A document that may be among a query's best, with bounds of its inner product over the query's norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) lower: f32,
    pub(super) upper: f32,
    /// Where the document stands.
    pub(super) place: u32,
}

/// The documents so far of which a query's best `k` are some, in any order.
#[derive(Default)]
pub(super) struct Top {
    k: usize,
    /// At least `k` documents are not below it; minus infinity until so many are known.
    threshold: f32,
    candidates: Vec<Candidate>,
}

impl Top {
    pub(super) fn new(k: usize) -> Self {
        Self { k, threshold: f32::NEG_INFINITY, candidates: Vec::new() }
    }

    /// What the upper bound of a document has to reach to be of interest.
    pub(super) fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Takes a document, and tells whether it is time to [`cut`](Self::cut).
    #[inline]
    pub(super) fn offer(&mut self, candidate: Candidate) -> bool {
        if candidate.upper >= self.threshold {
            self.candidates.push(candidate);
        }
        self.candidates.len() >= 2 * self.k
    }

    /// Drops what cannot be among the best. Where bounds leave too many, the documents' exact inner products decide,
    /// which `exact` tells for a place; and `bounds` makes bounds of one.
    ///
    /// Fewer than 3/2 `k` candidates stay, or `k` once exact products decided: at least `k / 2` documents are offered from one
    /// [`cut`](Self::cut) to the next, so that exact products are at most four for each document offered.
    pub(super) fn cut(&mut self, exact: impl Fn(u32) -> Hit, bounds: impl Fn(f32) -> (f32, f32)) {
        self.raise();
        if self.candidates.len() < 2 * self.k - self.k / 2 {
            return;
        }
        let mut exact: Vec<(u64, u32)> = self.candidates.iter().map(|one| (key(exact(one.place)), one.place)).collect();
        keep_best(&mut exact, self.k);
        let candidate = |(key, place)| {
            let (lower, upper) = bounds(hit(key).score);
            Candidate { lower, upper, place }
        };
        self.candidates.clear();
        self.candidates.extend(exact.into_iter().map(candidate));
        self.raise();
    }

    /// Raises the threshold to the k-th lower bound.
    pub(super) fn raise(&mut self) {
        if self.candidates.len() >= self.k {
            let (_, last, _) = self.candidates.select_nth_unstable_by(self.k - 1, |a, b| b.lower.total_cmp(&a.lower));
            self.threshold = self.threshold.max(last.lower);
            self.candidates.retain(|candidate| candidate.upper >= self.threshold);
        }
    }

    /// Takes the documents of another.
    pub(super) fn merge(&mut self, other: Self) {
        self.candidates.extend(other.candidates);
    }

    /// The best `k`, best first, by their exact inner products.
    pub(super) fn into_hits(mut self, exact: impl Fn(u32) -> Hit) -> Vec<Hit> {
        self.raise();
        let mut best: Vec<(u64, u32)> = self.candidates.iter().map(|one| (key(exact(one.place)), one.place)).collect();
        keep_best(&mut best, self.k);
        best.sort_unstable_by(|a, b| b.cmp(a));
        best.into_iter().map(|(key, _)| hit(key)).collect()
    }
}

/// Keeps those of the highest keys.
fn keep_best(keys: &mut Vec<(u64, u32)>, k: usize) {
    if keys.len() > k {
        keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
        keys.truncate(k);
    }
}

/// A number that is higher for a higher score, and for a lower index among equal scores.
fn key(Hit { index, score }: Hit) -> u64 {
    // Adding 0 turns -0 into 0, which it equals.
    let bits = (score + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(!index)
}

fn hit(key: u64) -> Hit {
    let ordered = (key >> 32) as u32;
    let bits = if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered };
    Hit { index: !(key as u32), score: f32::from_bits(bits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_scores_upward_and_indices_downward() {
        let key = |score, index| super::key(Hit { index, score });
        let scores = [f32::NEG_INFINITY, -2.5, -1e-40, 0.0, 1e-40, 0.5, f32::MAX, f32::INFINITY];
        assert!(scores.is_sorted_by(|&a, &b| key(a, 0) < key(b, u32::MAX)));
        assert!(key(1.0, 3) > key(1.0, 4));
        for score in scores {
            assert_eq!(hit(key(score, 77)), Hit { index: 77, score });
        }
        assert_eq!(key(-0.0, 5), key(0.0, 5));
    }

    /// Offers documents of these scores with bounds that are off by as much.
    fn best(scores: &[f32], off: f32, k: usize) -> (Vec<u32>, usize) {
        let exact = |place: u32| Hit { index: place, score: scores[place as usize] };
        let (mut top, mut most) = (Top::new(k), 0);
        for (place, score) in (0..).zip(scores) {
            if top.offer(Candidate { lower: score - off, upper: score + off, place }) {
                top.cut(exact, |score| (score, score));
            }
            most = most.max(top.candidates.len());
        }
        (top.into_hits(exact).into_iter().map(|hit| hit.index).collect(), most)
    }

    #[test]
    fn equal_documents_keep_the_lower_indices_and_do_not_pile_up() {
        for off in [0.0, 0.1] {
            let (indices, most) = best(&[0.5; 1000], off, 3);
            assert_eq!(indices, [0, 1, 2]);
            assert!(most <= 6, "{most} candidates");
        }
    }

    #[test]
    fn bounds_never_lose_the_best() {
        let scores: Vec<f32> =
            (0..2000_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 20) as f32 / 4096.0).collect();
        let mut sorted: Vec<u32> = (0..2000).collect();
        sorted.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
        for (off, k) in [(0.0, 10), (0.001, 10), (0.3, 10), (2.0, 7), (0.01, 1), (0.01, 2000)] {
            assert_eq!(best(&scores, off, k).0, sorted[..k], "{off}");
        }
    }

    #[test]
    fn minus_infinity_is_a_score() {
        assert_eq!(best(&[f32::NEG_INFINITY; 5], 0.0, 2).0, [0, 1]);
    }
}
