use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::BertConfig;
use super::layer::{Dropped, Layer, Norm, Within};
use crate::ops::{self, Picks, Spans};
use crate::weights::normal;
use crate::{Dropout, EmbedError, Encoder, Precision, TokenBatch};

/// How the vectors of a text's tokens become one.
///
/// # Examples
/// ```
/// assert_eq!(embed::Pooling::default(), embed::Pooling::Mean);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The mean over all tokens, special ones too.
    #[default]
    Mean,
    /// The first token, `[CLS]`.
    Cls,
    /// The last token.
    LastToken,
    /// Of each column the largest value.
    Max,
    /// The mean over all tokens, a token weighing as much as its place is from the start, the first 1.
    WeightedMean,
}

/// BERT's encoder with pooling and unit norm, over packed rows: no padding is computed outside attention.
///
/// # Source
/// Devlin et al. (2019), arXiv 1810.04805; numerically Hugging Face's `BertModel` without its pooler.
///
/// # Examples
/// ```
/// use burn_flex::{Flex, FlexDevice};
/// use embed::{Bert, BertConfig, Encoder, TokenBatch};
///
/// let device = FlexDevice::default();
/// let bert: Bert<Flex> = BertConfig::new(100, 16).with_layers(2).with_heads(2).init(&device)?;
/// let rows = bert.forward(&TokenBatch::from_rows([vec![2, 8, 3], vec![2, 5, 9, 3]]), &device);
/// assert_eq!(rows.dims(), [2, 16]);
/// # Ok::<(), embed::EmbedError>(())
/// ```
#[derive(Module, Debug)]
pub struct Bert<B: Backend> {
    pub(super) words: Param<Tensor<B, 2>>,
    pub(super) positions: Param<Tensor<B, 2>>,
    pub(super) types: Param<Tensor<B, 2>>,
    pub(super) norm: Norm<B>,
    pub(super) layers: Vec<Layer<B>>,
    #[module(skip)]
    pub(super) config: BertConfig,
    #[module(skip)]
    pub(super) pooling: Pooling,
    #[module(skip)]
    pub(super) include_prompt: bool,
    #[module(skip)]
    pub(super) precision: Precision,
}

impl BertConfig {
    /// A BERT with fresh weights, normal with `initializer_range`, and mean pooling. Seed with [`Backend::seed`] for repeatable ones.
    ///
    /// # Errors
    /// What [`validate`](BertConfig::validate) finds.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Result<Bert<B>, EmbedError> {
        self.validate()?;
        let table = |rows: usize| normal([rows, self.hidden_size], self.initializer_range, device);
        Ok(Bert {
            words: table(self.vocab_size),
            positions: table(self.max_position_embeddings),
            types: table(self.type_vocab_size),
            norm: Norm::init(self.hidden_size, device),
            layers: (0..self.num_hidden_layers).map(|_| Layer::init(self, device)).collect(),
            config: self.clone(),
            pooling: Pooling::Mean,
            include_prompt: true,
            precision: Precision::F32,
        })
    }
}

impl<B: Backend> Bert<B> {
    /// The configuration, with the number of layers that are here.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// How tokens are pooled.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// The same weights with another pooling.
    pub fn with_pooling(mut self, pooling: Pooling) -> Self {
        self.pooling = pooling;
        self
    }

    /// Whether what is over all tokens is also over those of a [prompt](crate::TextTokenizer::encode_after).
    pub fn include_prompt(&self) -> bool {
        self.include_prompt
    }

    /// The same weights with the tokens of a prompt in what is over all tokens, or not; every token attends to them either way.
    pub fn with_include_prompt(mut self, include_prompt: bool) -> Self {
        self.include_prompt = include_prompt;
        self
    }

    /// What matrix products are computed in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The token table `[vocab, hidden]`.
    pub fn word_embeddings(&self) -> Tensor<B, 2> {
        self.words.val()
    }

