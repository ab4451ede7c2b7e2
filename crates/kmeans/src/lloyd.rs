use ndarray::{Array2, ArrayView2};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use vectors::UnitRows;
use vectors::fixed_point::{self, FixedRows};

use crate::assign::assign;
use crate::clustering::{Clusterer, Clustering, Iteration};
use crate::kernel::are_few;
use crate::passes::{Found, Passes};
use crate::rows::checked;
use crate::split::split_empty;
use crate::sums::{Sums, normalise, sizes};
use crate::training::Training;
use crate::{KMeansError, SphericalKMeansConfig, Vectors, init};

/// Spherical k-means with FAISS's meaning: centroids are renormalised after each update, a row belongs to the centroid
/// of the largest inner product (the lowest index on a tie), and an empty cluster takes half of the largest one.
///
/// One pass over the rows computes the labels, the objective and the next sums. The result does not depend on the
/// number of threads.
///
/// # Source
/// Dhillon & Modha (2001), *Machine Learning* 42, and FAISS's `Clustering::train` with `spherical = true`.
/// Unlike FAISS it trains on all rows by default, splits the largest cluster instead of a random one, and ends with an
/// assignment to the centroids that it returns.
///
/// # Examples
/// ```
/// use kmeans::{Clusterer, SphericalKMeansConfig};
/// use ndarray::array;
///
/// let rows = array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0], [-0.6, -0.8]];
/// let clustering = SphericalKMeansConfig::new(2).build()?.fit(rows.view())?;
/// assert_eq!(clustering.labels[0], clustering.labels[1]);
/// assert_ne!(clustering.labels[0], clustering.labels[2]);
/// assert_eq!(clustering.sizes, [2, 2]);
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[doc(alias = "cosine")]
#[derive(Clone, Debug, PartialEq)]
pub struct SphericalKMeans {
    pub(crate) config: SphericalKMeansConfig,
}

/// Stream 0 of the generator draws the subsample, stream `run + 1` the start of a run.
pub(crate) const SUBSAMPLE_STREAM: u64 = 0;

impl SphericalKMeansConfig {
    /// The clusterer of these settings.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds.
    pub fn build(self) -> Result<SphericalKMeans, KMeansError> {
        self.validate().map(|()| SphericalKMeans { config: self })
    }
}

impl SphericalKMeans {
    /// The settings it was built from.
    #[must_use]
    pub fn config(&self) -> &SphericalKMeansConfig {
        &self.config
    }

