use serde::{Deserialize, Serialize};

use crate::{Dense, InfoNceError, Tiled};

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
    /// Divisor of the scores, finite and positive; 0.02 by default (Merrick 2024).
    pub temperature: f32,
    /// Which side picks; from query to passage by default.
    pub direction: Direction,
    /// Whether false negatives are masked: known positives, and pairs that share a query or a passage; true by default.
    pub mask_duplicates: bool,
    /// Rows of the logits that [`Tiled`] holds at once, at least 1; it bounds memory and changes results by rounding only.
    pub tile: usize,
}

impl Default for InfoNceConfig {
    fn default() -> Self {
        Self { temperature: 0.02, direction: Direction::QueryToPassage, mask_duplicates: true, tile: 256 }
    }
}

impl InfoNceConfig {
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

    /// The loss by tiles, with closed-form gradients.
    ///
    /// # Errors
    /// [`InfoNceError::Temperature`] if the temperature is not finite and positive,
    /// [`InfoNceError::EmptyTile`] if the tile has no rows.
    pub fn build(self) -> Result<Tiled, InfoNceError> {
        self.validated().map(Tiled::new)
    }

    /// The loss over the whole matrix of logits, with gradients by automatic differentiation.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_dense(self) -> Result<Dense, InfoNceError> {
        self.validated().map(Dense::new)
    }

    fn validated(self) -> Result<Self, InfoNceError> {
        let temperature = self.temperature;
        // A denormal temperature has an infinite reciprocal.
        if !(temperature.is_finite() && temperature > 0.0 && temperature.recip().is_finite()) {
            return Err(InfoNceError::Temperature { temperature });
        }
        if self.tile == 0 {
            return Err(InfoNceError::EmptyTile);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperatures_that_are_not_finite_and_positive_are_refused() {
        for temperature in [0.0, -0.1, f32::NAN, f32::INFINITY, 1e-45] {
            let built = InfoNceConfig::default().with_temperature(temperature).build();
            assert!(matches!(built, Err(InfoNceError::Temperature { .. })), "{temperature}");
        }
    }

    #[test]
    fn an_empty_tile_is_refused() {
        let built = InfoNceConfig::default().with_tile(0).build();
        assert_eq!(built, Err(InfoNceError::EmptyTile));
    }

    #[test]
    fn unknown_keys_are_refused_and_missing_ones_have_defaults() {
        let parsed: InfoNceConfig = serde_json::from_str(r#"{"temperature": 0.5, "direction": "symmetric"}"#).unwrap();
        let expected = InfoNceConfig::default().with_temperature(0.5).with_direction(Direction::Symmetric);
        assert_eq!(parsed, expected);
        assert!(serde_json::from_str::<InfoNceConfig>(r#"{"temperatur": 0.5}"#).is_err());
    }
}
