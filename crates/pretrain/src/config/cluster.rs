//! The section `[cluster]`: what is clustered, and how.

use kmeans::{Bounds, HierarchyConfig, SphericalKMeansConfig};
use serde::de::MapAccess;
use serde::{Deserialize, Deserializer, Serialize};

use super::joined::{self, OwnKeys};

/// What is clustered, and how.
///
/// # Examples
///
/// ```
/// let config = pretrain::Config::parse("[cluster]\nlevels = [10, 100]\ninit = \"k-means++\"", &[])?;
/// assert_eq!(config.cluster.clusters(), 100);
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClusterConfig {
    /// What is clustered where `run.arms` names no arms.
    pub of: ClusterOf,
    /// The settings of k-means; `k` where `levels` names none. Their keys stand in the same table.
    #[serde(flatten)]
    pub kmeans: SphericalKMeansConfig,
    /// Nested clusters: how many at each level, the coarsest first, the last of which the batches are drawn from; empty: `k`
    /// clusters on one level.
    pub levels: Vec<usize>,
    /// The least and the most rows of a cluster; absent: whatever k-means finds.
    pub balance: Option<Bounds>,
    /// Whether k-means computes on the run's device, in burn, rather than on the processor.
    pub on_device: bool,
    /// The most bytes of a block of rows on the device; absent: 64 MiB.
    pub block_bytes: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum OwnKey {
    Of,
    Levels,
    Balance,
    OnDevice,
    BlockBytes,
}

impl<'de> OwnKeys<'de> for ClusterConfig {
    type Key = OwnKey;
    const KEYS: &'static [(&'static str, OwnKey)] = &[
        ("of", OwnKey::Of),
        ("levels", OwnKey::Levels),
        ("balance", OwnKey::Balance),
        ("on_device", OwnKey::OnDevice),
        ("block_bytes", OwnKey::BlockBytes),
    ];

    fn read<A: MapAccess<'de>>(&mut self, key: OwnKey, map: &mut A) -> Result<(), A::Error> {
        match key {
            OwnKey::Of => self.of = map.next_value()?,
            OwnKey::Levels => self.levels = map.next_value()?,
            OwnKey::Balance => self.balance = map.next_value()?,
            OwnKey::OnDevice => self.on_device = map.next_value()?,
            OwnKey::BlockBytes => self.block_bytes = map.next_value()?,
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for ClusterConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (own, kmeans) = joined::deserialize::<D, Self, _>(deserializer)?;
        Ok(Self { kmeans, ..own })
    }
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
        Self {
            of: ClusterOf::Passages,
            kmeans: SphericalKMeansConfig::default(),
            levels: Vec::new(),
            balance: None,
            on_device: false,
            block_bytes: None,
        }
    }
}

impl ClusterConfig {
    /// How many clusters batches are drawn from.
    pub fn clusters(&self) -> usize {
        self.levels.last().copied().unwrap_or(self.kmeans.k)
    }

    /// The settings of k-means on one level.
    pub fn flat(&self) -> SphericalKMeansConfig {
        SphericalKMeansConfig { k: self.clusters(), ..self.kmeans.clone() }
    }

    /// The settings of nested clusters, if `levels` names them.
    pub fn hierarchy(&self) -> Option<HierarchyConfig> {
        let nested = !self.levels.is_empty();
        nested.then(|| HierarchyConfig { levels: self.levels.clone(), kmeans: self.flat() })
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    #[test]
    fn a_mistake_in_the_table_is_named_with_its_line_whichever_struct_has_the_key() {
        for (key, part) in [
            ("kk = 3", "unknown field `kk`"),
            ("k = \"x\"", "`cluster.k`"),
            ("tolerance = true", "`cluster.tolerance`"),
            ("init = \"far\"", "`cluster.init`"),
            ("on_device = 1", "`cluster.on_device`"),
            ("of = \"nothing\"", "`cluster.of`"),
            ("levels = [10, \"x\"]", "`cluster.levels`"),
            ("balance = { mini = 3 }", "mini"),
        ] {
            let text = format!("[cluster]\nseed = 3\nruns = 2\n{key}\npruning = false");
            let message = Config::parse(&text, &[]).unwrap_err().to_string();
            assert!(message.contains("line 4") && message.contains(part), "{key}: {message}");
        }
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_keys_of_both_structs() {
        let message = Config::parse("[cluster]\nkk = 3", &[]).unwrap_err().to_string();
        assert!(message.contains("`block_bytes`") && message.contains("`max_iterations`"), "{message}");
    }

    #[test]
    fn all_keys_stand_in_one_table() {
        let text =
            "[cluster]\nk = 3\nof = \"both\"\nblock_bytes = 1\nmax_points_per_centroid = 5\nbalance = { min = 2 }";
        let config = Config::parse(text, &[]).unwrap();
        let table: toml::Table = config.to_toml().unwrap().parse().unwrap();
        let keys: Vec<&str> = table["cluster"].as_table().unwrap().keys().map(String::as_str).collect();
        assert!(["k", "of", "block_bytes", "max_points_per_centroid", "balance"].iter().all(|key| keys.contains(key)));
        assert!(!keys.contains(&"kmeans"));
        assert_eq!(Config::parse(&config.to_toml().unwrap(), &[]).unwrap(), config);
    }
}
