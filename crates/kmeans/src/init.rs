use ndarray::Array2;
use rand::RngExt;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use vectors::UnitRows;

use crate::Init;
use crate::assign::{assign, lower_distances};
use crate::sums::sizes;

/// Starting centroids, unnormalised rows `[clusters, dim]`.
pub(crate) fn start(init: Init, rows: UnitRows<'_>, clusters: usize, rng: &mut ChaCha8Rng) -> Array2<f32> {
    let chosen = match init {
        Init::RandomRows => random_rows(rows.len(), clusters, rng),
        Init::KMeansPlusPlus => plus_plus(rows, clusters, rng),
        Init::KMeansParallel => parallel(rows, clusters, rng),
    };
    take(rows, &chosen)
}

/// Distinct rows, drawn without a look at them.
pub(crate) fn random_rows(rows: usize, clusters: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    index::sample(rng, rows, clusters).into_vec()
}

pub(crate) fn take(rows: UnitRows<'_>, indices: &[usize]) -> Array2<f32> {
    let shape = (indices.len(), rows.dim());
    Array2::from_shape_vec(shape, rows.gather(indices)).expect("each index gives one row of `dim` values")
}

fn plus_plus(rows: UnitRows<'_>, clusters: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut chosen = Chosen::new(rows.len(), rng.random_range(0..rows.len()));
    chosen.grow(rows, |_| 1.0, clusters, rng);
    chosen.rows
}

/// Candidates of k-means‖ drawn in one round, for each cluster.
const OVERSAMPLING: usize = 2;

/// Five rounds reach k-means++'s cost wherever the paper measures it (§5.3).
const ROUNDS: usize = 5;

fn parallel(rows: UnitRows<'_>, clusters: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut candidates = Chosen::new(rows.len(), rng.random_range(0..rows.len()));
    for _ in 0..ROUNDS {
        candidates.oversample(rows, OVERSAMPLING * clusters, rng);
    }
    candidates.grow(rows, |_| 1.0, clusters, rng);
    let kept = reduce(rows, &candidates.rows, clusters, rng);
    kept.into_iter().map(|candidate| candidates.rows[candidate]).collect()
}

/// Positions of `clusters` of the candidates, drawn by k-means++ with each weighted by the rows nearest to it.
fn reduce(rows: UnitRows<'_>, candidates: &[usize], clusters: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let candidates = take(rows, candidates);
    let mut labels = vec![0; rows.len()];
    assign(rows, candidates.view(), &mut labels);
    let weights: Vec<f64> = sizes(&labels, candidates.nrows()).into_iter().map(|size| size as f64).collect();
    let first = draw(weights.iter().copied(), rng).expect("every row is nearest to some candidate");
    let (values, _) = candidates.into_raw_vec_and_offset();
    let mut kept = Chosen::new(weights.len(), first);
    kept.grow(UnitRows::of_copies(&values, rows.dim()), |candidate| weights[candidate], clusters, rng);
    kept.rows
}

/// Distinct rows, and how far every row is from the nearest of them.
struct Chosen {
    rows: Vec<usize>,
    /// 1 − cosine of each row with the nearest of the first `measured` chosen rows, 0 for those themselves.
    distances: Vec<f32>,
    measured: usize,
}

impl Chosen {
    fn new(rows: usize, first: usize) -> Self {
        // No cosine is further than 2 from 1, so the first centroid lowers every entry.
        Self { rows: vec![first], distances: vec![2.0; rows], measured: 0 }
    }

    /// Draws single rows, each with a probability proportional to weight times distance, until there are `count`; where
    /// every row is at one of those already, the others uniformly.
    fn grow(&mut self, rows: UnitRows<'_>, weight: impl Fn(usize) -> f64, count: usize, rng: &mut ChaCha8Rng) {
        while self.rows.len() < count {
            self.measure(rows);
            let distances = self.distances.iter().enumerate();
            match draw(distances.map(|(row, &distance)| weight(row) * f64::from(distance)), rng) {
                Some(row) => self.rows.push(row),
                // Distances only fall: none of the rows to come is worth a pass.
                None => return self.fill(count, rng),
            }
        }
    }

    /// Draws rows without a look at them until there are `count`.
    fn fill(&mut self, count: usize, rng: &mut ChaCha8Rng) {
        let mut is_chosen = vec![false; self.distances.len()];
        self.rows.iter().for_each(|&row| is_chosen[row] = true);
        let others: Vec<usize> = (0..is_chosen.len()).filter(|&row| !is_chosen[row]).collect();
        let drawn = index::sample(rng, others.len(), count - self.rows.len());
        self.rows.extend(drawn.into_iter().map(|at| others[at]));
    }

