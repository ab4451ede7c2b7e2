use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::{ContrastiveLoss, Dense, InfoNceError, Tiled};

/// Which side of a batch has to pick its partner out of the other side.
///
/// # Examples
///
/// ```
/// use infonce::Direction;
///
/// assert_eq!(Direction::default(), Direction::QueryToPassage);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Each query picks its passage, as in Merrick (2024); passages may have further negatives.
    #[default]
    QueryToPassage,
    /// The mean of both directions, as in CLIP (Radford et al. 2021); one passage for each query.
    Symmetric,
}

/// The settings of the loss, shared by both implementations.
///
/// # Examples
///
/// ```
/// use infonce::{Direction, InfoNceConfig};
///
/// # fn main() -> Result<(), infonce::InfoNceError> {
/// let config = InfoNceConfig::default().with_temperature(0.05).with_direction(Direction::Symmetric);
/// let reference = config.build_dense()?;
/// let fast = config.build()?;
/// assert_eq!(fast.config(), reference.config());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InfoNceConfig {
    /// Divisor of the scores, finite and at least [`InfoNceConfig::MIN_TEMPERATURE`]; 0.02 by default (Merrick 2024).
    pub temperature: f32,
    /// Which side picks; from query to passage by default.
    pub direction: Direction,
    /// Whether false negatives are masked: known positives, and pairs that share a query or a passage; true by default.
    pub mask_duplicates: bool,
    /// Rows of the logits that [`Tiled`] holds at once, 256 by default; it bounds memory and changes results by rounding only.
    /// 0: all of them, by [`Dense`] ([`build_boxed`](Self::build_boxed)).
    pub tile: usize,
}

impl Default for InfoNceConfig {
    fn default() -> Self {
        Self { temperature: 0.02, direction: Direction::QueryToPassage, mask_duplicates: true, tile: 256 }
    }
}

impl InfoNceConfig {
    /// The lowest temperature, 1e-6. The cosine of two unit rows is rounded by up to 6e-8 in `f32`, and a logit by that over the
    /// temperature: below it, what is left of their differences says little, and losses and gradients run up to infinity.
    pub const MIN_TEMPERATURE: f32 = 1e-6;

    /// These settings with another temperature.
    #[must_use]
    pub fn with_temperature(mut self, temperature: f32) -> Self {
        self.temperature = temperature;
        self
    }

    /// These settings with another direction.
    #[must_use]
    pub fn with_direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// These settings with false negatives masked or not.
    #[must_use]
    pub fn with_mask_duplicates(mut self, mask_duplicates: bool) -> Self {
        self.mask_duplicates = mask_duplicates;
        self
    }

    /// These settings with another number of rows a tile.
    #[must_use]
    pub fn with_tile(mut self, tile: usize) -> Self {
        self.tile = tile;
        self
    }

    /// Whether a loss can be built of these settings.
    ///
    /// # Errors
    /// [`InfoNceError::Temperature`] if the temperature is not finite or below [`InfoNceConfig::MIN_TEMPERATURE`].
    pub fn validate(&self) -> Result<(), InfoNceError> {
        let temperature = self.temperature;
        match temperature.is_finite() && temperature >= Self::MIN_TEMPERATURE {
            true => Ok(()),
            false => Err(InfoNceError::Temperature { temperature }),
        }
    }

    /// The loss by tiles, with closed-form gradients.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds, [`InfoNceError::EmptyTile`] if the tile has no rows.
    pub fn build(self) -> Result<Tiled, InfoNceError> {
        self.validate()?;
        match self.tile {
            0 => Err(InfoNceError::EmptyTile),
            _ => Ok(Tiled::new(self)),
        }
    }

    /// The loss over the whole matrix of logits, with gradients by automatic differentiation; `tile` plays no part.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds.
    pub fn build_dense(self) -> Result<Dense, InfoNceError> {
        self.validate().map(|()| Dense::new(self))
    }

    /// The loss that `tile` asks for: over the whole matrix where it is 0, else by tiles.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds.
    ///
    /// # Examples
    ///
    /// ```
    /// use burn::tensor::Tensor;
    /// use burn_flex::Flex;
    /// use infonce::{InBatch, InfoNceConfig};
    ///
    /// # fn main() -> Result<(), infonce::InfoNceError> {
    /// let rows = Tensor::<Flex, 2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &Default::default());
    /// for tile in [0, 256] {
    ///     let loss = InfoNceConfig::default().with_temperature(1.0).with_tile(tile).build_boxed()?;
    ///     let output = loss.loss_and_gradients(rows.clone(), rows.clone(), &InBatch::default());
    ///     assert!((output.loss - (1.0 + (-1.0_f32).exp()).ln()).abs() < 1e-6);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn build_boxed<B: Backend>(self) -> Result<Box<dyn ContrastiveLoss<B>>, InfoNceError> {
        Ok(match self.tile {
            0 => Box::new(self.build_dense()?),
            _ => Box::new(self.build()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperatures_that_are_too_low_or_not_finite_are_refused() {
        for temperature in [0.0, -0.1, f32::NAN, f32::INFINITY, 1e-45, 1e-30, 9e-7] {
            let built = InfoNceConfig::default().with_temperature(temperature).build();
            assert_eq!(built.unwrap_err().setting(), Some("temperature"), "{temperature}");
        }
    }

    /// Opposite pairs at the lowest temperature have the largest loss and the largest gradients that there are.
    #[test]
    fn the_lowest_temperature_has_finite_losses_and_gradients() {
        use crate::{ContrastiveLoss, InBatch};
        use burn::tensor::Tensor;
        use burn_flex::Flex;

        let config = InfoNceConfig::default().with_temperature(InfoNceConfig::MIN_TEMPERATURE);
        let rows = |rows: [[f32; 2]; 2]| Tensor::<Flex, 2>::from_floats(rows, &Default::default());
        let losses: [Box<dyn ContrastiveLoss<Flex>>; 2] =
            [Box::new(config.build().unwrap()), Box::new(config.build_dense().unwrap())];
        for loss in losses {
            let (queries, passages) = (rows([[1.0, 0.0], [-1.0, 0.0]]), rows([[-1.0, 0.0], [1.0, 0.0]]));
            let output = loss.loss_and_gradients(queries, passages, &InBatch::default());
            assert!((output.loss - 2e6).abs() < 1.0, "{}", output.loss);
            let squares = output.query_gradient.square().sum().into_scalar();
            assert!((squares / 2e12 - 1.0).abs() < 1e-5, "{squares}");
        }
    }

    #[test]
    fn a_tile_of_no_rows_is_the_whole_matrix_and_no_tiles() {
        let config = InfoNceConfig::default().with_tile(0);
        assert_eq!(config.build(), Err(InfoNceError::EmptyTile));
        assert_eq!(config.validate(), Ok(()));
        assert_eq!(config.build_dense().unwrap().config().tile, 0);
    }

    #[test]
    fn unknown_keys_are_refused_and_missing_ones_have_defaults() {
        let parsed: InfoNceConfig = serde_json::from_str(r#"{"temperature": 0.5, "direction": "symmetric"}"#).unwrap();
        let expected = InfoNceConfig::default().with_temperature(0.5).with_direction(Direction::Symmetric);
        assert_eq!(parsed, expected);
        assert!(serde_json::from_str::<InfoNceConfig>(r#"{"temperatur": 0.5}"#).is_err());
    }
}
