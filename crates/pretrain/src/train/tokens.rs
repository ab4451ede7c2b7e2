//! The training pairs as token ids, tokenised once for all epochs.

use embed::{TextTokenizer, TokenBatch};
use rustc_hash::FxHashMap;

use crate::config::TrainConfig;
use crate::data::{Dataset, Text};
use crate::error::Result;

/// The tokens of every distinct training text, and each pair as two rows of them.
#[derive(Debug)]
pub struct PairTokens {
    queries: TokenBatch,
    passages: TokenBatch,
    pairs: Vec<[usize; 2]>,
}

/// The tokens of one batch, with the identity of each text.
#[derive(Debug)]
pub struct BatchTokens {
    /// One query a row.
    pub queries: TokenBatch,
    /// One passage a row, the positive of the same row's query.
    pub passages: TokenBatch,
    /// Equal for equal query texts.
    pub query_ids: Vec<u64>,
    /// Equal for equal passage texts.
    pub passage_ids: Vec<u64>,
}

impl PairTokens {
    /// The tokens of `dataset`'s training pairs, cut at the training limits.
    ///
    /// # Errors
    /// A text cannot be tokenised.
    pub fn new(dataset: &Dataset, tokenizer: &TextTokenizer, config: &TrainConfig) -> Result<Self> {
        let mut queries = Rows::default();
        let mut passages = Rows::default();
        let pairs = dataset.train.iter().map(|pair| [queries.row(pair.query), passages.row(pair.passage)]).collect();
        Ok(Self {
            queries: tokenizer.encode(&queries.of(&dataset.queries), config.max_query_tokens)?,
            passages: tokenizer.encode(&passages.of(&dataset.passages), config.max_passage_tokens)?,
            pairs,
        })
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The pairs `indices` as one batch.
    ///
    /// # Panics
    /// If an index is past the last pair.
    pub fn batch(&self, indices: &[u32]) -> BatchTokens {
        let side = |side: usize| -> Vec<usize> { indices.iter().map(|&i| self.pairs[i as usize][side]).collect() };
        let ids = |rows: &[usize]| rows.iter().map(|&row| row as u64).collect();
        let (queries, passages) = (side(0), side(1));
        BatchTokens {
            query_ids: ids(&queries),
            passage_ids: ids(&passages),
            queries: self.queries.select(&queries),
            passages: self.passages.select(&passages),
        }
    }
}

/// Text indices in order of first use.
#[derive(Default)]
struct Rows {
    texts: Vec<u32>,
    of_text: FxHashMap<u32, usize>,
}

impl Rows {
    fn of<'a>(&self, texts: &'a [Text]) -> Vec<&'a str> {
        self.texts.iter().map(|&i| texts[i as usize].text.as_str()).collect()
    }

    fn row(&mut self, text: u32) -> usize {
        *self.of_text.entry(text).or_insert_with(|| {
            self.texts.push(text);
            self.texts.len() - 1
        })
    }
}
