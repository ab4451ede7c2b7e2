use super::Hit;

/// Scores compared at once: a chunk without a candidate costs one branch. Where there is one, the chunk is searched in
/// parts.
const CHUNK: usize = 32;
const PART: usize = 8;

/// The best documents so far of one query, for documents that come in any order.
pub(crate) struct Top {
    k: usize,
    /// Scores below it cannot enter; equal ones may, by a lower index. NaN, below which nothing is, until `k` documents
    /// are in.
    threshold: f32,
    /// The first `len` are candidates, fewer than twice `k`; the others have room for one part more.
    keys: Vec<u64>,
    len: usize,
}

impl Top {
    pub(crate) fn new(k: usize) -> Self {
        Self { k, threshold: f32::NAN, keys: vec![0; 2 * k + PART], len: 0 }
    }

    /// Takes scores, each of the document that `index` has for its position; the position of a NaN is an error.
    #[inline]
    pub(crate) fn offer(&mut self, scores: &[f32], index: impl Fn(usize) -> u32) -> Result<(), usize> {
        for (chunk, start) in scores.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
            if !any_reaches(chunk, self.threshold) {
                continue;
            }
            for (part, start) in chunk.chunks(PART).zip((start..).step_by(PART)) {
                if any_reaches(part, self.threshold) {
                    if let Some(nan) = part.iter().position(|score| score.is_nan()) {
                        return Err(start + nan);
                    }
                    self.take(part, |place| index(start + place));
                }
            }
        }
        Ok(())
    }

    /// Takes the scores that reach the threshold, of at most one part. Each is written, and overwritten by the next
    /// unless it counts: no branch can be mispredicted.
    #[inline]
    fn take(&mut self, part: &[f32], index: impl Fn(usize) -> u32) {
        for (place, &score) in part.iter().enumerate() {
            self.keys[self.len] = key(score, index(place));
            self.len += usize::from(reaches(score, self.threshold));
        }
        if self.len >= 2 * self.k {
            self.cut();
            self.threshold = hit(self.keys[self.k - 1]).score;
        }
    }

    /// Keeps the best `k`, the worst of them last.
    fn cut(&mut self) {
        if self.len > self.k {
            self.keys[..self.len].select_nth_unstable_by(self.k - 1, |a, b| b.cmp(a));
            self.len = self.k;
        }
    }

    /// Takes the documents of another, which may be any.
    pub(crate) fn merge(&mut self, mut other: Top) {
        other.cut();
        self.cut();
        let end = self.len + other.len;
        self.keys[self.len..end].copy_from_slice(&other.keys[..other.len]);
        self.len = end;
        self.cut();
    }

    /// The best `k`, best first.
    pub(crate) fn into_hits(mut self) -> Vec<Hit> {
        self.cut();
        let best = &mut self.keys[..self.len];
        best.sort_unstable_by(|a, b| b.cmp(a));
        best.iter().copied().map(hit).collect()
    }
}

/// Whether a score is at or above the threshold, or either is NaN: hence `!(a < b)`, which is not `a >= b`.
#[allow(clippy::neg_cmp_op_on_partial_ord)]
fn reaches(score: f32, threshold: f32) -> bool {
    !(score < threshold)
}

/// Without a branch, so that it becomes SIMD.
#[inline]
fn any_reaches(scores: &[f32], threshold: f32) -> bool {
    scores.iter().fold(false, |any, &score| any | reaches(score, threshold))
}

/// A number that is higher for a higher score, and for a lower index among equal scores.
fn key(score: f32, index: u32) -> u64 {
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
        let scores = [f32::NEG_INFINITY, -2.5, -1e-40, 0.0, 1e-40, 0.5, f32::MAX, f32::INFINITY];
        assert!(scores.is_sorted_by(|&a, &b| key(a, 0) < key(b, u32::MAX)));
        assert!(key(1.0, 3) > key(1.0, 4));
        for score in scores {
            assert_eq!(hit(key(score, 77)), Hit { index: 77, score });
        }
        assert_eq!(key(-0.0, 5), key(0.0, 5));
    }

    #[test]
    fn equal_scores_keep_the_lower_indices() {
        let mut top = Top::new(3);
        top.offer(&[0.5; 100], |place| 10 + place as u32).unwrap();
        assert_eq!(top.into_hits().iter().map(|hit| hit.index).collect::<Vec<_>>(), [10, 11, 12]);
        let mut top = Top::new(3);
        top.offer(&[0.5; 100], |place| 109 - place as u32).unwrap();
        assert_eq!(top.into_hits().iter().map(|hit| hit.index).collect::<Vec<_>>(), [10, 11, 12]);
    }

    #[test]
    fn minus_infinity_is_a_score_and_nan_is_not() {
        let mut top = Top::new(2);
        top.offer(&[f32::NEG_INFINITY; 3], |place| place as u32).unwrap();
        let mut scores = vec![f32::NEG_INFINITY; 70];
        scores[65] = f32::NAN;
        top.offer(&scores[..65], |place| 3 + place as u32).unwrap();
        assert_eq!(top.offer(&scores, |place| 3 + place as u32), Err(65));
        assert_eq!(top.into_hits().len(), 2);
    }
}
