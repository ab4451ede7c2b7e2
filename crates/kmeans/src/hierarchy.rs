mod config;
mod descent;
mod files;
mod fitting;
mod levels;
mod shares;

use std::path::Path;

use crate::rows::checked;
use crate::{KMeansError, Vectors};
pub use config::HierarchyConfig;
use fitting::Fitting;
pub use levels::{Hierarchy, Level, LevelIteration};

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
    /// Those of [`Clusterer::fit`](crate::Clusterer::fit); [`KMeansError::TooFewRows`] if `n` is less than the clusters
    /// of the last level.
    pub fn fit<'a>(&self, rows: impl Into<Vectors<'a>>) -> Result<Hierarchy, KMeansError> {
        self.fit_with(&rows.into(), &mut |_| ())
    }

    /// The same levels; `observer` sees every iteration of every run of every fit when it ends: those of the first
    /// level, then those of each parent of the next level, in ascending order of the parents.
    ///
    /// # Errors
    /// Those of [`fit`](Self::fit).
    pub fn fit_with(
        &self,
        rows: &Vectors<'_>,
        observer: &mut dyn FnMut(&LevelIteration),
    ) -> Result<Hierarchy, KMeansError> {
        let source = checked(rows)?;
        let levels = &self.config.levels;
        if let Some(&clusters) = levels.iter().find(|&&clusters| clusters > source.len()) {
            return Err(KMeansError::TooFewRows { rows: source.len(), clusters });
        }
        let mut fitting = Fitting::new(&self.config.kmeans, source, observer);
        let mut fitted = vec![fitting.first(rows, levels[0])?];
        for &clusters in &levels[1..] {
            fitted.push(fitting.divide(&fitted, clusters)?);
        }
        Ok(Hierarchy { levels: fitted })
    }
}

impl Hierarchy {
    /// Labels of new rows at each level, the coarsest first: each row goes from its cluster to the nearest of that
    /// cluster's children, the lowest on a tie. So the labels of a level determine those of the level before, and those
    /// of the rows of the fit are repeated, ties within rounding apart.
    ///
    /// A cluster that had no rows in the fit has no children: above the last level it is passed over, and a row nearest
    /// to it goes to the nearest cluster of the same parent that has some. (Only such rows have another label at the
    /// first level than [`Clustering::predict`](crate::Clustering::predict) says.)
    ///
    /// Rows are copied as f32 in blocks of at most 1,024 for each thread, never all together.
    ///
    /// # Shapes
    /// - `rows`: `[m, dim]`, each row of L2 norm 1 (within 1e-3)
    /// - result: a `[m]` for each level, each label in `0..clusters` of that level
    ///
    /// # Errors
    /// [`KMeansError::NoLevels`], and those of [`Clustering::predict`](crate::Clustering::predict).
    ///
    /// # Panics
    /// If [`parents`](Level::parents) are not what they are documented to be, as those of a fit or a file always are.
    ///
    /// # Examples
    /// ```
    /// use kmeans::HierarchyConfig;
    /// use ndarray::array;
    ///
    /// let rows = array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0], [-0.6, -0.8]];
    /// let hierarchy = HierarchyConfig::new([2, 4]).build()?.fit(rows.view())?;
    /// let labels = hierarchy.predict(array![[0.96, 0.28], [-0.28, -0.96]].view())?;
    /// assert_eq!(labels[1].len(), 2);
    /// for row in 0..2 {
    ///     assert_eq!(hierarchy.levels[1].parents[labels[1][row] as usize], labels[0][row]);
    /// }
    /// for (labels, level) in hierarchy.predict(rows.view())?.iter().zip(&hierarchy.levels) {
    ///     assert_eq!(labels, &level.clustering.labels);
    /// }
    /// # Ok::<(), kmeans::KMeansError>(())
    /// ```
    pub fn predict<'a>(&self, rows: impl Into<Vectors<'a>>) -> Result<Vec<Vec<u32>>, KMeansError> {
        let rows = rows.into();
        let rows = checked(&rows)?;
        if self.levels.is_empty() {
            return Err(KMeansError::NoLevels);
        }
        let mut dims = self.levels.iter().map(|level| level.clustering.centroids.ncols());
        match dims.find(|&dim| dim != rows.dim()) {
            Some(centroids) => Err(KMeansError::DimMismatch { rows: rows.dim(), centroids }),
            None => Ok(descent::labels(&self.levels, rows)),
        }
    }

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
    /// Those of [`Clustering::load`](crate::Clustering::load); [`KMeansError::NoLevels`],
    /// [`LevelsNotIncreasing`](KMeansError::LevelsNotIncreasing), [`NotNested`](KMeansError::NotNested) or
    /// [`ParentsDescend`](KMeansError::ParentsDescend) if the files contradict each other.
    pub fn load(dir: &Path) -> Result<Self, KMeansError> {
        files::load(dir)
    }
}
