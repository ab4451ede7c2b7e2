use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use ndarray::Array2;
use npyz::{AutoSerialize, WriterBuilder};
use serde::{Deserialize, Serialize};

use crate::npy::Header;
use crate::rows::{is_unit, norm};
use crate::sums::sizes;
use crate::{Balanced, Bounds, Clustering, Iteration, KMeansError};

const LABELS: &str = "labels.npy";
const CENTROIDS: &str = "centroids.npy";
const SUMMARY: &str = "clusters.json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Summary {
    rows: usize,
    clusters: usize,
    dim: usize,
    objective: f64,
    converged: bool,
    sizes: Vec<u64>,
    history: Vec<Iteration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    balanced: Option<BalancedSummary>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BalancedSummary {
    min: usize,
    max: Option<usize>,
    objective_lost: f64,
    moved: u64,
}

pub(crate) fn save(clustering: &Clustering, dir: &Path) -> Result<(), KMeansError> {
    write(clustering, None, dir)
}

pub(crate) fn save_balanced(balanced: &Balanced, dir: &Path) -> Result<(), KMeansError> {
    let Bounds { min, max } = balanced.bounds;
    let (objective_lost, moved) = (balanced.objective_lost, balanced.moved);
    write(&balanced.clustering, Some(BalancedSummary { min, max, objective_lost, moved }), dir)
}

fn write(clustering: &Clustering, balanced: Option<BalancedSummary>, dir: &Path) -> Result<(), KMeansError> {
    fs::create_dir_all(dir).map_err(at(dir))?;
    let (clusters, dim) = clustering.centroids.dim();
    let summary = Summary {
        rows: clustering.labels.len(),
        clusters,
        dim,
        objective: clustering.objective,
        converged: clustering.converged,
        sizes: clustering.sizes.clone(),
        history: clustering.history.clone(),
        balanced,
    };
    let labels = &clustering.labels;
    replace(&dir.join(LABELS), |file| write_array(file, &[labels.len()], labels.iter().copied()))?;
    let centroids = &clustering.centroids;
    replace(&dir.join(CENTROIDS), |file| write_array(file, centroids.shape(), centroids.iter().copied()))?;
    replace(&dir.join(SUMMARY), |file| {
        serde_json::to_writer_pretty(&mut *file, &summary)?;
        writeln!(file)
    })
}

/// Writes beside `path` and renames, so that `path` is never half a file.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), KMeansError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = File::create(&beside).and_then(|file| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&beside, path)
    });
    written.map_err(|source| {
        // The first error is the one to report; the file beside may not even exist.
        let _ = fs::remove_file(&beside);
        KMeansError::Io { path: path.to_owned(), source }
    })
}

pub(crate) fn write_array<T: AutoSerialize>(
    file: &mut BufWriter<File>,
    shape: &[usize],
    values: impl Iterator<Item = T>,
) -> io::Result<()> {
    let shape: Vec<u64> = shape.iter().map(|&length| length as u64).collect();
    let mut array = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
    array.extend(values)?;
    array.finish()
}

pub(crate) fn load(dir: &Path) -> Result<Clustering, KMeansError> {
    Ok(read(dir)?.0)
}

pub(crate) fn load_balanced(dir: &Path) -> Result<Balanced, KMeansError> {
    let path = dir.join(SUMMARY);
    let (clustering, summary) = read(dir)?;
    let Some(BalancedSummary { min, max, objective_lost, moved }) = summary else {
        return Err(KMeansError::NotBalanced { path });
    };
    let bounds = Bounds { min, max };
    match bounds.first_outside(&clustering.sizes) {
        Some(cluster) => Err(KMeansError::StoredSize { path, cluster, size: clustering.sizes[cluster] }),
        None => Ok(Balanced { clustering, bounds, objective_lost, moved }),
    }
}

