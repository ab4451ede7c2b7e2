use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::KMeansError;

/// How the first centroids are chosen.
///
/// ```
/// use kmeans::{Init, SphericalKMeansConfig};
///
/// let config = SphericalKMeansConfig::new(10).with_init(Init::KMeansPlusPlus);
/// assert_eq!(config.init, Init::KMeansPlusPlus);
/// assert_eq!("k-means||".parse::<Init>()?, Init::KMeansParallel);
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Init {
    /// Distinct rows drawn uniformly, as FAISS does.
    #[default]
    RandomRows,
    /// Each further row drawn with a probability proportional to 1 − cosine to its nearest chosen row
    /// (Arthur & Vassilvitskii 2007, §2.2: on unit rows the squared distance is twice that). Reads the rows k − 1 times.
    #[serde(rename = "k-means++")]
    KMeansPlusPlus,
    /// About 10 k candidates, 2 k drawn together in each of five rounds by the same probabilities, of which k-means++
    /// keeps k, each candidate weighted by the rows nearest to it (Bahmani et al. 2012, VLDB, algorithm 2). Reads the
    /// rows six times, however many clusters there are; each reading costs what one of 2 k or, the last, 10 k
    /// centroids does.
    #[serde(rename = "k-means||")]
    KMeansParallel,
}

impl Init {
    /// Every way, the default first.
    pub const ALL: [Self; 3] = [Self::RandomRows, Self::KMeansPlusPlus, Self::KMeansParallel];

    /// The name in configurations, which is what parses to it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RandomRows => "random-rows",
            Self::KMeansPlusPlus => "k-means++",
            Self::KMeansParallel => "k-means||",
        }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Init {
    type Err = KMeansError;

    fn from_str(name: &str) -> Result<Self, KMeansError> {
        let named = Self::ALL.into_iter().find(|init| init.name() == name);
        named.ok_or_else(|| KMeansError::UnknownInit { name: name.to_owned() })
    }
}

/// Settings of [`SphericalKMeans`](crate::SphericalKMeans).
///
/// ```
/// use kmeans::SphericalKMeansConfig;
///
/// let clusterer = SphericalKMeansConfig::new(10).with_runs(3).with_seed(7).build()?;
/// assert_eq!(clusterer.config().k, 10);
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SphericalKMeansConfig {
    /// Number of clusters, k. Default 10, as in arXiv 2407.18887.
    #[doc(alias = "clusters")]
    #[doc(alias = "n_clusters")]
    pub k: usize,
    /// Most iterations of one run. Default 25, FAISS's.
    #[doc(alias = "niter")]
    pub max_iterations: usize,
    /// Runs from different starts; the one with the highest objective is kept whole. Default 1.
    #[doc(alias = "n_init")]
    #[doc(alias = "nredo")]
    pub runs: usize,
    /// A run stops when the objective changes by less than this part of itself. Default 1e-5.
    /// At 0 it stops only when no label changes.
    pub tolerance: f64,
    /// Seed of the subsample and the starts.
    pub seed: u64,
    /// How the first centroids are chosen.
    pub init: Init,
    /// Whether iterations skip what bounds prove unchanged: the same labels, ties within rounding apart, in less time.
    /// Takes 4 bytes a row and 4 more for each bound: one for each of up to 20 clusters, beyond that one for every 16
    /// (32 with AVX-512 VNNI), but no more than a row has values, and 3 where the rows are those of a mapped file.
    /// Default true.
    #[doc(alias = "hamerly")]
    #[doc(alias = "elkan")]
    #[doc(alias = "yinyang")]
    pub pruning: bool,
    /// Whether rows in memory are copied in 16-bit fixed point, 2 bytes a value, where there are more than 20 clusters or no
    /// `pruning`: passes after the first read half the bytes and multiply at up to twice the rate, and only what those products
    /// leave open is decided by the rows themselves. The same labels, ties within rounding apart. Rows of a mapped file
    /// are converted block by block instead. Default true.
    pub fixed_point: bool,
    /// Train on at most this many rows for each cluster, drawn uniformly. Default: on all rows (FAISS: 256).
    /// The final labels are of all rows in either case.
    pub max_points_per_centroid: Option<usize>,
}

impl Default for SphericalKMeansConfig {
    fn default() -> Self {
        Self {
            k: 10,
            max_iterations: 25,
            runs: 1,
            tolerance: 1e-5,
            seed: 0,
            init: Init::default(),
            pruning: true,
            fixed_point: true,
            max_points_per_centroid: None,
        }
    }
}

