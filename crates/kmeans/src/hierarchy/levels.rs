use crate::sums::sizes;
use crate::{Clustering, Iteration, KMeansError};

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

/// One iteration of one of the fits that a [`Hierarchy`] is made of.
///
/// ```
/// use kmeans::HierarchyConfig;
/// use ndarray::array;
///
/// let rows = array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0], [-0.6, -0.8]];
/// let mut seen = Vec::new();
/// let clusterer = HierarchyConfig::new([2, 4]).build()?;
/// clusterer.fit_with(&rows.view().into(), &mut |iteration| seen.push((iteration.level, iteration.parent)))?;
/// seen.dedup();
/// assert_eq!(seen, [(0, None), (1, Some(0)), (1, Some(1))]);
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelIteration {
    /// Level, from 0.
    pub level: usize,
    /// The cluster of the level before that is divided; `None` at the first level.
    pub parent: Option<u32>,
    /// The iteration. Below the first level its counts and objective are of the rows of `parent` alone.
    pub iteration: Iteration,
}

/// Rows of each cluster.
pub(super) fn members(labels: &[u32], clusters: usize) -> Vec<Vec<usize>> {
    let mut members: Vec<Vec<usize>> =
        sizes(labels, clusters).into_iter().map(|size| Vec::with_capacity(size as usize)).collect();
    for (row, &label) in labels.iter().enumerate() {
        members[label as usize].push(row);
    }
    members
}

/// Whether each level has more clusters than the one before.
pub(super) fn check_increasing(levels: &[usize]) -> Result<(), KMeansError> {
    match levels.windows(2).find(|pair| pair[1] <= pair[0]) {
        Some(pair) => Err(KMeansError::LevelsNotIncreasing { previous: pair[0], clusters: pair[1] }),
        None => Ok(()),
    }
}
