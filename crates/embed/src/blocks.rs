//! Texts embedded some at a time, for corpora whose vectors memory does not hold.

use std::io;
use std::path::Path;

use ndarray::Array2;
use vectors::{ArrayWriter, replace_file};

use crate::{EmbedError, Embedder, Side};

/// Texts that are tokenized, sorted by length and embedded together.
pub(crate) const BLOCK: usize = 16_384;

/// Embeds texts in blocks of 16,384 and gives `each` the unit rows of one block after another, `[texts of the block, dim]`.
///
/// The rows are those of [`Embedder::embed`].
///
/// # Errors
/// Those of [`Embedder::embed_with`], with the text's number among all, and those of `each`.
///
/// # Examples
/// ```
/// use embed::{EmbedError, Embedder, LexicalConfig, Side, embed_blocks};
///
/// let texts = ["spherical k-means", "apple pie"];
/// let lexical = LexicalConfig::default().fit(&texts)?;
/// let mut largest = 0.0_f32;
/// embed_blocks(&lexical, &texts, Side::Passage, &mut |_| (), |rows| {
///     largest = rows.iter().fold(largest, |largest, value| largest.max(*value));
///     Ok::<(), EmbedError>(())
/// })?;
/// assert!(largest > 0.0 && largest <= 1.0);
/// # Ok::<(), EmbedError>(())
/// ```
pub fn embed_blocks<E: From<EmbedError>>(
    embedder: &(impl Embedder + ?Sized),
    texts: &[&str],
    side: Side,
    on_rows: &mut dyn FnMut(usize),
    mut each: impl FnMut(Array2<f32>) -> Result<(), E>,
) -> Result<(), E> {
    for (block, part) in texts.chunks(BLOCK).enumerate() {
        let start = block * BLOCK;
        let rows = embedder.embed_with(part, side, &mut |done| on_rows(start + done));
        each(rows.map_err(|error| error.counted_from(start))?)?;
    }
    Ok(())
}

/// Embeds texts into a `.npy` file of f32, `[texts.len(), dim]`, which appears as a whole; beside the texts one block of rows
/// is in memory.
///
/// # Errors
/// Those of [`Embedder::embed_with`], and [`EmbedError::Write`].
///
/// # Examples
/// ```
/// use embed::{Embedder, LexicalConfig, Side, embed_to_npy};
///
/// let texts = ["spherical k-means", "apple pie"];
/// let lexical = LexicalConfig::default().fit(&texts)?;
/// let path = std::env::temp_dir().join("embed-to-npy.npy");
/// embed_to_npy(&lexical, &texts, Side::Passage, &path, &mut |_| ())?;
/// let rows = vectors::NpyVectors::open(&path).unwrap();
/// assert_eq!(rows.array().unwrap(), lexical.embed(&texts, Side::Passage)?);
/// # Ok::<(), embed::EmbedError>(())
/// ```
pub fn embed_to_npy(
    embedder: &(impl Embedder + ?Sized),
    texts: &[&str],
    side: Side,
    path: &Path,
    on_rows: &mut dyn FnMut(usize),
) -> Result<(), EmbedError> {
    let written = replace_file(path, |out| {
        let mut writer = ArrayWriter::new(out, &[texts.len(), embedder.dim()])?;
        embed_blocks(embedder, texts, side, on_rows, |rows| writer.write_rows(rows.view()))?;
        writer.finish()
    });
    written.map_err(|error| EmbedError::of_writing(path, error))
}

/// For code that embeds while it writes; [`EmbedError::of_writing`] finds the error again.
impl From<EmbedError> for io::Error {
    fn from(error: EmbedError) -> Self {
        Self::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that tell their text and how many were embedded with it.
    struct Counting;

    impl Embedder for Counting {
        fn dim(&self) -> usize {
            2
        }

        fn embed_with(
            &self,
            texts: &[&str],
            _: Side,
            on_rows: &mut dyn FnMut(usize),
        ) -> Result<Array2<f32>, EmbedError> {
            if let Some(index) = texts.iter().position(|text| *text == "bad") {
                return Err(EmbedError::NotFinite { index });
            }
            on_rows(texts.len());
            Ok(Array2::from_shape_fn((texts.len(), 2), |(row, column)| if column == 0 { row as f32 } else { 1.0 }))
        }
    }

    #[test]
    fn blocks_come_in_order_and_are_counted_from_the_first_text() {
        let texts = vec!["text"; BLOCK + 3];
        let (mut seen, mut sizes) = (Vec::new(), Vec::new());
        embed_blocks(&Counting, &texts, Side::Query, &mut |done| seen.push(done), |rows| {
            sizes.push(rows.nrows());
            Ok::<(), EmbedError>(())
        })
        .unwrap();
        assert_eq!((seen, sizes), (vec![BLOCK, BLOCK + 3], vec![BLOCK, 3]));
    }

    #[test]
    fn an_error_names_the_text_among_all_and_leaves_no_file() {
        let mut texts = vec!["text"; BLOCK + 3];
        texts[BLOCK + 1] = "bad";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.npy");
        let error = embed_to_npy(&Counting, &texts, Side::Query, &path, &mut |_| ()).unwrap_err();
        assert!(matches!(error, EmbedError::NotFinite { index } if index == BLOCK + 1), "{error:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let path = Path::new("no/such/folder/rows.npy");
        let error = embed_to_npy(&Counting, &["text"], Side::Query, path, &mut |_| ()).unwrap_err();
        assert!(matches!(&error, EmbedError::Write { path: named, .. } if named == path), "{error:?}");
    }
}
