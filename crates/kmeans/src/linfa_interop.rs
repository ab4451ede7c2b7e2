//! Both directions: our types behind linfa's traits, and linfa's k-means behind [`Clusterer`].

use std::borrow::Cow;

use linfa::traits::{Fit, PredictInplace};
use linfa::{DatasetBase, ParamGuard};
use linfa_clustering::{KMeans, KMeansInit};
use ndarray::{Array1, Array2, ArrayBase, ArrayView2, CowArray, Data, Ix2};
use rand_chacha_03::ChaCha8Rng;
use rand_chacha_03::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use vectors::UnitRows;

use crate::assign::assign;
use crate::rows::checked;
use crate::sums::{normalise, sizes};
use crate::{Clusterer, Clustering, Iteration, KMeansError, RandomLabels, SphericalKMeans, Vectors};

/// [`Clusterer::fit`] of a dataset's records; its targets and weights play no part.
///
/// Where [`Clusterer`] is in scope too, name the trait: `linfa::traits::Fit::fit(&clusterer, &dataset)`.
impl<D: Data<Elem = f32>, T> Fit<ArrayBase<D, Ix2>, T, KMeansError> for SphericalKMeans {
    type Object = Clustering;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Clustering, KMeansError> {
        Clusterer::fit(self, dataset.records().view())
    }
}

/// [`Clusterer::fit`] of a dataset's records; its targets and weights play no part.
impl<D: Data<Elem = f32>, T> Fit<ArrayBase<D, Ix2>, T, KMeansError> for RandomLabels {
    type Object = Clustering;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Clustering, KMeansError> {
        Clusterer::fit(self, dataset.records().view())
    }
}

/// linfa's [`Predict`](linfa::traits::Predict) for arrays and datasets, by [`Clustering::predict`].
///
/// A method of a type comes before those of its traits: call `linfa::traits::Predict::predict(&clustering, &dataset)`.
///
/// # Panics
/// Where [`Clustering::predict`] gives an error, for which linfa's trait has no room.
impl<D: Data<Elem = f32>> PredictInplace<ArrayBase<D, Ix2>, Array1<usize>> for Clustering {
    #[track_caller]
    fn predict_inplace(&self, rows: &ArrayBase<D, Ix2>, labels: &mut Array1<usize>) {
        assert_eq!(rows.nrows(), labels.len(), "one label for each row");
        match self.predict(rows.view()) {
            Ok(predicted) => labels.iter_mut().zip(predicted).for_each(|(slot, label)| *slot = label as usize),
            Err(error) => panic!("{error}"),
        }
    }

    fn default_target(&self, rows: &ArrayBase<D, Ix2>) -> Array1<usize> {
        Array1::zeros(rows.nrows())
    }
}

/// linfa-clustering's k-means, as a peer: Euclidean on unit rows, started by k-means++.
///
/// Its centroids are normalised here; labels, sizes and objective are those of the normalised centroids. Each run is a
/// fit of its own and the one of the highest mean cosine is kept whole, as by [`SphericalKMeans`]. The history has one
/// entry for each run, since linfa tells nothing of its iterations. Rows of f16 are widened in memory, all at once.
///
/// # Source
/// linfa-clustering 0.8: the start of a cluster counts as one more row in each of its means.
///
/// # Examples
/// ```
/// use kmeans::{Clusterer, LinfaKMeans};
/// use ndarray::array;
///
/// let rows = array![[1.0, 0.0], [0.8, 0.6], [0.0, -1.0], [-0.6, -0.8]];
/// let clustering = LinfaKMeans { seed: 7, ..LinfaKMeans::new(2) }.fit(rows.view())?;
/// assert_eq!(clustering.sizes, [2, 2]);
/// assert_eq!(clustering.predict(rows.view())?, clustering.labels);
/// # Ok::<(), kmeans::KMeansError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinfaKMeans {
    /// Number of clusters, k.
    pub clusters: usize,
    /// Runs from different starts. linfa's default: 10.
    pub n_runs: usize,
    /// Most iterations of one run. linfa's default: 300.
    pub max_iterations: u64,
    /// A run stops when all centroids together, as one vector, move by less than this. linfa's default: 1e-4.
    pub tolerance: f32,
    /// Seed of the starts.
    pub seed: u64,
}

impl LinfaKMeans {
    /// linfa's defaults with `clusters` clusters.
    #[must_use]
    pub fn new(clusters: usize) -> Self {
        Self { clusters, n_runs: 10, max_iterations: 300, tolerance: 1e-4, seed: 0 }
    }

