use std::fs;
use std::io::{self, Write};
use std::path::Path;

use ndarray::Array2;
use serde::{Deserialize, Serialize};
use vectors::{is_unit, norm, read_array, replace_file, write_array};

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

impl Clustering {
    /// Writes `labels.npy` (u32), `centroids.npy` (f32) and `clusters.json` into `dir`, which is made if it is not
    /// there. Each file is written beside its place and renamed into it.
    ///
    /// # Errors
    /// [`KMeansError::Io`].
    pub fn save(&self, dir: &Path) -> Result<(), KMeansError> {
        write(self, None, dir)
    }

    /// The clustering that [`save`](Self::save) or [`Balanced::save`](crate::Balanced::save) wrote to `dir`.
    ///
    /// # Errors
    /// [`KMeansError::Io`] or [`Json`](KMeansError::Json) if a file is missing or malformed;
    /// [`ArrayType`](crate::VectorsError::ArrayType), [`ArrayShape`](crate::VectorsError::ArrayShape),
    /// [`ArrayLength`](crate::VectorsError::ArrayLength), [`LabelOutOfRange`](KMeansError::LabelOutOfRange),
    /// [`SizeCount`](KMeansError::SizeCount), [`SizesDiffer`](KMeansError::SizesDiffer) or
    /// [`StoredCentroid`](KMeansError::StoredCentroid) if the files contradict each other.
    pub fn load(dir: &Path) -> Result<Self, KMeansError> {
        Ok(read(dir)?.0)
    }
}

impl Balanced {
    /// Writes the three files of [`Clustering::save`] into `dir`, and into `clusters.json` also the key `balanced`:
    /// the bounds `min` and `max` (null without one), `objective_lost` and `moved`. [`Clustering::load`] reads them
    /// too, and leaves that key out.
    ///
    /// # Errors
    /// [`KMeansError::Io`].
    pub fn save(&self, dir: &Path) -> Result<(), KMeansError> {
        save_balanced(self, dir)
    }

    /// The clustering that [`save`](Self::save) wrote to `dir`.
    ///
    /// # Errors
    /// Those of [`Clustering::load`]; [`KMeansError::NotBalanced`] if the clustering there was saved without bounds,
    /// [`StoredSize`](KMeansError::StoredSize) if its sizes are not within them.
    pub fn load(dir: &Path) -> Result<Self, KMeansError> {
        load_balanced(dir)
    }
}

fn save_balanced(balanced: &Balanced, dir: &Path) -> Result<(), KMeansError> {
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

pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), KMeansError> {
    replace_file(path, write).map_err(at(path))
}

fn load_balanced(dir: &Path) -> Result<Balanced, KMeansError> {
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
    let labels = read_array::<u32>(&dir.join(LABELS), &[summary.rows])?;
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
    let values = read_array::<f32>(path, &[shape.0, shape.1])?;
    if let Some((centroid, norm)) =
        values.chunks_exact(shape.1.max(1)).map(norm).enumerate().find(|&(_, norm)| !is_unit(norm))
    {
        return Err(KMeansError::StoredCentroid { path: path.to_owned(), centroid, norm });
    }
    Array2::from_shape_vec(shape, values).map_err(|error| at(path)(io::Error::other(error)))
}

pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> KMeansError {
    let path = path.to_owned();
    move |source| KMeansError::Io { path: path.clone(), source }
}
