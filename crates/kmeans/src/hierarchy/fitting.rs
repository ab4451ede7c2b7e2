use ndarray::{Array2, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use vectors::UnitRows;

use super::levels::{Level, LevelIteration, members};
use super::shares;
use crate::{Clusterer, Clustering, KMeansError, SphericalKMeansConfig, Vectors};

/// The fits of one hierarchy, one after another.
pub(super) struct Fitting<'a> {
    kmeans: &'a SphericalKMeansConfig,
    rows: UnitRows<'a>,
    observer: &'a mut dyn FnMut(&LevelIteration),
    seeds: ChaCha8Rng,
}

impl<'a> Fitting<'a> {
    pub(super) fn new(
        kmeans: &'a SphericalKMeansConfig,
        rows: UnitRows<'a>,
        observer: &'a mut dyn FnMut(&LevelIteration),
    ) -> Self {
        Self { kmeans, rows, observer, seeds: ChaCha8Rng::seed_from_u64(kmeans.seed) }
    }

    /// The level of all rows, which are those of this fitting.
    pub(super) fn first(&mut self, rows: &Vectors<'_>, clusters: usize) -> Result<Level, KMeansError> {
        let config = SphericalKMeansConfig { k: clusters, ..self.kmeans.clone() };
        let clustering = self.fit(config, rows, (0, None))?;
        Ok(Level { clustering, parents: Vec::new() })
    }

    /// The level of `clusters` clusters below the last of `levels`.
    pub(super) fn divide(&mut self, levels: &[Level], clusters: usize) -> Result<Level, KMeansError> {
        let coarser = &levels[levels.len() - 1].clustering;
        let mut level = Growing::new(self.rows.len(), clusters, self.rows.dim());
        let members = members(&coarser.labels, coarser.sizes.len());
        for ((parent, members), children) in (0..).zip(&members).zip(shares::children(&coarser.sizes, clusters)) {
            // Drawn for every parent: one without rows does not change the seeds of the others.
            let seed = self.seeds.random();
            if children > 0 {
                let values = self.rows.gather(members);
                let config = SphericalKMeansConfig { k: children, seed, ..self.kmeans.clone() };
                let rows = Vectors::from_f32(&values, self.rows.dim())?;
                level.add(parent, members, &self.fit(config, &rows, (levels.len(), Some(parent)))?);
            }
        }
        Ok(level.finish())
    }

    fn fit(
        &mut self,
        config: SphericalKMeansConfig,
        rows: &Vectors<'_>,
        (level, parent): (usize, Option<u32>),
    ) -> Result<Clustering, KMeansError> {
        let observer = &mut *self.observer;
        config.build()?.fit_with(rows, &mut |&iteration| observer(&LevelIteration { level, parent, iteration }))
    }
}

/// A level whose parents are divided one after another.
struct Growing {
    level: Level,
    /// Sum of the rows' cosines with their centroids.
    cosines: f64,
}

impl Growing {
    fn new(rows: usize, clusters: usize, dim: usize) -> Self {
        let clustering = Clustering {
            labels: vec![0; rows],
            centroids: Array2::zeros((clusters, dim)),
            objective: 0.0,
            history: Vec::new(),
            sizes: Vec::with_capacity(clusters),
            converged: true,
        };
        Self { level: Level { clustering, parents: Vec::with_capacity(clusters) }, cosines: 0.0 }
    }

    fn add(&mut self, parent: u32, members: &[usize], part: &Clustering) {
        let Level { clustering, parents } = &mut self.level;
        let first = parents.len();
        parents.resize(first + part.sizes.len(), parent);
        clustering.centroids.slice_mut(s![first..parents.len(), ..]).assign(&part.centroids);
        clustering.sizes.extend(&part.sizes);
        clustering.converged &= part.converged;
        for (&row, &label) in members.iter().zip(&part.labels) {
            clustering.labels[row] = first as u32 + label;
        }
        self.cosines += part.objective * members.len() as f64;
    }

    fn finish(mut self) -> Level {
        self.level.clustering.objective = self.cosines / self.level.clustering.labels.len() as f64;
        self.level
    }
}
