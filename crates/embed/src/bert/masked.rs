use std::path::Path;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::Bert;
use super::layer::{Dense, Norm};
use crate::folder::weights_of;
use crate::ops::{self, Picks, Spans};
use crate::weights::initialized;
use crate::{Dropout, EmbedError, TokenBatch};

/// A BERT that says which tokens stand at masked places, by its own table of words.
///
/// # Source
/// Devlin et al. (2019), arXiv 1810.04805, §3.1; numerically Hugging Face's `BertForMaskedLM` with tied words.
///
/// # Examples
/// ```
/// use burn_flex::{Flex, FlexDevice};
/// use embed::{BertConfig, MaskedBert, TokenBatch};
///
/// let device = FlexDevice::default();
/// let bert = BertConfig::new(100, 16).with_layers(1).with_heads(2).init::<Flex>(&device)?;
/// let model = MaskedBert::new(bert, &TokenBatch::from_rows([[2, 7, 3], [2, 9, 3]]), &device);
/// // 4 stands for the token that hides the second and the fifth.
/// let logits = model.logits(&TokenBatch::from_rows([[2, 4, 3], [2, 4, 3]]), &[1, 4], None, &device);
/// assert_eq!(logits.dims(), [2, 100]);
/// # Ok::<(), embed::EmbedError>(())
/// ```
#[derive(Module, Debug)]
pub struct MaskedBert<B: Backend> {
    bert: Bert<B>,
    head: Head<B>,
}

/// What makes logits of states, beside the words.
#[derive(Module, Debug)]
pub(super) struct Head<B: Backend> {
    pub(super) dense: Dense<B>,
    pub(super) norm: Norm<B>,
    pub(super) bias: Param<Tensor<B, 1>>,
}

impl<B: Backend> MaskedBert<B> {
    /// An encoder with a fresh head. Its bias begins with the logarithms of the tokens' frequencies in `texts`, of each one more than there is:
    /// else the words learn to tell rare tokens from frequent ones first, by one direction that all of them share (Gao et al. 2019, arXiv
    /// 1907.12009). Special tokens are counted too. Without texts all tokens are alike. Seed with [`Backend::seed`] for a repeatable one.
    ///
    /// # Panics
    /// If a token is beyond the vocabulary.
    pub fn new(bert: Bert<B>, texts: &TokenBatch, device: &B::Device) -> Self {
        let (hidden, vocab, std) =
            (bert.config().hidden_size, bert.config().vocab_size, bert.config().initializer_range);
        let head = Head {
            dense: Dense::init([hidden, hidden], true, std, device),
            norm: Norm::init(hidden, true, device),
            bias: initialized(Tensor::from_data(log_frequencies(texts, vocab).as_slice(), device)),
        };
        Self { bert, head }
    }

    /// An encoder with the head of the folder that it is from, or a fresh one of `texts` where the folder has none, or one of another form (ModernBERT's,
    /// NomicBERT's). Words of the head's own (`cls.predictions.decoder.weight`) are not read: those of the encoder take their place.
    ///
    /// # Errors
    /// `model.safetensors` cannot be read, or has a part of the head alone, or one of another shape.
    ///
    /// # Panics
    /// If a fresh head is needed, and a token is beyond the vocabulary.
    pub fn with_head_of(
        bert: Bert<B>,
        folder: impl AsRef<Path>,
        texts: &TokenBatch,
        device: &B::Device,
    ) -> Result<Self, EmbedError> {
        let folder = weights_of(folder.as_ref())?;
        Ok(match bert.head_of(&folder, device)? {
            Some(head) => Self { bert, head },
            None => Self::new(bert, texts, device),
        })
    }

    /// The encoder.
    pub fn bert(&self) -> &Bert<B> {
        &self.bert
    }

    /// The encoder without the head.
    pub fn into_bert(self) -> Bert<B> {
        self.bert
    }

    /// The logits `[places.len(), vocab]` of the tokens at `places`, counted through all texts.
    ///
    /// # Panics
    /// As [`Encoder::forward_training`](crate::Encoder::forward_training), and if a place is past the last token.
    #[track_caller]
    pub fn logits(
        &self,
        tokens: &TokenBatch,
        places: &[u32],
        dropout: Option<&Dropout>,
        device: &B::Device,
    ) -> Tensor<B, 2> {
        let past = places.iter().find(|&&place| place as usize >= tokens.total());
        assert!(past.is_none(), "place {past:?} of {} tokens", tokens.total());
        self.bert.check(tokens);
        let states = if places.is_empty() {
            Tensor::zeros([0, self.bert.config().hidden_size], device)
        } else {
            let (places, spans) = (Picks::new(places, tokens.total(), device), Spans::new(tokens, device));
            self.bert.states_at(&places, tokens, &spans, dropout, device)
        };
        let Head { dense, norm, bias: of_words } = &self.head;
        let precision = self.bert.precision();
        let states = ops::bias_gelu(dense.product(states, precision), dense.bias());
        let states = norm.forward(states, self.bert.config().layer_norm_eps);
        ops::product(states, self.bert.word_embeddings().transpose(), precision) + of_words.val().unsqueeze()
    }
}

/// The logarithm of each token's share of the texts.
fn log_frequencies(texts: &TokenBatch, vocab: usize) -> Vec<f32> {
    let mut counts = vec![1_u64; vocab];
    for &id in texts.ids() {
        counts[id as usize] += 1;
    }
    let total = (texts.total() + vocab) as f64;
    counts.into_iter().map(|count| (count as f64 / total).ln() as f32).collect()
}
