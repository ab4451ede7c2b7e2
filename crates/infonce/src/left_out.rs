//! What stands in the place of a similarity that is no negative's.

/// Far below any similarity, and far above −∞, of which 0 times were not a number: finite, for backends whose kernels assume finite numbers.
pub(crate) const LEFT_OUT: f32 = -1e30;
/// Above [`LEFT_OUT`] and below every similarity; over the temperature, between their logits.
pub(crate) const NO_SIMILARITY: f32 = -1e29;
