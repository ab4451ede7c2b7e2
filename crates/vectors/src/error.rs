use std::path::PathBuf;

/// Why rows were refused, or their file could not be read.
///
/// ```
/// use vectors::{Vectors, VectorsError};
///
/// let error = Vectors::from_f32(&[1.0, 0.0, 1.0], 2).unwrap_err();
/// assert!(matches!(error, VectorsError::Ragged { values: 3, dim: 2 }));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VectorsError {
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
    /// A file or folder could not be written or read, or is no `.npy`.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
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
    /// A `.npy` file of another shape, or in Fortran order where rows are read as they lie.
    #[error("{}: shape {found}, expected {expected}", path.display())]
    ArrayShape {
        /// The file.
        path: PathBuf,
        /// Shape in its header.
        found: String,
        /// Shape that belongs there.
        expected: String,
    },
    /// A `.npy` file cut short, or with more after its values.
    #[error("{}: {found} bytes, its header says {expected}", path.display())]
    ArrayLength {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// Bytes of its header and of the values that the header states.
        expected: u128,
    },
    /// A `.npy` file whose values cannot be read where they lie. NumPy's own begin at a multiple of 16.
    #[error("{}: the values begin at byte {offset}, no multiple of {size}", path.display())]
    ArrayOffset {
        /// The file.
        path: PathBuf,
        /// Length of its header in bytes.
        offset: u64,
        /// Bytes of a value.
        size: usize,
    },
    /// A row of a file that has no direction, so that it cannot be scaled to norm 1.
    #[error("{}", path.display())]
    RowOf {
        /// The file.
        path: PathBuf,
        /// [`NotFinite`](Self::NotFinite) or [`ZeroRow`](Self::ZeroRow).
        #[source]
        source: Box<VectorsError>,
    },
    /// A label of a file that is negative or beyond 32 bits.
    #[error("{}: row {row} has label {label}, expected 0 to {}", path.display(), u32::MAX)]
    LabelOutOfRange {
        /// The file.
        path: PathBuf,
        /// First such row.
        row: usize,
        /// Its label.
        label: i128,
    },
}
