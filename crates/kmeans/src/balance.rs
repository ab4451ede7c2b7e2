//! Sizes within bounds at the least loss of objective, for centroids that stay.
//!
//! The problem is a transport: every row to one cluster, every cluster between its bounds. Its dual has one price a
//! cluster, and rows that take the largest cosine − price are an optimal assignment for the sizes that come out. So
//! prices are moved until the sizes almost fit ([`prices`]), and the few rows left over are moved along shortest paths
//! of clusters ([`repair`]), which keeps the assignment optimal.

mod bounds;
mod candidates;
mod demand;
mod prices;
mod problem;
mod queues;
mod repair;
mod search;

use ndarray::{Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;

use crate::assign::assign;
use crate::rows::checked;
use crate::sums::sizes;
use crate::{Clustering, KMeansError, Vectors};
pub use bounds::Bounds;
use candidates::Candidates;
use prices::Prices;
use problem::Problem;
use repair::Repair;

/// A clustering whose sizes are within bounds, and what that cost.
///
/// # Examples
/// ```
/// use kmeans::{Balanced, Bounds, Clusterer, SphericalKMeansConfig};
/// use ndarray::array;
///
/// let rows = array![[1.0, 0.0], [0.96, 0.28], [0.8, 0.6], [-1.0, 0.0]];
/// let clustering = SphericalKMeansConfig::new(2).build()?.fit(rows.view())?;
/// let balanced = clustering.balanced(rows.view(), Bounds::at_least(2))?;
/// assert_eq!(balanced.clustering.sizes, [2, 2]);
/// assert_eq!(balanced.moved, 1);
/// assert!((balanced.clustering.objective + balanced.objective_lost - clustering.objective).abs() < 1e-6);
///
/// let dir = std::env::temp_dir().join("kmeans-balanced");
/// balanced.save(&dir)?; // labels.npy, centroids.npy, clusters.json
/// assert_eq!(Balanced::load(&dir)?, balanced);
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Balanced {
    /// Labels, sizes and objective within the bounds; centroids, history and `converged` of the clustering it came
    /// from. Some labels are not those of the nearest centroid, so [`Clustering::predict`] does not repeat them.
    pub clustering: Clustering,
    /// What the sizes are within.
    pub bounds: Bounds,
    /// Mean cosine of all rows with their nearest centroids less that with the centroids of their labels; at least 0.
    pub objective_lost: f64,
    /// Rows whose label is not that of their nearest centroid.
    pub moved: u64,
}

impl Clustering {
    /// The same centroids with sizes within `bounds`: among the assignments of `rows` to these centroids that keep
    /// the bounds, one of the highest objective. The best 64 clusters of a row are considered (so up to 64 clusters
    /// the optimum is exact to f32 rounding); where more are needed, others are fetched as prices change.
    ///
    /// Where the nearest centroids keep the bounds already, their labels are the result. The result does not depend
    /// on the number of threads.
    ///
    /// Reads the rows a few times and keeps 8 bytes for each candidate: `min(k, 64)` of them a row, fewer above 2
    /// million rows, where all together take 1 GiB, and never under 16. While the last rows are moved, up to 512 bytes
    /// are added for each pair of clusters that share a candidate, at most 16 for each candidate.
    ///
    /// # Shapes
    /// - `rows`: `[n, dim]`, each row of L2 norm 1 (within 1e-3); usually those of the fit
    ///
    /// # Errors
    /// Those of [`Bounds::check`] and [`Clustering::predict`].
    ///
    /// # Source
    /// Prices as in the auction algorithm (Bertsekas 1988, *Annals of Operations Research* 14), all at a time and with
    /// steps as in RPROP (Riedmiller & Braun 1993); then successive shortest paths (Ahuja, Magnanti & Orlin 1993,
    /// *Network Flows*, §9.7).
    #[doc(alias = "constrained")]
    #[doc(alias = "capacity")]
    pub fn balanced<'a>(&self, rows: impl Into<Vectors<'a>>, bounds: Bounds) -> Result<Balanced, KMeansError> {
        let rows = rows.into();
        let rows = checked(&rows)?;
        let (clusters, dim) = self.centroids.dim();
        if rows.dim() != dim {
            return Err(KMeansError::DimMismatch { rows: rows.dim(), centroids: dim });
        }
        bounds.check(rows.len(), clusters)?;
        let mut nearest = vec![0; rows.len()];
        let objective = assign(rows, self.centroids.view(), &mut nearest).cosines / rows.len() as f64;
        let nearest_sizes = sizes(&nearest, clusters);
        if bounds.hold(&nearest_sizes) {
            return Ok(self.relabelled(nearest, nearest_sizes, objective, bounds));
        }
        let problem = Problem { rows, centroids: &self.centroids, bounds };
        let labels = problem.solve();
        let (moved, lost) = problem.loss(&nearest, &labels);
        let sizes = sizes(&labels, clusters);
        Ok(Balanced { objective_lost: lost, moved, ..self.relabelled(labels, sizes, objective - lost, bounds) })
    }

    fn relabelled(&self, labels: Vec<u32>, sizes: Vec<u64>, objective: f64, bounds: Bounds) -> Balanced {
        let (centroids, history, converged) = (self.centroids.clone(), self.history.clone(), self.converged);
        let clustering = Self { labels, centroids, objective, history, sizes, converged };
        Balanced { clustering, bounds, objective_lost: 0.0, moved: 0 }
    }
}

