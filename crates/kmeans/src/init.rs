use ndarray::Array2;
use rand::RngExt;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use crate::Init;
use crate::assign::lower_distances;
use crate::rows::Source;

/// Starting centroids, unnormalised rows `[clusters, dim]`.
pub(crate) fn start(init: Init, rows: Source<'_>, clusters: usize, rng: &mut ChaCha8Rng) -> Array2<f32> {
    let chosen = match init {
        Init::RandomRows => index::sample(rng, rows.len(), clusters).into_vec(),
        Init::KMeansPlusPlus => plus_plus(rows, clusters, rng),
    };
    take(rows, &chosen)
}

pub(crate) fn take(rows: Source<'_>, indices: &[usize]) -> Array2<f32> {
    let shape = (indices.len(), rows.dim());
    Array2::from_shape_vec(shape, rows.gather(indices)).expect("each index gives one row of `dim` values")
}

fn plus_plus(rows: Source<'_>, clusters: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut chosen = vec![rng.random_range(0..rows.len())];
    // No cosine is further than 2 from 1, so the first centroid lowers every entry.
    let mut distances = vec![2.0_f32; rows.len()];
    while chosen.len() < clusters {
        let newest = take(rows, &chosen[chosen.len() - 1..]);
        lower_distances(rows, newest.view(), &mut distances);
        for &row in &chosen {
            distances[row] = 0.0;
        }
        chosen.push(draw(&distances, rng).unwrap_or_else(|| unchosen(rows.len(), &chosen, rng)));
    }
    chosen
}

/// An index with probability proportional to its distance; `None` if all are 0.
fn draw(distances: &[f32], rng: &mut ChaCha8Rng) -> Option<usize> {
    let total: f64 = distances.iter().map(|&distance| f64::from(distance)).sum();
    let mut left = rng.random::<f64>() * total;
    let mut last = None;
    for (row, &distance) in distances.iter().enumerate() {
        if distance > 0.0 {
            last = Some(row);
            left -= f64::from(distance);
            if left < 0.0 {
                break;
            }
        }
    }
    last
}

fn unchosen(rows: usize, chosen: &[usize], rng: &mut ChaCha8Rng) -> usize {
    loop {
        let row = rng.random_range(0..rows);
        if !chosen.contains(&row) {
            return row;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn plus_plus_takes_one_row_of_each_distinct_direction() {
        let values: Vec<f32> = (0..60).flat_map(|row| (0..3).map(move |axis| f32::from(row % 3 == axis))).collect();
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let chosen = plus_plus(Source::f32(&values, 3), 3, &mut rng);
            let axes: HashSet<usize> = chosen.iter().map(|row| row % 3).collect();
            assert_eq!(axes.len(), 3, "seed {seed}");
        }
    }

    #[test]
    fn plus_plus_chooses_distinct_rows_even_if_all_are_equal() {
        let values = vec![1.0; 5];
        let chosen = plus_plus(Source::f32(&values, 1), 5, &mut ChaCha8Rng::seed_from_u64(0));
        assert_eq!(chosen.into_iter().collect::<HashSet<_>>().len(), 5);
    }

    #[test]
    fn a_row_is_drawn_as_often_as_its_distance_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let draws = (0..4000).filter(|_| draw(&[0.5, 0.0, 1.5], &mut rng) == Some(2)).count();
        assert!((2850..3150).contains(&draws), "{draws}");
        assert_eq!(draw(&[0.0, 0.0], &mut rng), None);
    }
}
