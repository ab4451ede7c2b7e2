mod config;
mod files;
mod shares;

use std::path::Path;

use ndarray::{Array2, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::rows::{Source, checked};
use crate::{Clusterer, Clustering, KMeansError, SphericalKMeansConfig, Vectors};
pub use config::HierarchyConfig;

/// Spherical k-means from the top: each level divides every cluster of the level before.
///
/// A cluster is divided into a number of clusters in proportion to its rows (Sainte-Laguë's divisors 1, 3, 5, …): at
/// least one, never more than it has rows, and in sum exactly those of the level. A cluster without rows has no
/// children. The result does not depend on the number of threads. The rows of one cluster at a time are copied as f32.
///
/// A level costs about as much as [`SphericalKMeans`](crate::SphericalKMeans) with the clusters of one parent, which
/// is why k in the thousands is cheaper in levels.
///
/// # Examples
/// ```
/// use kmeans::HierarchyConfig;
/// use ndarray::array;
///
/// let rows = array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0], [-0.6, -0.8]];
/// let hierarchy = HierarchyConfig::new([1, 2, 4]).build()?.fit(rows.view())?;
/// assert_eq!(hierarchy.levels[2].clustering.sizes, [1; 4]);
/// assert_eq!(hierarchy.levels[2].parents, [0, 0, 1, 1]);
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HierarchicalKMeans {
    config: HierarchyConfig,
}

/// Nested clusterings of the same rows.
///
/// ```
/// use kmeans::{Hierarchy, HierarchyConfig};
/// use ndarray::array;
///
/// let rows = array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0], [-0.6, -0.8]];
/// let hierarchy = HierarchyConfig::new([2, 3]).build()?.fit(rows.view())?;
/// let [coarse, fine] = &hierarchy.levels[..] else { unreachable!() };
/// for (&label, &sub_label) in coarse.clustering.labels.iter().zip(&fine.clustering.labels) {
///     assert_eq!(fine.parents[sub_label as usize], label);
/// }
///
/// let dir = std::env::temp_dir().join("kmeans-hierarchy");
/// hierarchy.save(&dir)?; // labels-2.npy, centroids-2.npy, labels-3.npy, centroids-3.npy, hierarchy.json
/// assert_eq!(Hierarchy::load(&dir)?, hierarchy);
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Hierarchy {
    /// The coarsest first.
    pub levels: Vec<Level>,
}

/// One level of a [`Hierarchy`].
///
/// ```
/// use kmeans::HierarchyConfig;
/// use ndarray::array;
///
/// let hierarchy = HierarchyConfig::new([1, 2]).build()?.fit(array![[1.0, 0.0], [0.0, 1.0]].view())?;
/// assert!(hierarchy.levels[0].parents.is_empty());
/// assert_eq!(hierarchy.levels[1].parents, [0, 0]);
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Labels, centroids, objective and sizes. A label is that of the nearest centroid *of the same parent*, so below
    /// the first level [`Clustering::predict`] need not repeat it. Below the first level `history` is empty, and
    /// `converged` says whether the fits of all parents did.
    pub clustering: Clustering,
    /// `[clusters]`, ascending: the cluster of the level before whose rows these are. Empty at the first level.
    pub parents: Vec<u32>,
}

impl HierarchicalKMeans {
    /// The settings it was built from.
    #[must_use]
    pub fn config(&self) -> &HierarchyConfig {
        &self.config
    }

