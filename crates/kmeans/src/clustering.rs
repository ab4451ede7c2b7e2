use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::assign::assign;
use crate::rows::checked;
use crate::{KMeansError, Vectors};

/// Turns unit rows into labels.
///
/// # Examples
/// ```
/// use kmeans::{Clusterer, RandomLabels, SphericalKMeansConfig};
/// use ndarray::array;
///
/// let rows = array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0], [-0.6, -0.8]];
/// let clusterers: [Box<dyn Clusterer>; 2] =
///     [Box::new(SphericalKMeansConfig::new(2).build()?), Box::new(RandomLabels { clusters: 2, seed: 0 })];
/// for clusterer in clusterers {
///     assert_eq!(clusterer.fit(rows.view())?.labels.len(), 4);
/// }
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
pub trait Clusterer {
    /// The clustering of `rows`.
    ///
    /// # Shapes
    /// - `rows`: `[n, dim]`, each row of L2 norm 1 (within 1e-3)
    ///
    /// # Errors
    /// [`KMeansError::NoRows`], [`NoDimensions`](crate::VectorsError::NoDimensions), [`NoClusters`](KMeansError::NoClusters),
    /// [`TooFewRows`](KMeansError::TooFewRows), [`NotFinite`](crate::VectorsError::NotFinite),
    /// [`ZeroRow`](crate::VectorsError::ZeroRow) or [`NotUnit`](crate::VectorsError::NotUnit).
    fn fit(&self, rows: ArrayView2<'_, f32>) -> Result<Clustering, KMeansError> {
        self.fit_with(&rows.into(), &mut |_| ())
    }

    /// The same clustering; `observer` sees every iteration of every run when it ends.
    ///
    /// # Errors
    /// Those of [`fit`](Self::fit).
    fn fit_with(&self, rows: &Vectors<'_>, observer: &mut dyn FnMut(&Iteration)) -> Result<Clustering, KMeansError>;
}

/// One assignment of the training rows, before the update of the centroids.
///
/// ```
/// use kmeans::{Clusterer, SphericalKMeansConfig};
/// use ndarray::array;
///
/// let rows = array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0], [-0.6, -0.8]];
/// let mut seen = Vec::new();
/// let clusterer = SphericalKMeansConfig::new(2).with_runs(2).build()?;
/// clusterer.fit_with(&rows.view().into(), &mut |iteration| seen.push((iteration.run, iteration.index)))?;
/// assert_eq!(seen.first(), Some(&(0, 0)));
/// assert!(seen.contains(&(1, 0)));
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iteration {
    /// Run, from 0.
    pub run: usize,
    /// Iteration of the run, from 0.
    pub index: usize,
    /// Mean cosine of the training rows with their centroids, in `-1..=1`.
    pub objective: f64,
    /// Training rows whose label is not that of the iteration before; all of them in the first.
    pub changed: u64,
    /// Clusters without a row, which the update filled with half of the largest.
    pub reseeded: usize,
}

/// Labels, centroids and objective of one run.
///
/// ```
/// use kmeans::{Clusterer, SphericalKMeansConfig};
/// use ndarray::array;
///
/// let rows = array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0], [-0.6, -0.8]];
/// let clustering = SphericalKMeansConfig::new(2).build()?.fit(rows.view())?;
/// assert_eq!(clustering.predict(rows.view())?, clustering.labels);
/// assert!(clustering.objective > 0.9);
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Clustering {
    /// `[n]`, each in `0..clusters`.
    pub labels: Vec<u32>,
    /// `[clusters, dim]`, each row of L2 norm 1.
    pub centroids: Array2<f32>,
    /// Mean cosine of all rows with the centroids of their labels, in `-1..=1`.
    #[doc(alias = "inertia")]
    pub objective: f64,
    /// The iterations of this run.
    pub history: Vec<Iteration>,
    /// Rows of each label; the sum is n. 0 only where rows repeat or `max_iterations` came first.
    pub sizes: Vec<u64>,
    /// Whether the run ended before `max_iterations`: no label changed, or the objective by less than the tolerance.
    pub converged: bool,
}

impl Clustering {
    /// Number of clusters without a row: there are some where fewer rows differ than there are clusters, or where
    /// `max_iterations` came before they were filled.
    ///
    /// # Examples
    /// ```
    /// use kmeans::{Clusterer, SphericalKMeansConfig};
    /// use ndarray::array;
    ///
    /// let rows = array![[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]];
    /// let clusterer = SphericalKMeansConfig::new(3).build()?;
    /// assert_eq!(clusterer.fit(rows.view())?.empty_clusters(), 1);
    /// # Ok::<(), kmeans::KMeansError>(())
    /// ```
    #[must_use]
    pub fn empty_clusters(&self) -> usize {
        self.sizes.iter().filter(|&&size| size == 0).count()
    }

    /// The label of each row: its centroid of the largest inner product, the lowest on a tie. No bounds are kept: after
    /// [`balanced`](Self::balanced) some rows have other labels.
    ///
    /// # Shapes
    /// - `rows`: `[m, dim]`, each row of L2 norm 1 (within 1e-3)
    ///
    /// # Errors
    /// [`KMeansError::DimMismatch`], and those of [`Clusterer::fit`] about the rows.
    pub fn predict<'a>(&self, rows: impl Into<Vectors<'a>>) -> Result<Vec<u32>, KMeansError> {
        let rows = rows.into();
        let rows = checked(&rows)?;
        if rows.dim() != self.centroids.ncols() {
            return Err(KMeansError::DimMismatch { rows: rows.dim(), centroids: self.centroids.ncols() });
        }
        let mut labels = vec![0; rows.len()];
        assign(rows, self.centroids.view(), &mut labels);
        Ok(labels)
    }
}
