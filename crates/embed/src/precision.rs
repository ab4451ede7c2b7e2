use serde::{Deserialize, Serialize};

/// What a BERT's matrix products are computed in: those of its linear layers, of attention and of the words that masked tokens are told by.
/// Weights, sums, softmax, norms and vectors are f32 either way.
///
/// # Examples
/// ```
/// use burn_flex::{Flex, FlexDevice};
/// use embed::{BertConfig, Encoder, Precision, TokenBatch};
///
/// let device = FlexDevice::default();
/// let bert = BertConfig::new(100, 16).with_layers(1).with_heads(2).init::<Flex>(&device)?.with_precision(Precision::Bf16);
/// assert_eq!(bert.forward(&TokenBatch::from_rows([[2, 7, 3]]), &device).dims(), [1, 16]);
/// # Ok::<(), embed::EmbedError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Factors and products of 8 significant bits, sums in f32, for GPUs that have units for it. The flex backend rounds alike, and is slower than in f32.
    Bf16,
}
