use std::path::Path;

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::bert::check_ids;
use crate::ops::{self, Spans};
use crate::weights::{WeightFile, WeightWriter, initialized, normal, param};
use crate::{EmbedError, Encoder, TokenBatch};

pub(crate) const STATIC_TENSOR: &str = "embedding.weight";
const BERT_TENSOR: &str = "embeddings.word_embeddings.weight";

/// Sizes of a [`StaticEncoder`].
///
/// # Examples
/// ```
/// let config = embed::StaticConfig::new(30_000, 256).with_std(0.1);
/// assert_eq!(config.dim, 256);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticConfig {
    /// Rows of the table.
    pub vocab_size: usize,
    /// Length of every vector.
    pub dim: usize,
    /// Standard deviation of fresh rows: by default 0.05, with which a learning rate of 1e-3 to 1e-2 trains.
    ///
    /// An optimizer like AdamW moves a component by about the learning rate a step, whatever the gradient. PyTorch's 1 makes rows of norm
    /// `√dim`, 16 at 256 dimensions, which thousands of steps of 1e-2 hardly turn: the loss stays high, and the table as it was drawn.
    #[serde(default = "std_default")]
    pub std: f64,
}

fn std_default() -> f64 {
    0.05
}

impl StaticConfig {
    /// A table of `vocab_size` rows of length `dim`, of standard deviation 0.05.
    pub fn new(vocab_size: usize, dim: usize) -> Self {
        StaticConfig { vocab_size, dim, std: std_default() }
    }

    /// Sets the standard deviation of fresh rows.
    pub fn with_std(mut self, std: f64) -> Self {
        self.std = std;
        self
    }

    /// An encoder with fresh normal rows. Seed with [`Backend::seed`] for repeatable ones.
    ///
    /// # Errors
    /// [`EmbedError::OutOfRange`] if a size is 0, or `std` not a positive number.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Result<StaticEncoder<B>, EmbedError> {
        for (key, size) in [("vocab_size", self.vocab_size), ("dim", self.dim)] {
            if size == 0 {
                return Err(EmbedError::OutOfRange { key: key.into(), value: "0".into(), range: "at least 1".into() });
            }
        }
        if !(self.std.is_finite() && self.std > 0.0) {
            let value = self.std.to_string();
            return Err(EmbedError::OutOfRange { key: "std".into(), value, range: "finite, above 0".into() });
        }
        Ok(StaticEncoder { table: normal([self.vocab_size, self.dim], self.std, device) })
    }
}

/// A vector for each token, averaged over the text and scaled to unit norm: sentence-transformers' `StaticEmbedding`.
///
/// # Examples
/// ```
/// use burn_flex::{Flex, FlexDevice};
/// use embed::{Encoder, StaticConfig, TokenBatch};
///
/// let device = FlexDevice::default();
/// let encoder = StaticConfig::new(10, 4).init::<Flex>(&device)?;
/// // The order of tokens does not matter, and a text without tokens is the constant unit vector.
/// let rows = encoder.forward(&TokenBatch::from_rows([vec![1, 2], vec![2, 1], vec![]]), &device);
/// let rows: Vec<f32> = rows.into_data().to_vec().unwrap();
/// assert_eq!(rows[..4], rows[4..8]);
/// assert_eq!(rows[8..], [0.5; 4]);
/// # Ok::<(), embed::EmbedError>(())
/// ```
#[derive(Module, Debug)]
pub struct StaticEncoder<B: Backend> {
    table: Param<Tensor<B, 2>>,
}

impl<B: Backend> StaticEncoder<B> {
    /// An encoder whose table is the tensor of a folder's `model.safetensors`: `embedding.weight` of a static model, or the word
    /// embeddings of a BERT.
    ///
    /// # Errors
    /// A file that is missing or truncated; [`EmbedError::MissingTensor`] if it has neither tensor.
    pub fn from_folder(folder: impl AsRef<Path>, device: &B::Device) -> Result<Self, EmbedError> {
        let folder = folder.as_ref();
        let inner = folder.join("0_StaticEmbedding");
        let file = WeightFile::read(if inner.is_dir() { &inner } else { folder }, "model.safetensors")?;
        let weights = file.tensors("bert.", BERT_TENSOR)?;
        let name = if weights.has(BERT_TENSOR) { BERT_TENSOR } else { STATIC_TENSOR };
        let shape = weights.shape(name)?;
        let &[vocab, dim] = shape.as_slice() else {
            // Any two sizes: what is wrong is the number of them.
            return Err(weights
                .values(name, &[0, 0])
                .err()
                .unwrap_or(EmbedError::MissingTensor { path: folder.into(), tensor: name.into() }));
        };
        Ok(StaticEncoder { table: param(weights.values(name, &[vocab, dim])?, [vocab, dim], device) })
    }

