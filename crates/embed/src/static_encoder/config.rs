use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::StaticEncoder;
use crate::EmbedError;
use crate::weights::normal;

/// Sizes of a [`StaticEncoder`].
///
/// # Examples
/// ```
/// let config = embed::StaticConfig::new(30_000, 256).with_std(0.05);
/// assert_eq!(config.dim, 256);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticConfig {
    /// Rows of the table.
    pub vocab_size: usize,
    /// Length of every vector.
    pub dim: usize,
    /// Standard deviation of fresh rows: by default 0.1, with which a learning rate of 1e-3 to 2e-2 trains.
    ///
    /// An optimizer like AdamW moves a component by about the learning rate a step, whatever the gradient. PyTorch's 1 makes rows of norm
    /// `√dim`, 16 at 256 dimensions, which thousands of steps of 1e-2 hardly turn: the loss stays high, and the table as it was drawn.
    #[serde(default = "std_default")]
    pub std: f64,
}

fn std_default() -> f64 {
    0.1
}

impl StaticConfig {
    /// A table of `vocab_size` rows of length `dim`, of standard deviation 0.1.
    pub fn new(vocab_size: usize, dim: usize) -> Self {
        StaticConfig { vocab_size, dim, std: std_default() }
    }

    /// Sets the standard deviation of fresh rows.
    pub fn with_std(mut self, std: f64) -> Self {
        self.std = std;
        self
    }

    /// Nothing, if an encoder can be made with these settings.
    ///
    /// # Errors
    /// [`EmbedError::OutOfRange`] if a size is 0, or `std` not a positive number.
    pub fn validate(&self) -> Result<(), EmbedError> {
        for (key, size) in [("vocab_size", self.vocab_size), ("dim", self.dim)] {
            if size == 0 {
                return Err(out_of_range(key, size, "at least 1"));
            }
        }
        if !(self.std.is_finite() && self.std > 0.0) {
            return Err(out_of_range("std", self.std, "finite, above 0"));
        }
        Ok(())
    }

    /// An encoder with fresh normal rows. Seed with [`Backend::seed`] for repeatable ones.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Result<StaticEncoder<B>, EmbedError> {
        self.validate()?;
        Ok(StaticEncoder { table: normal([self.vocab_size, self.dim], self.std, device) })
    }
}

fn out_of_range(key: &str, value: impl ToString, range: &str) -> EmbedError {
    EmbedError::OutOfRange { path: None, key: key.into(), value: value.to_string(), range: range.into() }
}