    /// Draws each row by itself, with a probability proportional to its distance; `count` rows are expected, or fewer
    /// where a row would come more than once.
    fn oversample(&mut self, rows: UnitRows<'_>, count: usize, rng: &mut ChaCha8Rng) {
        self.measure(rows);
        let cost: f64 = self.distances.iter().map(|&distance| f64::from(distance)).sum();
        for (row, &distance) in self.distances.iter().enumerate() {
            // One number a row, drawn in any case: a distance that is rounded to 0 or not changes no later draw.
            if rng.random::<f64>() * cost < count as f64 * f64::from(distance) {
                self.rows.push(row);
            }
        }
    }

    fn measure(&mut self, rows: UnitRows<'_>) {
        let newest = &self.rows[self.measured..];
        if newest.is_empty() {
            return;
        }
        lower_distances(rows, take(rows, newest).view(), &mut self.distances);
        for &row in newest {
            self.distances[row] = 0.0;
        }
        self.measured = self.rows.len();
    }
}

/// An index with probability proportional to its weight; `None` if all are 0.
fn draw(weights: impl Iterator<Item = f64> + Clone, rng: &mut ChaCha8Rng) -> Option<usize> {
    let total: f64 = weights.clone().sum();
    let mut left = rng.random::<f64>() * total;
    let mut last = None;
    for (index, weight) in weights.enumerate() {
        if weight > 0.0 {
            last = Some(index);
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;

    /// Each of the `count` axes of a space in turn, `rows` times in all.
    fn axes(rows: usize, count: usize) -> Vec<f32> {
        (0..rows).flat_map(|row| (0..count).map(move |axis| f32::from(u8::from(row % count == axis)))).collect()
    }

    #[test]
    fn one_row_of_each_distinct_direction_is_taken() {
        let values = axes(60, 3);
        for seed in 0..20 {
            for choose in [plus_plus, parallel] {
                let chosen = choose(UnitRows::of_copies(&values, 3), 3, &mut ChaCha8Rng::seed_from_u64(seed));
                let axes: HashSet<usize> = chosen.iter().map(|row| row % 3).collect();
                assert_eq!(axes.len(), 3, "seed {seed}");
            }
        }
    }

    #[test]
    fn distinct_rows_are_chosen_even_if_there_are_fewer_directions() {
        for (rows, directions, clusters) in [(5, 1, 5), (40, 4, 20), (9, 9, 9), (1, 1, 1)] {
            let values = axes(rows, directions);
            for choose in [plus_plus, parallel] {
                let chosen =
                    choose(UnitRows::of_copies(&values, directions), clusters, &mut ChaCha8Rng::seed_from_u64(0));
                assert_eq!(chosen.len(), clusters);
                assert_eq!(chosen.into_iter().collect::<HashSet<_>>().len(), clusters);
            }
        }
    }

    #[test]
    fn rows_are_measured_as_often_as_there_are_directions_and_no_more() {
        for (directions, clusters) in [(1, 1900), (5, 1900), (5, 2000), (5, 3)] {
            let values = axes(2000, directions);
            let rows = UnitRows::of_copies(&values, directions);
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let mut chosen = Chosen::new(2000, 0);
            chosen.grow(rows, |_| 1.0, clusters, &mut rng);
            assert_eq!(chosen.rows.iter().collect::<HashSet<_>>().len(), clusters);
            // Each pass measures one more row.
            assert_eq!(chosen.measured, directions.min(clusters - 1));
        }
    }

    #[test]
    fn a_round_draws_as_many_rows_as_asked_for_in_expectation() {
        let values: Vec<f32> = (0..4000).flat_map(|row| [(row as f32).cos(), (row as f32).sin()]).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut candidates = Chosen::new(4000, 0);
        candidates.oversample(UnitRows::of_copies(&values, 2), 200, &mut rng);
        assert!((150..250).contains(&candidates.rows.len()), "{}", candidates.rows.len());
        assert!(candidates.rows[1..].is_sorted() && candidates.distances[0] == 0.0);
    }

    #[test]
    fn a_candidate_counts_as_often_as_rows_are_nearest_to_it() {
        // 97 rows along one axis, three along another: the first one kept is of the many.
        let mut values = [1.0, 0.0].repeat(97);
        values.extend([0.0, 1.0].repeat(3));
        let rows = UnitRows::of_copies(&values, 2);
        let of_many = |seed| reduce(rows, &[98, 5], 1, &mut ChaCha8Rng::seed_from_u64(seed)) == [1];
        let kept = (0..1000).filter(|&seed| of_many(seed)).count();
        assert!((940..1000).contains(&kept), "{kept}");
    }

    #[test]
    fn an_index_is_drawn_as_often_as_its_weight_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let draws = (0..4000).filter(|_| draw([0.5, 0.0, 1.5].into_iter(), &mut rng) == Some(2)).count();
        assert!((2850..3150).contains(&draws), "{draws}");
        assert_eq!(draw([0.0, 0.0].into_iter(), &mut rng), None);
    }
}
