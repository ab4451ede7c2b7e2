//! Stage `embed`: one unit row for each distinct text, by the clustering embedder.

use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use embed::{Embedder, Side};
use vectors::NpyVectors;

use super::Pipeline;
use crate::error::Result;
use crate::parts::Parts;
use crate::rows::embed_to_file;

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Embeds every distinct query and passage.
    ///
    /// # Errors
    /// The embedder cannot be read, or gives a vector that is not finite.
    pub fn embed(&self) -> Result<()> {
        self.run.stage(&self.embed_stage()?, || {
            let embedder = self.clustering_embedder()?;
            for side in [Side::Passage, Side::Query] {
                embed_to_file(&*embedder, &self.texts(side), side, &self.embeddings(side))?;
            }
            Ok(())
        })
    }

    /// The embedder that `[embedder]` names.
    pub(super) fn clustering_embedder(&self) -> Result<Box<dyn Embedder>> {
        Ok(self.parts.embedder(&self.config.embedder, &self.passage_texts(), &self.device)?)
    }

    /// The stored rows of one side, one for each distinct text of the data.
    pub(super) fn vectors(&self, side: Side) -> Result<NpyVectors> {
        self.run.require(&self.embed_stage()?)?;
        Ok(NpyVectors::open(&self.embeddings(side))?)
    }

    pub(super) fn embeddings(&self, side: Side) -> PathBuf {
        self.run.file(match side {
            Side::Query => "embeddings/query.npy",
            Side::Passage => "embeddings/passage.npy",
        })
    }

    fn texts(&self, side: Side) -> Vec<&str> {
        match side {
            Side::Query => self.query_texts(),
            Side::Passage => self.passage_texts(),
        }
    }
}
