//! Rows that a run makes and reads, which memory may not hold: on the run's disk, mapped.

use std::io;
use std::path::Path;

use embed::{EmbedError, Embedder, Side, embed_blocks, embed_to_npy};
use ndarray::ArrayView2;
use vectors::{NpyVectors, Vectors, VectorsError};

use crate::error::{PretrainError, Result};
use crate::files::make_folder_of;
use crate::progress::{bar, count, duration, megabytes};

/// Rows of at most so many bytes are taken to fit in memory beside all else, so that k-means may spend as much again on time.
/// The same on every machine: with more, sums are made in another order, which can change a last digit.
const FITS: usize = 1 << 30;

/// Texts that are embedded to foretell how long all will take.
const TRIAL: usize = 64;

/// The rows of a file as k-means is to take them.
pub(crate) fn as_vectors(file: &NpyVectors) -> Vectors<'_> {
    let bytes = file.len().saturating_mul(file.dim()).saturating_mul(size_of::<f32>());
    file.vectors().with_may_exceed_memory(bytes > FITS)
}

/// The rows of a file that a run wrote, which are f32.
///
/// # Errors
/// [`VectorsError::ArrayType`].
pub(crate) fn as_array<'a>(file: &'a NpyVectors, path: &Path) -> Result<ArrayView2<'a, f32>> {
    let other = || VectorsError::ArrayType { path: path.to_owned(), found: "'<f2'".to_owned(), expected: "'<f4'" };
    Ok(file.array().ok_or_else(other)?)
}

/// The rows at `items`, one after another: the file itself where these are all of its rows in order, else a copy in a file of
/// `scratch` that has no name.
pub(crate) fn select(file: NpyVectors, items: &[u32], scratch: &Path) -> Result<NpyVectors> {
    let whole = items.len() == file.len() && items.iter().copied().eq(0..file.len() as u32);
    if whole {
        return Ok(file);
    }
    let rows = as_array(&file, scratch)?;
    let copied = NpyVectors::scratch(scratch, (items.len(), file.dim()), |out| {
        items.iter().try_for_each(|&item| out.write_rows(rows.slice(ndarray::s![item as usize..=item as usize, ..])))
    });
    copied.map_err(|source| PretrainError::io(scratch, source))
}

/// Embeds texts into a file, with a forecast and a progress bar.
pub(crate) fn embed_to_file(embedder: &dyn Embedder, texts: &[&str], side: Side, path: &Path) -> Result<()> {
    make_folder_of(path)?;
    forecast(embedder, texts, side)?;
    let bar = bar(texts.len() as u64, &format!("embed {}", name(side)));
    embed_to_npy(embedder, texts, side, path, &mut |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    Ok(())
}

/// Embeds texts into a file of `scratch` that has no name, with a forecast and a progress bar.
pub(crate) fn embed_to_scratch(
    embedder: &dyn Embedder,
    texts: &[&str],
    side: Side,
    scratch: &Path,
) -> Result<NpyVectors> {
    forecast(embedder, texts, side)?;
    let bar = bar(texts.len() as u64, &format!("embed {}", name(side)));
    let rows = embed_quietly(embedder, texts, side, scratch, &mut |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    Ok(rows)
}

/// [`embed_to_scratch`] without a word.
pub(crate) fn embed_quietly(
    embedder: &dyn Embedder,
    texts: &[&str],
    side: Side,
    scratch: &Path,
    on_rows: &mut dyn FnMut(usize),
) -> Result<NpyVectors> {
    let rows = NpyVectors::scratch(scratch, (texts.len(), embedder.dim()), |out| {
        embed_blocks(embedder, texts, side, on_rows, |rows| out.write_rows(rows.view()))
    });
    rows.map_err(|error: io::Error| EmbedError::of_writing(scratch, error).into())
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Query => "queries",
        Side::Passage => "passages",
    }
}

/// Says how long and how large a stage will be, from a spread of a few texts.
fn forecast(embedder: &dyn Embedder, texts: &[&str], side: Side) -> Result<()> {
    if texts.len() < 16 * TRIAL {
        return Ok(());
    }
    let trial: Vec<&str> = texts.iter().step_by(texts.len() / TRIAL).copied().collect();
    let start = std::time::Instant::now();
    embedder.embed(&trial, side)?;
    let seconds = start.elapsed().as_secs_f64() / trial.len() as f64 * texts.len() as f64;
    let bytes = megabytes(4 * texts.len() * embedder.dim());
    tracing::info!("embed: {} {}, about {}, {bytes}", count(texts.len()), name(side), duration(seconds));
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn selected_rows_are_a_copy_unless_they_are_all() {
        let folder = tempfile::tempdir().unwrap();
        let file = || {
            let values = [1.0, 0.0, 0.6, 0.8, 0.0, 1.0];
            NpyVectors::scratch(folder.path(), (3, 2), |out| out.write(&values)).unwrap()
        };
        let selected = |items: &[u32]| select(file(), items, folder.path()).unwrap().array().unwrap().to_owned();
        assert_eq!(selected(&[2, 0, 2]), array![[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]);
        assert_eq!(selected(&[0, 1, 2]), file().array().unwrap());
        assert_eq!(selected(&[]).dim(), (0, 2));
        let nowhere = Path::new("no/such/folder");
        assert!(select(file(), &[0, 1, 2], nowhere).is_ok() && select(file(), &[1], nowhere).is_err());
    }
}
