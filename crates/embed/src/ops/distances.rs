use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// What attention adds to a score by how far a key is from its query.
pub(crate) struct Distances<B: Backend> {
    /// Keys that are farther away are not seen.
    pub(crate) window: Option<usize>,
    /// Of each bucket of distances what each head adds: `[buckets, heads]`.
    pub(crate) biases: Option<Tensor<B, 2>>,
}

impl<B: Backend> Distances<B> {
    pub(super) fn matter(&self) -> bool {
        self.window.is_some() || self.biases.is_some()
    }
}

/// Rows of a table of buckets.
pub(crate) const BUCKETS: usize = 32;

/// The bucket of a key so many places behind its query: half of them are for those before and half for those behind, of each half one half for single
/// distances, the other for ever wider ranges up to 128.
///
/// # Source
/// Raffel et al. (2020), arXiv 1910.10683, §2.1; numerically MPNet's in transformers.
fn bucket(behind: isize) -> usize {
    const MOST: f32 = 128.0;
    let half = BUCKETS / 2;
    let single = half / 2;
    let (side, distance) = (if behind > 0 { half } else { 0 }, behind.unsigned_abs());
    let within = if distance < single {
        distance
    } else {
        let ratio = (distance as f32 / single as f32).ln() / (MOST / single as f32).ln();
        (single + (ratio * (half - single) as f32) as usize).min(half - 1)
    };
    side + within
}

/// The buckets of keys from `longest - 1` places before their query to as many behind.
pub(super) fn buckets_of(longest: usize) -> Vec<usize> {
    let most = longest as isize - 1;
    (-most..=most).map(bucket).collect()
}

/// What is added to scores, laid out for one query's keys after another.
#[cfg(feature = "flex")]
pub(crate) struct Added {
    /// Of each head, or of all where there is one row, what is added for keys from `longest - 1` places before their query to as many behind; none where
    /// nothing is.
    rows: Vec<f32>,
    longest: usize,
    of_all: bool,
}

#[cfg(feature = "flex")]
impl Added {
    /// For texts of up to `longest` tokens; `biases` are `[BUCKETS, heads]`, or none.
    pub(crate) fn new(longest: usize, heads: usize, window: Option<usize>, biases: &[f32]) -> Self {
        let longest = longest.max(1);
        let mut added = Added { rows: Vec::new(), longest, of_all: biases.is_empty() };
        if biases.is_empty() && window.is_none() {
            return added;
        }
        let buckets = buckets_of(longest);
        let of_head = |head: usize| {
            let bias = |at: usize| biases.get(buckets[at] * heads + head).copied().unwrap_or(0.0);
            let sees = |at: usize| window.is_none_or(|window| at.abs_diff(longest - 1) <= window);
            (0..2 * longest - 1).map(|at| if sees(at) { bias(at) } else { f32::NEG_INFINITY }).collect::<Vec<_>>()
        };
        added.rows = (0..if added.of_all { 1 } else { heads }).flat_map(of_head).collect();
        added
    }

    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// For the keys of a text of so many tokens, one query after another.
    #[inline(always)]
    pub(crate) fn of(&self, head: usize, query: usize, tokens: usize) -> Option<&[f32]> {
        let width = 2 * self.longest - 1;
        let row = if self.of_all { 0 } else { head * width };
        self.rows.get(row..row + width).map(|row| &row[self.longest - 1 - query..][..tokens])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_transformers_own() {
        // `MPNetEncoder.relative_position_bucket(torch.tensor([...]), num_buckets=32)` of transformers 4.57.
        let of = |behind: [isize; 10]| behind.map(bucket);
        assert_eq!(of([0, 1, -1, 7, -7, 8, -8, 9, 11, 12]), [0, 17, 1, 23, 7, 24, 8, 24, 24, 25]);
        assert_eq!(of([-20, 40, -64, 90, -127, 128, -1000, 16, -23, 500]), [10, 28, 14, 30, 15, 31, 15, 26, 11, 31]);
        let firsts = (8..16).map(|bucket_of| (0_isize..).find(|&distance| bucket(-distance) == bucket_of));
        assert_eq!(firsts.flatten().collect::<Vec<_>>(), [8, 12, 16, 23, 32, 46, 64, 91]);
    }
}