fn read(dir: &Path) -> Result<(Clustering, Option<BalancedSummary>), KMeansError> {
    let path = dir.join(SUMMARY);
    let text = fs::read_to_string(&path).map_err(at(&path))?;
    let summary: Summary =
        serde_json::from_str(&text).map_err(|source| KMeansError::Json { path: path.clone(), source })?;
    let labels = read_array::<u32>(&dir.join(LABELS), &[summary.rows], "uint32")?;
    check_labels(&dir.join(LABELS), &labels, summary.clusters)?;
    // Before they are counted: clusters may be any number, and the centroids' file too if they have no dimension.
    if summary.sizes.len() != summary.clusters {
        return Err(KMeansError::SizeCount { path, sizes: summary.sizes.len(), clusters: summary.clusters });
    }
    let counted = sizes(&labels, summary.clusters);
    if counted != summary.sizes {
        return Err(KMeansError::SizesDiffer { path, stored: summary.sizes, counted });
    }
    let clustering = Clustering {
        labels,
        centroids: read_centroids(&dir.join(CENTROIDS), (summary.clusters, summary.dim))?,
        objective: summary.objective,
        history: summary.history,
        sizes: summary.sizes,
        converged: summary.converged,
    };
    Ok((clustering, summary.balanced))
}

pub(crate) fn check_labels(path: &Path, labels: &[u32], clusters: usize) -> Result<(), KMeansError> {
    let found = labels.iter().copied().enumerate().find(|&(_, label)| label as usize >= clusters);
    match found {
        Some((row, label)) => Err(KMeansError::LabelOutOfRange { path: path.to_owned(), row, label, clusters }),
        None => Ok(()),
    }
}

pub(crate) fn read_centroids(path: &Path, shape: (usize, usize)) -> Result<Array2<f32>, KMeansError> {
    let values = read_array::<f32>(path, &[shape.0, shape.1], "float32")?;
    if let Some((centroid, norm)) =
        values.chunks_exact(shape.1.max(1)).map(norm).enumerate().find(|&(_, norm)| !is_unit(norm))
    {
        return Err(KMeansError::StoredCentroid { path: path.to_owned(), centroid, norm });
    }
    Array2::from_shape_vec(shape, values).map_err(|error| at(path)(io::Error::other(error)))
}

/// A value of four bytes in a `.npy` file.
pub(crate) trait Value: bytemuck::Pod {
    /// Numpy's letter for it.
    const KIND: char;

    fn swap_bytes(self) -> Self;
}

impl Value for u32 {
    const KIND: char = 'u';

    fn swap_bytes(self) -> Self {
        self.swap_bytes()
    }
}

impl Value for f32 {
    const KIND: char = 'f';

    fn swap_bytes(self) -> Self {
        Self::from_bits(self.to_bits().swap_bytes())
    }
}

/// Takes no more memory than the file has bytes, whatever its header says.
pub(crate) fn read_array<T: Value>(
    path: &Path,
    expected: &[usize],
    element: &'static str,
) -> Result<Vec<T>, KMeansError> {
    let mut file = File::open(path).map_err(at(path))?;
    let header = Header::read(&mut file).map_err(at(path))?;
    if header.fortran_order || !header.shape.iter().copied().eq(expected.iter().map(|&length| length as u64)) {
        let expected = format!("{expected:?}");
        return Err(KMeansError::ArrayShape { path: path.to_owned(), found: header.layout(), expected });
    }
    let swapped = is_swapped::<T>(&header.descr).ok_or_else(|| {
        let found = header.descr.clone();
        KMeansError::ArrayType { path: path.to_owned(), found, expected: element }
    })?;
    let bytes = header.shape.iter().fold(size_of::<T>() as u128, |bytes, &length| bytes.saturating_mul(length.into()));
    let (whole, found) = (bytes.saturating_add(header.start.into()), file.metadata().map_err(at(path))?.len());
    if whole != u128::from(found) {
        return Err(KMeansError::ArrayLength { path: path.to_owned(), found, expected: whole });
    }
    let mut values = vec![T::zeroed(); expected.iter().product()];
    file.read_exact(bytemuck::cast_slice_mut(&mut values)).map_err(at(path))?;
    if swapped {
        values.iter_mut().for_each(|value| *value = value.swap_bytes());
    }
    Ok(values)
}

/// Whether values of this type are in the other byte order; `None` if they are no `T`.
fn is_swapped<T: Value>(descr: &str) -> Option<bool> {
    let (own, other) = if cfg!(target_endian = "little") { ('<', '>') } else { ('>', '<') };
    let of = |order| format!("'{order}{}{}'", T::KIND, size_of::<T>());
    match descr {
        _ if descr == of(own) => Some(false),
        _ if descr == of(other) => Some(true),
        _ => None,
    }
}

pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> KMeansError {
    let path = path.to_owned();
    move |source| KMeansError::Io { path: path.clone(), source }
}