    /// The clustering of one run that starts from `centroids`, which are normalised first; `init` and `runs` play
    /// no part.
    ///
    /// # Shapes
    /// - `rows`: `[n, dim]`, each row of L2 norm 1
    /// - `centroids`: `[clusters, dim]`, no row zero
    ///
    /// # Errors
    /// Those of [`Clusterer::fit`], and [`KMeansError::CentroidCount`], [`KMeansError::DimMismatch`] or
    /// [`KMeansError::BadCentroid`].
    pub fn fit_from<'a>(
        &self,
        rows: impl Into<Vectors<'a>>,
        centroids: ArrayView2<'_, f32>,
    ) -> Result<Clustering, KMeansError> {
        let rows = rows.into();
        let rows = self.checked_rows(checked(&rows)?)?;
        let start = self.checked_start(centroids, rows.dim())?;
        let trained = self.on_training_rows(rows, |training| self.run(training, start, 0, &mut |_| ()));
        Ok(trained.into_clustering(rows))
    }

    fn checked_rows<'a>(&self, rows: UnitRows<'a>) -> Result<UnitRows<'a>, KMeansError> {
        match self.config.k {
            clusters if rows.len() < clusters => Err(KMeansError::TooFewRows { rows: rows.len(), clusters }),
            _ => Ok(rows),
        }
    }

    pub(crate) fn checked_start(&self, centroids: ArrayView2<'_, f32>, dim: usize) -> Result<Array2<f32>, KMeansError> {
        if centroids.nrows() != self.config.k {
            return Err(KMeansError::CentroidCount { centroids: centroids.nrows(), clusters: self.config.k });
        }
        if centroids.ncols() != dim {
            return Err(KMeansError::DimMismatch { rows: dim, centroids: centroids.ncols() });
        }
        let mut start = centroids.to_owned();
        normalise(&mut start).map_err(|(centroid, norm)| KMeansError::BadCentroid { centroid, norm })?;
        Ok(start)
    }

    fn on_training_rows(&self, rows: UnitRows<'_>, train: impl FnOnce(Training<'_>) -> Trained) -> Trained {
        let wanted = self.config.max_points_per_centroid.map(|points| points.saturating_mul(self.config.k));
        match wanted {
            Some(wanted) if wanted < rows.len() => {
                let mut chosen = index::sample(&mut self.rng(SUBSAMPLE_STREAM), rows.len(), wanted).into_vec();
                chosen.sort_unstable();
                self.in_fixed_point(UnitRows::of_copies(&rows.gather(&chosen), rows.dim()), train)
            }
            _ => self.in_fixed_point(rows, train),
        }
    }

    fn in_fixed_point(&self, rows: UnitRows<'_>, train: impl FnOnce(Training<'_>) -> Trained) -> Trained {
        // With few clusters and bounds, too few rows are looked at for a copy to pay.
        let of_use = fixed_point::holds(rows.dim()) && !(are_few(self.config.k) && self.config.pruning);
        let kept = self.config.fixed_point && of_use && !rows.may_exceed_memory();
        let fixed = if kept { FixedRows::new(rows) } else { None };
        train(Training { rows, fixed: fixed.as_ref() })
    }

    fn best_run(&self, training: Training<'_>, observer: &mut dyn FnMut(&Iteration)) -> Trained {
        let mut best = self.seeded_run(training, 0, observer);
        for run in 1..self.config.runs {
            let trained = self.seeded_run(training, run, observer);
            if trained.objective > best.objective {
                best = trained;
            }
        }
        best
    }

    fn seeded_run(&self, training: Training<'_>, run: usize, observer: &mut dyn FnMut(&Iteration)) -> Trained {
        let mut rng = self.rng(run as u64 + 1);
        let start = init::start(self.config.init, training.rows, self.config.k, &mut rng);
        self.run(training, start, run, observer)
    }

    pub(crate) fn rng(&self, stream: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(stream);
        rng
    }

    fn run(
        &self,
        training: Training<'_>,
        start: Array2<f32>,
        run: usize,
        observer: &mut dyn FnMut(&Iteration),
    ) -> Trained {
        let mut trained = Trained::new(start, training.rows.len());
        let mut passes = Passes::new(training, &self.config);
        for index in 0..self.config.max_iterations {
            let Found { objective, changed, sums } = passes.pass(trained.centroids.view(), &mut trained.labels);
            let reseeded = sums.sizes.iter().filter(|&&size| size == 0).count();
            let iteration = Iteration { run, index, objective, changed, reseeded };
            observer(&iteration);
            trained.converged = self.settled(trained.history.last(), &iteration);
            trained.objective = objective;
            trained.history.push(iteration);
            // The labels are already those of the centroids that stay.
            if trained.converged {
                return trained;
            }
            trained.update(sums);
        }
        trained.objective = passes.last(trained.centroids.view(), &mut trained.labels);
        trained
    }

    pub(crate) fn settled(&self, previous: Option<&Iteration>, iteration: &Iteration) -> bool {
        let by_labels = iteration.changed == 0;
        let by_objective = previous.is_some_and(|previous| {
            let change = (iteration.objective - previous.objective).abs();
            previous.reseeded == 0 && change < self.config.tolerance * previous.objective.abs()
        });
        iteration.reseeded == 0 && (by_labels || by_objective)
    }
}

impl Clusterer for SphericalKMeans {
    fn fit_with(&self, rows: &Vectors<'_>, observer: &mut dyn FnMut(&Iteration)) -> Result<Clustering, KMeansError> {
        let rows = self.checked_rows(checked(rows)?)?;
        let trained = self.on_training_rows(rows, |training| self.best_run(training, observer));
        Ok(trained.into_clustering(rows))
    }
}

/// Everything of one run: never mixed with another's.
struct Trained {
    centroids: Array2<f32>,
    labels: Vec<u32>,
    objective: f64,
    history: Vec<Iteration>,
    converged: bool,
}

impl Trained {
    fn new(start: Array2<f32>, rows: usize) -> Self {
        let (labels, history) = (vec![u32::MAX; rows], Vec::new());
        Self { centroids: start, labels, objective: f64::NEG_INFINITY, history, converged: false }
    }

    fn update(&mut self, sums: &Sums) {
        self.centroids = sums.centroids(self.centroids.view());
        split_empty(&mut self.centroids, &mut sums.sizes.clone());
    }

    /// Labels of `rows`, which may be more than those trained on.
    fn into_clustering(mut self, rows: UnitRows<'_>) -> Clustering {
        if self.labels.len() != rows.len() {
            self.labels.resize(rows.len(), u32::MAX);
            let totals = assign(rows, self.centroids.view(), &mut self.labels);
            self.objective = totals.cosines / rows.len() as f64;
        }
        Clustering {
            sizes: sizes(&self.labels, self.centroids.nrows()),
            labels: self.labels,
            centroids: self.centroids,
            objective: self.objective,
            history: self.history,
            converged: self.converged,
        }
    }
}
