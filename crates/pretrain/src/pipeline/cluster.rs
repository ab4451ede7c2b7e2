//! Stage `cluster`: labels of the training pairs, for every arm that has clusters.

use burn::tensor::backend::AutodiffBackend;
use embed::Side;
use kmeans::{Clusterer, Clustering, KMeansError, RandomLabels, SphericalKMeansConfig};
use ndarray::{Array2, ArrayView2, Axis, Zip};
use rustc_hash::FxHashMap;

use super::Pipeline;
use crate::config::{ClusterConfig, ClusterOf};
use crate::error::{PretrainError, Result};
use crate::files::write_indices;
use crate::progress::{bar, count};
use crate::run_folder::InputHash;

/// What an arm clusters, and which of its rows each training pair is.
pub(super) struct ClusteredRows {
    /// For each row the index of its text; of a pair's rows the index of the pair.
    pub(super) items: Vec<u32>,
    /// For each training pair its row.
    pub(super) row_of_pair: Vec<u32>,
}

impl<B: AutodiffBackend> Pipeline<B> {
    /// Clusters what each arm clusters: the training texts of one side, or all of them where nothing is trained.
    ///
    /// # Errors
    /// The embeddings are missing, or k-means cannot be done on them.
    pub fn cluster(&self) -> Result<()> {
        for arm in self.config.arms().into_iter().filter(|&arm| arm != ClusterOf::None) {
            let folder = self.run.clusters(arm);
            let outputs =
                ["labels.npy", "centroids.npy", "clusters.json", "pair-labels.npy"].map(|name| folder.join(name));
            self.run.stage(&format!("cluster {}", arm.name()), &self.cluster_hash(arm)?, &outputs, || {
                let rows = self.clustered_rows(arm);
                if matches!(arm, ClusterOf::Both | ClusterOf::Random) {
                    self.require_pairs()?;
                }
                let vectors = self.row_vectors(arm, &rows)?;
                let clustering = self.fit(arm, vectors.view())?;
                let failed = |source| PretrainError::Cluster { arm: arm.title().to_owned(), source };
                clustering.save(&folder).map_err(failed)?;
                write_indices(&folder.join("rows.npy"), &rows.items)?;
                write_indices(&folder.join("pair-labels.npy"), &rows.expand(&clustering.labels))
            })?;
        }
        Ok(())
    }

    pub(super) fn cluster_hash(&self, arm: ClusterOf) -> Result<InputHash> {
        match arm {
            ClusterOf::None => Ok(self.data_hash.clone()),
            ClusterOf::Random => self.data_hash.clone().with(&(arm, self.config.cluster.k, self.config.cluster.seed)),
            _ => self.embed_hash()?.with(&(arm, ClusterConfig { of: arm, ..self.config.cluster.clone() })),
        }
    }

    /// The stored clusters of an arm.
    pub(super) fn clustering(&self, arm: ClusterOf) -> Result<Clustering> {
        let folder = self.run.clusters(arm);
        if !folder.join("clusters.json").exists() {
            return Err(PretrainError::StageMissing { path: folder, stage: "cluster" });
        }
        Clustering::load(&folder).map_err(|source| PretrainError::Cluster { arm: arm.title().to_owned(), source })
    }

    /// The distinct texts that an arm clusters, or its pairs.
    pub(super) fn clustered_rows(&self, arm: ClusterOf) -> ClusteredRows {
        let train = &self.dataset.train;
        let all = |texts: usize| ClusteredRows { items: (0..texts as u32).collect(), row_of_pair: Vec::new() };
        match arm {
            ClusterOf::Queries if train.is_empty() => all(self.dataset.queries.len()),
            ClusterOf::Passages if train.is_empty() => all(self.dataset.passages.len()),
            ClusterOf::Queries => ClusteredRows::distinct(train.iter().map(|pair| pair.query)),
            ClusterOf::Passages => ClusteredRows::distinct(train.iter().map(|pair| pair.passage)),
            ClusterOf::None | ClusterOf::Both | ClusterOf::Random => ClusteredRows::distinct(0..train.len() as u32),
        }
    }

    fn row_vectors(&self, arm: ClusterOf, rows: &ClusteredRows) -> Result<Array2<f32>> {
        let items: Vec<usize> = rows.items.iter().map(|&item| item as usize).collect();
        match arm {
            ClusterOf::Queries => Ok(self.vectors(Side::Query)?.select(Axis(0), &items)),
            ClusterOf::Passages => Ok(self.vectors(Side::Passage)?.select(Axis(0), &items)),
            ClusterOf::Both => self.pair_vectors(),
            // Labels that look at no vector still want rows to count.
            ClusterOf::None | ClusterOf::Random => Ok(Array2::ones((items.len(), 1))),
        }
    }

    /// For each training pair the unit mean of its query and its passage.
    fn pair_vectors(&self) -> Result<Array2<f32>> {
        let (queries, passages) = (self.vectors(Side::Query)?, self.vectors(Side::Passage)?);
        let mut rows = Array2::zeros((self.dataset.train.len(), queries.ncols()));
        Zip::from(rows.rows_mut()).and(&ndarray::ArrayView1::from(&self.dataset.train)).for_each(|mut row, pair| {
            row += &queries.row(pair.query as usize);
            row += &passages.row(pair.passage as usize);
            let norm = row.dot(&row).sqrt();
            match norm > 0.0 {
                true => row /= norm,
                false => row.assign(&queries.row(pair.query as usize)),
            }
        });
        Ok(rows)
    }

    fn fit(&self, arm: ClusterOf, rows: ArrayView2<'_, f32>) -> Result<Clustering> {
        let config = &self.config.cluster;
        let failed = |source| PretrainError::Cluster { arm: arm.title().to_owned(), source };
        let clusterer = self.clusterer(arm).map_err(failed)?;
        tracing::info!("cluster {}: {} rows of {} into {}", arm.name(), count(rows.nrows()), rows.ncols(), config.k);
        let bar = bar((config.max_iterations * config.runs) as u64, &format!("cluster {}", arm.name()));
        let clustering = clusterer
            .fit_with(&rows.into(), &mut |iteration| {
                bar.inc(1);
                bar.set_message(format!("mean cosine {:.4}", iteration.objective));
            })
            .map_err(failed)?;
        bar.finish_and_clear();
        let sizes = &clustering.sizes;
        tracing::info!(
            "cluster {}: mean cosine {:.4}, clusters of {} to {} rows",
            arm.name(),
            clustering.objective,
            count(sizes.iter().min().copied().unwrap_or(0) as usize),
            count(sizes.iter().max().copied().unwrap_or(0) as usize),
        );
        Ok(clustering)
    }

    fn clusterer(&self, arm: ClusterOf) -> std::result::Result<Box<dyn Clusterer>, KMeansError> {
        let config = &self.config.cluster;
        let k_means = SphericalKMeansConfig::new(config.k)
            .with_n_runs(config.runs)
            .with_max_iterations(config.max_iterations)
            .with_tolerance(config.tolerance)
            .with_seed(config.seed);
        Ok(match arm {
            ClusterOf::Random => Box::new(RandomLabels { clusters: config.k, seed: config.seed }),
            _ if config.on_device => Box::new(k_means.build_on::<B::InnerBackend>(&self.device)?),
            _ => Box::new(k_means.build()?),
        })
    }
}

impl ClusteredRows {
    fn distinct(items: impl Iterator<Item = u32>) -> Self {
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
