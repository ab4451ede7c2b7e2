//! Vectors alone, on the processor: weights laid out for its registers, groups of texts that stay in its caches, no tape and no tensors.

#[cfg(feature = "flex")]
mod attention;
#[cfg(feature = "flex")]
mod bert;
#[cfg(feature = "flex")]
mod dense;
mod precision;
#[cfg(feature = "flex")]
mod rows;

use std::fmt::Debug;

#[cfg(feature = "flex")]
pub(crate) use bert::CpuBert;
pub use precision::InferencePrecision;

use crate::TokenBatch;

/// An encoder's weights as they are when no gradients are asked for, laid out to compute vectors alone.
///
/// # Examples
/// ```
/// use burn_flex::{Flex, FlexDevice};
/// use embed::{BertConfig, Encoder, InferencePrecision, TokenBatch};
///
/// let bert = BertConfig::new(100, 16).with_layers(1).with_heads(2).init::<Flex>(&FlexDevice)?;
/// let tokens = TokenBatch::from_rows([vec![2, 8, 3], vec![2, 5, 9, 3]]);
/// let plain: Vec<f32> = bert.forward(&tokens, &FlexDevice).into_data().to_vec().unwrap();
/// let fast = bert.inference(InferencePrecision::F32).expect("on flex").rows(&tokens, &mut |_| ());
/// assert!(plain.iter().zip(&fast).all(|(a, b)| (a - b).abs() < 1e-5));
/// # Ok::<(), embed::EmbedError>(())
/// ```
pub trait Inference: Debug + Send + Sync {
    /// Unit rows, `dim` values of each text; `on_rows` is told, from time to time, how many of them are done. A text's row does not depend on the
    /// others.
    ///
    /// # Panics
    /// As [`Encoder::forward`](crate::Encoder::forward).
    fn rows(&self, tokens: &TokenBatch, on_rows: &mut dyn FnMut(usize)) -> Vec<f32>;
}
