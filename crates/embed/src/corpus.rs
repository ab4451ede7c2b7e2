//! Vectors of a stream of texts, in a file that goes on where it was interrupted.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use burn::tensor::f16;
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use vectors::{ArrayWriter, sync_folder};

use crate::{EmbedError, Embedder, Side};

/// Texts that are embedded, and lost where that is interrupted, together.
const BLOCK: usize = 4096;

/// Bytes before the rows: those of the header of any array of two dimensions.
const HEADER: u64 = 128;

/// Of the journal's form.
const FORMAT: u32 = 1;

/// What a [`CorpusFile`] holds.
///
/// # Examples
/// ```
/// let options = embed::CorpusOptions::new("model-a", embed::Side::Passage).with_f16(true);
/// assert!(options.f16);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusOptions {
    /// What tells the embedder and its settings from every other, such as a [hash of its folder](crate::folder_hash): a file that another began is begun
    /// again.
    pub model: String,
    /// Which half of a pair the texts are.
    pub side: Side,
    /// Half precision instead of f32.
    pub f16: bool,
}

impl CorpusOptions {
    /// Of f32.
    pub fn new(model: impl Into<String>, side: Side) -> Self {
        Self { model: model.into(), side, f16: false }
    }

    /// Sets whether values are in half precision.
    pub fn with_f16(mut self, f16: bool) -> Self {
        self.f16 = f16;
        self
    }
}

/// A `.npy` file of unit rows, `[texts, dim]`, that is written while its texts come: 4,096 of them and their rows are in memory.
///
/// Until the last the rows are in `X.npy.partial`, and `X.npy.partial.jsonl` says of each block of them which texts it is of. Where a process ends before,
/// the next that writes the file embeds from the first block on that is missing, or of other texts; with one processor and the same program the file is the
/// same to the last byte.
///
/// # Examples
/// ```
/// use embed::{CorpusFile, CorpusOptions, LexicalConfig, Side};
///
/// let texts = ["spherical k-means", "apple pie"];
/// let lexical = LexicalConfig::default().fit(&texts)?;
/// let path = std::env::temp_dir().join("embed-corpus.npy");
/// let options = CorpusOptions::new("lexical", Side::Passage);
/// let mut file = CorpusFile::open(&path, &lexical, &options, |_| ())?;
/// for text in texts {
///     file.push(text)?;
/// }
/// assert_eq!(file.finish()?.texts, 2);
/// assert_eq!(vectors::NpyVectors::open(&path).unwrap().len(), 2);
/// # Ok::<(), embed::EmbedError>(())
/// ```
pub struct CorpusFile<'a> {
    embedder: &'a dyn Embedder,
    options: CorpusOptions,
    path: PathBuf,
    partial: PathBuf,
    rows: File,
    journal: File,
    /// Blocks of an earlier process that may be those that come.
    known: VecDeque<Block>,
    /// Bytes of the journal up to the last of its blocks that was met.
    met: u64,
    texts: Vec<String>,
    written: Written,
    on_rows: Box<dyn FnMut(u64) + 'a>,
}

/// What a [`CorpusFile`] came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Rows.
    pub texts: u64,
    /// Of them those that an earlier process wrote.
    pub found: u64,
    /// Texts that were longer than the embedder's limit, whose end was left out, as the embedder counts them.
    pub cut: u64,
}

/// The first line of the journal.
#[derive(PartialEq, Serialize, Deserialize)]
struct Head {
    format: u32,
    dim: usize,
    block: usize,
    #[serde(flatten)]
    options: CorpusOptions,
}

/// Every other line of the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Block {
    texts: u64,
    cut: u64,
    hash: String,
    /// Where its line ends.
    #[serde(skip)]
    end: u64,
}

impl<'a> CorpusFile<'a> {
    /// Begins a file, or goes on with it; `on_rows` is told, from time to time, how many rows there are.
    ///
    /// # Errors
    /// [`EmbedError::Write`] if the files cannot be written, or another process writes them.
    pub fn open(
        path: &Path,
        embedder: &'a dyn Embedder,
        options: &CorpusOptions,
        on_rows: impl FnMut(u64) + 'a,
    ) -> Result<Self, EmbedError> {
        let beside = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let (partial, journal) = (beside(".partial"), beside(".partial.jsonl"));
        let head = Head { format: FORMAT, dim: embedder.dim(), block: BLOCK, options: options.clone() };
        let opened = open(&partial, &journal, &head);
        let (rows, journal, known, met) =
            opened.map_err(|source| EmbedError::Write { path: partial.clone(), source })?;
        Ok(Self {
            embedder,
            options: options.clone(),
            path: path.to_owned(),
            partial,
            rows,
            journal,
            known,
            met,
            texts: Vec::with_capacity(BLOCK),
            written: Written::default(),
            on_rows: Box::new(on_rows),
        })
    }

