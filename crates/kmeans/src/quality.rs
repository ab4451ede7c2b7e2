mod agreement;
mod silhouette;

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use vectors::UnitRows;

use crate::rows::checked;
use crate::sums::{Sums, by_label};
use crate::{Clustering, KMeansError, Vectors};
pub use agreement::Agreement;
use silhouette::Silhouette;

/// Rows drawn uniformly, without replacement.
///
/// ```
/// let sample = kmeans::Sample { rows: 1000, seed: 7 };
/// assert_ne!(sample, kmeans::Sample::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sample {
    /// Number of rows; all of them if there are fewer. Default 10,000.
    pub rows: usize,
    /// Seed of the draw.
    pub seed: u64,
}

impl Default for Sample {
    fn default() -> Self {
        Self { rows: 10_000, seed: 0 }
    }
}

/// How well labels divide their rows. A cosine is the inner product of two unit rows.
///
/// # Examples
/// ```
/// use kmeans::{Clusterer, Sample, SphericalKMeansConfig};
/// use ndarray::array;
///
/// let rows = array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0], [-0.6, -0.8]];
/// let clustering = SphericalKMeansConfig::new(2).build()?.fit(rows.view())?;
/// let quality = clustering.quality(rows.view(), Sample::default())?;
/// assert!((quality.within.unwrap() - 0.8).abs() < 1e-6);
/// assert!((quality.between.unwrap() + 0.54).abs() < 1e-6);
/// assert!((quality.normalised_entropy.unwrap() - 1.0).abs() < 1e-12);
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Mean cosine of all pairs of different rows with the same label, in `-1..=1`; `None` if there is no such pair.
    pub within: Option<f64>,
    /// Mean cosine of all pairs of rows with different labels, in `-1..=1`; `None` if there is no such pair.
    pub between: Option<f64>,
    /// Mean silhouette of the sampled rows, in `-1..=1`; `None` if fewer than two clusters have rows, or no row is
    /// sampled. A row's silhouette is `(b − a) / max(a, b)`: `a` its mean cosine distance to the other rows of its
    /// label, `b` the least mean distance to those of another, both over *all* rows; 0 for the only row of a label.
    pub silhouette: Option<f64>,
    /// Entropy of the labels in nats, in `0..=ln k`: `ln k` if all k sizes are equal.
    pub entropy: f64,
    /// `entropy / ln k`, in `0..=1`; `None` for one cluster.
    pub normalised_entropy: Option<f64>,
}

impl Clustering {
    /// Cosines within and between clusters, silhouette and entropy of the sizes.
    ///
    /// All but the silhouette are exact over all rows; the silhouette is exact for each sampled row. Both use the sums
    /// of the clusters' rows, `clusters × dim` values of f64, so that no pair of rows is visited. The result does not
    /// depend on the number of threads.
    ///
    /// # Shapes
    /// - `rows`: `[n, dim]`, each row of L2 norm 1 (within 1e-3), in the order of `labels`
    ///
    /// # Errors
    /// [`KMeansError::LabelCount`] if `labels` are not `[n]`, and those of [`Clustering::predict`].
    ///
    /// # Source
    /// Rousseeuw (1987), *Journal of Computational and Applied Mathematics* 20; on all rows as scikit-learn's
    /// `silhouette_score(metric="cosine")`.
    pub fn quality<'a>(&self, rows: impl Into<Vectors<'a>>, sample: Sample) -> Result<Quality, KMeansError> {
        let rows = rows.into();
        let rows = checked(&rows)?;
        let (clusters, dim) = self.centroids.dim();
        if rows.dim() != dim {
            return Err(KMeansError::DimMismatch { rows: rows.dim(), centroids: dim });
        }
        if rows.len() != self.labels.len() {
            return Err(KMeansError::LabelCount { labels: self.labels.len(), rows: rows.len() });
        }
        let sums = by_label(rows, &self.labels, clusters);
        let (within, between) = mean_cosines(rows, &sums);
        let mut rng = ChaCha8Rng::seed_from_u64(sample.seed);
        let sampled = index::sample(&mut rng, rows.len(), sample.rows.min(rows.len())).into_vec();
        let entropy = entropy(&sums.sizes);
        Ok(Quality {
            within,
            between,
            silhouette: Silhouette::new(rows, &self.labels, sums).mean(sampled),
            entropy,
            normalised_entropy: (clusters > 1).then(|| entropy / (clusters as f64).ln()),
        })
    }
}

/// Mean cosines of the pairs with one label and of those with two.
fn mean_cosines(rows: UnitRows<'_>, sums: &Sums) -> (Option<f64>, Option<f64>) {
    let dim = rows.dim();
    let mut total = vec![0.0; dim];
    let mut of_clusters = 0.0;
    for sum in sums.values.chunks_exact(dim) {
        of_clusters += squared(sum);
        total.iter_mut().zip(sum).for_each(|(total, value)| *total += value);
    }
    // |Σ x|² is the sum of the products of all ordered pairs, each row with itself among them.
    let pairs = |size: u64| size as f64 * size as f64;
    let of_rows = rows.len() as f64;
    let pairs_of_clusters: f64 = sums.sizes.iter().map(|&size| pairs(size)).sum();
    let mean = |products: f64, pairs: f64| (pairs > 0.0).then(|| products / pairs);
    let within = mean(of_clusters - squared_rows(rows), pairs_of_clusters - of_rows);
    let between = mean(squared(&total) - of_clusters, pairs(rows.len() as u64) - pairs_of_clusters);
    (within, between)
}

fn squared(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum()
}

const PART: usize = 1024;

/// Sum of the rows' products with themselves: 1 each only if they are stored exactly.
fn squared_rows(rows: UnitRows<'_>) -> f64 {
    let parts =
        (0..rows.len().div_ceil(PART)).into_par_iter().map(|part| part * PART..rows.len().min((part + 1) * PART));
    let sums: Vec<f64> = parts
        .map(|part| {
            let mut buffer = Vec::new();
            let products =
                part.map(|row| rows.row(row, &mut buffer).iter().map(|&value| f64::from(value).powi(2)).sum::<f64>());
            products.sum()
        })
        .collect();
    sums.iter().sum()
}

/// In nats.
fn entropy(sizes: &[u64]) -> f64 {
    let total: u64 = sizes.iter().sum();
    let parts = sizes.iter().filter(|&&size| size > 0).map(|&size| size as f64 / total as f64);
    parts.map(|part| -part * part.ln()).sum::<f64>().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_that_of_the_sizes() {
        assert!((entropy(&[5, 5, 0, 5, 5]) - 4.0_f64.ln()).abs() < 1e-12);
        assert_eq!(entropy(&[0, 7]), 0.0);
        assert!((entropy(&[1, 3]) - (4.0_f64.ln() - 0.75 * 3.0_f64.ln())).abs() < 1e-12);
    }
}
