use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::prefix::refused;
use crate::{Directions, InBatch, InfoNceError, Partition, Prefix};

/// When a candidate is taken for a false negative by a second embedding of the same texts, the guide
/// ([`GuideRows`](crate::GuideRows)): where that finds it about as near as the pair's own passage.
///
/// # Source
/// Solatorio (2024), "GISTEmbed", arXiv 2402.16829; the margins as NV-Retriever has them (Moreira et al. 2024,
/// arXiv 2407.15831), the relative one taken from the score's magnitude, so that its sign does not matter.
///
/// # Examples
///
/// ```
/// use infonce::Guide;
///
/// let guide: Guide = serde_json::from_str(r#"{"margin": 0.05, "relative": true}"#).unwrap();
/// assert!((guide.threshold(0.8) - 0.76).abs() < 1e-6);
/// assert!((guide.threshold(-0.8) + 0.84).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guide {
    /// How far below the pair's own score a candidate is still taken for a false negative; finite, at least 0, 0 by default.
    pub margin: f32,
    /// Whether the margin is a share of the pair's score; else it is a difference of scores.
    pub relative: bool,
}

impl Guide {
    /// The lowest score of a candidate that is masked, for a pair whose own score is `own`.
    pub fn threshold(&self, own: f32) -> f32 {
        own - self.margin * if self.relative { own.abs() } else { 1.0 }
    }
}

/// What is compared of two rows.
///
/// # Examples
///
/// ```
/// assert_eq!(infonce::Similarity::default(), infonce::Similarity::Dot);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Similarity {
    /// The inner product of the rows as they come: the cosine, where these have norm 1.
    #[default]
    Dot,
    /// The cosine: every row, and every [`Prefix`], is divided by its norm first. A row of zeros stays one, and has no gradient.
    Cosine,
}

/// What becomes of a query's known positives beside its own passage ([`InBatch::known_positives`](crate::InBatch::known_positives)).
///
/// # Examples
///
/// ```
/// use infonce::KnownPositives;
///
/// assert_eq!(serde_json::to_string(&KnownPositives::Positives).unwrap(), r#""positives""#);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownPositives {
    /// They are no negatives, where duplicates are masked.
    #[default]
    Masked,
    /// They are positives too: a pair's loss is the mean over its own and all others that the batch has of it, each against the same negatives.
    Positives,
}

/// The settings of the loss, shared by both implementations.
///
/// # Examples
///
/// ```
/// use infonce::{Directions, InfoNceConfig, Partition};
///
/// # fn main() -> Result<(), infonce::InfoNceError> {
/// let config = InfoNceConfig::default().with_temperature(0.05).with_directions(Directions::SYMMETRIC, Partition::Separate);
/// let reference = config.build_dense()?;
/// let fast = config.build()?;
/// assert_eq!(fast.config(), reference.config());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InfoNceConfig {
    /// Divisor of the scores, finite and at least [`InfoNceConfig::MIN_TEMPERATURE`]; 0.02 by default (Merrick 2024).
    pub temperature: f32,
    /// What has to tell its partner from what; queries their passages by default.
    pub directions: Directions,
    /// Whether the negatives of all directions are in one sum; they are by default.
    pub partition: Partition,
    /// What is compared of two rows; their inner product by default.
    pub similarity: Similarity,
    /// Prefixes of the rows of which the loss is the weighted sum, in place of the whole rows; none by default (Kusupati et al. 2022, arXiv
    /// 2205.13147, equation 1). Prefixes of rows of norm 1 have other norms: [`Similarity::Cosine`] compares them as they are searched.
    pub matryoshka: Vec<Prefix>,
    /// Whether false negatives are masked: known positives, and pairs that share a query or a passage; true by default.
    pub mask_duplicates: bool,
    /// What becomes of known positives; masked by default.
    pub known_positives: KnownPositives,
    /// Masks candidates by a second embedding, where a batch has one ([`InBatch::guide`](crate::InBatch::guide)); none by default.
    pub guide: Option<Guide>,
    /// Weight of a hard negative: a negative of similarity `s` in the direction from query to passage counts `exp(hardness · s)` times, a
    /// constant to the gradient (Lan et al. 2025, arXiv 2503.04812, equation 5). From 0, the default, by which all are alike, to 1e6.
    pub hardness: f32,
    /// Whether the 95th percentile of the negatives' similarities is found ([`Similarities`](crate::Similarities)), which takes a look at each
    /// of them; false by default.
    pub percentile: bool,
    /// Whether a trainer learns the temperature, from this one on and in [`InfoNceConfig::LEARNED`], by
    /// [`LossAndGradients::scale_gradient`](crate::LossAndGradients::scale_gradient) (CLIP); false by default. The loss takes what it is given.
    pub learn_temperature: bool,
    /// How many hard negatives of each query a trainer puts into a batch; 0 by default. The loss takes what it is given
    /// ([`InBatch::hard_negatives`](crate::InBatch::hard_negatives)).
    pub hard_negatives: usize,
    /// Whether a trainer asks for what is said of the similarities by stratum too ([`InBatch::strata`](crate::InBatch::strata)); false by default.
    pub by_stratum: bool,
    /// Rows of the logits that [`Tiled`](crate::Tiled) holds at once, 256 by default; it bounds memory and changes results by rounding only.
    /// 0: all of them, by [`Dense`](crate::Dense) ([`build_boxed`](Self::build_boxed)).
    pub tile: usize,
}

