use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::EmbedError;

/// Which half of a pair a text is; the two may have different token limits.
///
/// # Examples
/// ```
/// assert_eq!(serde_json::to_string(&embed::Side::Query)?, "\"query\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The half that asks.
    Query,
    /// The half that answers.
    Passage,
}

/// Turns texts into unit vectors.
///
/// Implementations: [`NeuralEmbedder`](crate::NeuralEmbedder) over a BERT or a static token table, and
/// [`Lexical`](crate::Lexical). A text's vector depends on that text and its [`Side`] alone, never on the texts beside it.
///
/// # Examples
/// ```
/// use embed::{Embedder, LexicalConfig, Side};
///
/// let texts = ["spherical k-means", "k-means clustering", "apple pie"];
/// let lexical: Box<dyn Embedder> = Box::new(LexicalConfig::default().with_dim(64).fit(&texts)?);
/// let rows = lexical.embed(&texts, Side::Passage)?;
/// assert_eq!(rows.dim(), (3, 64));
/// assert!(rows.row(0).dot(&rows.row(1)) > rows.row(0).dot(&rows.row(2)));
/// # Ok::<(), embed::EmbedError>(())
/// ```
pub trait Embedder: Send + Sync {
    /// Length of every vector.
    fn dim(&self) -> usize;

    /// Unit rows `[texts.len(), dim]`; `on_rows` is told, from time to time, how many of them are done.
    ///
    /// # Errors
    /// A text that cannot be tokenized, or a vector that is not finite.
    fn embed_with(&self, texts: &[&str], side: Side, on_rows: &mut dyn FnMut(usize))
    -> Result<Array2<f32>, EmbedError>;

    /// Of how many texts so far the end was left out, as they were longer than a limit.
    fn cut_texts(&self) -> u64 {
        0
    }

    /// Unit rows `[texts.len(), dim]`.
    ///
    /// # Errors
    /// As [`embed_with`](Embedder::embed_with).
    fn embed(&self, texts: &[&str], side: Side) -> Result<Array2<f32>, EmbedError> {
        self.embed_with(texts, side, &mut |_| {})
    }
}
