//! The training pairs as token ids, tokenised once for all epochs.

use embed::{Prompts, Side, TextTokenizer, TokenBatch, TokenLimits, inverse_document_frequency};
use rustc_hash::FxHashMap;

use super::HardNegatives;
use crate::data::{Dataset, Pair, Positives, Texts};
use crate::error::Result;

/// The tokens of every distinct training text, and each pair as two rows of them.
#[derive(Debug)]
pub struct PairTokens {
    queries: TokenBatch,
    passages: TokenBatch,
    /// Each as rows of the two.
    pairs: Vec<Pair>,
    /// Passages of pairs: behind them are those that are negatives alone.
    of_pairs: usize,
    /// Of each passage of the data set its row, if it is of a pair or given as a negative of one.
    row_of_passage: FxHashMap<u32, u32>,
    positives: Positives,
}

/// The tokens of one batch, each distinct text once.
#[derive(Debug)]
pub struct BatchTokens {
    /// The distinct queries, then the distinct passages.
    pub texts: TokenBatch,
    /// For each pair the row of its query in `texts`.
    pub queries: Vec<u32>,
    /// For each pair the row of its passage in `texts`; behind these, pair by pair, the rows of its hard negatives.
    pub passages: Vec<u32>,
    /// For each pair the rows in `texts` of all passages that answer its query in training, its own among them.
    pub known_positives: Vec<Vec<u64>>,
}

impl PairTokens {
    /// The tokens of `dataset`'s training pairs after their prompts, cut at the limits.
    ///
    /// # Errors
    /// A text cannot be tokenised.
    pub fn new(dataset: &Dataset, tokenizer: &TextTokenizer, prompts: &Prompts, limits: TokenLimits) -> Result<Self> {
        Self::with_given_negatives(dataset, tokenizer, prompts, limits, 0)
    }

    /// [`new`](Self::new), with the tokens of the first so many negatives that the data gives of each pair.
    ///
    /// # Errors
    /// A text cannot be tokenised.
    pub fn with_given_negatives(
        dataset: &Dataset,
        tokenizer: &TextTokenizer,
        prompts: &Prompts,
        limits: TokenLimits,
        negatives: usize,
    ) -> Result<Self> {
        let encode = |side, texts: &[&str]| tokenizer.encode_after(prompts.of(side), texts, limits.of(side));
        let mut queries = Rows::default();
        let mut passages = Rows::default();
        let row = |pair: &Pair| Pair { query: queries.row(pair.query), passage: passages.row(pair.passage) };
        let pairs: Vec<Pair> = dataset.train.iter().map(row).collect();
        let of_pairs = passages.texts.len();
        let given = (0..pairs.len() as u32).map(|pair| dataset.negatives.of(pair));
        for &negative in given.flat_map(|given| given.iter().take(negatives)) {
            passages.row(negative);
        }
        // A passage that no pair trains on is in no batch.
        let row_of = |pair: &Pair| {
            let (query, passage) = (queries.of_text.get(&pair.query)?, passages.of_text.get(&pair.passage)?);
            Some(Pair { query: *query, passage: *passage })
        };
        let known: Vec<Pair> = pairs.iter().copied().chain(dataset.known.iter().filter_map(row_of)).collect();
        Ok(Self {
            positives: Positives::new(queries.texts.len(), known.iter().copied()),
            queries: encode(Side::Query, &queries.of(&dataset.queries))?,
            passages: encode(Side::Passage, &passages.of(&dataset.passages))?,
            of_pairs,
            row_of_passage: passages.of_text,
            pairs,
        })
    }

