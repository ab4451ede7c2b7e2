mod header;

use std::fs::File;
use std::io;
use std::path::Path;

use half::f16;
use memmap2::Mmap;

use crate::{KMeansError, Vectors};
pub(crate) use header::Header;

/// The rows of a `.npy` file, memory-mapped: f32 or f16, in C order.
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
        let at = |source| KMeansError::Io { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(at)?;
        let header = Header::read(&mut file).map_err(at)?;
        let layout = Layout::new(path, &header)?;
        let file = map(&file).map_err(at)?;
        layout.check_length(path, file.len())?;
        // Advice only: where the system knows none, the rows are read all the same.
        #[cfg(unix)]
        let _ = file.advise(memmap2::Advice::Sequential);
        Ok(Self { file, layout })
    }

    /// The rows, not copied.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the layout was checked when the file was opened")]
    pub fn vectors(&self) -> Vectors<'_> {
        let values = &self.file[self.layout.start..];
        let vectors = match self.layout.element {
            Element::F32 => Vectors::from_f32(bytemuck::cast_slice::<u8, f32>(values), self.layout.dim),
            Element::F16 => Vectors::from_f16(bytemuck::cast_slice::<u8, f16>(values), self.layout.dim),
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
    // it is mapped is asked of the caller in the documentation of `NpyVectors`, as every reader of mapped files does.
    unsafe { Mmap::map(file) }
}

#[derive(Clone, Copy, Debug)]
enum Element {
    F32,
    F16,
}

impl Element {
    fn size(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::F16 => size_of::<f16>(),
        }
    }
}

#[derive(Debug)]
struct Layout {
    element: Element,
    rows: usize,
    dim: usize,
    /// Byte at which the values start.
    start: usize,
}

/// The types that are read, as numpy writes them on this machine.
const EXPECTED: &str = if cfg!(target_endian = "little") { "'<f4' or '<f2'" } else { "'>f4' or '>f2'" };

impl Layout {
    fn new(path: &Path, header: &Header) -> Result<Self, KMeansError> {
        let element = element(path, header)?;
        let &[rows, dim] = header.shape.as_slice() else {
            return Err(bad_shape(path, header));
        };
        if header.fortran_order {
            return Err(bad_shape(path, header));
        }
        // A length that does not fit is no file's length.
        let fit = |length: u64| usize::try_from(length).map_err(|_| bad_shape(path, header));
        let layout = Self { element, rows: fit(rows)?, dim: fit(dim)?, start: fit(header.start)? };
        match layout.start % element.size() {
            0 => Ok(layout),
            _ => Err(KMeansError::ArrayOffset { path: path.to_owned(), offset: header.start, size: element.size() }),
        }
    }

    fn check_length(&self, path: &Path, found: usize) -> Result<(), KMeansError> {
        let values = [self.rows, self.dim, self.element.size()].map(|length| length as u128);
        // Saturated, as no file is so long.
        let bytes = values.into_iter().fold(1, u128::saturating_mul);
        let expected = bytes.saturating_add(self.start as u128);
        match expected == found as u128 {
            true => Ok(()),
            false => Err(KMeansError::ArrayLength { path: path.to_owned(), found: found as u64, expected }),
        }
    }
}

fn element(path: &Path, header: &Header) -> Result<Element, KMeansError> {
    let little = cfg!(target_endian = "little");
    match header.descr.as_str() {
        "'<f4'" if little => Ok(Element::F32),
        "'<f2'" if little => Ok(Element::F16),
        "'>f4'" if !little => Ok(Element::F32),
        "'>f2'" if !little => Ok(Element::F16),
        found => Err(KMeansError::ArrayType { path: path.to_owned(), found: found.to_owned(), expected: EXPECTED }),
    }
}

fn bad_shape(path: &Path, header: &Header) -> KMeansError {
    KMeansError::ArrayShape {
        path: path.to_owned(),
        found: header.layout(),
        expected: "[n, dim] in C order".to_owned(),
    }
}
