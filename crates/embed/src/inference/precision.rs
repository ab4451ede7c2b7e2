use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::EmbedError;

/// What an [`Inference`](crate::Inference) computes the products with its dense layers' weights in. All else is f32.
///
/// # Examples
/// ```
/// use burn_flex::{Flex, FlexDevice};
/// use embed::{BertConfig, Encoder, InferencePrecision, TokenBatch};
///
/// let bert = BertConfig::new(100, 16).with_layers(1).with_heads(2).init::<Flex>(&FlexDevice)?;
/// let tokens = TokenBatch::from_rows([[2, 8, 3]]);
/// let [exact, fast] = [InferencePrecision::F32, InferencePrecision::Int16]
///     .map(|precision| bert.inference(precision).expect("on flex").rows(&tokens, &mut |_| ()));
/// assert_eq!("int16".parse::<InferencePrecision>()?, InferencePrecision::Int16);
/// assert!(exact.iter().zip(&fast).all(|(a, b)| (a - b).abs() < 1e-3));
/// # Ok::<(), embed::EmbedError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InferencePrecision {
    /// Single precision.
    #[default]
    F32,
    /// Integers of 16 bits: 1 is 32,000 in the direction of each row and of each weight's column, whose norms are f32, and sums are exact
    /// ([`vectors::fixed_point`]). Four to eight times as exact as bf16, and up to twice as fast as f32 where the processor has AVX2 or AVX-512 VNNI.
    Int16,
}

impl fmt::Display for InferencePrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Int16 => "int16",
        })
    }
}

impl FromStr for InferencePrecision {
    type Err = EmbedError;

    fn from_str(name: &str) -> Result<Self, EmbedError> {
        match name {
            "f32" => Ok(Self::F32),
            "int16" => Ok(Self::Int16),
            other => Err(EmbedError::Unsupported {
                path: None,
                key: "precision".into(),
                value: other.into(),
                supported: "f32 and int16".into(),
            }),
        }
    }
}
