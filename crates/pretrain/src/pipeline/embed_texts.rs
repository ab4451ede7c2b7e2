//! Stages `embed`: one unit row for each distinct text that is trained on, by the clustering embedder; and, where it is judged itself, for each passage.

use std::path::{Path, PathBuf};

use burn::tensor::backend::{AutodiffBackend, Backend};
use embed::{Embedder, Side};
use ndarray::Axis;
use vectors::{ArrayWriter, NpyVectors, replace_file};

use super::Pipeline;
use super::vector_cache::VectorCache;
use crate::config::{EmbedderConfig, EmbedderKind};
use crate::error::{PretrainError, Result};
use crate::parts::Parts;
use crate::rows::{as_array, embed_to_file, embed_to_scratch, select};
use crate::run_folder::VERSION;
use crate::text_vectors::TextVectors;

/// The rows of one side in a run's folder, and which texts they are of.
pub(super) struct StoredVectors {
    pub(super) file: NpyVectors,
    path: PathBuf,
    /// Ascending; `None`: all texts.
    texts: Option<Vec<u32>>,
}

impl StoredVectors {
    pub(super) fn by_text(&self) -> Result<TextVectors<'_>> {
        let rows = as_array(&self.file, &self.path)?;
        Ok(match &self.texts {
            None => TextVectors::all(rows),
            Some(texts) => TextVectors::of(rows, texts),
        })
    }

    /// The rows of texts that are trained on, one after another: the file itself where these are all of its rows in order.
    pub(super) fn select(self, texts: &[u32], scratch: &Path) -> Result<NpyVectors> {
        let places: Vec<u32> = texts.iter().map(|&text| self.place(text)).collect();
        select(self.file, &places, scratch)
    }

    /// The row of a text that is trained on.
    ///
    /// # Panics
    /// If the text is not trained on.
    pub(super) fn place(&self, text: u32) -> u32 {
        match &self.texts {
            None => text,
            Some(texts) => texts.binary_search(&text).expect("a text that is trained on") as u32,
        }
    }
}

/// Makes the vectors of so many texts at `path` by `make`, unless the cache has them, which else has them from now on.
fn through(
    cache: Option<&VectorCache<'_>>,
    path: &Path,
    texts: usize,
    make: impl FnOnce() -> Result<()>,
) -> Result<()> {
    if cache.is_some_and(|cache| cache.take(path, texts)) {
        return Ok(());
    }
    make()?;
    if let Some(cache) = cache {
        cache.keep(path);
    }
    Ok(())
}

impl<B: AutodiffBackend, P: Parts<B>> Pipeline<B, P> {
    /// Embeds every distinct query and passage of the training pairs and their negatives; all texts where nothing is trained.
    ///
    /// # Errors
    /// The embedder cannot be read, or gives a vector that is not finite.
    pub fn embed(&self) -> Result<()> {
        self.run.stage(&self.embed_stage()?, || {
            let (cache, mut embedder) = (self.vector_cache()?, None);
            for side in [Side::Passage, Side::Query] {
                let texts = match self.trained_texts(side) {
                    None => self.texts(side),
                    Some(trained) => self.some_texts(side, &trained),
                };
                let path = self.embeddings(side);
                through(cache.as_ref(), &path, texts.len(), || {
                    let embedder = match &mut embedder {
                        Some(embedder) => embedder,
                        none => none.insert(self.clustering_embedder()?),
                    };
                    embed_to_file(&**embedder, &texts, side, &path)
                })?;
            }
            Ok(())
        })
    }

