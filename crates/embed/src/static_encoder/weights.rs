use std::path::Path;

use burn::tensor::backend::Backend;

use super::StaticEncoder;
use crate::weights::{WeightFile, WeightWriter, Weights, param};
use crate::{EmbedError, bert};

const SENTENCE_TRANSFORMERS: &str = "embedding.weight";
const MODEL2VEC: &str = "embeddings";
/// Of a model2vec file: the row of each token, and the factor of each token.
const MAPPING: &str = "mapping";
const FACTORS: &str = "weights";

impl<B: Backend> StaticEncoder<B> {
    /// An encoder whose table is the tensor of a folder's `model.safetensors`: `embedding.weight` of sentence-transformers, `embeddings` of
    /// model2vec, or the word embeddings of a BERT or a relative.
    ///
    /// The optional tensors of a model2vec file with a quantized vocabulary are applied: `mapping`, the row of each token, and `weights`,
    /// its factor.
    ///
    /// # Errors
    /// A file that is missing or truncated; [`EmbedError::MissingTensor`] if it has none of these tensors;
    /// [`EmbedError::OutOfRange`] if `mapping` names a row that is not there.
    pub fn from_folder(folder: impl AsRef<Path>, device: &B::Device) -> Result<Self, EmbedError> {
        let folder = folder.as_ref();
        let inner = folder.join("0_StaticEmbedding");
        let file = WeightFile::read(if inner.is_dir() { &inner } else { folder }, "model.safetensors")?;
        let weights = file.tensors(&bert::WORDS)?;
        let mut known = [SENTENCE_TRANSFORMERS, MODEL2VEC].into_iter().chain(bert::WORDS.map(|(_, name)| name));
        let name = known.find(|name| weights.has(name)).unwrap_or(SENTENCE_TRANSFORMERS);
        let shape = weights.matrix_shape(name)?;
        let mut table = Table { values: weights.values(name, &shape)?, dim: shape[1] };
        if name == MODEL2VEC {
            table = table.mapped(&weights)?.scaled(&weights)?;
        }
        let shape = [table.rows(), table.dim];
        Ok(StaticEncoder { table: param(table.values, shape, device) })
    }

    pub(crate) fn weight_writer(&self) -> WeightWriter {
        let mut writer = WeightWriter::default();
        writer.add(SENTENCE_TRANSFORMERS, self.table.val());
        writer
    }
}

/// Rows of length `dim`, one after another.
struct Table {
    values: Vec<f32>,
    dim: usize,
}

impl Table {
    fn rows(&self) -> usize {
        self.values.len() / self.dim.max(1)
    }

    /// A row for each token, where several tokens share one.
    fn mapped(self, weights: &Weights<'_>) -> Result<Self, EmbedError> {
        if !weights.has(MAPPING) {
            return Ok(self);
        }
        let mut values = Vec::new();
        for row in weights.integers(MAPPING)? {
            let start =
                usize::try_from(row).ok().filter(|&row| row < self.rows()).ok_or_else(|| EmbedError::OutOfRange {
                    path: Some(weights.path().into()),
                    key: MAPPING.into(),
                    value: row.to_string(),
                    range: format!("below {}, the rows of `{MODEL2VEC}`", self.rows()),
                })? * self.dim;
            values.extend_from_slice(&self.values[start..start + self.dim]);
        }
        Ok(Table { values, dim: self.dim })
    }

    fn scaled(mut self, weights: &Weights<'_>) -> Result<Self, EmbedError> {
        if weights.has(FACTORS) {
            let factors = weights.values(FACTORS, &[self.rows()])?;
            for (row, factor) in self.values.chunks_exact_mut(self.dim.max(1)).zip(factors) {
                row.iter_mut().for_each(|value| *value *= factor);
            }
        }
        Ok(self)
    }
}
