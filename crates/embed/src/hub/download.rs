//! A file of a hub, downloaded beside its place and put there when it is whole.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use tokio::time::{sleep, timeout};

use super::cache::{Cache, create_above};
use super::content::{Content, is_of};
use super::listing::Entry;
use super::remote::Remote;
use crate::EmbedError;
use crate::error::HubProblem;

/// The longest that a connection may say nothing.
const SILENCE: Duration = Duration::from_secs(60);
/// The wait before a file is continued, times the attempts that brought nothing.
const PAUSE: Duration = Duration::from_millis(500);
/// How often a message says how much is there.
const NEWS: Duration = Duration::from_secs(10);
/// The smallest file that a message is written of.
const LARGE: u64 = 4 << 20;

/// A file that is not all there, and the hashes of what is.
struct Partial {
    path: PathBuf,
    file: File,
    content: Content,
    have: u64,
    /// Whether it is of several connections, or of another process.
    pieced: bool,
}

/// Why a stream of bytes ended.
enum Cut {
    /// What may be better the next time.
    Connection(EmbedError),
    Failed(EmbedError),
}

impl Partial {
    /// What an earlier process left of a content.
    fn open(path: PathBuf, entry: &Entry) -> Result<Self, EmbedError> {
        let opened = create_above(&path)
            .and_then(|()| OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path))
            .and_then(|mut file| {
                let mut content = Content::of(entry);
                let have = file.metadata()?.len();
                content.read((&mut file).take(have))?;
                Ok((file, content, have))
            });
        let (file, content, have) = opened.map_err(|source| EmbedError::Write { path: path.clone(), source })?;
        let mut partial = Self { path, file, content, have, pieced: have > 0 };
        if have > entry.size {
            partial.clear(entry)?;
        }
        Ok(partial)
    }

    fn clear(&mut self, entry: &Entry) -> Result<(), EmbedError> {
        (self.have, self.content, self.pieced) = (0, Content::of(entry), false);
        let cleared = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cleared.map(|_| ()).map_err(|source| self.unwritten(source))
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), EmbedError> {
        self.file.write_all(bytes).map_err(|source| self.unwritten(source))?;
        self.content.update(bytes);
        self.have += bytes.len() as u64;
        Ok(())
    }

    fn unwritten(&self, source: io::Error) -> EmbedError {
        EmbedError::Write { path: self.path.clone(), source }
    }
}

impl Remote {
    /// Puts a file of a commit where the snapshot has it, unless it is there.
    pub(super) async fn bring(&self, cache: &Cache, commit: &str, entry: &Entry) -> Result<(), EmbedError> {
        if cache.has(commit, entry) {
            return Ok(());
        }
        if !entry.is_sound() {
            return Err(self.failed(HubProblem::Answer, "a listing with names that are none"));
        }
        let _lock = cache.lock(&entry.git)?;
        if cache.has(commit, entry) {
            return Ok(());
        }
        let blob = match cache.held(entry) {
            Some(blob) => blob,
            None => self.download(cache, commit, entry).await?,
        };
        cache.link(commit, entry, &blob)
    }

    /// Downloads a content, or what is missing of it, and gives its name in the cache.
    async fn download(&self, cache: &Cache, commit: &str, entry: &Entry) -> Result<String, EmbedError> {
        let mut partial = Partial::open(cache.blob(&format!("{}.incomplete", entry.git)), entry)?;
        let mut ranges = true;
        if entry.size >= LARGE {
            tracing::info!("{}: {}, {} MB", self.id(), entry.path, entry.size / 1_000_000);
        }
        loop {
            self.complete(&mut partial, commit, entry, ranges).await?;
            let name = partial.content.clone().name();
            if is_of(&name, entry) {
                let path = cache.blob(&name);
                let done = partial.file.sync_all().and_then(|()| fs::rename(&partial.path, &path));
                let done = done.and_then(|()| path.parent().map_or(Ok(()), vectors::sync_folder));
                return done.map(|()| name).map_err(|source| partial.unwritten(source));
            }
            let may_help = ranges && partial.pieced;
            partial.clear(entry)?;
            if !may_help {
                let what = format!("{} has another content than the listing says", entry.path);
                return Err(self.failed(HubProblem::Answer, what));
            }
            tracing::warn!("{}: the pieces of {} make no whole, it is begun again", self.id(), entry.path);
            ranges = false;
        }
    }

    /// Receives until all is there; without `ranges` in one piece.
    async fn complete(
        &self,
        partial: &mut Partial,
        commit: &str,
        entry: &Entry,
        ranges: bool,
    ) -> Result<(), EmbedError> {
        let mut in_vain = 0;
        while partial.have < entry.size {
            if !ranges && partial.have > 0 {
                partial.clear(entry)?;
            }
            let before = partial.have;
            let cut = match self.receive(partial, commit, entry).await {
                Ok(()) if partial.have == entry.size => return Ok(()),
                Ok(()) => self.cut(format!("{} ends after {} of {} bytes", entry.path, partial.have, entry.size)),
                Err(cut) => cut,
            };
            in_vain = if ranges && partial.have > before { 0 } else { in_vain + 1 };
            match cut {
                Cut::Connection(_) if in_vain as usize <= self.retries => sleep(PAUSE * in_vain).await,
                Cut::Connection(error) | Cut::Failed(error) => return Err(error),
            }
            tracing::debug!("{}: {} is continued at {}", self.id(), entry.path, partial.have);
        }
        Ok(())
    }

    /// Appends what one connection brings.
    async fn receive(&self, partial: &mut Partial, commit: &str, entry: &Entry) -> Result<(), Cut> {
        let range = (partial.have > 0).then_some(partial.have..entry.size);
        let asked =
            self.repository.download_file_stream().filename(&entry.path).revision(commit).maybe_range(range).send();
        let asked = timeout(2 * SILENCE, asked).await.map_err(|late| self.cut(late))?;
        let (_, mut stream) = asked.map_err(|error| match self.failed_of(error) {
            error @ EmbedError::Hub { problem: HubProblem::Unreachable, .. } => Cut::Connection(error),
            error => Cut::Failed(error),
        })?;
        partial.pieced |= partial.have > 0;
        let mut told = Instant::now();
        loop {
            let bytes = timeout(SILENCE, stream.try_next()).await.map_err(|late| self.cut(late))?;
            let Some(bytes) = bytes.map_err(|error| self.cut(error))? else { return Ok(()) };
            let room = usize::try_from(entry.size - partial.have).unwrap_or(usize::MAX);
            if bytes.len() > room && !partial.pieced {
                partial.clear(entry).map_err(Cut::Failed)?;
                let what = format!("{} is longer than the listing says", entry.path);
                return Err(Cut::Failed(self.failed(HubProblem::Answer, what)));
            }
            // A server without ranges sends all of it, again: the hash tells.
            partial.push(&bytes[..bytes.len().min(room)]).map_err(Cut::Failed)?;
            if bytes.len() > room {
                return Ok(());
            }
            if told.elapsed() >= NEWS {
                told = Instant::now();
                tracing::info!("{}: {}, {}%", self.id(), entry.path, 100 * partial.have / entry.size);
            }
        }
    }

    fn cut(&self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Cut {
        Cut::Connection(self.failed(HubProblem::Unreachable, source))
    }
}
