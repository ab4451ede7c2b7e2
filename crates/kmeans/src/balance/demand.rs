use rayon::prelude::*;

use super::candidates::{Candidates, Choice};

/// What every `stride`-th row wants, kept from price to price.
///
/// A row has to look at its candidates again only where its own cluster has become dearer, or others cheaper, by more
/// than what lay between its best two: bounds as for the rows of a clustering (Hamerly 2010, *SDM*), on prices.
pub(super) struct Demand<'a> {
    candidates: &'a Candidates,
    stride: usize,
    wants: Vec<Want>,
    prices: Vec<f32>,
    /// Sum over the passes of the most that a price fell.
    fallen: f32,
}

#[derive(Clone)]
struct Want {
    cluster: u32,
    cosine: f32,
    /// No other cluster's value is above this and what prices have fallen.
    ceiling: f32,
}

/// Rows that one thread counts at a time.
const PART: usize = 4096;

impl<'a> Demand<'a> {
    pub(super) fn new(candidates: &'a Candidates, clusters: usize, stride: usize) -> Self {
        let unknown = Want { cluster: 0, cosine: 0.0, ceiling: f32::INFINITY };
        let wants = vec![unknown; candidates.rows().div_ceil(stride)];
        Self { candidates, stride, wants, prices: vec![0.0; clusters], fallen: 0.0 }
    }

    /// How many rows want each cluster at these prices.
    pub(super) fn at(&mut self, prices: &[f32]) -> Vec<u64> {
        let falls = self.prices.iter().zip(prices).map(|(before, now)| before - now);
        self.fallen += falls.fold(0.0, f32::max);
        self.prices.copy_from_slice(prices);
        let Self { candidates, stride, fallen, .. } = *self;
        let market = candidates.market(prices);
        let count = |mut sizes: Vec<u64>, (part, wants): (usize, &mut [Want])| {
            for (index, want) in wants.iter_mut().enumerate() {
                if want.cosine - prices[want.cluster as usize] <= want.ceiling + fallen {
                    let Choice { best, second, .. } = candidates.choice((part * PART + index) * stride, market);
                    *want = Want { cluster: best.cluster, cosine: best.cosine, ceiling: second - fallen };
                }
                sizes[want.cluster as usize] += stride as u64;
            }
            sizes
        };
        let none = || vec![0; prices.len()];
        self.wants.par_chunks_mut(PART).enumerate().fold(none, count).reduce(none, |mut left, right| {
            left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
            left
        })
    }
}
