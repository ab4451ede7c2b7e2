mod convert;
mod header;
mod layout;
mod options;

use std::fs::File;
use std::io;
use std::path::Path;

use half::f16;
use memmap2::Mmap;

use crate::io::at;
use crate::{KMeansError, Vectors};
pub(crate) use header::Header;
use layout::{Accepted, Float, Layout};
pub use options::NpyOptions;

/// The rows of a `.npy` file, memory-mapped: f32 or f16, in C order. [`NpyOptions`] makes such rows of others.
///
/// The system reads pages as the passes reach them and drops them when memory is short, so the file may be larger than
/// memory. While it is open the file must not change: a file cut short ends the process (SIGBUS) where rows are read
/// beyond its end.
///
/// # Shapes
/// The file: `[n, dim]`, each row of L2 norm 1, as [`Clusterer::fit`](crate::Clusterer::fit) checks.
///
/// # Examples
/// ```
/// use kmeans::{Clusterer, NpyVectors, SphericalKMeansConfig};
/// use ndarray::array;
///
/// let dir = std::env::temp_dir().join("kmeans-npy");
/// let rows = array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0], [-0.6, -0.8]];
/// let clusterer = SphericalKMeansConfig::new(2).build()?;
/// clusterer.fit(rows.view())?.save(&dir)?;
///
/// let centroids = NpyVectors::open(&dir.join("centroids.npy"))?;
/// assert_eq!((centroids.len(), centroids.dim()), (2, 2));
/// let again = clusterer.fit_with(&centroids.vectors(), &mut |_| ())?;
/// assert_eq!(again.sizes, [1, 1]);
/// # Ok::<(), kmeans::KMeansError>(())
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
    /// [`KMeansError::Io`] if there is no such file or it is no `.npy`; [`ArrayType`](KMeansError::ArrayType) if its
    /// elements are not f32 or f16 in this machine's byte order, [`ArrayShape`](KMeansError::ArrayShape) if it is not
    /// two-dimensional in C order, [`ArrayLength`](KMeansError::ArrayLength) if it is longer or shorter than its header
    /// says, [`ArrayOffset`](KMeansError::ArrayOffset) if its values lie between the addresses where they can be read.
    pub fn open(path: &Path) -> Result<Self, KMeansError> {
        let (file, layout) = Layout::open(path, Accepted::InPlace)?;
        Self::mapped(&file, layout).map_err(at(path))
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
        vectors.expect("the file is as long as its rows").mapped()
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

#[allow(unsafe_code, reason = "nothing keeps another process from changing a mapped file")]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only, and every bit pattern is a valid f32 and f16. That the file does not change while
    // it is mapped is asked of the caller in the documentation of `NpyVectors`, as every reader of mapped files does; a
    // file of converted rows has no name by which another process could change it.
    unsafe { Mmap::map(file) }
}