    fn checked_rows<'a>(&self, rows: UnitRows<'a>) -> Result<UnitRows<'a>, KMeansError> {
        match *self {
            Self { clusters: 0, .. } => Err(KMeansError::NoClusters),
            Self { clusters, .. } if u32::try_from(clusters).is_err() => Err(KMeansError::TooManyClusters { clusters }),
            Self { n_runs: 0, .. } => Err(KMeansError::NoRuns),
            Self { max_iterations: 0, .. } => Err(KMeansError::NoIterations),
            // Unlike linfa's own check this one refuses NaN, with which no run would settle.
            Self { tolerance, .. } if !(tolerance.is_finite() && tolerance >= 0.0) => {
                Err(KMeansError::BadTolerance { tolerance: tolerance.into() })
            }
            Self { clusters, .. } if rows.len() < clusters => {
                Err(KMeansError::TooFewRows { rows: rows.len(), clusters })
            }
            _ => Ok(rows),
        }
    }

    fn run(&self, rows: UnitRows<'_>, records: ArrayView2<'_, f32>, run: usize) -> Result<Clustering, KMeansError> {
        let trained = self.train(records, run, KMeansInit::KMeansPlusPlus, self.max_iterations)?;
        let converged = self.settled(records, run, &trained)?;
        let mut centroids = trained;
        normalise(&mut centroids).map_err(|(centroid, norm)| KMeansError::NoDirection { centroid, norm })?;
        let mut labels = vec![u32::MAX; rows.len()];
        let totals = assign(rows, centroids.view(), &mut labels);
        let objective = totals.cosines / rows.len() as f64;
        let iteration = Iteration { run, index: 0, objective, changed: totals.changed, reseeded: 0 };
        Ok(Clustering {
            sizes: sizes(&labels, self.clusters),
            labels,
            centroids,
            objective,
            history: vec![iteration],
            converged,
        })
    }

    /// linfa's centroids after one run.
    fn train(
        &self,
        records: ArrayView2<'_, f32>,
        run: usize,
        init: KMeansInit<f32>,
        max_iterations: u64,
    ) -> Result<Array2<f32>, KMeansError> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(run as u64 + 1);
        let params = KMeans::params_with_rng(self.clusters, rng)
            .n_runs(1)
            .init_method(init)
            .max_n_iterations(max_iterations)
            .tolerance(self.tolerance)
            .check()
            .map_err(linfa_clustering::KMeansError::from)?;
        Ok(params.fit(&DatasetBase::from(records))?.centroids().clone())
    }

    /// Whether one more of linfa's iterations moves the centroids by less than the tolerance: linfa does not say why a
    /// run ended.
    fn settled(&self, records: ArrayView2<'_, f32>, run: usize, centroids: &Array2<f32>) -> Result<bool, KMeansError> {
        let next = self.train(records, run, KMeansInit::Precomputed(centroids.clone()), 1)?;
        let moved = (next - centroids).iter().map(|change| change * change).sum::<f32>().sqrt();
        Ok(moved < self.tolerance)
    }
}

impl Clusterer for LinfaKMeans {
    /// # Errors
    /// Those of [`Clusterer::fit`]; [`KMeansError::NoRuns`], [`NoIterations`](KMeansError::NoIterations) or
    /// [`BadTolerance`](KMeansError::BadTolerance); [`LinfaKMeans`](KMeansError::LinfaKMeans) if linfa refuses the
    /// settings, [`NoDirection`](KMeansError::NoDirection) if one of its means is zero.
    fn fit_with(&self, rows: &Vectors<'_>, observer: &mut dyn FnMut(&Iteration)) -> Result<Clustering, KMeansError> {
        let source = self.checked_rows(checked(rows)?)?;
        let records = wide(rows);
        let mut best: Option<Clustering> = None;
        for run in 0..self.n_runs {
            let clustering = self.run(source, records.view(), run)?;
            clustering.history.iter().for_each(&mut *observer);
            if best.as_ref().is_none_or(|best| clustering.objective > best.objective) {
                best = Some(clustering);
            }
        }
        best.ok_or(KMeansError::NoRuns)
    }
}

/// The rows as f32, a copy only of f16.
fn wide<'a>(rows: &'a Vectors<'_>) -> CowArray<'a, f32, Ix2> {
    let shape = (rows.len(), rows.dim());
    match rows.to_f32() {
        Cow::Borrowed(values) => ArrayView2::from_shape(shape, values).map(CowArray::from),
        Cow::Owned(values) => Array2::from_shape_vec(shape, values).map(CowArray::from),
    }
    .expect("vectors are whole rows")
}
