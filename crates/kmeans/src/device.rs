//! Spherical k-means on any burn device.

mod pass;
mod rows;
mod run;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use ndarray::{Array2, ArrayView2};
use rand::seq::index;
use vectors::UnitRows;

pub use rows::AnyRows;

use self::pass::Centroids;
use self::rows::{Blocks, Located};
use self::run::Trained;
use crate::clustering::{Clusterer, Clustering, Iteration};
use crate::lloyd::SUBSAMPLE_STREAM;
use crate::{Init, KMeansError, SphericalKMeans, SphericalKMeansConfig, Vectors, init};

/// [`SphericalKMeans`] with its passes over the rows on a burn device (feature `burn`).
///
/// The same algorithm from the same seeded starts: only the rounding of products and sums is the backend's own, so
/// that labels may differ where two centroids are equally near. On a tie burn's flex backend and those of cubecl
/// (CUDA, wgpu) give the lowest label; LibTorch promises none. A backend that multiplies f32 with less precision, as
/// CUDA may do by TF32, shows that in the centroids and in the objective.
///
/// The rows are stored on the device as f32, in blocks, once for all iterations. An iteration multiplies one block
/// after another with the centroids, takes the largest product of each row there, and sums the rows of each label as
/// the product of a one-hot matrix with the block, which is deterministic, unlike atomic additions, and costs as much
/// as the assignment. What comes back are the sums and sizes, the number of changed labels and one sum of
/// cosines for each block, which are added up in double precision; the labels are read when all runs are done.
///
/// Memory on the device: 4 bytes for each value of a training row, two labels a row, and a few matrices of at most
/// [`block_bytes`](Self::with_block_bytes) or one row each. A tensor of f32 is not copied where its blocks can be read
/// in place: on cubecl's backends if `dim` is a multiple of 64 or the tensor fits one block. With
/// `max_points_per_centroid` only the drawn rows stay on the device, and the others pass through it once, in the end.
///
/// `pruning` plays no part: a device looks at every row. Starts other than [`Init::RandomRows`] are computed on the
/// processor, for which the rows of a tensor are read back once.
///
/// # Examples
/// ```
/// use burn::tensor::{Tensor, backend::Backend};
/// use kmeans::{Clustering, KMeansError, SphericalKMeansConfig};
///
/// fn ten_clusters<B: Backend>(embeddings: Tensor<B, 2>) -> Result<Clustering, KMeansError> {
///     SphericalKMeansConfig::new(10).build_on::<B>(&embeddings.device())?.fit_tensor(embeddings)
/// }
/// ```
#[doc(alias = "gpu")]
#[derive(Clone, Debug)]
pub struct DeviceKMeans<B: Backend> {
    clusterer: SphericalKMeans,
    device: B::Device,
    block_bytes: usize,
}

/// WebGPU lets a shader see at least twice this much of one buffer.
const BLOCK_BYTES: usize = 64 << 20;

impl SphericalKMeansConfig {
    /// The clusterer of these settings on a device.
    ///
    /// # Errors
    /// Those of [`build`](Self::build).
    pub fn build_on<B: Backend>(self, device: &B::Device) -> Result<DeviceKMeans<B>, KMeansError> {
        Ok(DeviceKMeans { clusterer: self.build()?, device: device.clone(), block_bytes: BLOCK_BYTES })
    }
}

impl<B: Backend> DeviceKMeans<B> {
    /// The settings it was built from.
    #[must_use]
    pub fn config(&self) -> &SphericalKMeansConfig {
        self.clusterer.config()
    }

    /// Sets the most bytes of a block of rows, and of its products with the centroids, unless one row has more.
    /// Default 64 MiB. Sums over the rows are grouped by block: another size may change their last digits.
    #[must_use]
    pub fn with_block_bytes(self, block_bytes: usize) -> Self {
        Self { block_bytes, ..self }
    }