    /// The cache's vectors that are made as this run's are: by its stage `embed`, this program and this kind of device.
    fn vector_cache(&self) -> Result<Option<VectorCache<'_>>> {
        let EmbedderConfig { kind, cache: Some(folder), .. } = &self.config.embedder else { return Ok(None) };
        let program = format!("{} {VERSION}", env!("CARGO_PKG_VERSION"));
        let stage = self.embed_stage()?.with_settings("program", &program)?;
        let mut stage = stage.with_settings("device", &B::InnerBackend::name(&self.device))?;
        if *kind != EmbedderKind::Lexical {
            // Its hash is read, wherever it is.
            stage = stage.with_settings("embedder.path", &"")?;
        }
        Ok(Some(VectorCache::new(&self.run, folder.join(self.run.identity(&stage)?))))
    }

    /// The embedder that `[embedder]` names.
    pub(super) fn clustering_embedder(&self) -> Result<Box<dyn Embedder>> {
        let config = self.models.embedder(&self.config.embedder);
        Ok(self.parts.embedder(&config, &self.passage_texts(), &self.device)?)
    }

    /// The stored rows of one side.
    pub(super) fn vectors(&self, side: Side) -> Result<StoredVectors> {
        self.run.require(&self.embed_stage()?)?;
        let path = self.embeddings(side);
        Ok(StoredVectors { file: NpyVectors::open(&path)?, path, texts: self.trained_texts(side) })
    }

    /// The clustering embedder, and where its row of each passage is, trained on or not, after what lacks was embedded.
    pub(super) fn embedder_of_corpus(&self) -> Result<(Box<dyn Embedder>, PathBuf)> {
        let embedder = self.clustering_embedder()?;
        let path = self.embed_corpus(&*embedder)?;
        Ok((embedder, path))
    }

    fn embed_corpus(&self, embedder: &dyn Embedder) -> Result<PathBuf> {
        let side = Side::Passage;
        let Some(trained) = self.trained_texts(side) else {
            self.run.require(&self.embed_stage()?)?;
            return Ok(self.embeddings(side));
        };
        let path = self.corpus_embeddings();
        self.run.stage(&self.embed_corpus_stage()?, || {
            through(self.vector_cache()?.as_ref(), &path, self.dataset.passages.len(), || {
                let passages = 0..self.dataset.passages.len() as u32;
                let others: Vec<u32> =
                    passages.clone().filter(|passage| trained.binary_search(passage).is_err()).collect();
                let scratch = self.run.root();
                let made = embed_to_scratch(embedder, &self.some_texts(side, &others), side, scratch)?;
                let found = self.vectors(side)?;
                let (found, made) = (found.by_text()?, TextVectors::of(as_array(&made, scratch)?, &others));
                let written = replace_file(&path, |out| {
                    let mut out = ArrayWriter::new(out, &[passages.len(), made.dim()])?;
                    for passage in passages {
                        let row = found.row(passage).or_else(|| made.row(passage)).expect("a row of either");
                        out.write_rows(row.insert_axis(Axis(0)))?;
                    }
                    out.finish()
                });
                written.map_err(|source| PretrainError::io(&path, source))
            })
        })?;
        Ok(path)
    }

    pub(super) fn embeddings(&self, side: Side) -> PathBuf {
        self.run.file(match side {
            Side::Query => "embeddings/query.npy",
            Side::Passage => "embeddings/passage.npy",
        })
    }

    pub(super) fn corpus_embeddings(&self) -> PathBuf {
        self.run.file("embeddings/corpus.npy")
    }

    /// The texts of one side that training sees, ascending; `None`: all.
    fn trained_texts(&self, side: Side) -> Option<Vec<u32>> {
        let (train, negatives) = (&self.dataset.train, &self.dataset.negatives);
        let count = match side {
            Side::Query => self.dataset.queries.len(),
            Side::Passage => self.dataset.passages.len(),
        };
        let mut is_trained = vec![train.is_empty(); count];
        for (index, pair) in (0..).zip(train) {
            match side {
                Side::Query => is_trained[pair.query as usize] = true,
                Side::Passage => {
                    is_trained[pair.passage as usize] = true;
                    negatives.of(index).iter().for_each(|&passage| is_trained[passage as usize] = true);
                }
            }
        }
        let trained: Vec<u32> = (0..).zip(is_trained).filter(|&(_, is)| is).map(|(text, _)| text).collect();
        (trained.len() < count).then_some(trained)
    }

    fn texts(&self, side: Side) -> Vec<&str> {
        match side {
            Side::Query => self.query_texts(),
            Side::Passage => self.passage_texts(),
        }
    }

    fn some_texts(&self, side: Side, texts: &[u32]) -> Vec<&str> {
        let all = match side {
            Side::Query => &self.dataset.queries,
            Side::Passage => &self.dataset.passages,
        };
        texts.iter().map(|&text| all.text(text)).collect()
    }
}
