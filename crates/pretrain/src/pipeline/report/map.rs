//! A sample of what was clustered, in the plane.

use burn::tensor::backend::AutodiffBackend;
use embed::Side;
use ndarray::{Array2, Axis};
use vectors::read_labels;

use crate::config::ClusterOf;
use crate::error::Result;
use crate::parts::Parts;
use crate::pipeline::Pipeline;
use crate::report::{ClusterMap, MapPoint, principal_plane};
use crate::rows::as_array;
use crate::run_folder::Clusters;

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// At most `most` rows of `clusters`, evenly from their order, in the plane of their first two principal components.
    ///
    /// # Errors
    /// Rows or vectors cannot be read.
    pub(super) fn cluster_map(&self, clusters: &Clusters, labels: &[u32], most: usize) -> Result<ClusterMap> {
        let of = clusters.config.of;
        let items = read_labels(&clusters.folder.join("rows.npy"))?;
        let rows = items.len().min(labels.len());
        let sample: Vec<usize> = (0..rows.min(most)).map(|at| at * rows / rows.min(most)).collect();
        let picked: Vec<u32> = sample.iter().map(|&row| items[row]).collect();
        let plane = principal_plane(self.vectors_of(of, &picked)?.view());
        let points = sample.iter().zip(&picked).zip(plane.points);
        let point = |((&row, &item), [x, y]): ((&usize, &u32), [f64; 2])| MapPoint {
            x,
            y,
            label: labels[row],
            text: self.text_of(of, item),
        };
        Ok(ClusterMap { points: points.map(point).collect(), explained: plane.explained, rows })
    }

    /// The vectors of clustered items: a pair's is the unit mean of both of its texts'.
    fn vectors_of(&self, of: ClusterOf, items: &[u32]) -> Result<Array2<f32>> {
        match of {
            ClusterOf::Queries => self.picked(Side::Query, items.iter().copied()),
            ClusterOf::Passages => self.picked(Side::Passage, items.iter().copied()),
            ClusterOf::None | ClusterOf::Both | ClusterOf::Topics | ClusterOf::Random => {
                let pairs = || items.iter().map(|&item| self.dataset.train[item as usize]);
                let mut sums = self.picked(Side::Query, pairs().map(|pair| pair.query))?
                    + self.picked(Side::Passage, pairs().map(|pair| pair.passage))?;
                sums.rows_mut().into_iter().for_each(|mut row| {
                    let norm = row.dot(&row).sqrt();
                    row.mapv_inplace(|value| if norm > 0.0 { value / norm } else { value });
                });
                Ok(sums)
            }
        }
    }

    fn picked(&self, side: Side, items: impl Iterator<Item = u32>) -> Result<Array2<f32>> {
        let vectors = self.vectors(side)?;
        let places: Vec<usize> = items.map(|item| vectors.place(item) as usize).collect();
        let file = vectors.file.with_random_access();
        Ok(as_array(&file, &self.embeddings(side))?.select(Axis(0), &places))
    }

    fn text_of(&self, of: ClusterOf, item: u32) -> String {
        let dataset = &self.dataset;
        match of {
            ClusterOf::Queries => dataset.queries.text(item).to_owned(),
            ClusterOf::Passages => dataset.passages.text(item).to_owned(),
            ClusterOf::None | ClusterOf::Both | ClusterOf::Topics | ClusterOf::Random => {
                let pair = dataset.train[item as usize];
                format!("{} → {}", dataset.queries.text(pair.query), dataset.passages.text(pair.passage))
            }
        }
    }
}
