mod array;
mod convert;
mod header;
mod layout;
mod options;

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use half::f16;
use memmap2::Mmap;
use ndarray::ArrayView2;

use crate::{Vectors, VectorsError};
pub use array::{ArrayWriter, Element, read_array, read_labels, write_array};
use layout::{Accepted, Float, Layout};
pub use options::NpyOptions;

/// The rows of a `.npy` file, memory-mapped: f32 or f16, in C order. [`NpyOptions`] makes such rows of others.
///
/// The system reads pages as the passes reach them and drops them when memory is short, so the file may be larger than
/// memory. While it is open the file must not change: a file cut short ends the process (SIGBUS) where rows are read
/// beyond its end.
///
/// # Shapes
/// The file: `[n, dim]`
///
/// # Examples
/// ```
/// use vectors::{NpyVectors, replace_file, write_array};
///
/// let path = std::env::temp_dir().join("vectors-npy.npy");
/// replace_file(&path, |out| write_array(out, &[2, 2], [1.0_f32, 0.0, 0.6, 0.8]))?;
///
/// let rows = NpyVectors::open(&path)?;
/// assert_eq!((rows.len(), rows.dim()), (2, 2));
/// assert_eq!(rows.vectors().unit_rows()?.row(1, &mut Vec::new()), [0.6, 0.8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "mmap")]
#[derive(Debug)]
pub struct NpyVectors {
    file: Mmap,
    layout: Layout,
}

impl NpyVectors {
    /// The rows of the file at `path`; only its header is read.
    ///
    /// # Errors
    /// [`VectorsError::Io`] if there is no such file or it is no `.npy`; [`ArrayType`](VectorsError::ArrayType) if its
    /// elements are not f32 or f16 in this machine's byte order, [`ArrayShape`](VectorsError::ArrayShape) if it is not
    /// two-dimensional in C order, [`ArrayLength`](VectorsError::ArrayLength) if it is longer or shorter than its header
    /// says, [`ArrayOffset`](VectorsError::ArrayOffset) if its values lie between the addresses where they can be read.
    pub fn open(path: &Path) -> Result<Self, VectorsError> {
        let (file, layout) = Layout::open(path, Accepted::InPlace)?;
        Self::mapped(&file, layout).map_err(at(path))
    }

    /// Rows of f32 in a file of `folder` without a name, which `fill` writes: for rows that are made and that memory may not
    /// hold. The file takes 4 bytes a value, and is gone when it is no longer used, even if the process is killed.
    ///
    /// # Errors
    /// What `fill` gives, or the system; those of [`ArrayWriter::finish`] if `fill` writes fewer rows.
    ///
    /// # Examples
    /// ```
    /// use vectors::NpyVectors;
    ///
    /// let rows = NpyVectors::scratch(&std::env::temp_dir(), (2, 2), |out| {
    ///     out.write(&[1.0, 0.0])?;
    ///     out.write(&[0.6, 0.8])
    /// })?;
    /// assert_eq!(rows.array().unwrap(), ndarray::array![[1.0, 0.0], [0.6, 0.8]]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn scratch(
        folder: &Path,
        (rows, dim): (usize, usize),
        fill: impl FnOnce(&mut ArrayWriter<'_, f32, BufWriter<File>>) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut out = BufWriter::new(tempfile::tempfile_in(folder)?);
        let mut writer = ArrayWriter::new(&mut out, &[rows, dim])?;
        fill(&mut writer)?;
        writer.finish()?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let start = array::header::<f32>(&[rows, dim]).len();
        Self::mapped(&file, Layout::of_f32((rows, dim), start))
    }

    /// Rows that are in place.
    fn mapped(file: &File, layout: Layout) -> io::Result<Self> {
        debug_assert!(layout.is_in_place());
        let file = map(file)?;
        // Advice only: where the system knows none, the rows are read all the same.
        #[cfg(unix)]
        let _ = file.advise(memmap2::Advice::Sequential);
        Ok(Self { file, layout })
    }

    /// The rows, not copied.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the layout was checked when the file was opened")]
    pub fn vectors(&self) -> Vectors<'_> {
        let (values, dim) = (&self.file[self.layout.start..], self.layout.dim);
        let vectors = match self.layout.float {
            Float::F16 => Vectors::from_f16(bytemuck::cast_slice::<u8, f16>(values), dim),
            _ => Vectors::from_f32(bytemuck::cast_slice::<u8, f32>(values), dim),
        };
        vectors.expect("the file is as long as its rows").with_may_exceed_memory(true)
    }

    /// The rows as an array, not copied; `None` if they are f16.
    #[must_use]
    pub fn array(&self) -> Option<ArrayView2<'_, f32>> {
        if self.layout.float == Float::F16 {
            return None;
        }
        let shape = (self.layout.rows, self.layout.dim);
        ArrayView2::from_shape(shape, bytemuck::cast_slice::<u8, f32>(&self.file[self.layout.start..])).ok()
    }

    /// Says that rows are read out of order from here on, so that the system reads no more than it is asked for. Advice only.
    #[must_use]
    pub fn with_random_access(self) -> Self {
        #[cfg(unix)]
        let _ = self.file.advise(memmap2::Advice::Random);
        self
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layout.rows
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values of a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.layout.dim
    }
}

impl<'a> From<&'a NpyVectors> for Vectors<'a> {
    fn from(file: &'a NpyVectors) -> Self {
        file.vectors()
    }
}

pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> VectorsError {
    let path = path.to_owned();
    move |source| VectorsError::Io { path: path.clone(), source }
}

#[allow(unsafe_code, reason = "nothing keeps another process from changing a mapped file")]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only, and every bit pattern is a valid f32 and f16. That the file does not change while
    // it is mapped is asked of the caller in the documentation of `NpyVectors`, as every reader of mapped files does; a
    // file of converted rows has no name by which another process could change it.
    unsafe { Mmap::map(file) }
}
