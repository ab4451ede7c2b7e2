//! A trained model asked a question.

use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use embed::{Embedder, Side};
use vectors::NpyVectors;

use super::Pipeline;
use crate::data::Text;
use crate::error::Result;
use crate::parts::Parts;
use crate::rows::as_array;
use crate::run_folder::Member;
use crate::sentences::first_sentences;

/// A trained model with the vectors of every passage.
pub struct Index {
    embedder: Box<dyn Embedder>,
    passages: NpyVectors,
    /// The file of the passages' vectors.
    path: PathBuf,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The passage's id in the data.
    pub id: String,
    /// What a person calls the passage: the path at which rustdoc shows a documented item, with its package and version; else the id, with the
    /// topic where there is one.
    pub title: String,
    /// Its first sentences, whole, on one line: of a documented item those of its documentation.
    pub summary: String,
    /// The passage.
    pub text: String,
    /// The cosine of query and passage.
    pub score: f32,
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// The index of a trained and evaluated member; of the clustering embedder where the data has no training pairs.
    ///
    /// # Errors
    /// The member is not trained or not evaluated yet.
    pub fn index(&self, member: Member<'_>) -> Result<Index> {
        if self.trained_members().is_empty() {
            let (embedder, path) = self.embedder_of_corpus()?;
            return Ok(Index { embedder, passages: NpyVectors::open(&path)?, path });
        }
        self.run.require(&self.evaluate_stage(member)?)?;
        let path = self.run.member(member).join("passages.npy");
        Ok(Index { embedder: self.trained(member)?, passages: NpyVectors::open(&path)?, path })
    }

    /// The `k` passages nearest to `query`, best first.
    ///
    /// # Errors
    /// The query cannot be embedded.
    pub fn search(&self, index: &Index, query: &str, k: usize) -> Result<Vec<Found>> {
        let row = index.embedder.embed(&[query], Side::Query)?;
        let passages = as_array(&index.passages, &index.path)?;
        let hits = self.parts.searcher(passages, &self.device)?.search(row.view(), k)?;
        let found = hits.into_iter().flatten().map(|hit| {
            let Text { id, text } = self.dataset.passages.get(hit.index);
            let (title, summary) = (self.title(hit.index), self.summary(id, text));
            Found { id: id.to_owned(), title, summary, text: text.to_owned(), score: hit.score }
        });
        Ok(found.collect())
    }

    fn title(&self, passage: u32) -> String {
        let id = self.dataset.passages.id(passage);
        if let Some(title) = self.item_title(id) {
            return title;
        }
        let topic = self.dataset.topics.as_ref().map_or("", |topics| topics.name(passage));
        match topic {
            "" => id.to_owned(),
            topic => format!("{id}  ({topic})"),
        }
    }

    /// An item's first paragraph is its query, not in its passage.
    fn summary(&self, id: &str, passage: &str) -> String {
        const MOST_BYTES: usize = 240;
        let query = || self.dataset.queries.iter().find(|query| query.id == id);
        let text = self.item_title(id).and_then(|_| query()).map_or(passage, |query| query.text);
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        first_sentences(&line, MOST_BYTES).to_owned()
    }

    /// What a documented item is called; `None` for other passages.
    #[cfg(feature = "rust-docs")]
    fn item_title(&self, id: &str) -> Option<String> {
        let has_items = self.config.data.has_format(crate::config::DataFormat::RustDocs);
        let id = match &self.dataset.sources {
            Some(_) => id.split_once('/').map_or(id, |(_, id)| id),
            None => id,
        };
        let item = rust_docs::ItemId::parse(id).filter(|_| has_items)?;
        Some(format!("{}  ({} {})", item.path, item.package, item.version))
    }

    /// A build without the reader of doc comments does not know their ids.
    #[cfg(not(feature = "rust-docs"))]
    fn item_title(&self, _id: &str) -> Option<String> {
        None
    }
}
