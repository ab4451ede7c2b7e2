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

/// The tokens of one batch, each distinct text once.
#[derive(Debug)]
pub struct BatchTokens {
    /// The distinct queries, then the distinct passages.
    pub texts: TokenBatch,
    /// For each pair the row of its query in `texts`.
    pub queries: Vec<u32>,
    /// For each pair the row of its passage in `texts`.
    pub passages: Vec<u32>,
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
        let mut texts = TokenBatch::default();
        let [queries, passages] = [(0, &self.queries), (1, &self.passages)].map(|(side, tokens)| {
            let mut rows = FxHashMap::default();
            let row = |&pair: &u32| {
                let text = self.pairs[pair as usize][side];
                *rows.entry(text).or_insert_with(|| {
                    texts.push_from(tokens, text);
                    texts.len() as u32 - 1
                })
            };
            indices.iter().map(row).collect()
        });
        BatchTokens { texts, queries, passages }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Pair;

    #[test]
    fn a_batch_has_each_text_once_and_every_pair_its_own_two() {
        let texts = |texts: &[&str]| -> Vec<Text> {
            texts.iter().map(|&text| Text { id: String::new(), text: text.into() }).collect()
        };
        let dataset = Dataset {
            queries: texts(&["red apple", "green pear", "plum"]),
            passages: texts(&["apple pear", "red plum"]),
            train: [(0, 1), (1, 0), (2, 0), (1, 1)].map(|(query, passage)| Pair { query, passage }).to_vec(),
            ..Dataset::default()
        };
        let all = dataset.queries.iter().chain(&dataset.passages).map(|text| text.text.as_str());
        let tokenizer = TextTokenizer::train_wordpiece(all, 40).expect("there is text");
        let tokens = PairTokens::new(&dataset, &tokenizer, &TrainConfig::default()).expect("texts are tokenised");

        let batch = tokens.batch(&[3, 2, 1]);
        assert_eq!(batch.texts.len(), 4);
        for (row, pair) in [3, 2, 1].map(|pair: usize| dataset.train[pair]).iter().enumerate() {
            let query = tokenizer.encode(&[dataset.queries[pair.query as usize].text.as_str()], 24).expect("tokens");
            let passage =
                tokenizer.encode(&[dataset.passages[pair.passage as usize].text.as_str()], 64).expect("tokens");
            assert_eq!(batch.texts.tokens(batch.queries[row] as usize), query.tokens(0));
            assert_eq!(batch.texts.tokens(batch.passages[row] as usize), passage.tokens(0));
        }
    }
}
