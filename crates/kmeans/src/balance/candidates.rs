use ndarray::{ArrayView1, Axis};
use rayon::prelude::*;

use super::problem::Problem;

/// A cluster that a row may take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Candidate {
    pub(super) cluster: u32,
    pub(super) cosine: f32,
}

/// The best clusters of each row under given prices, best first.
pub(super) struct Candidates {
    entries: Vec<Candidate>,
    width: usize,
    /// The prices under which they were chosen.
    prices: Vec<f32>,
}

/// Candidates of a row.
const MOST: usize = 64;
const LEAST: usize = 16;

/// Bytes of all candidates together, as long as each row has the least number.
const BUDGET: usize = 1 << 30;

/// Rows whose cosines are computed together.
pub(super) const BLOCK: usize = 256;

impl Candidates {
    pub(super) fn new(problem: Problem<'_>, prices: &[f32]) -> Self {
        let affordable = BUDGET / size_of::<Candidate>() / problem.rows.len();
        Self::of_width(problem, prices, affordable.clamp(LEAST, MOST))
    }

    pub(super) fn of_width(problem: Problem<'_>, prices: &[f32], width: usize) -> Self {
        let rows = problem.rows.len();
        let width = width.min(prices.len());
        let mut entries = vec![Candidate::default(); rows * width];
        entries.par_chunks_mut(BLOCK * width).enumerate().for_each(|(block, entries)| {
            let first = block * BLOCK;
            let indices: Vec<usize> = (first..rows.min(first + BLOCK)).collect();
            let cosines = problem.cosines(&indices, problem.centroids.view());
            let mut order = Vec::with_capacity(prices.len());
            for (entries, cosines) in entries.chunks_exact_mut(width).zip(cosines.axis_iter(Axis(0))) {
                best_first(cosines, prices, entries, &mut order);
            }
        });
        Self { entries, width, prices: prices.to_vec() }
    }

    pub(super) fn rows(&self) -> usize {
        self.entries.len() / self.width
    }

    #[inline]
    pub(super) fn of(&self, row: usize) -> &[Candidate] {
        &self.entries[row * self.width..][..self.width]
    }

    /// The candidate of the largest cosine − price, and what the second has.
    #[inline]
    pub(super) fn choice(&self, row: usize, Market { prices, fall }: Market<'_>) -> Choice {
        let mut choice = Choice { best: Candidate::default(), value: f32::NEG_INFINITY, second: f32::NEG_INFINITY };
        for &candidate in self.of(row) {
            // The rest came later in the order, and no price has fallen by more.
            if choice.second >= candidate.cosine - self.prices[candidate.cluster as usize] + fall {
                break;
            }
            let value = candidate.cosine - prices[candidate.cluster as usize];
            if value > choice.value {
                choice = Choice { best: candidate, value, second: choice.value };
            } else {
                choice.second = choice.second.max(value);
            }
        }
        choice
    }

    pub(super) fn market<'a>(&self, prices: &'a [f32]) -> Market<'a> {
        let falls = self.prices.iter().zip(prices).map(|(before, now)| before - now);
        Market { prices, fall: falls.fold(f32::NEG_INFINITY, f32::max) }
    }

    /// Whether no row can prefer a cluster that is not among its candidates.
    pub(super) fn suffice(&self, prices: &[f32]) -> bool {
        if self.width == prices.len() {
            return true;
        }
        let market = self.market(prices);
        (0..self.rows()).into_par_iter().all(|row| {
            let last = self.of(row)[self.width - 1];
            let outside = last.cosine - self.prices[last.cluster as usize] + market.fall;
            self.choice(row, market).value >= outside
        })
    }

    /// Gives rows another last candidate.
    pub(super) fn replace_last(&mut self, replacements: Vec<(usize, Candidate)>) {
        for (row, candidate) in replacements {
            self.entries[(row + 1) * self.width - 1] = candidate;
        }
    }
}

/// What a row wants under some prices. Values are cosines less prices.
pub(super) struct Choice {
    pub(super) best: Candidate,
    pub(super) value: f32,
    pub(super) second: f32,
}

/// Prices, and the most that one of them has fallen since the candidates were chosen.
#[derive(Clone, Copy)]
pub(super) struct Market<'a> {
    prices: &'a [f32],
    fall: f32,
}

fn best_first(cosines: ArrayView1<'_, f32>, prices: &[f32], entries: &mut [Candidate], order: &mut Vec<u64>) {
    order.clear();
    order.extend(cosines.iter().zip(prices).zip(0_u32..).map(|((cosine, price), cluster)| {
        // Descending by value, then ascending by cluster.
        u64::from(!ascending(cosine - price)) << 32 | u64::from(cluster)
    }));
    if entries.len() < order.len() {
        order.select_nth_unstable(entries.len() - 1);
    }
    order[..entries.len()].sort_unstable();
    for (entry, &key) in entries.iter_mut().zip(order.iter()) {
        let cluster = key as u32;
        *entry = Candidate { cluster, cosine: cosines[cluster as usize] };
    }
}

/// Bits that order as the numbers do.
pub(super) fn ascending(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_best_come_first_and_ties_by_cluster() {
        let mut entries = [Candidate::default(); 3];
        best_first(array![0.5_f32, 0.9, -0.5, 0.5].view(), &[0.0, 0.6, -1.5, 0.0], &mut entries, &mut Vec::new());
        let clusters = entries.map(|entry| entry.cluster);
        assert_eq!(clusters, [2, 0, 3]);
        assert_eq!(entries[0].cosine, -0.5);
    }

    #[test]
    fn bits_order_as_the_numbers_do() {
        let numbers = [-1.0, -0.5, -1e-20, 0.0, 1e-20, 0.25, 1.0_f32];
        assert!(numbers.map(ascending).is_sorted());
    }
}
