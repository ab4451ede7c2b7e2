use serde::{Deserialize, Serialize};

use super::HierarchicalKMeans;
use super::levels::check_increasing;
use crate::{KMeansError, SphericalKMeansConfig};

/// Settings of [`HierarchicalKMeans`].
///
/// ```
/// use kmeans::{HierarchyConfig, Init, SphericalKMeansConfig};
///
/// let kmeans = SphericalKMeansConfig::default().with_init(Init::KMeansPlusPlus).with_seed(7);
/// let config = HierarchyConfig::new([10, 100, 2000]).with_kmeans(kmeans);
/// assert!(config.build().is_ok());
/// assert!(HierarchyConfig::new([100, 10]).build().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HierarchyConfig {
    /// Clusters of each level, the coarsest first, each more than the one before.
    pub levels: Vec<usize>,
    /// Settings of every fit. `k` plays no part; the first level is the fit with this seed, later ones draw
    /// theirs from it.
    #[serde(default)]
    pub kmeans: SphericalKMeansConfig,
}

impl HierarchyConfig {
    /// Levels of so many clusters, fitted with the default settings.
    #[must_use]
    pub fn new(levels: impl Into<Vec<usize>>) -> Self {
        Self { levels: levels.into(), kmeans: SphericalKMeansConfig::default() }
    }

    /// Sets the settings of every fit.
    #[must_use]
    pub fn with_kmeans(self, kmeans: SphericalKMeansConfig) -> Self {
        Self { kmeans, ..self }
    }

    /// Whether a clusterer can be built of these settings.
    ///
    /// # Errors
    /// [`KMeansError::NoLevels`], [`KMeansError::LevelsNotIncreasing`], and those of [`SphericalKMeansConfig::validate`].
    pub fn validate(&self) -> Result<(), KMeansError> {
        let Some(&finest) = self.levels.last() else {
            return Err(KMeansError::NoLevels);
        };
        check_increasing(&self.levels)?;
        [self.levels[0], finest].iter().try_for_each(|&k| SphericalKMeansConfig { k, ..self.kmeans.clone() }.validate())
    }

    /// The clusterer of these settings.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds.
    pub fn build(self) -> Result<HierarchicalKMeans, KMeansError> {
        self.validate().map(|()| HierarchicalKMeans { config: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_levels_are_refused() {
        let error = |levels: &[usize]| HierarchyConfig::new(levels).build().unwrap_err().to_string();
        assert_eq!(error(&[]), "no levels");
        assert_eq!(error(&[0, 3]), "0 clusters, expected at least 1");
        assert_eq!(error(&[10, 100, 100]), "level of 100 clusters after one of 100");
        assert_eq!(error(&[usize::MAX]), format!("{} clusters do not fit 32-bit labels", usize::MAX));
        let config = HierarchyConfig::new([2]).with_kmeans(SphericalKMeansConfig::default().with_runs(0));
        assert!(matches!(config.build(), Err(KMeansError::NoRuns)));
    }

    #[test]
    fn settings_are_read_and_unknown_keys_refused() {
        let config: HierarchyConfig = serde_json::from_str(r#"{"levels": [2, 5], "kmeans": {"seed": 3}}"#).unwrap();
        assert_eq!(config, HierarchyConfig::new([2, 5]).with_kmeans(SphericalKMeansConfig::default().with_seed(3)));
        assert!(serde_json::from_str::<HierarchyConfig>(r#"{"levels": [2], "seed": 3}"#).is_err());
    }
}