    /// Takes the next text.
    ///
    /// # Errors
    /// Those of [`Embedder::embed_with`], with the text's number among all, and [`EmbedError::Write`]; what was written before stays for another process.
    pub fn push(&mut self, text: &str) -> Result<(), EmbedError> {
        self.texts.push(text.to_owned());
        if self.texts.len() >= BLOCK { self.block() } else { Ok(()) }
    }

    /// Gives the file its name, after the rows of the last texts.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(mut self) -> Result<Written, EmbedError> {
        if !self.texts.is_empty() {
            self.block()?;
        }
        let done = self.end();
        done.map_err(|source| EmbedError::Write { path: self.path.clone(), source })?;
        Ok(self.written)
    }

    fn end(&mut self) -> io::Result<()> {
        let shape = [self.written.texts as usize, self.embedder.dim()];
        let mut header = Vec::new();
        if self.options.f16 {
            ArrayWriter::<f16, _>::new(&mut header, &shape)?;
        } else {
            ArrayWriter::<f32, _>::new(&mut header, &shape)?;
        }
        assert_eq!(header.len() as u64, HEADER, "a header of two dimensions");
        self.rows.seek(SeekFrom::Start(0))?;
        self.rows.write_all(&header)?;
        self.rows.set_len(HEADER + self.bytes(self.written.texts))?;
        self.rows.sync_all()?;
        std::fs::rename(&self.partial, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync_folder(folder)?;
        // Without rows beside it a journal means nothing.
        let mut journal = self.partial.clone().into_os_string();
        journal.push(".jsonl");
        match std::fs::remove_file(journal) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => sync_folder(folder),
        }
    }

    /// Of so many rows.
    fn bytes(&self, rows: u64) -> u64 {
        let value = if self.options.f16 { size_of::<f16>() } else { size_of::<f32>() };
        rows * (self.embedder.dim() * value) as u64
    }

    /// The rows of the texts that have come, read over or embedded.
    fn block(&mut self) -> Result<(), EmbedError> {
        let hash = hash(&self.texts);
        let texts = self.texts.len() as u64;
        if let Some(block) = self.known.pop_front() {
            if (block.texts, &block.hash) == (texts, &hash) {
                self.written.texts += texts;
                self.written.found += texts;
                self.written.cut += block.cut;
                self.met = block.end;
                (self.on_rows)(self.written.texts);
                self.texts.clear();
                return Ok(());
            }
            self.known.clear();
        }
        let (before, start) = (self.embedder.cut_texts(), self.written.texts);
        let refs: Vec<&str> = self.texts.iter().map(String::as_str).collect();
        let on_rows = &mut self.on_rows;
        let rows = self.embedder.embed_with(&refs, self.options.side, &mut |done| on_rows(start + done as u64));
        let rows = rows.map_err(|error| error.counted_from(start as usize))?;
        let cut = self.embedder.cut_texts() - before;
        let block = Block { texts, cut, hash, end: 0 };
        self.append(&rows, &block).map_err(|source| EmbedError::Write { path: self.partial.clone(), source })?;
        self.written.texts += texts;
        self.written.cut += cut;
        self.texts.clear();
        Ok(())
    }

    /// The rows are on the disk before the journal knows of them.
    fn append(&mut self, rows: &Array2<f32>, block: &Block) -> io::Result<()> {
        let start = HEADER + self.bytes(self.written.texts);
        if self.journal.metadata()?.len() > self.met {
            // On the disk too, before rows take the place of those that it is of.
            self.journal.set_len(self.met)?;
            self.journal.sync_data()?;
        }
        self.rows.set_len(start)?;
        self.rows.seek(SeekFrom::Start(start))?;
        let bytes: Vec<u8> = match self.options.f16 {
            true => rows.iter().flat_map(|&value| f16::from_f32(value).to_ne_bytes()).collect(),
            false => rows.iter().flat_map(|value| value.to_ne_bytes()).collect(),
        };
        self.rows.write_all(&bytes)?;
        self.rows.sync_data()?;
        self.met = append_line(&mut self.journal, self.met, block)?;
        Ok(())
    }
}

/// Where the line ends.
fn append_line(journal: &mut File, start: u64, line: &impl Serialize) -> io::Result<u64> {
    let mut line = serde_json::to_vec(line)?;
    line.push(b'\n');
    journal.seek(SeekFrom::Start(start))?;
    journal.write_all(&line)?;
    journal.sync_data()?;
    Ok(start + line.len() as u64)
}

type Opened = (File, File, VecDeque<Block>, u64);

