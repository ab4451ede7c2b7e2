//! Vectors that runs share, in a folder outside of all of them.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vectors::{NpyVectors, remove_drafts, replace_file};

use crate::error::{PretrainError, Result, one_line};
use crate::files::{make_folder_of, read_json, write_json};
use crate::progress::count;
use crate::run_folder::RunFolder;

/// A folder of vectors that are made alike, whichever run makes them; where it fails, only time is lost.
///
/// A file comes in and goes out by a link, or on another file system by a copy. Beside it, written last, lies what it has to be.
pub(super) struct VectorCache<'a> {
    run: &'a RunFolder,
    folder: PathBuf,
}

/// What a file of vectors has to be.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    shape: [usize; 2],
    /// BLAKE3, in hexadecimal digits.
    hash: String,
}

impl<'a> VectorCache<'a> {
    /// The vectors in `folder`, for a run.
    pub(super) fn new(run: &'a RunFolder, folder: PathBuf) -> Self {
        Self { run, folder }
    }

    /// Puts the vectors of so many texts at `path`, a file of the run, if they are here, whole; whether they are.
    pub(super) fn take(&self, path: &Path, texts: usize) -> bool {
        let [rows, seal] = self.places(path);
        if !seal.exists() {
            return false;
        }
        match self.try_take(path, texts) {
            Ok(true) => {
                tracing::info!("embed: {} vectors from {}", count(texts), rows.display());
                return true;
            }
            Ok(false) => tracing::warn!("{}: not what was put there, made anew", rows.display()),
            Err(error) => tracing::warn!("{}: not used, made anew: {}", rows.display(), one_line(&error)),
        }
        // Of a stage that is not recorded yet, and to be written in a moment.
        let _ = std::fs::remove_file(path);
        false
    }

    fn try_take(&self, path: &Path, texts: usize) -> Result<bool> {
        let [rows, seal] = self.places(path);
        let sealed: Seal = read_json(&seal)?;
        make_folder_of(path)?;
        // First linked, then looked at: what is judged is what the run has.
        link(&rows, path)?;
        Ok(self.seal(path)? == sealed && sealed.shape[0] == texts)
    }

    /// Has the vectors at `path`, a file of the run, here too.
    pub(super) fn keep(&self, path: &Path) {
        if let Err(error) = self.try_keep(path) {
            tracing::warn!("{}: vectors are not kept there: {}", self.folder.display(), one_line(&error));
        }
    }

    fn try_keep(&self, path: &Path) -> Result<()> {
        let [rows, seal] = self.places(path);
        make_folder_of(&rows)?;
        remove_drafts(&self.folder);
        link(path, &rows)?;
        write_json(&seal, &self.seal(path)?)
    }

    fn seal(&self, path: &Path) -> Result<Seal> {
        let rows = NpyVectors::open(path)?;
        Ok(Seal { shape: [rows.len(), rows.dim()], hash: self.run.file_hash(path)? })
    }

    /// Where a file of the run lies here, and its seal.
    fn places(&self, path: &Path) -> [PathBuf; 2] {
        let rows = self.folder.join(path.file_name().unwrap_or_default());
        let seal = rows.with_extension("json");
        [rows, seal]
    }
}