impl Default for InfoNceConfig {
    fn default() -> Self {
        Self {
            temperature: 0.02,
            directions: Directions::QUERY_TO_PASSAGE,
            partition: Partition::Joint,
            similarity: Similarity::Dot,
            matryoshka: Vec::new(),
            mask_duplicates: true,
            known_positives: KnownPositives::Masked,
            guide: None,
            hardness: 0.0,
            percentile: false,
            learn_temperature: false,
            hard_negatives: 0,
            by_stratum: false,
            tile: 256,
        }
    }
}

impl InfoNceConfig {
    /// The lowest temperature, 1e-6. The cosine of two unit rows is rounded by up to 6e-8 in `f32`, and a logit by that over the
    /// temperature: below it, what is left of their differences says little, and losses and gradients run up to infinity.
    pub const MIN_TEMPERATURE: f32 = limits::MIN_TEMPERATURE;

    /// The largest weight of hard negatives: their exponents are then those of the lowest temperature.
    pub const MOST_HARDNESS: f32 = limits::MOST_HARDNESS;

    /// Where a learned temperature is kept: 0.01 and more, as CLIP keeps it, and 1 at most.
    pub const LEARNED: RangeInclusive<f32> = 0.01..=1.0;

    /// These settings, but the temperature that the batch has, if it has one.
    #[track_caller]
    pub(crate) fn of_batch(&self, batch: &InBatch<'_>) -> Self {
        let config = Self { temperature: batch.temperature.unwrap_or(self.temperature), ..self.clone() };
        if let Err(error) = config.validate() {
            panic!("{error}");
        }
        config
    }

    /// These settings with another temperature.
    #[must_use]
    pub fn with_temperature(mut self, temperature: f32) -> Self {
        self.temperature = temperature;
        self
    }

    /// These settings with other directions, their negatives in one sum or in one each.
    #[must_use]
    pub fn with_directions(mut self, directions: Directions, partition: Partition) -> Self {
        (self.directions, self.partition) = (directions, partition);
        self
    }

    /// These settings with another similarity.
    #[must_use]
    pub fn with_similarity(mut self, similarity: Similarity) -> Self {
        self.similarity = similarity;
        self
    }

    /// These settings with the weighted sum over these prefixes in place of the whole rows.
    #[must_use]
    pub fn with_matryoshka(mut self, prefixes: Vec<Prefix>) -> Self {
        self.matryoshka = prefixes;
        self
    }

    /// These settings with known positives masked, or positives.
    #[must_use]
    pub fn with_known_positives(mut self, known_positives: KnownPositives) -> Self {
        self.known_positives = known_positives;
        self
    }

    /// These settings with false negatives masked or not.
    #[must_use]
    pub fn with_mask_duplicates(mut self, mask_duplicates: bool) -> Self {
        self.mask_duplicates = mask_duplicates;
        self
    }

    /// These settings with candidates masked by a guide.
    #[must_use]
    pub fn with_guide(mut self, guide: Guide) -> Self {
        self.guide = Some(guide);
        self
    }

    /// These settings with another weight of hard negatives.
    #[must_use]
    pub fn with_hardness(mut self, hardness: f32) -> Self {
        self.hardness = hardness;
        self
    }

    /// These settings with the percentile of the negatives' similarities or without.
    #[must_use]
    pub fn with_percentile(mut self, percentile: bool) -> Self {
        self.percentile = percentile;
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
    /// [`InfoNceError::Temperature`] if the temperature is not finite or below [`InfoNceConfig::MIN_TEMPERATURE`],
    /// [`InfoNceError::Margin`] if that is not finite or below 0, [`InfoNceError::Hardness`] if that is not from 0 to
    /// [`InfoNceConfig::MOST_HARDNESS`], [`InfoNceError::Prefix`] if one has no width, a weight that is not finite and above 0, or the width of
    /// another.
    pub fn validate(&self) -> Result<(), InfoNceError> {
        let (temperature, hardness) = (self.temperature, self.hardness);
        if !(temperature.is_finite() && temperature >= Self::MIN_TEMPERATURE) {
            return Err(InfoNceError::Temperature { temperature });
        }
        if let Some(Guide { margin, .. }) =
            self.guide.filter(|guide| !(guide.margin.is_finite() && guide.margin >= 0.0))
        {
            return Err(InfoNceError::Margin { margin });
        }
        if !(0.0..=Self::MOST_HARDNESS).contains(&hardness) {
            return Err(InfoNceError::Hardness { hardness });
        }
        match refused(&self.matryoshka) {
            Some(&Prefix { width, weight }) => Err(InfoNceError::Prefix { width, weight }),
            None => Ok(()),
        }
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

    #[test]
    fn margins_and_weights_below_0_or_not_finite_are_refused() {
        for value in [-0.1, f32::NAN, f32::INFINITY] {
            let guided = InfoNceConfig::default().with_guide(Guide { margin: value, relative: true });
            assert_eq!(guided.validate().unwrap_err().setting(), Some("guide"), "{value}");
            let weighted = InfoNceConfig::default().with_hardness(value);
            assert_eq!(weighted.validate().unwrap_err().setting(), Some("hardness"), "{value}");
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
        let json =
            r#"{"temperature": 0.5, "directions": ["query-to-passage", "passage-to-query"], "guide": {"margin": 0.1}}"#;
        let parsed: InfoNceConfig = serde_json::from_str(json).unwrap();
        let expected = InfoNceConfig::default()
            .with_temperature(0.5)
            .with_directions(Directions::SYMMETRIC, Partition::Joint)
            .with_guide(Guide { margin: 0.1, relative: false });
        assert_eq!(parsed, expected);
        assert!(serde_json::from_str::<InfoNceConfig>(r#"{"temperatur": 0.5}"#).is_err());
    }
}
