use std::io;
use std::path::PathBuf;

use vectors::VectorsError;

/// Why a clustering was refused, or its files could not be written or read.
///
/// ```
/// use kmeans::{KMeansError, SphericalKMeansConfig};
///
/// let error = SphericalKMeansConfig::new(0).build().unwrap_err();
/// assert!(matches!(error, KMeansError::NoClusters));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KMeansError {
    /// `k` is 0.
    #[error("0 clusters, expected at least 1")]
    NoClusters,
    /// `k` does not fit a `u32` label.
    #[error("{clusters} clusters do not fit 32-bit labels")]
    TooManyClusters {
        /// Clusters asked for.
        clusters: usize,
    },
    /// `max_iterations` is 0.
    #[error("0 iterations, expected at least 1")]
    NoIterations,
    /// `runs` is 0.
    #[error("0 runs, expected at least 1")]
    NoRuns,
    /// `max_points_per_centroid` is `Some(0)`.
    #[error("0 rows a centroid to train on, expected at least 1")]
    NoPointsPerCentroid,
    /// `tolerance` is negative, infinite or NaN.
    #[error("tolerance {tolerance} is not a finite number of at least 0")]
    BadTolerance {
        /// The refused setting.
        tolerance: f64,
    },
    /// Rows that cannot be clustered, or their file.
    #[error(transparent)]
    Vectors(#[from] VectorsError),
    /// A name that is no [`Init`](crate::Init)'s.
    #[error("no init {name:?}, expected random-rows, k-means++ or k-means||")]
    UnknownInit {
        /// The name.
        name: String,
    },
    /// There are no rows.
    #[error("no rows to cluster")]
    NoRows,
    /// Fewer rows than clusters.
    #[error("{rows} rows cannot fill {clusters} clusters")]
    TooFewRows {
        /// Rows given.
        rows: usize,
        /// Clusters asked for.
        clusters: usize,
    },
    /// The least size of a cluster is above its most, or its most is 0.
    #[error("clusters of at least {min} rows cannot have at most {max}")]
    BoundsCrossed {
        /// Least rows of a cluster.
        min: usize,
        /// Most rows of a cluster.
        max: usize,
    },
    /// `min × clusters` is more than the rows.
    #[error("{rows} rows cannot fill {clusters} clusters of at least {min}")]
    MinTooLarge {
        /// Rows given.
        rows: usize,
        /// Clusters to fill.
        clusters: usize,
        /// Least rows of a cluster.
        min: usize,
    },
    /// `max × clusters` is less than the rows.
    #[error("{rows} rows do not fit {clusters} clusters of at most {max}")]
    MaxTooSmall {
        /// Rows given.
        rows: usize,
        /// Clusters to hold them.
        clusters: usize,
        /// Most rows of a cluster.
        max: usize,
    },
    /// A hierarchy without a level.
    #[error("no levels")]
    NoLevels,
    /// A level that is not finer than the one before.
    #[error("level of {clusters} clusters after one of {previous}")]
    LevelsNotIncreasing {
        /// Clusters of the level before.
        previous: usize,
        /// Clusters of the level.
        clusters: usize,
    },
    /// Not one label for each row.
    #[error("{labels} labels for {rows} rows")]
    LabelCount {
        /// Labels there are.
        labels: usize,
        /// Rows there are.
        rows: usize,
    },
    /// Rows and centroids differ in dimension.
    #[error("rows have dimension {rows}, centroids {centroids}")]
    DimMismatch {
        /// Columns of the rows.
        rows: usize,
        /// Columns of the centroids.
        centroids: usize,
    },
    /// Not one starting centroid for each cluster.
    #[error("{centroids} starting centroids for {clusters} clusters")]
    CentroidCount {
        /// Centroids given.
        centroids: usize,
        /// Clusters of the configuration.
        clusters: usize,
    },
    /// A starting centroid that cannot be normalised.
    #[error("starting centroid {centroid} has norm {norm}")]
    BadCentroid {
        /// First such centroid.
        centroid: usize,
        /// Its L2 norm: 0, infinite or NaN.
        norm: f64,
    },
    /// The device of [`DeviceKMeans`](crate::DeviceKMeans) failed: out of memory, or lost.
    #[cfg(feature = "burn")]
    #[error("the device failed")]
    Device(#[from] burn::tensor::backend::ExecutionError),
    /// A mean of linfa's that cannot be normalised.
    #[cfg(feature = "linfa")]
    #[error("linfa's centroid {centroid} has norm {norm}")]
    NoDirection {
        /// First such centroid.
        centroid: usize,
        /// Its L2 norm: 0, infinite or NaN.
        norm: f64,
    },
    /// linfa's k-means refused its settings or found no clustering.
    #[cfg(feature = "linfa")]
    #[error("linfa's k-means")]
    LinfaKMeans(#[from] linfa_clustering::KMeansError),
    /// Any other error of linfa's, which its traits require to have room here.
    #[cfg(feature = "linfa")]
    #[error("linfa")]
    Linfa(#[from] linfa::Error),
    /// A file or folder could not be written or read.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `clusters.json` is not what [`Clustering::save`](crate::Clustering::save) writes.
    #[error("{}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and key.
        #[source]
        source: serde_json::Error,
    },
    /// A stored label without a centroid.
    #[error("{}: row {row} has label {label} of {clusters} clusters", path.display())]
    LabelOutOfRange {
        /// The labels file.
        path: PathBuf,
        /// First such row.
        row: usize,
        /// Its label.
        label: u32,
        /// Clusters there are.
        clusters: usize,
    },
    /// Not one stored size for each cluster.
    #[error("{}: {sizes} sizes of {clusters} clusters", path.display())]
    SizeCount {
        /// The `clusters.json` file.
        path: PathBuf,
        /// Sizes in it.
        sizes: usize,
        /// Clusters there are.
        clusters: usize,
    },
    /// Stored sizes are not those of the stored labels.
    #[error("{}: sizes {stored:?}, the labels count {counted:?}", path.display())]
    SizesDiffer {
        /// The `clusters.json` file.
        path: PathBuf,
        /// Sizes in it.
        stored: Vec<u64>,
        /// Sizes of the labels beside it.
        counted: Vec<u64>,
    },
    /// Stored without the bounds that [`Balanced::save`](crate::Balanced::save) writes.
    #[error("{}: not a balanced clustering", path.display())]
    NotBalanced {
        /// The `clusters.json` file.
        path: PathBuf,
    },
    /// A stored size that is not within the stored bounds.
    #[error("{}: cluster {cluster} has {size} rows, which is out of its bounds", path.display())]
    StoredSize {
        /// The `clusters.json` file.
        path: PathBuf,
        /// First such cluster.
        cluster: usize,
        /// Its rows.
        size: u64,
    },
    /// Stored parents that are not those of the stored labels.
    #[error("{}: a row of cluster {child} of {clusters} is not in its parent", path.display())]
    NotNested {
        /// The `hierarchy.json` file.
        path: PathBuf,
        /// Clusters of the finer level.
        clusters: usize,
        /// First cluster of it whose rows or parent contradict the coarser level.
        child: usize,
    },
    /// Stored parents that do not ascend.
    #[error("{}: cluster {child} of {clusters} has a lower parent than the one before", path.display())]
    ParentsDescend {
        /// The `hierarchy.json` file.
        path: PathBuf,
        /// Clusters of the finer level.
        clusters: usize,
        /// First such cluster of it.
        child: usize,
    },
    /// Stored centroids that are not unit rows.
    #[error("{}: centroid {centroid} has norm {norm}, not 1", path.display())]
    StoredCentroid {
        /// The centroids file.
        path: PathBuf,
        /// First such centroid.
        centroid: usize,
        /// Its L2 norm.
        norm: f64,
    },
}

impl KMeansError {
    /// The field of [`SphericalKMeansConfig`](crate::SphericalKMeansConfig) that was refused, if it was one.
    ///
    /// # Examples
    /// ```
    /// use kmeans::SphericalKMeansConfig;
    ///
    /// let error = SphericalKMeansConfig::default().with_runs(0).validate().unwrap_err();
    /// assert_eq!(error.setting(), Some("runs"));
    /// ```
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            Self::NoClusters | Self::TooManyClusters { .. } => Some("k"),
            Self::NoIterations => Some("max_iterations"),
            Self::NoRuns => Some("runs"),
            Self::NoPointsPerCentroid => Some("max_points_per_centroid"),
            Self::BadTolerance { .. } => Some("tolerance"),
            Self::UnknownInit { .. } => Some("init"),
            _ => None,
        }
    }
}
