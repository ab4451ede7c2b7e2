//! Finding the documents nearest to a query.

mod batch;
mod cells;
mod clustered;
#[cfg(feature = "burn")]
mod device;
mod documents;
mod exact;
mod queries;
mod screen;
mod top;

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

pub use clustered::ClusteredSearcher;
#[cfg(feature = "burn")]
pub use device::DeviceSearcher;
pub use exact::ExactSearcher;

use crate::error::EvalError;

/// A document that a search found.
///
/// ```
/// use retrieval_eval::Hit;
///
/// let hit = Hit { index: 4, score: 0.75 };
/// assert_eq!(serde_json::to_string(&hit).unwrap(), r#"{"index":4,"score":0.75}"#);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hit {
    /// Row of the document.
    pub index: u32,
    /// Higher is better; the inner product, for [`ExactSearcher`] and [`ClusteredSearcher`].
    pub score: f32,
}

/// Something that finds the best documents for query vectors.
///
/// # Examples
/// ```
/// use ndarray::array;
/// use retrieval_eval::{ExactSearcher, Searcher};
///
/// fn best(searcher: &impl Searcher) -> u32 {
///     searcher.search(array![[1.0, 0.0]].view(), 1).unwrap()[0][0].index
/// }
///
/// let documents = array![[0.0, 1.0], [1.0, 0.0]];
/// assert_eq!(best(&ExactSearcher::new(documents.view())?), 1);
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
pub trait Searcher: Send + Sync {
    /// The best `k` documents of each query, best first; fewer where there are fewer documents, or an approximate
    /// search looks at fewer.
    ///
    /// # Shapes
    /// - `queries`: `[n, dim]`
    ///
    /// # Errors
    /// Whatever makes a search impossible: no results asked for, another dimension than the documents', NaN.
    fn search(&self, queries: ArrayView2<'_, f32>, k: usize) -> Result<Vec<Vec<Hit>>, EvalError>;
}
