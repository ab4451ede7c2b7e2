use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::TokenBatch;

/// Steps of 16 bits in which a rate is counted.
const STEPS: f32 = 65_536.0;

/// Dropout for one pass over a batch. Every text draws its masks from a seed of its own, whatever texts are beside it.
///
/// So a batch that is encoded in chunks, or twice, as GradCache does, has the masks of the batch that is encoded whole, on every backend. What is dropped
/// is what BERT's `hidden_dropout_prob` is for: values of the embeddings and of each layer's two outputs before they are added, the others
/// scaled by `1 / (1 − rate)`. Attention probabilities are not dropped.
///
/// # Source
/// Srivastava et al. (2014), *JMLR* 15; Gao et al. (2021), arXiv 2101.06983, §3.3, for the same masks in both passes.
///
/// # Examples
/// ```
/// use burn_flex::{Flex, FlexDevice};
/// use embed::{Bert, BertConfig, Dropout, Encoder, TokenBatch};
///
/// let bert: Bert<Flex> = BertConfig::new(100, 16).with_layers(2).with_heads(2).init(&FlexDevice)?;
/// let (tokens, dropout) = (TokenBatch::from_rows([vec![2, 8, 3], vec![2, 5]]), Dropout::new(0.1, vec![7, 8]));
/// let whole = bert.forward_training(&tokens, Some(&dropout), &FlexDevice);
/// let second = bert.forward_training(&tokens.select(&[1]), Some(&dropout.select(&[1])), &FlexDevice);
/// let difference = (whole.narrow(0, 1, 1) - second).abs().max().into_scalar();
/// assert!(difference < 1e-6);
/// # Ok::<(), embed::EmbedError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Dropout {
    rate: f32,
    seeds: Vec<u64>,
}

impl Dropout {
    /// Values are dropped at `rate`, counted in steps of 2⁻¹⁶; `seeds` has one for each text of the batch.
    ///
    /// # Panics
    /// If `rate` is not in `0..1`.
    #[must_use]
    #[track_caller]
    pub fn new(rate: f32, seeds: Vec<u64>) -> Self {
        assert!((0.0..1.0).contains(&rate), "a rate of {rate} is not in 0..1");
        Self { rate, seeds }
    }

    /// The same for some texts of the batch.
    ///
    /// # Panics
    /// If there is no such text.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self { rate: self.rate, seeds: rows.iter().map(|&row| self.seeds[row]).collect() }
    }

    /// The same for the texts that have tokens.
    #[track_caller]
    pub(crate) fn of_full(&self, tokens: &TokenBatch) -> Self {
        assert!(self.seeds.len() == tokens.len(), "{} seeds for {} texts", self.seeds.len(), tokens.len());
        let full: Vec<usize> = (0..tokens.len()).filter(|&row| tokens.row_len(row) > 0).collect();
        self.select(&full)
    }

    /// What the values `[tokens, width]` at one place in the encoder are multiplied by.
    pub(crate) fn mask<B: Backend>(
        &self,
        tokens: &TokenBatch,
        width: usize,
        place: u64,
        device: &B::Device,
    ) -> Tensor<B, 2> {
        let dropped = (self.rate * STEPS).round().min(STEPS - 1.0);
        let kept = STEPS / (STEPS - dropped);
        let mut mask = vec![0.0_f32; tokens.total() * width];
        let mut rest = &mut mask[..];
        let mut of_texts = Vec::with_capacity(tokens.len());
        for (row, &seed) in self.seeds.iter().enumerate() {
            let (of_text, after) = rest.split_at_mut(tokens.row_len(row) * width);
            of_texts.push((of_text, seed));
            rest = after;
        }
        of_texts.into_par_iter().for_each(|(mask, seed)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(place);
            let mut drawn = [0_u8; 1024];
            for mask in mask.chunks_mut(drawn.len() / 2) {
                rng.fill_bytes(&mut drawn);
                let (draws, _) = drawn.as_chunks::<2>();
                for (value, &draw) in mask.iter_mut().zip(draws) {
                    *value = if f32::from(u16::from_le_bytes(draw)) < dropped { 0.0 } else { kept };
                }
            }
        });
        Tensor::from_data(TensorData::new(mask, [tokens.total(), width]), device)
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::{Flex, FlexDevice};

    use super::*;

    fn mask(rate: f32, seeds: &[u64], tokens: &TokenBatch, place: u64) -> Vec<f32> {
        let mask: Tensor<Flex, 2> = Dropout::new(rate, seeds.to_vec()).mask(tokens, 300, place, &FlexDevice);
        mask.into_data().to_vec().unwrap()
    }

    #[test]
    fn a_share_of_the_rate_is_dropped_and_the_mean_stays() {
        let tokens = TokenBatch::from_rows([vec![1; 200], vec![2; 100]]);
        let mask = mask(0.1, &[1, 2], &tokens, 0);
        let dropped = mask.iter().filter(|&&value| value == 0.0).count() as f32 / mask.len() as f32;
        let mean = mask.iter().sum::<f32>() / mask.len() as f32;
        // Five standard deviations of 90,000 draws.
        assert!((dropped - 0.1).abs() < 5e-3 && (mean - 1.0).abs() < 6e-3, "{dropped} {mean}");
        assert!(mask.iter().all(|&value| value == 0.0 || (value - 1.0 / 0.9).abs() < 1e-4));
    }

    #[test]
    fn a_text_has_its_own_masks_in_any_company() {
        let tokens = TokenBatch::from_rows([vec![1; 3], vec![2; 5]]);
        let both = mask(0.5, &[4, 9], &tokens, 3);
        assert_eq!(both[900..], mask(0.5, &[9], &tokens.select(&[1]), 3));
        assert_ne!(both, mask(0.5, &[4, 9], &tokens, 4));
        assert_ne!(both[..900], mask(0.5, &[9, 9], &tokens, 3)[..900]);
    }

    #[test]
    fn nothing_is_dropped_at_rate_0() {
        assert_eq!(mask(0.0, &[4], &TokenBatch::from_rows([[1]]), 0), [1.0; 300]);
    }

    #[test]
    #[should_panic(expected = "a rate of 1 is not in 0..1")]
    fn all_cannot_be_dropped() {
        let _ = Dropout::new(1.0, Vec::new());
    }
}
