//! A trained model asked a question.

use burn::tensor::backend::AutodiffBackend;
use embed::{Embedder, Side};
use ndarray::Array2;
use retrieval_eval::{ExactSearcher, Searcher};

use super::Pipeline;
use crate::error::Result;
use crate::files::read_rows;
use crate::run_folder::Member;

/// A trained model with the vectors of every passage.
pub struct Index {
    embedder: Box<dyn Embedder>,
    passages: Array2<f32>,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The passage's id in the data.
    pub id: String,
    /// The passage.
    pub text: String,
    /// The cosine of query and passage.
    pub score: f32,
}

impl<B: AutodiffBackend> Pipeline<B> {
    /// The index of a trained and evaluated member; of the clustering embedder where the data has no training pairs.
    ///
    /// # Errors
    /// The member is not trained or not evaluated yet.
    pub fn index(&self, member: Member<'_>) -> Result<Index> {
        if self.trained_members().is_empty() {
            return Ok(Index { embedder: self.clustering_embedder()?, passages: self.vectors(Side::Passage)? });
        }
        self.run.require(&self.evaluate_stage(member)?)?;
        let passages = read_rows(&self.run.member(member).join("passages.npy"))?;
        Ok(Index { embedder: self.trained(member)?, passages })
    }

    /// The `k` passages nearest to `query`, best first.
    ///
    /// # Errors
    /// The query cannot be embedded.
    pub fn search(&self, index: &Index, query: &str, k: usize) -> Result<Vec<Found>> {
        let row = index.embedder.embed(&[query], Side::Query)?;
        let hits = ExactSearcher::new(index.passages.view())?.search(row.view(), k)?;
        let found = hits.into_iter().flatten().map(|hit| {
            let passage = &self.dataset.passages[hit.index as usize];
            Found { id: passage.id.clone(), text: passage.text.clone(), score: hit.score }
        });
        Ok(found.collect())
    }
}
