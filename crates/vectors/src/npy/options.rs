use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::NpyVectors;
use super::at;
use super::convert::{Conversion, Failure};
use super::layout::{Accepted, Layout};
use crate::VectorsError;

/// Reads rows of a `.npy` file that [`NpyVectors::open`] refuses: f64, which is NumPy's default, Fortran order, the other
/// byte order, rows that are not unit rows.
///
/// What can be mapped as it lies is mapped. Anything else is converted to f32 some rows at a time, in at most
/// 2 × [`block_bytes`](Self::block_bytes) of memory, into a file in [`scratch`](Self::scratch) that takes 4 bytes a value. That
/// file has no name, so that nothing of it stays when it is no longer used, even if the process is killed. The rows are then
/// those of that mapped file.
///
/// # Examples
/// ```
/// use vectors::{NpyOptions, NpyVectors, replace_file, write_array};
///
/// let dir = std::env::temp_dir().join("vectors-npy-options");
/// # std::fs::create_dir_all(&dir).unwrap();
/// let path = dir.join("rows.npy");
/// // numpy.save("rows.npy", [[3.0, 4.0], [0.0, -2.0]])
/// replace_file(&path, |out| write_array(out, &[2, 2], [3.0_f64, 4.0, 0.0, -2.0]))?;
///
/// assert!(NpyVectors::open(&path).is_err());
/// let rows = NpyOptions::new(&dir).with_normalise(true).open(&path)?;
/// assert_eq!(rows.array().unwrap(), ndarray::array![[0.6, 0.8], [0.0, -1.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "float64")]
#[doc(alias = "fortran_order")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpyOptions {
    /// Folder of the file that converted rows are written to.
    pub scratch: PathBuf,
    /// Whether every row is scaled to norm 1. Default false. All rows are then converted, of whatever norm they are.
    #[doc(alias = "normalize")]
    pub normalise: bool,
    /// Bytes of f64 values that are converted together, unless one row has more. Default 8 MiB.
    pub block_bytes: usize,
}

impl NpyOptions {
    /// The defaults, with the folder of the file that converted rows are written to.
    #[must_use]
    pub fn new(scratch: impl Into<PathBuf>) -> Self {
        Self { scratch: scratch.into(), normalise: false, block_bytes: 8 << 20 }
    }

    /// Sets whether every row is scaled to norm 1.
    #[must_use]
    pub fn with_normalise(self, normalise: bool) -> Self {
        Self { normalise, ..self }
    }

    /// Sets the bytes of f64 values that are converted together.
    #[must_use]
    pub fn with_block_bytes(self, block_bytes: usize) -> Self {
        Self { block_bytes, ..self }
    }

    /// The rows of the file at `path`.
    ///
    /// # Errors
    /// [`VectorsError::Io`] if there is no such file, it is no `.npy`, or the scratch folder cannot be written to;
    /// [`ArrayType`](VectorsError::ArrayType) if its elements are not f16, f32 or f64,
    /// [`ArrayShape`](VectorsError::ArrayShape) if it is not two-dimensional, [`ArrayLength`](VectorsError::ArrayLength) if it is
    /// longer or shorter than its header says; [`RowOf`](VectorsError::RowOf) if a row to be scaled is all zeros or has a
    /// value that is not finite.
    pub fn open(&self, path: &Path) -> Result<NpyVectors, VectorsError> {
        self.open_with(path, &mut |_, _| ())
    }

    /// The same rows; while they are converted, `observer` sees how many are done, and how many there are.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_with(&self, path: &Path, observer: &mut dyn FnMut(usize, usize)) -> Result<NpyVectors, VectorsError> {
        let (file, layout) = Layout::open(path, Accepted::Any)?;
        if layout.is_in_place() && !self.normalise {
            return NpyVectors::mapped(&file, layout).map_err(at(path));
        }
        let rows = layout.rows;
        let block_rows = (self.block_bytes / size_of::<f64>()).checked_div(layout.dim).unwrap_or(1).max(1);
        let conversion = Conversion { file: &file, layout: &layout, block_rows, normalise: self.normalise };
        let to_scratch = at(&self.scratch);
        let mut out = BufWriter::new(tempfile::tempfile_in(&self.scratch).map_err(&to_scratch)?);
        conversion.run(&mut out, &mut |done| observer(done, rows)).map_err(|failure| match failure {
            Failure::Read(source) => at(path)(source),
            Failure::Write(source) => to_scratch(source),
            Failure::Row(source) => VectorsError::RowOf { path: path.to_owned(), source: Box::new(source) },
        })?;
        let converted = out.into_inner().map_err(io::IntoInnerError::into_error).map_err(&to_scratch)?;
        NpyVectors::mapped(&converted, Layout::of_f32((rows, layout.dim), 0)).map_err(to_scratch)
    }
}
