use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vectors::{read_array, write_array};

use super::levels::{Hierarchy, Level, check_increasing};
use crate::io::{at, check_labels, read_centroids, replace};
use crate::sums::sizes;
use crate::{Clustering, Iteration, KMeansError};

const SUMMARY: &str = "hierarchy.json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Summary {
    rows: usize,
    dim: usize,
    levels: Vec<LevelSummary>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LevelSummary {
    clusters: usize,
    objective: f64,
    converged: bool,
    sizes: Vec<u64>,
    parents: Vec<u32>,
    history: Vec<Iteration>,
}

fn labels_of(dir: &Path, clusters: usize) -> PathBuf {
    dir.join(format!("labels-{clusters}.npy"))
}

fn centroids_of(dir: &Path, clusters: usize) -> PathBuf {
    dir.join(format!("centroids-{clusters}.npy"))
}

pub(super) fn save(hierarchy: &Hierarchy, dir: &Path) -> Result<(), KMeansError> {
    fs::create_dir_all(dir).map_err(at(dir))?;
    for Level { clustering: Clustering { labels, centroids, .. }, .. } in &hierarchy.levels {
        let clusters = centroids.nrows();
        replace(&labels_of(dir, clusters), |file| write_array(file, &[labels.len()], labels.iter().copied()))?;
        let values = centroids.iter().copied();
        replace(&centroids_of(dir, clusters), |file| write_array(file, centroids.shape(), values))?;
    }
    let first = hierarchy.levels.first().map(|level| &level.clustering);
    let summary = Summary {
        rows: first.map_or(0, |clustering| clustering.labels.len()),
        dim: first.map_or(0, |clustering| clustering.centroids.ncols()),
        levels: hierarchy.levels.iter().map(summary).collect(),
    };
    replace(&dir.join(SUMMARY), |file| {
        serde_json::to_writer_pretty(&mut *file, &summary)?;
        writeln!(file)
    })
}

fn summary(Level { clustering, parents }: &Level) -> LevelSummary {
    LevelSummary {
        clusters: clustering.centroids.nrows(),
        objective: clustering.objective,
        converged: clustering.converged,
        sizes: clustering.sizes.clone(),
        parents: parents.clone(),
        history: clustering.history.clone(),
    }
}

pub(super) fn load(dir: &Path) -> Result<Hierarchy, KMeansError> {
    let path = dir.join(SUMMARY);
    let text = fs::read_to_string(&path).map_err(at(&path))?;
    let summary: Summary =
        serde_json::from_str(&text).map_err(|source| KMeansError::Json { path: path.clone(), source })?;
    if summary.levels.is_empty() {
        return Err(KMeansError::NoLevels);
    }
    check_increasing(&summary.levels.iter().map(|level| level.clusters).collect::<Vec<_>>())?;
    let mut levels: Vec<Level> = Vec::new();
    for level in summary.levels {
        let level = load_level(dir, level, summary.rows, summary.dim)?;
        check_nested(&path, levels.last(), &level)?;
        levels.push(level);
    }
    Ok(Hierarchy { levels })
}

fn load_level(dir: &Path, level: LevelSummary, rows: usize, dim: usize) -> Result<Level, KMeansError> {
    let LevelSummary { clusters, objective, converged, sizes: stored, parents, history } = level;
    let path = labels_of(dir, clusters);
    let labels = read_array::<u32>(&path, &[rows])?;
    check_labels(&path, &labels, clusters)?;
    if stored.len() != clusters {
        return Err(KMeansError::SizeCount { path: dir.join(SUMMARY), sizes: stored.len(), clusters });
    }
    let counted = sizes(&labels, clusters);
    if counted != stored {
        return Err(KMeansError::SizesDiffer { path: dir.join(SUMMARY), stored, counted });
    }
    let centroids = read_centroids(&centroids_of(dir, clusters), (clusters, dim))?;
    let clustering = Clustering { labels, centroids, objective, history, sizes: stored, converged };
    Ok(Level { clustering, parents })
}

fn check_nested(path: &Path, coarser: Option<&Level>, level: &Level) -> Result<(), KMeansError> {
    let clusters = level.clustering.sizes.len();
    let contradiction = match coarser {
        None => (!level.parents.is_empty()).then_some(0),
        Some(_) if level.parents.len() != clusters => Some(clusters.min(level.parents.len())),
        Some(coarser) => first_astray(&coarser.clustering, level),
    };
    match contradiction {
        Some(child) => Err(KMeansError::NotNested { path: path.to_owned(), clusters, child }),
        None => match level.parents.windows(2).position(|pair| pair[1] < pair[0]) {
            Some(before) => Err(KMeansError::ParentsDescend { path: path.to_owned(), clusters, child: before + 1 }),
            None => Ok(()),
        },
    }
}

/// The first cluster whose parent is not there, or with a row that is not in its parent.
fn first_astray(coarser: &Clustering, level: &Level) -> Option<usize> {
    let parents = &level.parents;
    let orphan = parents.iter().position(|&parent| parent as usize >= coarser.sizes.len());
    let labels = level.clustering.labels.iter().zip(&coarser.labels);
    let astray =
        labels.filter(|&(&child, &parent)| parents[child as usize] != parent).map(|(&child, _)| child as usize);
    astray.chain(orphan).min()
}