    /// The table `[vocab, dim]`.
    pub fn table(&self) -> Tensor<B, 2> {
        self.table.val()
    }

    /// The same encoder with row `t` of its table multiplied by `weights[t]`, fresh or read from a folder.
    ///
    /// A text's vector is then the mean of its tokens weighted by `weights`, such as their
    /// [`inverse_document_frequency`](crate::inverse_document_frequency), until training moves them.
    ///
    /// # Panics
    /// If there is not one weight for each row.
    ///
    /// # Examples
    /// ```
    /// use burn_flex::{Flex, FlexDevice};
    /// use embed::{StaticConfig, TokenBatch, inverse_document_frequency};
    ///
    /// let texts = TokenBatch::from_rows([vec![0, 1, 1], vec![0, 2]]);
    /// let table = StaticConfig::new(3, 4).init::<Flex>(&FlexDevice)?;
    /// let table = table.scaled_rows(&inverse_document_frequency(&texts, 3));
    /// # Ok::<(), embed::EmbedError>(())
    /// ```
    #[track_caller]
    pub fn scaled_rows(self, weights: &[f32]) -> Self {
        let rows = self.table.dims()[0];
        assert!(weights.len() == rows, "{} weights, the table has {rows} rows", weights.len());
        let table = self.table.val().detach();
        let weights = Tensor::<B, 1>::from_data(TensorData::new(weights.to_vec(), [rows]), &table.device());
        // A detached tensor keeps that it wants gradients, and its products then are no leaves.
        StaticEncoder { table: initialized((table * weights.reshape([rows, 1])).detach()) }
    }

    pub(crate) fn weight_writer(&self) -> WeightWriter {
        let mut writer = WeightWriter::default();
        writer.add(STATIC_TENSOR, self.table.val());
        writer
    }
}

impl<B: Backend> Encoder<B> for StaticEncoder<B> {
    fn dim(&self) -> usize {
        self.table.dims()[1]
    }

    fn vocab_size(&self) -> usize {
        self.table.dims()[0]
    }

    fn max_tokens(&self) -> usize {
        usize::MAX
    }

    #[track_caller]
    fn forward(&self, tokens: &TokenBatch, device: &B::Device) -> Tensor<B, 2> {
        check_ids(tokens, self.vocab_size());
        ops::unit_or_constant(tokens, self.dim(), device, |tokens| {
            ops::bag_mean(self.table.val(), tokens.ids(), &Spans::new(tokens, device))
        })
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::{Flex, FlexDevice};

    use super::*;

    #[test]
    fn scaled_rows_are_rows_times_their_weights() {
        let table = Tensor::<Flex, 2>::from_data([[1.0, 2.0], [3.0, -4.0], [5.0, 6.0]], &FlexDevice);
        let scaled = StaticEncoder { table: initialized(table) }.scaled_rows(&[2.0, 0.5, 0.0]);
        assert_eq!(scaled.table().into_data().to_vec::<f32>().unwrap(), [2.0, 4.0, 1.5, -2.0, 0.0, 0.0]);
    }

    #[test]
    fn fresh_rows_have_a_norm_that_training_can_turn() {
        let table = StaticConfig::new(500, 256).init::<Flex>(&FlexDevice).unwrap().table();
        let square = (table.clone() * table).sum().into_data().to_vec::<f32>().unwrap()[0];
        // A row's norm is 0.05 · √256 = 0.8, to within 1% over 128,000 draws.
        assert!(((square / 500.0).sqrt() - 0.8).abs() < 8e-3, "{square}");
    }

    #[test]
    #[should_panic(expected = "2 weights, the table has 3 rows")]
    fn a_weight_short_is_a_callers_bug() {
        StaticConfig::new(3, 2).init::<Flex>(&FlexDevice).unwrap().scaled_rows(&[1.0, 1.0]);
    }
}
