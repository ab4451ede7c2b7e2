//! Stage `cluster`: labels of the training pairs, for every arm that draws from clusters.

use std::path::Path;

use burn::tensor::backend::AutodiffBackend;
use embed::Side;
use kmeans::{Balanced, Bounds, Clustering, Hierarchy, Iteration, KMeansError};
use ndarray::Axis;
use rustc_hash::FxHashMap;
use vectors::{NpyVectors, Vectors};

use super::Pipeline;
use crate::config::{ClusterConfig, ClusterOf};
use crate::error::{PretrainError, Result};
use crate::files::write_indices;
use crate::parts::Parts;
use crate::progress::{bar, count};
use crate::rows::{as_array, as_vectors};
use crate::run_folder::Clusters;

/// What an arm clusters, and which of its rows each training pair is.
pub(super) struct ClusteredRows {
    /// For each row the index of its text; of a pair's rows the index of the pair.
    pub(super) items: Vec<u32>,
    /// For each training pair its row.
    pub(super) row_of_pair: Vec<u32>,
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Clusters what the arms draw from: the training texts of one side, or all of them where nothing is trained; and finds the pairs that they
    /// keep.
    ///
    /// # Errors
    /// The embeddings are missing, or k-means cannot be done on them.
    pub fn cluster(&self) -> Result<()> {
        for clusters in self.run.all_clusters() {
            let folder = &clusters.folder;
            self.run.stage(&self.cluster_stage(clusters)?, || {
                let rows = self.clustered_rows(clusters.config.of);
                if matches!(clusters.config.of, ClusterOf::Both | ClusterOf::Random) {
                    self.require_pairs()?;
                }
                let vectors = self.row_vectors(clusters.config.of, &rows)?;
                let fitted = self.fit(clusters, &as_vectors(&vectors))?;
                // Those of nested clusters would lie beside others.
                if folder.exists() {
                    std::fs::remove_dir_all(folder).map_err(|source| PretrainError::io(folder, source))?;
                }
                fitted.save(folder).map_err(|source| clusters.failed(source))?;
                write_indices(&folder.join("rows.npy"), &rows.items)?;
                write_indices(&folder.join("pair-labels.npy"), &rows.expand(&fitted.clustering().labels))
            })?;
        }
        let draws = self.run.arms().iter().flat_map(|arm| &arm.draws);
        draws.filter_map(|draw| draw.sampler.consistent_within).try_for_each(|within| self.keep_consistent(within))
    }

    /// The stored clusters that `config` describes.
    pub(super) fn clustering(&self, config: &ClusterConfig) -> Result<Clustering> {
        let clusters = self.stored_clusters(config)?;
        self.run.require(&self.cluster_stage(clusters)?)?;
        Clustering::load(&clusters.folder).map_err(|source| clusters.failed(source))
    }

    pub(super) fn stored_clusters(&self, config: &ClusterConfig) -> Result<&Clusters> {
        let missing = || PretrainError::StageMissing { path: self.run.root().to_owned(), stage: "cluster" };
        self.run.clusters_of(config).ok_or_else(missing)
    }

    /// The distinct texts that an arm clusters, or its pairs.
    pub(super) fn clustered_rows(&self, of: ClusterOf) -> ClusteredRows {
        let train = &self.dataset.train;
        let all = |texts: usize| ClusteredRows { items: (0..texts as u32).collect(), row_of_pair: Vec::new() };
        match of {
            ClusterOf::Queries if train.is_empty() => all(self.dataset.queries.len()),
            ClusterOf::Passages if train.is_empty() => all(self.dataset.passages.len()),
            ClusterOf::Queries => ClusteredRows::distinct(train.iter().map(|pair| pair.query)),
            ClusterOf::Passages => ClusteredRows::distinct(train.iter().map(|pair| pair.passage)),
            ClusterOf::None | ClusterOf::Both | ClusterOf::Topics | ClusterOf::Random => {
                ClusteredRows::distinct(0..train.len() as u32)
            }
        }
    }

    /// The rows that are clustered, of texts or of pairs.
    pub(super) fn row_vectors(&self, of: ClusterOf, rows: &ClusteredRows) -> Result<NpyVectors> {
        let scratch = self.run.root();
        match of {
            ClusterOf::Queries => self.vectors(Side::Query)?.select(&rows.items, scratch),
            ClusterOf::Passages => self.vectors(Side::Passage)?.select(&rows.items, scratch),
            ClusterOf::Both => self.pair_vectors(),
            // Labels that look at no vector still want rows to count.
            ClusterOf::None | ClusterOf::Topics | ClusterOf::Random => {
                let ones = NpyVectors::scratch(scratch, (rows.items.len(), 1), |out| {
                    rows.items.iter().try_for_each(|_| out.write(&[1.0]))
                });
                ones.map_err(|source| PretrainError::io(scratch, source))
            }
        }
    }

    /// For each training pair the unit mean of its query and its passage.
    fn pair_vectors(&self) -> Result<NpyVectors> {
        let (queries, passages) = (self.vectors(Side::Query)?, self.vectors(Side::Passage)?);
        let pairs = self.dataset.train.iter();
        let pairs = pairs.map(|pair| (queries.place(pair.query), passages.place(pair.passage)));
        self.means_of_pairs([&queries.file, &passages.file], pairs)
    }