    /// The clustering of rows that are on a device already. They are moved to this one if they are on another, and
    /// detached from any graph.
    ///
    /// # Shapes
    /// - `rows`: `[n, dim]` of any float type, each row of L2 norm 1 (within 1e-3)
    ///
    /// # Errors
    /// Those of [`Clusterer::fit`], and [`KMeansError::Device`].
    pub fn fit_tensor(&self, rows: Tensor<B, 2>) -> Result<Clustering, KMeansError> {
        self.fit_tensor_with(rows, &mut |_| ())
    }

    /// The same clustering; `observer` sees every iteration of every run when it ends.
    ///
    /// # Errors
    /// Those of [`fit_tensor`](Self::fit_tensor).
    pub fn fit_tensor_with(
        &self,
        rows: Tensor<B, 2>,
        observer: &mut dyn FnMut(&Iteration),
    ) -> Result<Clustering, KMeansError> {
        self.fit_located(&AnyRows::from(rows).located(&self.device, self.block_bytes)?, observer)
    }

    /// The clustering of one run that starts from `centroids`, which are normalised first; `init` and `runs` play
    /// no part.
    ///
    /// # Shapes
    /// - `rows`: `[n, dim]`, each row of L2 norm 1 (within 1e-3)
    /// - `centroids`: `[clusters, dim]`, no row zero
    ///
    /// # Errors
    /// Those of [`fit_tensor`](Self::fit_tensor), and [`KMeansError::CentroidCount`], [`KMeansError::DimMismatch`] or
    /// [`KMeansError::BadCentroid`].
    pub fn fit_from<'a>(
        &self,
        rows: impl Into<AnyRows<'a, B>>,
        centroids: ArrayView2<'_, f32>,
    ) -> Result<Clustering, KMeansError> {
        let rows = rows.into();
        let rows = rows.located(&self.device, self.block_bytes)?;
        self.check_count(&rows)?;
        let start = self.clusterer.checked_start(centroids, rows.dim())?;
        let trained =
            self.on_training_rows(&rows, |training| self.run(&self.blocks(training), start, 0, &mut |_| ()))?;
        self.clustering(trained, &rows)
    }

    /// The label of each row, its centroid of the largest inner product, as [`Clustering::predict`] gives it. The rows
    /// pass through the device block by block.
    ///
    /// # Shapes
    /// - `rows`: `[m, dim]`, each row of L2 norm 1 (within 1e-3)
    ///
    /// # Errors
    /// [`KMeansError::DimMismatch`], those of [`Clusterer::fit`] about the rows, and [`KMeansError::Device`].
    pub fn predict<'a>(
        &self,
        rows: impl Into<AnyRows<'a, B>>,
        clustering: &Clustering,
    ) -> Result<Vec<u32>, KMeansError> {
        let rows = rows.into();
        let rows = rows.located(&self.device, self.block_bytes)?;
        if rows.dim() != clustering.centroids.ncols() {
            return Err(KMeansError::DimMismatch { rows: rows.dim(), centroids: clustering.centroids.ncols() });
        }
        Ok(self.label(&rows, clustering.centroids.view())?.0)
    }

    fn fit_located(
        &self,
        rows: &Located<'_, B>,
        observer: &mut dyn FnMut(&Iteration),
    ) -> Result<Clustering, KMeansError> {
        self.check_count(rows)?;
        let trained = self.on_training_rows(rows, |training| self.best_run(training, observer))?;
        self.clustering(trained, rows)
    }

    fn check_count(&self, rows: &Located<'_, B>) -> Result<(), KMeansError> {
        match self.config().k {
            clusters if rows.len() < clusters => Err(KMeansError::TooFewRows { rows: rows.len(), clusters }),
            _ => Ok(()),
        }
    }

    /// The same rows as [`SphericalKMeans`] draws.
    fn on_training_rows<T>(&self, rows: &Located<'_, B>, train: impl FnOnce(&Located<'_, B>) -> T) -> T {
        let wanted = self.config().max_points_per_centroid.map(|points| points.saturating_mul(self.config().k));
        match wanted {
            Some(wanted) if wanted < rows.len() => {
                let mut rng = self.clusterer.rng(SUBSAMPLE_STREAM);
                let mut chosen = index::sample(&mut rng, rows.len(), wanted).into_vec();
                chosen.sort_unstable();
                rows.with_sample(&chosen, train)
            }
            _ => train(rows),
        }
    }

    fn best_run(&self, rows: &Located<'_, B>, observer: &mut dyn FnMut(&Iteration)) -> Result<Trained<B>, KMeansError> {
        let host = match (rows, self.config().init) {
            (Located::Device(_), Init::RandomRows) => None,
            (rows, _) => Some(rows.to_host(self.block_rows(rows))?),
        };
        let blocks = self.blocks(rows);
        let start = |run| self.start(rows, host.as_ref().map(|host| host.source(rows.dim())), run);
        let mut best = self.run(&blocks, start(0)?, 0, observer)?;
        for run in 1..self.config().runs {
            let trained = self.run(&blocks, start(run)?, run, observer)?;
            if trained.objective > best.objective {
                best = trained;
            }
        }
        Ok(best)
    }

    /// The start of a run, from the rows where they are on the host too.
    fn start(&self, rows: &Located<'_, B>, host: Option<UnitRows<'_>>, run: usize) -> Result<Array2<f32>, KMeansError> {
        let mut rng = self.clusterer.rng(run as u64 + 1);
        match host {
            Some(host) => Ok(init::start(self.config().init, host, self.config().k, &mut rng)),
            None => rows.take(&init::random_rows(rows.len(), self.config().k, &mut rng)),
        }
    }

    fn run(
        &self,
        blocks: &Blocks<B>,
        start: Array2<f32>,
        run: usize,
        observer: &mut dyn FnMut(&Iteration),
    ) -> Result<Trained<B>, KMeansError> {
        let mut trained = Trained::new(start, blocks);
        for index in 0..self.config().max_iterations {
            let (iteration, sums) = trained.iterate(blocks, run, index)?;
            observer(&iteration);
            trained.converged = self.clusterer.settled(trained.history.last(), &iteration);
            trained.objective = iteration.objective;
            trained.history.push(iteration);
            // The labels are already those of the centroids that stay.
            if trained.converged {
                return Ok(trained);
            }
            trained.update(sums);
        }
        trained.relabel(blocks)?;
        Ok(trained)
    }

    /// What `trained` says of all rows, which may be more than those trained on.
    fn clustering(&self, trained: Trained<B>, rows: &Located<'_, B>) -> Result<Clustering, KMeansError> {
        if trained.rows == rows.len() {
            return trained.into_clustering();
        }
        let (labels, cosines) = self.label(rows, trained.centroids.view())?;
        Ok(trained.with_labels(labels, cosines / rows.len() as f64))
    }

    /// The nearest centroid of every row, and the sum of the rows' cosines with them.
    fn label(&self, rows: &Located<'_, B>, centroids: ArrayView2<'_, f32>) -> Result<(Vec<u32>, f64), KMeansError> {
        let on_device = Centroids::new(centroids, &self.device);
        let mut labels = Vec::with_capacity(rows.len());
        let mut cosines = 0.0;
        for range in rows::ranges(rows.len(), rows::block_rows(self.block_bytes, rows.dim(), centroids.nrows())) {
            // Read at once, so that no more than one block is on its way.
            let (block_labels, block_cosines) = on_device.nearest(rows.block(range, &self.device)).read()?;
            labels.extend(block_labels);
            cosines += block_cosines;
        }
        Ok((labels, cosines))
    }

    fn blocks(&self, rows: &Located<'_, B>) -> Blocks<B> {
        Blocks::new(rows, self.block_rows(rows), &self.device)
    }

    fn block_rows(&self, rows: &Located<'_, B>) -> usize {
        rows::block_rows(self.block_bytes, rows.dim(), self.config().k)
    }
}

impl<B: Backend> Clusterer for DeviceKMeans<B> {
    fn fit_with(&self, rows: &Vectors<'_>, observer: &mut dyn FnMut(&Iteration)) -> Result<Clustering, KMeansError> {
        self.fit_located(&Located::Host(crate::rows::checked(rows)?), observer)
    }
}
