use burn::module::{Module, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::bert::check_ids;
use crate::ops::{self, Spans};
use crate::weights::initialized;
use crate::{Dropout, Encoder, TokenBatch};

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
    pub(super) table: Param<Tensor<B, 2>>,
}

impl<B: Backend> StaticEncoder<B> {
    /// The table `[vocab, dim]`.
    pub fn table(&self) -> Tensor<B, 2> {
        self.table.val()
    }

    /// The first `columns` of the table, if it has more: what a text's vector is with these alone, scaled to norm 1 again.
    pub(crate) fn with_truncate_dim(self, columns: Option<usize>) -> Self {
        let [rows, dim] = self.table.dims();
        match columns.filter(|&columns| columns < dim) {
            Some(columns) => {
                StaticEncoder { table: initialized(self.table.val().slice([0..rows, 0..columns]).detach()) }
            }
            None => self,
        }
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
    fn forward_training(&self, tokens: &TokenBatch, _: Option<&Dropout>, device: &B::Device) -> Tensor<B, 2> {
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
    use crate::StaticConfig;

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
        // A row's norm is 0.1 · √256 = 1.6, to within 1% over 128,000 draws.
        assert!(((square / 500.0).sqrt() - 1.6).abs() < 16e-3, "{square}");
    }

    #[test]
    #[should_panic(expected = "2 weights, the table has 3 rows")]
    fn a_weight_short_is_a_callers_bug() {
        StaticConfig::new(3, 2).init::<Flex>(&FlexDevice).unwrap().scaled_rows(&[1.0, 1.0]);
    }
}
