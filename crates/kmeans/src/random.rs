use ndarray::Array2;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use vectors::UnitRows;

use crate::clustering::{Clusterer, Clustering, Iteration};
use crate::rows::checked;
use crate::sums::by_label;
use crate::{KMeansError, Vectors, init};

/// The baseline: labels drawn without a look at the rows, in equal numbers up to one.
///
/// Centroids are the normalised means of the labels and the objective is that of the labels as drawn, so
/// [`Clustering::predict`] does not repeat them.
///
/// # Examples
/// ```
/// use kmeans::{Clusterer, RandomLabels};
/// use ndarray::array;
///
/// let rows = array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0]];
/// let clustering = RandomLabels { clusters: 2, seed: 0 }.fit(rows.view())?;
/// assert_eq!(clustering.sizes, [2, 1]);
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomLabels {
    /// Number of clusters, k.
    pub clusters: usize,
    /// Seed of the labels.
    pub seed: u64,
}

impl RandomLabels {
    fn checked_rows<'a>(&self, rows: UnitRows<'a>) -> Result<UnitRows<'a>, KMeansError> {
        match self.clusters {
            0 => Err(KMeansError::NoClusters),
            clusters if u32::try_from(clusters).is_err() => Err(KMeansError::TooManyClusters { clusters }),
            clusters if rows.len() < clusters => Err(KMeansError::TooFewRows { rows: rows.len(), clusters }),
            _ => Ok(rows),
        }
    }

    fn labels(&self, rows: usize) -> Vec<u32> {
        let mut labels: Vec<u32> = (0..rows).map(|row| (row % self.clusters) as u32).collect();
        labels.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed));
        labels
    }
}

impl Clusterer for RandomLabels {
    fn fit_with(&self, rows: &Vectors<'_>, observer: &mut dyn FnMut(&Iteration)) -> Result<Clustering, KMeansError> {
        let rows = self.checked_rows(checked(rows)?)?;
        let labels = self.labels(rows.len());
        let sums = by_label(rows, &labels, self.clusters);
        let centroids = sums.centroids(first_rows(rows, &labels, self.clusters).view());
        let objective = sums.alignment(centroids.view()) / rows.len() as f64;
        let iteration = Iteration { run: 0, index: 0, objective, changed: rows.len() as u64, reseeded: 0 };
        observer(&iteration);
        Ok(Clustering { labels, centroids, objective, history: vec![iteration], sizes: sums.sizes, converged: true })
    }
}

/// The first row of each label.
fn first_rows(rows: UnitRows<'_>, labels: &[u32], clusters: usize) -> Array2<f32> {
    let mut first = vec![0; clusters];
    for (row, &label) in labels.iter().enumerate().rev() {
        first[label as usize] = row;
    }
    init::take(rows, &first)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn more_clusters_than_rows_are_refused_with_both_numbers() {
        let error = RandomLabels { clusters: 3, seed: 0 }.fit(array![[1.0], [-1.0]].view()).unwrap_err();
        assert_eq!(error.to_string(), "2 rows cannot fill 3 clusters");
    }

    #[test]
    fn the_objective_is_the_mean_cosine_with_the_own_centroid() {
        let rows = array![[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]];
        let clustering = RandomLabels { clusters: 1, seed: 0 }.fit(rows.view()).unwrap();
        assert_eq!(clustering.centroids, array![[0.0, 1.0]]);
        assert!((clustering.objective - 1.0 / 3.0).abs() < 1e-12);
    }
}