    /// The unit means of rows of queries and of passages, one of each for a pair.
    pub(super) fn means_of_pairs(
        &self,
        [queries, passages]: [&NpyVectors; 2],
        mut pairs: impl ExactSizeIterator<Item = (u32, u32)>,
    ) -> Result<NpyVectors> {
        let scratch = self.run.root();
        let (query_rows, passage_rows) = (as_array(queries, scratch)?, as_array(passages, scratch)?);
        let rows = NpyVectors::scratch(scratch, (pairs.len(), queries.dim()), |out| {
            pairs.try_for_each(|(query, passage)| {
                let query = query_rows.row(query as usize);
                let mut row = &query + &passage_rows.row(passage as usize);
                let norm = row.dot(&row).sqrt();
                match norm > 0.0 {
                    true => row /= norm,
                    false => row.assign(&query),
                }
                out.write_rows(row.view().insert_axis(Axis(0)))
            })
        });
        rows.map_err(|source| PretrainError::io(scratch, source))
    }

    pub(super) fn fit(&self, clusters: &Clusters, rows: &Vectors<'_>) -> Result<Fitted> {
        let (config, name) = (&clusters.config, &clusters.name);
        tracing::info!("cluster {name}: {} rows of {} into {}", count(rows.len()), rows.dim(), config.clusters());
        let bar = bar((config.kmeans.max_iterations * config.kmeans.runs) as u64, &format!("cluster {name}"));
        let fitted = self.fitted(config, rows, &mut |iteration| {
            bar.inc(1);
            bar.set_message(format!("mean cosine {:.4}", iteration.objective));
        });
        bar.finish_and_clear();
        let fitted = fitted.map_err(|source| clusters.failed(source))?;
        let Clustering { objective, sizes, .. } = fitted.clustering();
        tracing::info!(
            "cluster {name}: mean cosine {objective:.4}, clusters of {} to {} rows",
            count(sizes.iter().min().copied().unwrap_or(0) as usize),
            count(sizes.iter().max().copied().unwrap_or(0) as usize),
        );
        let empty = sizes.iter().filter(|&&size| size == 0).count();
        if empty > 0 {
            tracing::warn!(
                "cluster {name}: {} of {} clusters are empty: rows repeat",
                count(empty),
                count(sizes.len())
            );
        }
        Ok(fitted)
    }

    fn fitted(
        &self,
        config: &ClusterConfig,
        rows: &Vectors<'_>,
        observer: &mut dyn FnMut(&Iteration),
    ) -> std::result::Result<Fitted, KMeansError> {
        if let Some(hierarchy) = config.hierarchy().filter(|_| config.of != ClusterOf::Random) {
            let nested = hierarchy.build()?.fit_with(rows, &mut |seen| observer(&seen.iteration))?;
            return Fitted::nested(nested, config.balance, rows);
        }
        let clustering = self.parts.clusterer(config, &self.device)?.fit_with(rows, observer)?;
        match config.balance {
            Some(bounds) => Ok(Fitted::Balanced(clustering.balanced(rows.clone(), bounds)?)),
            None => Ok(Fitted::Flat(clustering)),
        }
    }
}

/// Clusters as they were made, which say more in files than their labels.
pub(super) enum Fitted {
    Flat(Clustering),
    Balanced(Balanced),
    Nested {
        hierarchy: Hierarchy,
        /// The finest level's, within bounds where the configuration has them.
        finest: Box<Fitted>,
    },
}

impl Fitted {
    fn nested(
        hierarchy: Hierarchy,
        bounds: Option<Bounds>,
        rows: &Vectors<'_>,
    ) -> std::result::Result<Self, KMeansError> {
        let finest = hierarchy.levels.last().ok_or(KMeansError::NoLevels)?.clustering.clone();
        let finest = Box::new(match bounds {
            Some(bounds) => Self::Balanced(finest.balanced(rows.clone(), bounds)?),
            None => Self::Flat(finest),
        });
        Ok(Self::Nested { hierarchy, finest })
    }

    pub(super) fn clustering(&self) -> &Clustering {
        match self {
            Self::Flat(clustering) => clustering,
            Self::Balanced(balanced) => &balanced.clustering,
            Self::Nested { finest, .. } => finest.clustering(),
        }
    }

    pub(super) fn save(&self, folder: &Path) -> std::result::Result<(), KMeansError> {
        match self {
            Self::Flat(clustering) => clustering.save(folder),
            Self::Balanced(balanced) => balanced.save(folder),
            Self::Nested { hierarchy, finest } => {
                hierarchy.save(folder)?;
                finest.save(folder)
            }
        }
    }
}

impl Clusters {
    pub(super) fn failed(&self, source: KMeansError) -> PretrainError {
        PretrainError::Cluster { arm: self.name.clone(), source }
    }
}

impl ClusteredRows {
    pub(super) fn distinct(items: impl Iterator<Item = u32>) -> Self {
        let mut rows = Self { items: Vec::new(), row_of_pair: Vec::new() };
        let mut row_of = FxHashMap::default();
        for item in items {
            let row = *row_of.entry(item).or_insert_with(|| {
                rows.items.push(item);
                rows.items.len() as u32 - 1
            });
            rows.row_of_pair.push(row);
        }
        rows
    }

    /// The pairs' labels from the rows'.
    pub(super) fn expand(&self, labels: &[u32]) -> Vec<u32> {
        self.row_of_pair.iter().map(|&row| labels[row as usize]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_one_text_share_its_label() {
        let rows = ClusteredRows::distinct([7, 3, 7, 9].into_iter());
        assert_eq!(rows.items, [7, 3, 9]);
        assert_eq!(rows.expand(&[4, 5, 6]), [4, 5, 4, 6]);
    }
}