/// Prices settle, then the candidates are fetched anew under them: so often at most.
const ROUNDS: usize = 3;

impl Problem<'_> {
    fn solve(self) -> Vec<u32> {
        let mut prices = Prices::new(self.centroids.nrows(), self.bounds);
        let mut candidates = Candidates::new(self, prices.values());
        for _ in 1..ROUNDS {
            prices.settle(&candidates);
            if candidates.suffice(prices.values()) {
                return Repair::new(self, candidates, prices.values()).run();
            }
            candidates = Candidates::new(self, prices.values());
        }
        prices.settle(&candidates);
        Repair::new(self, candidates, prices.values()).run()
    }

    /// Rows whose label is not that of their nearest centroid, and the mean cosine they cost.
    fn loss(self, nearest: &[u32], labels: &[u32]) -> (u64, f64) {
        let moved: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] != nearest[row]).collect();
        let losses: Vec<f64> = moved
            .par_iter()
            .map_init(Vec::new, |buffer, &row| {
                let values = self.rows.row(row, buffer);
                let cosine = |label: u32| dot(values, self.centroids.row(label as usize));
                cosine(nearest[row]) - cosine(labels[row])
            })
            .collect();
        // Two centroids that tie in f32 may differ the other way in f64.
        let lost = losses.iter().sum::<f64>().max(0.0) / labels.len() as f64;
        (moved.len() as u64, lost)
    }

    /// Cosines of the rows at `indices` with `centroids`.
    fn cosines(self, indices: &[usize], centroids: ArrayView2<'_, f32>) -> Array2<f32> {
        crate::init::take(self.rows, indices).dot(&centroids.t())
    }
}

fn dot(row: &[f32], centroid: ArrayView1<'_, f32>) -> f64 {
    row.iter().zip(centroid).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

#[cfg(test)]
mod tests {
    use vectors::UnitRows;

    use super::*;

    /// Rows on an arc, all nearest to the first of the centroids on the rest of the circle.
    fn crowded(n: usize, clusters: usize) -> (Vec<f32>, Array2<f32>) {
        let point = |angle: f32| [angle.cos(), angle.sin()];
        let rows = (0..n).flat_map(|row| point(0.1 * row as f32 / n as f32)).collect();
        let centroids = (0..clusters).flat_map(|cluster| point(3.0 * cluster as f32 / clusters as f32)).collect();
        (rows, Array2::from_shape_vec((clusters, 2), centroids).unwrap())
    }

    #[test]
    fn bounds_hold_where_no_candidate_leads_to_the_clusters_that_lack_rows() {
        let (values, centroids) = crowded(200, 10);
        let rows = UnitRows::of_copies(&values, 2);
        for bounds in [Bounds::at_least(20), Bounds::at_least(5), Bounds::at_least(0).with_max(Some(30))] {
            let problem = Problem { rows, centroids: &centroids, bounds };
            for width in [2, 3, 10] {
                let none = vec![0.0; 10];
                let labels = Repair::new(problem, Candidates::of_width(problem, &none, width), &none).run();
                let sizes = sizes(&labels, 10);
                assert!(bounds.hold(&sizes), "{width} candidates, {bounds:?}: {sizes:?}");
            }
            assert!(bounds.hold(&sizes(&problem.solve(), 10)));
        }
    }

    #[test]
    fn candidates_suffice_once_fetched_under_the_prices() {
        let (values, centroids) = crowded(200, 10);
        let problem =
            Problem { rows: UnitRows::of_copies(&values, 2), centroids: &centroids, bounds: Bounds::at_least(20) };
        let free = Candidates::of_width(problem, &[0.0; 10], 3);
        assert!(free.suffice(&[0.0; 10]));
        let prices: Vec<f32> = (0..10).map(|cluster| -0.4 * cluster as f32).collect();
        assert!(!free.suffice(&prices));
        assert!(Candidates::of_width(problem, &prices, 3).suffice(&prices));
    }
}
