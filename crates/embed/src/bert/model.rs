use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

use super::architecture::Architecture;
use super::layer::{Dropped, Layer, Norm, Within};
use super::projection::Projection;
use super::{BertConfig, Family};
#[cfg(feature = "flex")]
use crate::inference::CpuBert;
use crate::ops::{self, Picks, Spans};
use crate::weights::normal;
use crate::{Dropout, EmbedError, Encoder, Inference, InferencePrecision, Precision, TokenBatch};

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

/// The encoder of a BERT, or of one of its relatives ([`Family`]), with pooling, dense layers behind it where a folder has some, and unit norm. It goes
/// over packed rows: no padding is computed outside attention.
///
/// # Source
/// Devlin et al. (2019), arXiv 1810.04805, and what [`Family`] names; numerically Hugging Face's models without their poolers.
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
    pub(crate) words: Param<Tensor<B, 2>>,
    pub(crate) positions: Option<Param<Tensor<B, 2>>>,
    pub(crate) types: Option<Param<Tensor<B, 2>>>,
    pub(crate) norm: Norm<B>,
    /// What each head adds to scores, by distance: `[buckets, heads]`.
    pub(crate) distances: Option<Param<Tensor<B, 2>>>,
    pub(crate) layers: Vec<Layer<B>>,
    pub(crate) last_norm: Option<Norm<B>>,
    pub(crate) projections: Vec<Projection<B>>,
    #[module(skip)]
    pub(super) config: BertConfig,
    #[module(skip)]
    pub(crate) kind: Architecture,
    #[module(skip)]
    pub(super) truncate_dim: Option<usize>,
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
        let kind = Architecture::of(self)?;
        let table = |rows: usize, columns: usize| normal([rows, columns], self.initializer_range, device);
        let norm = || Norm::init(self.hidden_size, kind.biases.norm, device);
        Ok(Bert {
            words: table(self.vocab_size, self.hidden_size),
            positions: kind.learned_positions.map(|_| table(self.max_position_embeddings, self.hidden_size)),
            types: (self.type_vocab_size > 0).then(|| table(self.type_vocab_size, self.hidden_size)),
            norm: norm(),
            distances: (kind.buckets > 0).then(|| table(kind.buckets, self.num_attention_heads)),
            layers: (0..self.num_hidden_layers).map(|index| Layer::init(index, self, &kind, device)).collect(),
            last_norm: kind.pre_norm.then(norm),
            projections: Vec::new(),
            config: self.clone(),
            kind,
            truncate_dim: None,
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

    /// The architecture.
    pub fn family(&self) -> Family {
        self.config.model_type
    }

    /// How many of a vector's columns are kept, the first ones, if not all.
    pub fn truncate_dim(&self) -> Option<usize> {
        self.truncate_dim
    }

    /// The same weights with the first `columns` of each vector alone, scaled to norm 1 again (Kusupati et al. 2022, arXiv 2205.13147); all of them
    /// where it has no more.
    ///
    /// # Panics
    /// If these are 0.
    #[track_caller]
    pub fn with_truncate_dim(mut self, columns: Option<usize>) -> Self {
        assert!(columns != Some(0), "vectors of no column");
        self.truncate_dim = columns.filter(|&columns| columns < self.full_dim());
        self
    }

    /// Length of the vectors before they are truncated.
    pub(crate) fn full_dim(&self) -> usize {
        self.projections.last().map_or(self.config.hidden_size, |last| last.widths()[1])
    }

    pub(crate) fn projections(&self) -> &[Projection<B>] {
        &self.projections
    }

    /// The token table `[vocab, hidden]`.
    pub fn word_embeddings(&self) -> Tensor<B, 2> {
        self.words.val()
    }

    fn embed_tokens(&self, tokens: &TokenBatch, device: &B::Device) -> Tensor<B, 2> {
        let words = Picks::new(tokens.ids(), self.config.vocab_size, device).of(self.words.val());
        let positions = match (&self.positions, self.kind.learned_positions) {
            (Some(positions), Some(learned)) => {
                let rows: Vec<u32> = (0..tokens.len()).flat_map(|text| learned.rows(tokens.tokens(text))).collect();
                Picks::new(&rows, self.config.max_position_embeddings, device).of(positions.val())
            }
            _ => words.zeros_like(),
        };
        let hidden = self.config.hidden_size;
        let segment = match &self.types {
            Some(types) => types.val().narrow(0, 0, 1).reshape([hidden]),
            None => Tensor::zeros([hidden], device),
        };
        self.norm.of_sum(words, (positions, segment), self.config.layer_norm_eps)
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
        let within = self.within(spans);
        let x = self.through(self.layers.len(), tokens, &within, &mut dropped, device);
        self.last(x)
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
        let (Some(last), Some(&reach)) = (self.layers.last(), self.kind.layers.last()) else {
            return rows.of(self.states(tokens, spans, dropout, device));
        };
        let mut dropped = Dropped::new(dropout, tokens, device);
        let within = self.within(spans);
        let x = self.through(self.layers.len() - 1, tokens, &within, &mut dropped, device);
        let context = last.attend(x.clone(), reach, &within);
        self.last(last.finish(rows.of(context), rows.of(x), &within, &mut dropped.at(rows)))
    }

    /// What the first `layers` make of every token.
    fn through(
        &self,
        layers: usize,
        tokens: &TokenBatch,
        within: &Within<'_, B>,
        dropped: &mut Dropped<'_, B>,
        device: &B::Device,
    ) -> Tensor<B, 2> {
        let embedded = dropped.next(self.embed_tokens(tokens, device));
        let layers = self.layers.iter().zip(&self.kind.layers).take(layers);
        layers.fold(embedded, |x, (layer, &reach)| layer.forward(x, reach, within, dropped))
    }

    /// The norm behind the last layer, where there is one.
    fn last(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        match &self.last_norm {
            Some(norm) => norm.forward(x, self.config.layer_norm_eps),
            None => x,
        }
    }

    fn within<'a>(&'a self, spans: &'a Spans<B>) -> Within<'a, B> {
        let distances = self.distances.as_ref().map(Param::val);
        Within::new(spans, &self.config, &self.kind, self.precision, distances)
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
        check_lengths(tokens, self.config.max_tokens());
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
pub(crate) fn check_lengths(tokens: &TokenBatch, most: usize) {
    let longest = tokens.longest();
    assert!(longest <= most, "a row of {longest} tokens, the model has {most} positions");
}

#[track_caller]
pub(crate) fn check_ids(tokens: &TokenBatch, vocab: usize) {
    let largest = tokens.ids().iter().max().map_or(0, |&id| id as usize);
    assert!(tokens.total() == 0 || largest < vocab, "token id {largest}, the encoder has {vocab} rows");
}

impl<B: Backend> Encoder<B> for Bert<B> {
    fn dim(&self) -> usize {
        self.truncate_dim.unwrap_or_else(|| self.full_dim())
    }

    fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    fn inference(&self, precision: InferencePrecision) -> Option<Arc<dyn Inference>> {
        #[cfg(feature = "flex")]
        if self.precision == Precision::F32 {
            return Some(Arc::new(CpuBert::new(self, precision)?));
        }
        let _ = precision;
        None
    }

    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn max_tokens(&self) -> usize {
        self.config.max_tokens()
    }

    /// What the products, attention, GELU and norms of each layer keep: eight times the hidden size, and twice the feed-forward width, or thrice where it is
    /// gated. A rotation keeps queries, keys and values once more, and norms before products the sums that they are of.
    fn tape_bytes_a_token(&self) -> usize {
        let BertConfig { hidden_size, intermediate_size, num_hidden_layers, .. } = self.config;
        let rotary = self.kind.layers.iter().any(|layer| layer.theta.is_some());
        let narrow = 8 + if rotary { 3 } else { 0 } + if self.kind.pre_norm { 2 } else { 0 };
        let wide = 1 + self.kind.feed_forward.parts();
        num_hidden_layers * (narrow * hidden_size + wide * intermediate_size) * size_of::<f32>()
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
        ops::unit_or_constant(tokens, self.dim(), device, |tokens| {
            let pooled = self.pooled(tokens, dropout.as_ref(), device);
            let projected = self.projections.iter().fold(pooled, |x, layer| layer.forward(x, self.precision));
            match self.truncate_dim {
                Some(columns) => projected.narrow(1, 0, columns),
                None => projected,
            }
        })
    }
}
