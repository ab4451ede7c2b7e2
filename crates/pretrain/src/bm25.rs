//! Word matching by tantivy: the baseline that needs no vectors.

use rayon::prelude::*;
use retrieval_eval::Hit;
use tantivy::collector::TopDocs;
use tantivy::columnar::Column;
use tantivy::query::{BooleanQuery, Occur, Query, TermQuery};
use tantivy::schema::{FAST, Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{
    Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, StopWordFilter, TextAnalyzer,
};
use tantivy::{Index, IndexWriter, Searcher, TantivyDocument, Term};

use crate::error::Result;

const ANALYZER: &str = "stemmed";
const WRITER_BYTES: usize = 60_000_000;
const LONGEST_WORD: usize = 40;

/// An index in memory over passages, scored by BM25 (k₁ = 1.2, b = 0.75) over stemmed English words.
///
/// # Source
/// Robertson & Zaragoza (2009), "The Probabilistic Relevance Framework: BM25 and Beyond".
///
/// # Examples
///
/// ```
/// let index = pretrain::Bm25::new(&["the cat sat", "dogs run far"])?;
/// assert_eq!(index.search_all(&["running dog"], 1)?[0][0].index, 1);
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
pub struct Bm25 {
    searcher: Searcher,
    analyzer: TextAnalyzer,
    text: Field,
}

impl Bm25 {
    /// The index over `passages`.
    ///
    /// # Errors
    /// The index cannot be built.
    pub fn new(passages: &[&str]) -> Result<Self> {
        let mut schema = Schema::builder();
        let indexing =
            TextFieldIndexing::default().set_tokenizer(ANALYZER).set_index_option(IndexRecordOption::WithFreqs);
        let text = schema.add_text_field("text", TextOptions::default().set_indexing_options(indexing));
        let row = schema.add_u64_field("row", FAST);
        let index = Index::create_in_ram(schema.build());
        index.tokenizers().register(ANALYZER, analyzer());
        // One thread, one segment: scores then depend on the passages alone.
        let mut writer: IndexWriter = index.writer_with_num_threads(1, WRITER_BYTES)?;
        for (number, passage) in passages.iter().enumerate() {
            let mut document = TantivyDocument::default();
            document.add_text(text, passage);
            document.add_u64(row, number as u64);
            writer.add_document(document)?;
        }
        writer.commit()?;
        let searcher = index.reader()?.searcher();
        Ok(Self { searcher, analyzer: analyzer(), text })
    }

    /// For each query the best passages that share a word with it, best first.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn search_all(&self, queries: &[&str], depth: usize) -> Result<Vec<Vec<Hit>>> {
        let rows: Vec<Column<u64>> = self
            .searcher
            .segment_readers()
            .iter()
            .map(|segment| segment.fast_fields().u64("row"))
            .collect::<tantivy::Result<_>>()?;
        queries.par_iter().map(|query| self.search(query, depth, &rows)).collect()
    }

    fn search(&self, query: &str, depth: usize, rows: &[Column<u64>]) -> Result<Vec<Hit>> {
        let found = self.searcher.search(&self.any_word_of(query), &TopDocs::with_limit(depth).order_by_score())?;
        let mut hits: Vec<Hit> = found
            .into_iter()
            .filter_map(|(score, address)| {
                let row = rows[address.segment_ord as usize].first(address.doc_id)?;
                Some(Hit { index: row as u32, score })
            })
            .collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.index.cmp(&b.index)));
        Ok(hits)
    }

    fn any_word_of(&self, query: &str) -> BooleanQuery {
        let mut analyzer = self.analyzer.clone();
        let mut stream = analyzer.token_stream(query);
        let mut words: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        stream.process(&mut |token| {
            let term = Term::from_field_text(self.text, &token.text);
            words.push((Occur::Should, Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))));
        });
        BooleanQuery::new(words)
    }
}

fn analyzer() -> TextAnalyzer {
    let tokenizer = TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(LONGEST_WORD))
        .filter(LowerCaser);
    match StopWordFilter::new(Language::English) {
        Some(stop_words) => tokenizer.filter(stop_words).filter(Stemmer::new(Language::English)).build(),
        None => tokenizer.filter(Stemmer::new(Language::English)).build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rarer_shared_words_rank_higher_and_no_shared_word_is_no_hit() {
        let passages = ["a red house", "a red car", "a blue boat on a lake"];
        let index = Bm25::new(&passages).unwrap();
        let hits = index.search_all(&["red cars", "submarine", ""], 10).unwrap();
        assert_eq!(hits[0].iter().map(|hit| hit.index).collect::<Vec<_>>(), [1, 0]);
        assert!(hits[1].is_empty() && hits[2].is_empty());
    }
}