    /// Texts that are tokens already: pairs of their rows, each row the passage of that number.
    ///
    /// # Panics
    /// If a pair is of a row that is not there.
    #[must_use]
    #[track_caller]
    pub fn from_tokens(queries: TokenBatch, passages: TokenBatch, pairs: Vec<Pair>) -> Self {
        let inside = |pair: &Pair| (pair.query as usize) < queries.len() && (pair.passage as usize) < passages.len();
        assert!(pairs.iter().all(inside), "a pair of {} queries and {} passages", queries.len(), passages.len());
        Self {
            positives: Positives::new(queries.len(), pairs.iter().copied()),
            of_pairs: passages.len(),
            row_of_passage: (0..passages.len() as u32).map(|row| (row, row)).collect(),
            queries,
            passages,
            pairs,
        }
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// For each token of `vocab_size` its inverse document frequency among the distinct queries and passages.
    pub fn inverse_document_frequency(&self, vocab_size: usize) -> Vec<f32> {
        let mut texts = self.queries.clone();
        (0..self.of_pairs).for_each(|passage| texts.push_from(&self.passages, passage));
        inverse_document_frequency(&texts, vocab_size)
    }

    /// The pairs `indices` as one batch, with their hard negatives if there are any.
    ///
    /// # Panics
    /// If an index is past the last pair, or a hard negative is neither the passage of a pair nor among the negatives that are here.
    pub fn batch(&self, indices: &[u32], hard_negatives: Option<&HardNegatives>) -> BatchTokens {
        let pairs = || indices.iter().map(|&pair| self.pairs[pair as usize]);
        let hard = indices.iter().flat_map(|&pair| hard_negatives.map_or(&[][..], |negatives| negatives.of(pair)));
        let hard = hard.map(|passage| self.row_of_passage[passage]);
        let mut texts = TokenBatch::default();
        let queries = Places::new(pairs().map(|pair| pair.query), &self.queries, &mut texts);
        let passages = Places::new(pairs().map(|pair| pair.passage).chain(hard), &self.passages, &mut texts);
        let known = |pair: Pair| {
            let positives = self.positives.of(pair.query).iter();
            positives.filter_map(|passage| passages.of_row.get(passage)).map(|&place| place.into()).collect()
        };
        let known_positives = pairs().map(known).collect();
        BatchTokens { texts, queries: queries.all, passages: passages.all, known_positives }
    }
}

/// Where rows of one side went in a batch.
struct Places {
    all: Vec<u32>,
    of_row: FxHashMap<u32, u32>,
}

impl Places {
    /// Puts each distinct row into `texts` once.
    fn new(rows: impl Iterator<Item = u32>, tokens: &TokenBatch, texts: &mut TokenBatch) -> Self {
        let mut of_row = FxHashMap::default();
        let place = |row| {
            *of_row.entry(row).or_insert_with(|| {
                texts.push_from(tokens, row as usize);
                texts.len() as u32 - 1
            })
        };
        let all = rows.map(place).collect();
        Self { all, of_row }
    }
}

/// Text indices in order of first use.
#[derive(Default)]
struct Rows {
    texts: Vec<u32>,
    of_text: FxHashMap<u32, u32>,
}

impl Rows {
    fn of<'a>(&self, texts: &'a Texts) -> Vec<&'a str> {
        self.texts.iter().map(|&i| texts.text(i)).collect()
    }

    fn row(&mut self, text: u32) -> u32 {
        *self.of_text.entry(text).or_insert_with(|| {
            self.texts.push(text);
            self.texts.len() as u32 - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_each_text_once_and_every_pair_its_own_two() {
        let texts = |texts: &[&str]| -> Texts { texts.iter().map(|text| ("", text)).collect() };
        let dataset = Dataset {
            queries: texts(&["red apple", "green pear", "plum"]),
            passages: texts(&["apple pear", "red plum"]),
            train: [(0, 1), (1, 0), (2, 0), (1, 1)].map(|(query, passage)| Pair { query, passage }).to_vec(),
            ..Dataset::default()
        };
        let all = dataset.queries.iter().chain(&dataset.passages).map(|text| text.text);
        let tokenizer = TextTokenizer::train_wordpiece(all, 40).expect("there is text");
        let tokens = PairTokens::new(&dataset, &tokenizer, &Prompts::default(), TokenLimits::new(24, 64))
            .expect("texts are tokenised");

        let batch = tokens.batch(&[3, 2, 1], None);
        assert_eq!(batch.texts.len(), 4);
        for (row, pair) in [3, 2, 1].map(|pair: usize| dataset.train[pair]).iter().enumerate() {
            let query = tokenizer.encode(&[dataset.queries.text(pair.query)], 24).expect("tokens");
            let passage = tokenizer.encode(&[dataset.passages.text(pair.passage)], 64).expect("tokens");
            assert_eq!(batch.texts.tokens(batch.queries[row] as usize), query.tokens(0));
            assert_eq!(batch.texts.tokens(batch.passages[row] as usize), passage.tokens(0));
        }
        // "green pear" is answered by both passages, "plum" by "apple pear" alone.
        let both = [batch.passages[0], batch.passages[1]].map(u64::from);
        assert_eq!(batch.known_positives, [both.to_vec(), vec![both[1]], both.to_vec()]);
        assert_eq!(tokens.batch(&[1, 0], None).known_positives.concat().len(), 3);

        // Of pair 0, which has passage 1, the other one is a hard negative.
        let negatives = HardNegatives { each: 1, passages: vec![0, 1, 1, 0] };
        let batch = tokens.batch(&[0, 2], Some(&negatives));
        let [own, other, hard, other_hard] = batch.passages[..] else { panic!("{:?}", batch.passages) };
        assert_eq!((own, other), (other_hard, hard));
        assert_eq!((batch.texts.len(), batch.queries.len()), (4, 2));
    }
}