/// Both files, the blocks that they hold, and where the journal's first line ends.
fn open(partial: &Path, journal: &Path, head: &Head) -> io::Result<Opened> {
    let open = |path: &Path| OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let rows = open(partial)?;
    // Another may have given the file its name since it was opened.
    if matches!(rows.try_lock(), Err(TryLockError::WouldBlock)) || !partial.exists() {
        return Err(io::Error::other("another process writes it"));
    }
    let mut journal = open(journal)?;
    let mut lines = Vec::new();
    journal.read_to_end(&mut lines)?;
    let mut end = 0;
    // A line without its end was interrupted.
    let mut lines = lines.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")).map(|line| {
        end += line.len() as u64;
        (line, end)
    });
    let first = lines.next().filter(|(line, _)| serde_json::from_slice::<Head>(line).is_ok_and(|found| found == *head));
    let Some((_, met)) = first else {
        rows.set_len(HEADER)?;
        journal.set_len(0)?;
        let met = append_line(&mut journal, 0, head)?;
        return Ok((rows, journal, VecDeque::new(), met));
    };
    let row = (head.dim * if head.options.f16 { size_of::<f16>() } else { size_of::<f32>() }) as u64;
    let mut there = rows.metadata()?.len().saturating_sub(HEADER) / row.max(1);
    let mut known = VecDeque::new();
    for (line, end) in lines {
        let Ok(block) = serde_json::from_slice::<Block>(line) else { break };
        if block.texts > there {
            break;
        }
        there -= block.texts;
        known.push_back(Block { end, ..block });
    }
    Ok((rows, journal, known, met))
}

fn hash(texts: &[String]) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Rows that tell their text's length, and an end after so many texts.
    struct Lengths {
        embedded: AtomicUsize,
        most: usize,
    }

    impl Embedder for Lengths {
        fn dim(&self) -> usize {
            3
        }

        fn embed_with(&self, texts: &[&str], _: Side, on: &mut dyn FnMut(usize)) -> Result<Array2<f32>, EmbedError> {
            if self.embedded.fetch_add(texts.len(), Ordering::Relaxed) + texts.len() > self.most {
                return Err(EmbedError::NotFinite { index: 1 });
            }
            on(texts.len());
            Ok(Array2::from_shape_fn((texts.len(), 3), |(row, column)| (texts[row].len() + column) as f32))
        }
    }

    fn write(path: &Path, texts: usize, most: usize, model: &str) -> (Result<Written, EmbedError>, usize) {
        let embedder = Lengths { embedded: AtomicUsize::new(0), most };
        let run = || {
            let options = CorpusOptions::new(model, Side::Query);
            let mut file = CorpusFile::open(path, &embedder, &options, |_| ())?;
            for text in 0..texts {
                file.push(&"a".repeat(text % 50))?;
            }
            file.finish()
        };
        (run(), embedder.embedded.load(Ordering::Relaxed))
    }

    #[test]
    fn an_interrupted_file_goes_on_at_the_first_block_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, path) = (folder.path().join("whole.npy"), folder.path().join("rows.npy"));
        assert_eq!(write(&whole, 3 * BLOCK + 5, usize::MAX, "a").1, 3 * BLOCK + 5);
        let (failed, _) = write(&path, 3 * BLOCK + 5, 2 * BLOCK, "a");
        assert!(matches!(failed, Err(EmbedError::NotFinite { index }) if index == 2 * BLOCK + 1));
        assert!(!path.exists());
        // Half a line and half a block, as a process that is killed leaves them.
        let journal = folder.path().join("rows.npy.partial.jsonl");
        let mut bytes = std::fs::read(&journal).unwrap();
        bytes.extend(b"{\"texts\":");
        std::fs::write(&journal, bytes).unwrap();
        let partial = folder.path().join("rows.npy.partial");
        let mut bytes = std::fs::read(&partial).unwrap();
        bytes.extend([7; 1000]);
        std::fs::write(&partial, bytes).unwrap();
        let (written, embedded) = write(&path, 3 * BLOCK + 5, usize::MAX, "a");
        let expected = Written { texts: 3 * BLOCK as u64 + 5, found: 2 * BLOCK as u64, cut: 0 };
        assert_eq!((written.unwrap(), embedded), (expected, BLOCK + 5));
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&whole).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn other_texts_and_other_models_are_embedded_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.npy");
        assert!(write(&path, 2 * BLOCK + 5, BLOCK, "a").0.is_err());
        let (written, embedded) = write(&path, BLOCK + 5, usize::MAX, "b");
        assert_eq!((written.unwrap().found, embedded), (0, BLOCK + 5));
        // Of a file that has become shorter nothing is left.
        assert!(write(&path, 3 * BLOCK, 2 * BLOCK, "a").0.is_err());
        let (written, embedded) = write(&path, BLOCK, usize::MAX, "a");
        assert_eq!((written.unwrap().found, embedded), (BLOCK as u64, 0));
        let rows = vectors::NpyVectors::open(&path).unwrap();
        assert_eq!((rows.len(), rows.dim()), (BLOCK, 3));
    }

    #[test]
    fn a_file_that_another_writes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.npy");
        let embedder = Lengths { embedded: AtomicUsize::new(0), most: 9 };
        let options = CorpusOptions::new("a", Side::Query);
        let _first = CorpusFile::open(&path, &embedder, &options, |_| ()).unwrap();
        let second = CorpusFile::open(&path, &embedder, &options, |_| ()).err().unwrap();
        assert!(matches!(&second, EmbedError::Write { source, .. } if source.to_string().contains("another")));
    }
}
