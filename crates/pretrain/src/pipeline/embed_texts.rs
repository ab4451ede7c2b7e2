//! Stage `embed`: one unit row for each distinct text, by the clustering embedder.

use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::backend::AutodiffBackend;
use embed::{Embedder, FolderOptions, LexicalConfig, Side, load_embedder};
use ndarray::Array2;

use super::Pipeline;
use crate::config::EmbedderKind;
use crate::error::Result;
use crate::files::{read_rows, write_rows};
use crate::progress::{bar, count, duration, megabytes};

/// Texts that are embedded to foretell how long all will take.
const TRIAL: usize = 64;

impl<B: AutodiffBackend> Pipeline<B> {
    /// Embeds every distinct query and passage.
    ///
    /// # Errors
    /// The embedder cannot be read, or gives a vector that is not finite.
    pub fn embed(&self) -> Result<()> {
        self.run.stage(&self.embed_stage()?, || {
            let embedder = self.clustering_embedder()?;
            for side in [Side::Passage, Side::Query] {
                let rows = embed_all(&*embedder, &self.texts(side), side)?;
                write_rows(&self.embeddings(side), rows.view())?;
            }
            Ok(())
        })
    }

    /// The embedder that `[embedder]` names.
    pub(super) fn clustering_embedder(&self) -> Result<Box<dyn Embedder>> {
        let config = &self.config.embedder;
        let limit = |tokens: usize| (tokens > 0).then_some(tokens);
        match config.kind {
            EmbedderKind::Lexical => {
                let lexical = LexicalConfig::default().with_dim(config.dim).fit(&self.passage_texts())?;
                Ok(Box::new(lexical))
            }
            EmbedderKind::Bert | EmbedderKind::Static => {
                let mut options = FolderOptions::default();
                options.query_tokens = limit(config.max_query_tokens);
                options.passage_tokens = limit(config.max_passage_tokens);
                options.query_prompt.clone_from(&config.query_prompt);
                options.passage_prompt.clone_from(&config.passage_prompt);
                Ok(load_embedder::<B::InnerBackend>(&config.path, &options, &self.device)?)
            }
        }
    }

    /// The stored rows of one side, one for each distinct text of the data.
    pub(super) fn vectors(&self, side: Side) -> Result<Array2<f32>> {
        self.run.require(&self.embed_stage()?)?;
        read_rows(&self.embeddings(side))
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

/// One unit row a text, with a forecast and a progress bar.
pub(crate) fn embed_all(embedder: &dyn Embedder, texts: &[&str], side: Side) -> Result<Array2<f32>> {
    let what = match side {
        Side::Query => "queries",
        Side::Passage => "passages",
    };
    forecast(embedder, texts, side, what)?;
    let bar = bar(texts.len() as u64, &format!("embed {what}"));
    let rows = embedder.embed_with(texts, side, &mut |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    Ok(rows)
}

/// Says how long and how large a stage will be, from a spread of a few texts.
fn forecast(embedder: &dyn Embedder, texts: &[&str], side: Side, what: &str) -> Result<()> {
    if texts.len() < 16 * TRIAL {
        return Ok(());
    }
    let trial: Vec<&str> = texts.iter().step_by(texts.len() / TRIAL).copied().collect();
    let start = Instant::now();
    embedder.embed(&trial, side)?;
    let seconds = start.elapsed().as_secs_f64() / trial.len() as f64 * texts.len() as f64;
    let bytes = megabytes(4 * texts.len() * embedder.dim());
    tracing::info!("embed: {} {what}, about {}, {bytes}", count(texts.len()), duration(seconds));
    Ok(())
}
