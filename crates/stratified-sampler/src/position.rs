use serde::{Deserialize, Serialize};

use crate::PlanHash;

/// Where training stands: all that is to be saved to go on with the next batch.
///
/// # Examples
/// ```
/// use stratified_sampler::{BatchSampler, Batches, Position, SamplerError, StratifiedConfig};
///
/// let labels: Vec<u32> = (0..100).map(|pair| pair % 3).collect();
/// let sampler = StratifiedConfig::new(8).with_seed(5).build(&labels)?;
/// let mut batches = Batches::new(&sampler, 2);
/// batches.nth(3);
/// let saved = serde_json::to_string(&batches.position()).expect("plain data");
///
/// let position: Position = serde_json::from_str(&saved).expect("what was saved");
/// assert_eq!((position.epoch, position.index), (2, 4));
/// assert!(position.resume(&sampler)?.eq(batches));
///
/// // Other settings draw other batches, and are refused.
/// let changed = StratifiedConfig::new(8).with_seed(6).build(&labels)?;
/// assert!(matches!(position.resume(&changed), Err(SamplerError::OtherPlan { .. })));
/// # Ok::<(), SamplerError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Of what the batches are drawn from.
    pub plan: PlanHash,
    /// The epoch, from 0.
    pub epoch: u64,
    /// The next batch of the epoch; the number of its batches at its end.
    pub index: usize,
}