impl SphericalKMeansConfig {
    /// The defaults with `k` clusters.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k, ..Self::default() }
    }

    /// Sets the most iterations of one run.
    #[must_use]
    pub fn with_max_iterations(self, max_iterations: usize) -> Self {
        Self { max_iterations, ..self }
    }

    /// Sets the number of runs.
    #[must_use]
    pub fn with_runs(self, runs: usize) -> Self {
        Self { runs, ..self }
    }

    /// Sets the relative change of the objective below which a run stops.
    #[must_use]
    pub fn with_tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// Sets the seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets how the first centroids are chosen.
    #[must_use]
    pub fn with_init(self, init: Init) -> Self {
        Self { init, ..self }
    }

    /// Sets whether iterations skip what bounds prove unchanged.
    #[must_use]
    pub fn with_pruning(self, pruning: bool) -> Self {
        Self { pruning, ..self }
    }

    /// Sets whether rows in memory are copied in 16-bit fixed point.
    #[must_use]
    pub fn with_fixed_point(self, fixed_point: bool) -> Self {
        Self { fixed_point, ..self }
    }

    /// Sets the training rows for each cluster; `None` trains on all.
    #[must_use]
    pub fn with_max_points_per_centroid(self, max_points_per_centroid: Option<usize>) -> Self {
        Self { max_points_per_centroid, ..self }
    }

    /// Whether a clusterer can be built of these settings.
    ///
    /// # Errors
    /// [`KMeansError::NoClusters`], [`TooManyClusters`](KMeansError::TooManyClusters),
    /// [`NoIterations`](KMeansError::NoIterations), [`NoRuns`](KMeansError::NoRuns),
    /// [`NoPointsPerCentroid`](KMeansError::NoPointsPerCentroid) or [`BadTolerance`](KMeansError::BadTolerance);
    /// [`KMeansError::setting`] names the field.
    pub fn validate(&self) -> Result<(), KMeansError> {
        match *self {
            Self { k: 0, .. } => Err(KMeansError::NoClusters),
            Self { k, .. } if u32::try_from(k).is_err() => Err(KMeansError::TooManyClusters { clusters: k }),
            Self { max_iterations: 0, .. } => Err(KMeansError::NoIterations),
            Self { runs: 0, .. } => Err(KMeansError::NoRuns),
            Self { max_points_per_centroid: Some(0), .. } => Err(KMeansError::NoPointsPerCentroid),
            Self { tolerance, .. } if !(tolerance.is_finite() && tolerance >= 0.0) => {
                Err(KMeansError::BadTolerance { tolerance })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unusable_setting_is_refused_by_its_name() {
        let usable = SphericalKMeansConfig::new(3);
        for (config, name) in [
            (SphericalKMeansConfig::new(0), "k"),
            (SphericalKMeansConfig::new(1 << 32), "k"),
            (usable.clone().with_max_iterations(0), "max_iterations"),
            (usable.clone().with_runs(0), "runs"),
            (usable.clone().with_max_points_per_centroid(Some(0)), "max_points_per_centroid"),
            (usable.clone().with_tolerance(-1e-9), "tolerance"),
            (usable.clone().with_tolerance(f64::NAN), "tolerance"),
            (usable.clone().with_tolerance(f64::INFINITY), "tolerance"),
        ] {
            assert_eq!(config.clone().build().unwrap_err().setting(), Some(name), "{config:?}");
        }
    }

    #[test]
    fn every_way_to_begin_has_one_name() {
        for init in Init::ALL {
            assert_eq!(init.name().parse::<Init>().unwrap(), init);
            assert_eq!(serde_json::to_value(init).unwrap(), init.name());
        }
        assert_eq!(
            "kmeans++".parse::<Init>().unwrap_err().to_string(),
            "no init \"kmeans++\", expected random-rows, k-means++ or k-means||"
        );
    }

    #[test]
    fn missing_keys_take_defaults_and_unknown_keys_are_refused() {
        let config: SphericalKMeansConfig = serde_json::from_str(r#"{"k": 4, "init": "k-means++"}"#).unwrap();
        assert_eq!(config, SphericalKMeansConfig::new(4).with_init(Init::KMeansPlusPlus));
        let error = serde_json::from_str::<SphericalKMeansConfig>(r#"{"cluster": 4}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `cluster`"), "{error}");
    }
}