/// Has the file `from` at `to` as well, in place of what is there. Neither a link nor a copy is ever seen half-made; whoever replaces one of the two
/// files later, rather than write into it, leaves the other as it is.
fn link(from: &Path, to: &Path) -> Result<()> {
    match std::fs::remove_file(to) {
        Err(source) if source.kind() != ErrorKind::NotFound => return Err(PretrainError::io(to, source)),
        _ => {}
    }
    let at = |source| PretrainError::io(from, source);
    // A link to a symbolic link would be one to a name.
    if std::fs::hard_link(from.canonicalize().map_err(at)?, to).is_ok() {
        return Ok(());
    }
    copy(from, to)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut rows = File::open(from).map_err(|source| PretrainError::io(from, source))?;
    let copied = replace_file(to, |out| io::copy(&mut rows, out).map(drop));
    copied.map_err(|source| PretrainError::io(to, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// A cache, and two runs beside it.
    struct Bench {
        folder: tempfile::TempDir,
        runs: [RunFolder; 2],
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let run = |name: &str| {
                let config = Config::parse("", &[format!("run.dir={}", folder.path().join(name).display())]).unwrap();
                let run = RunFolder::prepare(&config, false).unwrap();
                run.write_config(&config).unwrap();
                run
            };
            let runs = ["one", "two"].map(run);
            Self { folder, runs }
        }

        fn cache(&self, run: usize) -> VectorCache<'_> {
            VectorCache::new(&self.runs[run], self.folder.path().join("cache/entry"))
        }

        fn path(&self, run: usize) -> PathBuf {
            self.runs[run].file("embeddings/query.npy")
        }

        /// Rows of the first run that both have in the cache.
        fn kept() -> Self {
            let bench = Self::new();
            write(&bench.path(0), 3);
            bench.cache(0).keep(&bench.path(0));
            bench
        }

        fn cached(&self) -> PathBuf {
            self.folder.path().join("cache/entry/query.npy")
        }
    }

    fn write(path: &Path, rows: usize) {
        make_folder_of(path).unwrap();
        replace_file(path, |out| vectors::write_array(out, &[rows, 2], (0..2 * rows).map(|value| value as f32)))
            .unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_one_run_kept_another_takes_and_replaces_for_itself_alone() {
        let bench = Bench::kept();
        assert!(bench.cache(1).take(&bench.path(1), 3));
        let before = std::fs::read(bench.path(0)).unwrap();
        assert_eq!(std::fs::read(bench.path(1)).unwrap(), before);
        // Taken once more over its own link.
        assert!(bench.cache(1).take(&bench.path(1), 3));
        write(&bench.path(1), 5);
        assert_eq!([bench.path(0), bench.cached()].map(|path| std::fs::read(path).unwrap() == before), [true; 2]);
        assert!(!bench.cache(1).take(&bench.path(1), 4), "of another number of texts");
        assert!(!bench.path(1).exists());
    }

    #[test]
    fn what_is_damaged_or_foreign_is_not_taken_and_what_is_made_anew_takes_its_place() {
        let damages: [fn(&Path); 5] = [
            |path| {
                let bytes = std::fs::read(path).unwrap();
                std::fs::remove_file(path).unwrap();
                std::fs::write(path, &bytes[..bytes.len() - 4]).unwrap();
            },
            |path| std::fs::remove_file(path).unwrap(),
            |path| replace_file(path, |out| vectors::write_array(out, &[3, 2], [0.5_f32; 6])).unwrap(),
            |path| std::fs::write(path.with_extension("json"), "{").unwrap(),
            // Killed before the seal.
            |path| std::fs::remove_file(path.with_extension("json")).unwrap(),
        ];
        for (number, damage) in damages.into_iter().enumerate() {
            let bench = Bench::kept();
            damage(&bench.cached());
            assert!(!bench.cache(1).take(&bench.path(1), 3), "{number}");
            assert!(!bench.path(1).exists(), "{number}");
            write(&bench.path(1), 3);
            bench.cache(1).keep(&bench.path(1));
            assert!(bench.cache(0).take(&bench.path(0), 3), "{number}");
        }
    }

    #[test]
    fn what_a_dead_process_left_half_written_goes_with_the_next_that_is_kept() {
        let bench = Bench::kept();
        let entry = bench.folder.path().join("cache/entry");
        std::fs::write(entry.join(".query.npy.4242-a1B2c3.tmp"), "half").unwrap();
        bench.cache(0).keep(&bench.path(0));
        assert_eq!(names(&entry), ["query.json", "query.npy"]);
    }

    #[test]
    fn a_cache_that_cannot_be_written_costs_only_time() {
        let bench = Bench::new();
        std::fs::write(bench.folder.path().join("cache"), "a file").unwrap();
        write(&bench.path(0), 3);
        bench.cache(0).keep(&bench.path(0));
        assert!(!bench.cache(1).take(&bench.path(1), 3) && bench.path(0).exists());
    }

    #[test]
    fn a_copy_is_whole_or_not_there() {
        let bench = Bench::kept();
        let [from, to] = [bench.path(0), bench.path(0).with_file_name("copy.npy")];
        copy(&from, &to).unwrap();
        assert_eq!(std::fs::read(&from).unwrap(), std::fs::read(&to).unwrap());
        let missing = from.with_file_name("missing.npy");
        let error = link(&missing, &to).unwrap_err().to_string();
        assert!(error.contains("missing.npy") && names(to.parent().unwrap()) == ["query.npy"], "{error}");
    }

    #[test]
    fn runs_that_keep_and_take_at_once_never_have_half_a_file() {
        let bench = Bench::kept();
        std::thread::scope(|scope| {
            for number in 0..4 {
                let root = bench.folder.path();
                scope.spawn(move || {
                    let dir = root.join(format!("run-{number}"));
                    let config = Config::parse("", &[format!("run.dir={}", dir.display())]).unwrap();
                    let run = RunFolder::prepare(&config, false).unwrap();
                    run.write_config(&config).unwrap();
                    let (cache, path) = (VectorCache::new(&run, root.join("cache/entry")), run.file("query.npy"));
                    for _ in 0..20 {
                        if !cache.take(&path, 3) {
                            write(&path, 3);
                            cache.keep(&path);
                        }
                        assert_eq!(NpyVectors::open(&path).unwrap().len(), 3);
                        cache.keep(&path);
                    }
                });
            }
        });
        assert!(bench.cache(1).take(&bench.path(1), 3));
        assert_eq!(names(bench.cached().parent().unwrap()), ["query.json", "query.npy"]);
    }
}