    fn embed_tokens(&self, tokens: &TokenBatch, device: &B::Device) -> Tensor<B, 2> {
        let words = Picks::new(tokens.ids(), self.config.vocab_size, device).of(self.words.val());
        let places: Vec<u32> = (0..tokens.len()).flat_map(|row| 0..tokens.row_len(row) as u32).collect();
        let positions = Picks::new(&places, self.config.max_position_embeddings, device).of(self.positions.val());
        let segment = self.types.val().narrow(0, 0, 1).reshape([self.config.hidden_size]);
        self.norm.forward(words, (positions, segment), self.config.layer_norm_eps)
    }

    /// What the last layer makes of every token, `[tokens.total(), hidden]`, one text after another.
    ///
    /// # Panics
    /// As [`Encoder::forward_training`].
    ///
    /// # Examples
    /// ```
    /// use burn_flex::{Flex, FlexDevice};
    /// use embed::{Bert, BertConfig, TokenBatch};
    ///
    /// let device = FlexDevice::default();
    /// let bert: Bert<Flex> = BertConfig::new(100, 16).with_layers(1).with_heads(2).init(&device)?;
    /// let states = bert.token_states(&TokenBatch::from_rows([vec![2, 8, 3], vec![2, 5, 9, 3]]), None, &device);
    /// assert_eq!(states.dims(), [7, 16]);
    /// # Ok::<(), embed::EmbedError>(())
    /// ```
    #[track_caller]
    pub fn token_states(&self, tokens: &TokenBatch, dropout: Option<&Dropout>, device: &B::Device) -> Tensor<B, 2> {
        self.check(tokens);
        if tokens.total() == 0 {
            return Tensor::zeros([0, self.config.hidden_size], device);
        }
        self.states(tokens, &Spans::new(tokens, device), dropout, device)
    }

    /// The same of texts that are checked.
    fn states(
        &self,
        tokens: &TokenBatch,
        spans: &Spans<B>,
        dropout: Option<&Dropout>,
        device: &B::Device,
    ) -> Tensor<B, 2> {
        let mut dropped = Dropped::new(dropout, tokens, device);
        self.through(&self.layers, tokens, spans, &mut dropped, device)
    }

    /// The states of some rows, `[rows, hidden]`: of the last layer all but attention is computed of these alone.
    pub(super) fn states_at(
        &self,
        rows: &Picks<B>,
        tokens: &TokenBatch,
        spans: &Spans<B>,
        dropout: Option<&Dropout>,
        device: &B::Device,
    ) -> Tensor<B, 2> {
        let Some((last, before)) = self.layers.split_last() else {
            return rows.of(self.states(tokens, spans, dropout, device));
        };
        let mut dropped = Dropped::new(dropout, tokens, device);
        let x = self.through(before, tokens, spans, &mut dropped, device);
        let within = self.within(spans);
        let context = last.attend(x.clone(), &within);
        last.finish(rows.of(context), rows.of(x), &within, &mut dropped.at(rows))
    }

    fn through(
        &self,
        layers: &[Layer<B>],
        tokens: &TokenBatch,
        spans: &Spans<B>,
        dropped: &mut Dropped<'_, B>,
        device: &B::Device,
    ) -> Tensor<B, 2> {
        let embedded = dropped.next(self.embed_tokens(tokens, device));
        layers.iter().fold(embedded, |x, layer| layer.forward(x, &self.within(spans), dropped))
    }

    fn within<'a>(&'a self, spans: &'a Spans<B>) -> Within<'a, B> {
        Within { spans, config: &self.config, precision: self.precision }
    }

    /// One vector of each text, none of which is empty.
    fn pooled(&self, tokens: &TokenBatch, dropout: Option<&Dropout>, device: &B::Device) -> Tensor<B, 2> {
        let spans = Spans::new(tokens, device);
        let one_of_each = |row: fn(&[usize]) -> usize| {
            let rows: Vec<u32> = spans.offsets().windows(2).map(|span| row(span) as u32).collect();
            self.states_at(&Picks::new(&rows, tokens.total(), device), tokens, &spans, dropout, device)
        };
        match self.pooling {
            Pooling::Cls => one_of_each(|span| span[0]),
            Pooling::LastToken => one_of_each(|span| span[1] - 1),
            Pooling::Mean | Pooling::Max | Pooling::WeightedMean => {
                let x = self.states(tokens, &spans, dropout, device);
                if !self.leaves_out_prompts(tokens) {
                    return self.over_all(x, tokens, &spans, |_| 0);
                }
                let places = places_after_prompts(tokens);
                let x = Picks::new(places.ids(), tokens.total(), device).of(x);
                self.over_all(x, &places, &Spans::new(&places, device), |row| tokens.prompt_len(row))
            }
        }
    }

