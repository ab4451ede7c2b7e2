//! The section `[cluster]`: what is clustered, and how.

use kmeans::{Bounds, HierarchyConfig, Init, SphericalKMeansConfig};
use serde::{Deserialize, Serialize};

/// What is clustered, and how.
///
/// # Examples
///
/// ```
/// let config = pretrain::Config::parse("[cluster]\nlevels = [10, 100]\ninit = \"k-means++\"", &[])?;
/// assert_eq!(config.cluster.clusters(), 100);
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// What is clustered where `run.arms` names no arms.
    pub of: ClusterOf,
    /// How many clusters, where `levels` names none.
    pub k: usize,
    /// Nested clusters: how many at each level, the coarsest first, the last of which the batches are drawn from; empty: `k`
    /// clusters on one level.
    pub levels: Vec<usize>,
    /// How many runs of k-means; the best is kept whole.
    pub runs: usize,
    /// The most iterations of one run.
    pub max_iterations: usize,
    /// A run stops when the objective's relative gain falls below this.
    pub tolerance: f64,
    /// The seed of the initial centroids.
    pub seed: u64,
    /// How the first centroids are chosen.
    pub init: Init,
    /// Whether iterations skip what bounds prove unchanged (on the processor).
    pub pruning: bool,
    /// Whether rows are multiplied in 16-bit fixed point first (on the processor).
    pub fixed_point: bool,
    /// k-means learns from at most so many rows a cluster; absent: from all.
    pub max_points_per_centroid: Option<usize>,
    /// The least and the most rows of a cluster; absent: whatever k-means finds.
    pub balance: Option<Bounds>,
    /// Whether k-means computes on the run's device, in burn, rather than on the processor.
    pub on_device: bool,
    /// The most bytes of a block of rows on the device; absent: 64 MiB.
    pub block_bytes: Option<usize>,
}

/// What is clustered: an arm of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterOf {
    /// Nothing: batches are drawn from all pairs alike.
    None,
    /// The distinct training queries.
    Queries,
    /// The distinct training passages.
    Passages,
    /// Each pair's query and passage together, as the unit mean of both.
    Both,
    /// Nothing: the passages' gold topics, where the data has them, are the clusters.
    Topics,
    /// Random labels: a control.
    Random,
}

impl ClusterOf {
    /// The arm's name in files and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Queries => "queries",
            Self::Passages => "passages",
            Self::Both => "both",
            Self::Topics => "topics",
            Self::Random => "random",
        }
    }

    /// The arm's name in tables.
    pub fn title(self) -> &'static str {
        match self {
            Self::None => "unclustered",
            Self::Queries => "query clusters",
            Self::Passages => "passage clusters",
            Self::Both => "pair clusters",
            Self::Topics => "gold topics",
            Self::Random => "random labels",
        }
    }

    /// Whether labels are made by the stage `cluster`, rather than given by the data or not needed.
    pub fn is_fitted(self) -> bool {
        !matches!(self, Self::None | Self::Topics)
    }
}

impl Default for ClusterConfig {
    fn default() -> Self {
        let SphericalKMeansConfig { init, pruning, fixed_point, max_points_per_centroid, .. } = Default::default();
        Self {
            of: ClusterOf::Passages,
            k: 10,
            levels: Vec::new(),
            runs: 1,
            max_iterations: 25,
            tolerance: 1e-4,
            seed: 0,
            init,
            pruning,
            fixed_point,
            max_points_per_centroid,
            balance: None,
            on_device: false,
            block_bytes: None,
        }
    }
}

impl ClusterConfig {
    /// How many clusters batches are drawn from.
    pub fn clusters(&self) -> usize {
        self.levels.last().copied().unwrap_or(self.k)
    }

    /// The settings of k-means.
    pub fn kmeans(&self) -> SphericalKMeansConfig {
        SphericalKMeansConfig {
            clusters: self.clusters(),
            max_iterations: self.max_iterations,
            n_runs: self.runs,
            tolerance: self.tolerance,
            seed: self.seed,
            init: self.init,
            pruning: self.pruning,
            fixed_point: self.fixed_point,
            max_points_per_centroid: self.max_points_per_centroid,
        }
    }

    /// The settings of nested clusters, if `levels` names them.
    pub fn hierarchy(&self) -> Option<HierarchyConfig> {
        let nested = !self.levels.is_empty();
        nested.then(|| HierarchyConfig { levels: self.levels.clone(), kmeans: self.kmeans() })
    }
}
