use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::KMeansError;

/// How many rows a cluster may have.
///
/// # Examples
/// ```
/// use kmeans::Bounds;
///
/// let bounds = Bounds::at_least(512).with_max(Some(4096));
/// assert!(bounds.check(10_000, 10).is_ok());
/// assert_eq!(bounds.check(5000, 10).unwrap_err().to_string(), "5000 rows cannot fill 10 clusters of at least 512");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Least rows of a cluster. Default 0.
    pub min: usize,
    /// Most rows of a cluster. Default: no bound.
    pub max: Option<usize>,
}

impl Bounds {
    /// Clusters of `min` rows or more.
    #[must_use]
    pub fn at_least(min: usize) -> Self {
        Self { min, max: None }
    }

    /// Sets the most rows of a cluster.
    #[must_use]
    pub fn with_max(self, max: Option<usize>) -> Self {
        Self { max, ..self }
    }

    /// Whether there are such sizes.
    ///
    /// # Errors
    /// [`KMeansError::BoundsCrossed`] if `min > max`, or `max` is 0.
    pub fn validate(&self) -> Result<(), KMeansError> {
        let min = self.min.max(1);
        match self.max {
            Some(max) if max < min => Err(KMeansError::BoundsCrossed { min, max }),
            _ => Ok(()),
        }
    }

    /// Whether `rows` rows can be divided into `clusters` clusters of these sizes.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds, [`KMeansError::MinTooLarge`] if `min × clusters > rows`,
    /// [`KMeansError::MaxTooSmall`] if `max × clusters < rows`.
    pub fn check(&self, rows: usize, clusters: usize) -> Result<(), KMeansError> {
        self.validate()?;
        let min = self.min;
        if let Some(max) = self.max.filter(|max| max.saturating_mul(clusters) < rows) {
            return Err(KMeansError::MaxTooSmall { rows, clusters, max });
        }
        if min.saturating_mul(clusters) > rows {
            return Err(KMeansError::MinTooLarge { rows, clusters, min });
        }
        Ok(())
    }

    pub(super) fn hold(&self, sizes: &[u64]) -> bool {
        self.first_outside(sizes).is_none()
    }

    /// The first cluster whose size is not within the bounds.
    pub(crate) fn first_outside(&self, sizes: &[u64]) -> Option<usize> {
        let range = self.range();
        sizes.iter().position(|size| !range.contains(size))
    }

    pub(super) fn range(&self) -> RangeInclusive<u64> {
        self.min as u64..=self.max.map_or(u64::MAX, |max| max as u64)
    }
}