    /// The levels of `rows`.
    ///
    /// # Shapes
    /// - `rows`: `[n, dim]`, each row of L2 norm 1 (within 1e-3)
    ///
    /// # Errors
    /// Those of [`Clusterer::fit`]; [`KMeansError::TooFewRows`] if `n` is less than the clusters of the last level.
    pub fn fit<'a>(&self, rows: impl Into<Vectors<'a>>) -> Result<Hierarchy, KMeansError> {
        let vectors = rows.into();
        let rows = checked(&vectors)?;
        let levels = &self.config.levels;
        if let Some(&clusters) = levels.iter().find(|&&clusters| clusters > rows.len()) {
            return Err(KMeansError::TooFewRows { rows: rows.len(), clusters });
        }
        let mut seeds = ChaCha8Rng::seed_from_u64(self.config.kmeans.seed);
        let top = self.clustering(&vectors, levels[0], self.config.kmeans.seed)?;
        let mut fitted = vec![Level { clustering: top, parents: Vec::new() }];
        for &clusters in &levels[1..] {
            let coarser = &fitted[fitted.len() - 1].clustering;
            fitted.push(self.refine(rows, coarser, clusters, &mut seeds)?);
        }
        Ok(Hierarchy { levels: fitted })
    }

    fn clustering(&self, rows: &Vectors<'_>, clusters: usize, seed: u64) -> Result<Clustering, KMeansError> {
        let config = SphericalKMeansConfig { clusters, seed, ..self.config.kmeans.clone() };
        config.build()?.fit_with(rows, &mut |_| ())
    }

    fn refine(
        &self,
        rows: Source<'_>,
        coarser: &Clustering,
        clusters: usize,
        seeds: &mut ChaCha8Rng,
    ) -> Result<Level, KMeansError> {
        let mut level = Growing::new(rows.len(), clusters, rows.dim());
        let members = members(coarser);
        for ((parent, members), children) in (0..).zip(&members).zip(shares::children(&coarser.sizes, clusters)) {
            // Drawn for every parent: one without rows does not change the seeds of the others.
            let seed = seeds.random();
            if children > 0 {
                let values = rows.gather(members);
                let part = self.clustering(&Vectors::from_f32(&values, rows.dim())?, children, seed)?;
                level.add(parent, members, &part);
            }
        }
        Ok(level.finish())
    }
}

/// Rows of each cluster.
fn members(clustering: &Clustering) -> Vec<Vec<usize>> {
    let mut members: Vec<Vec<usize>> = clustering.sizes.iter().map(|&size| Vec::with_capacity(size as usize)).collect();
    for (row, &label) in clustering.labels.iter().enumerate() {
        members[label as usize].push(row);
    }
    members
}

/// A level whose parents are divided one after another.
struct Growing {
    level: Level,
    /// Sum of the rows' cosines with their centroids.
    cosines: f64,
}

impl Growing {
    fn new(rows: usize, clusters: usize, dim: usize) -> Self {
        let clustering = Clustering {
            labels: vec![0; rows],
            centroids: Array2::zeros((clusters, dim)),
            objective: 0.0,
            history: Vec::new(),
            sizes: Vec::with_capacity(clusters),
            converged: true,
        };
        Self { level: Level { clustering, parents: Vec::with_capacity(clusters) }, cosines: 0.0 }
    }

    fn add(&mut self, parent: u32, members: &[usize], part: &Clustering) {
        let Level { clustering, parents } = &mut self.level;
        let first = parents.len();
        parents.resize(first + part.sizes.len(), parent);
        clustering.centroids.slice_mut(s![first..parents.len(), ..]).assign(&part.centroids);
        clustering.sizes.extend(&part.sizes);
        clustering.converged &= part.converged;
        for (&row, &label) in members.iter().zip(&part.labels) {
            clustering.labels[row] = first as u32 + label;
        }
        self.cosines += part.objective * members.len() as f64;
    }

    fn finish(mut self) -> Level {
        self.level.clustering.objective = self.cosines / self.level.clustering.labels.len() as f64;
        self.level
    }
}

impl Hierarchy {
    /// Writes `labels-K.npy` (u32) and `centroids-K.npy` (f32) for each level of K clusters, and `hierarchy.json`,
    /// into `dir`, which is made if it is not there. Each file is written beside its place and renamed into it.
    ///
    /// # Errors
    /// [`KMeansError::Io`].
    pub fn save(&self, dir: &Path) -> Result<(), KMeansError> {
        files::save(self, dir)
    }

    /// The hierarchy that [`save`](Self::save) wrote to `dir`.
    ///
    /// # Errors
    /// Those of [`Clustering::load`]; [`KMeansError::NoLevels`],
    /// [`LevelsNotIncreasing`](KMeansError::LevelsNotIncreasing) or [`NotNested`](KMeansError::NotNested) if the files
    /// contradict each other.
    pub fn load(dir: &Path) -> Result<Self, KMeansError> {
        files::load(dir)
    }
}