    /// What is made of all rows of each text, of which `before` so many are left out.
    fn over_all(
        &self,
        x: Tensor<B, 2>,
        tokens: &TokenBatch,
        spans: &Spans<B>,
        before: impl Fn(usize) -> usize,
    ) -> Tensor<B, 2> {
        match self.pooling {
            Pooling::Max => ops::segment_max(x, spans),
            Pooling::WeightedMean => {
                let of_row = |row: usize| {
                    let places = before(row) + 1..=before(row) + tokens.row_len(row);
                    let sum: usize = places.clone().sum();
                    places.map(move |place| place as f32 / sum as f32)
                };
                ops::segment_sum(x, (0..tokens.len()).flat_map(of_row).collect(), spans)
            }
            _ => ops::segment_mean(x, spans),
        }
    }

    fn leaves_out_prompts(&self, tokens: &TokenBatch) -> bool {
        let some = matches!(self.pooling, Pooling::Mean | Pooling::Max | Pooling::WeightedMean) && !self.include_prompt;
        some && (0..tokens.len()).any(|row| tokens.prompt_len(row) > 0)
    }

    #[track_caller]
    pub(super) fn check(&self, tokens: &TokenBatch) {
        let (longest, most) = (tokens.longest(), self.config.max_position_embeddings);
        assert!(longest <= most, "a row of {longest} tokens, the model has {most} positions");
        check_ids(tokens, self.config.vocab_size);
    }
}

/// Packed rows of each text's tokens after its prompt.
fn places_after_prompts(tokens: &TokenBatch) -> TokenBatch {
    TokenBatch::from_rows((0..tokens.len()).map(|row| {
        let [start, end] = [0, 1].map(|next| tokens.offsets()[row + next]);
        let places: Vec<u32> = (start + tokens.prompt_len(row)..end).map(|place| place as u32).collect();
        places
    }))
}

/// The same rows, without tokens where there is nothing but a prompt.
fn without_bare_prompts(tokens: &TokenBatch) -> TokenBatch {
    let mut kept = TokenBatch::default();
    for row in 0..tokens.len() {
        if tokens.prompt_len(row) < tokens.row_len(row) {
            kept.push_from(tokens, row);
        } else {
            kept.push(&[]);
        }
    }
    kept
}

#[track_caller]
pub(crate) fn check_ids(tokens: &TokenBatch, vocab: usize) {
    let largest = tokens.ids().iter().max().map_or(0, |&id| id as usize);
    assert!(tokens.total() == 0 || largest < vocab, "token id {largest}, the encoder has {vocab} rows");
}

impl<B: Backend> Encoder<B> for Bert<B> {
    fn dim(&self) -> usize {
        self.config.hidden_size
    }

    fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn max_tokens(&self) -> usize {
        self.config.max_position_embeddings
    }

    /// What the products, attention, GELU and norms of each layer keep: eight times the hidden size, and twice the feed-forward width.
    fn tape_bytes_a_token(&self) -> usize {
        let BertConfig { hidden_size, intermediate_size, num_hidden_layers, .. } = self.config;
        num_hidden_layers * (8 * hidden_size + 2 * intermediate_size) * size_of::<f32>()
    }

    #[track_caller]
    fn forward_training(&self, tokens: &TokenBatch, dropout: Option<&Dropout>, device: &B::Device) -> Tensor<B, 2> {
        self.check(tokens);
        let kept;
        let tokens = if self.leaves_out_prompts(tokens) {
            kept = without_bare_prompts(tokens);
            &kept
        } else {
            tokens
        };
        let dropout = dropout.map(|dropout| dropout.of_full(tokens));
        ops::unit_or_constant(tokens, self.config.hidden_size, device, |tokens| {
            self.pooled(tokens, dropout.as_ref(), device)
        })
    }
}
