use std::io;
use std::path::PathBuf;

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
    /// `clusters` is 0.
    #[error("clusters is 0")]
    NoClusters,
    /// `clusters` does not fit a `u32` label.
    #[error("{clusters} clusters do not fit 32-bit labels")]
    TooManyClusters {
        /// Clusters asked for.
        clusters: usize,
    },
    /// `max_iterations` is 0.
    #[error("max_iterations is 0")]
    NoIterations,
    /// `n_runs` is 0.
    #[error("n_runs is 0")]
    NoRuns,
    /// `max_points_per_centroid` is `Some(0)`.
    #[error("max_points_per_centroid is 0")]
    NoPointsPerCentroid,
    /// `tolerance` is negative, infinite or NaN.
    #[error("tolerance {tolerance} is not a finite number of at least 0")]
    BadTolerance {
        /// The refused setting.
        tolerance: f64,
    },
    /// There are no rows.
    #[error("no rows to cluster")]
    NoRows,
    /// The rows have no columns.
    #[error("rows have dimension 0")]
    NoDimensions,
    /// A slice whose length is no multiple of the dimension.
    #[error("{values} values are no rows of {dim}")]
    Ragged {
        /// Values given.
        values: usize,
        /// Values of a row.
        dim: usize,
    },
    /// Fewer rows than clusters.
    #[error("{rows} rows cannot fill {clusters} clusters")]
    TooFewRows {
        /// Rows given.
        rows: usize,
        /// Clusters asked for.
        clusters: usize,
    },
    /// A NaN or an infinite value.
    #[error("row {row} has {value} in column {column}")]
    NotFinite {
        /// First such row.
        row: usize,
        /// First such column of it.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A row of zeros has no direction.
    #[error("row {row} is all zeros")]
    ZeroRow {
        /// First such row.
        row: usize,
    },
    /// A row whose L2 norm is further than 1e-3 from 1.
    #[error("row {row} has norm {norm}, not 1")]
    NotUnit {
        /// First such row.
        row: usize,
        /// Its L2 norm.
        norm: f64,
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
    /// A `.npy` file of another element type.
    #[error("{}: element type {found}, expected {expected}", path.display())]
    ArrayType {
        /// The file.
        path: PathBuf,
        /// Type in its header.
        found: String,
        /// Type that belongs there.
        expected: &'static str,
    },
    /// A `.npy` file whose shape contradicts `clusters.json`, or in Fortran order.
    #[error("{}: shape {found}, expected {expected}", path.display())]
    ArrayShape {
        /// The file.
        path: PathBuf,
        /// Shape in its header.
        found: String,
        /// Shape that `clusters.json` states.
        expected: String,
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
