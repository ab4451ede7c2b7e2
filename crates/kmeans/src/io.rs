use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use ndarray::Array2;
use npyz::{AutoSerialize, Deserialize as NpyDeserialize, NpyFile, Order, WriterBuilder};
use serde::{Deserialize, Serialize};

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

pub(crate) fn read_array<T: NpyDeserialize>(
    path: &Path,
    expected: &[usize],
    element: &'static str,
) -> Result<Vec<T>, KMeansError> {
    let file = File::open(path).map_err(at(path))?;
    let array = NpyFile::new(BufReader::new(file)).map_err(at(path))?;
    let shape: Vec<usize> = array.shape().iter().map(|&length| length as usize).collect();
    if shape != expected || array.order() != Order::C {
        let order = if array.order() == Order::C { "" } else { " in Fortran order" };
        return Err(KMeansError::ArrayShape {
            path: path.to_owned(),
            found: format!("{shape:?}{order}"),
            expected: format!("{expected:?}"),
        });
    }
    let found = array.dtype().descr();
    let values =
        array.data::<T>().map_err(|_| KMeansError::ArrayType { path: path.to_owned(), found, expected: element })?;
    values.collect::<io::Result<_>>().map_err(at(path))
}

pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> KMeansError {
    let path = path.to_owned();
    move |source| KMeansError::Io { path: path.clone(), source }
}
