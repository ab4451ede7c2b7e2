use crate::limits::{MIN_TEMPERATURE, MOST_HARDNESS};

/// Why a configuration cannot be built.
///
/// # Examples
///
/// ```
/// use infonce::{InfoNceConfig, InfoNceError};
///
/// let error = InfoNceConfig::default().with_temperature(0.0).build().unwrap_err();
/// assert!(matches!(error, InfoNceError::Temperature { temperature: 0.0 }));
/// assert_eq!(error.to_string(), "temperature 0 is not a finite number of at least 0.000001");
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InfoNceError {
    /// The temperature divides every score.
    #[error("temperature {temperature} is not a finite number of at least {}", MIN_TEMPERATURE)]
    Temperature {
        /// The temperature that was asked for.
        temperature: f32,
    },
    /// A guide's margin.
    #[error("a guide's margin of {margin} is not a finite number of at least 0")]
    Margin {
        /// The margin that was asked for.
        margin: f32,
    },
    /// The weight of hard negatives.
    #[error("hardness {hardness} is not from 0 to {}", MOST_HARDNESS)]
    Hardness {
        /// The weight that was asked for.
        hardness: f32,
    },
    /// A prefix of the rows.
    #[error(
        "a prefix of width {width} and weight {weight}: each wants a width of its own, above 0, and a finite weight above 0"
    )]
    Prefix {
        /// The width that was asked for.
        width: usize,
        /// Its weight.
        weight: f32,
    },
    /// A tile holds at least one row.
    #[error("tile of 0 rows")]
    EmptyTile,
}

impl InfoNceError {
    /// The field of [`InfoNceConfig`](crate::InfoNceConfig) that was refused.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = infonce::InfoNceConfig::default().with_temperature(-1.0).validate().unwrap_err();
    /// assert_eq!(error.setting(), Some("temperature"));
    /// ```
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Temperature { .. } => Some("temperature"),
            Self::Margin { .. } => Some("guide"),
            Self::Hardness { .. } => Some("hardness"),
            Self::Prefix { .. } => Some("matryoshka"),
            Self::EmptyTile => Some("tile"),
        }
    }
}
