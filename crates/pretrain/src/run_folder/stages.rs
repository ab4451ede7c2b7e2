//! How a stage knows that it is done, and that the stages before it are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::RunFolder;
use super::records::StageRecord;
use super::stage::Stage;
use crate::error::{PretrainError, Result};
use crate::files::model_files;
use crate::memory::release_freed_blocks;
use crate::progress::duration;
use crate::stale::Stale;

impl RunFolder {
    /// Runs `work` unless the stage is done: recorded with the same settings and content read, and the files that it
    /// wrote are there, unchanged.
    ///
    /// # Errors
    /// Whatever `work` gives; the stage then counts as not done. As [`require`](Self::require) for the stages before it, and
    /// [`PretrainError::RunInUse`] if another process holds the folder.
    pub fn stage(&self, stage: &Stage, work: impl FnOnce() -> Result<()>) -> Result<()> {
        match self.stage_quietly(stage, work)? {
            Some(seconds) => tracing::info!("{}: done in {}", stage.name, duration(seconds)),
            None => tracing::info!("{}: unchanged, skipped", stage.name),
        }
        Ok(())
    }

    /// As [`stage`](Self::stage), without a message; the seconds that the work took, or none if it was skipped.
    pub(crate) fn stage_quietly(&self, stage: &Stage, work: impl FnOnce() -> Result<()>) -> Result<Option<f64>> {
        self.hold()?;
        stage.after.iter().try_for_each(|(_, before)| self.require(before))?;
        match self.require(stage) {
            Ok(()) => return Ok(None),
            Err(PretrainError::StageMissing { .. }) => {}
            Err(PretrainError::StageStale { path, why, .. }) => {
                tracing::info!("{}: once more, since {} {why}", stage.name, path.display());
            }
            Err(error) => return Err(error),
        }
        self.records.borrow_mut().forget(&stage.name)?;
        let start = Instant::now();
        work()?;
        release_freed_blocks();
        let seconds = start.elapsed().as_secs_f64();
        let mut read = stage.read.clone();
        for (what, before) in &stage.after {
            read.insert(what.clone(), self.finished(before)?);
        }
        let record = StageRecord { settings: stage.settings.clone(), read, wrote: self.written(stage)?, seconds };
        self.records.borrow_mut().insert(&stage.name, record)?;
        Ok(Some(seconds))
    }

    /// The hash of what a finished stage wrote, by its record; the files themselves may be gone.
    ///
    /// # Errors
    /// [`PretrainError::StageMissing`] or [`PretrainError::StageStale`] if it, or one before it, was not run with these
    /// settings on this content.
    pub fn finished(&self, stage: &Stage) -> Result<String> {
        let records = self.records.borrow();
        let Some(record) = records.get(&stage.name) else {
            return Err(match stage.outputs.iter().find(|path| path.exists()) {
                Some(path) => stale(path, Stale::Unfinished, stage),
                None => PretrainError::StageMissing { path: self.place(stage).to_owned(), stage: stage.command },
            });
        };
        if let Some(why) = record.difference(stage) {
            return Err(stale(self.place(stage), why, stage));
        }
        for (what, before) in &stage.after {
            if record.read.get(what) != Some(&self.finished(before)?) {
                return Err(stale(self.place(stage), Stale::Content { what: what.clone() }, stage));
            }
        }
        Ok(record.content())
    }

    /// Nothing, where the stage is finished and the files that it wrote are there, unchanged.
    ///
    /// # Errors
    /// As [`finished`](Self::finished), and for a file that is missing or has another content.
    pub fn require(&self, stage: &Stage) -> Result<()> {
        self.finished(stage)?;
        if let Some(path) = stage.outputs.iter().find(|path| !path.exists()) {
            return Err(PretrainError::StageMissing { path: path.clone(), stage: stage.command });
        }
        let written = self.written(stage)?;
        let records = self.records.borrow();
        let recorded = records.get(&stage.name).map(|record| &record.wrote);
        let of_either = recorded.into_iter().flat_map(BTreeMap::keys).chain(written.keys());
        let mut changed =
            of_either.filter(|&file| recorded.and_then(|recorded| recorded.get(file)) != written.get(file));
        match changed.next() {
            Some(file) => Err(stale(&self.root.join(file), Stale::Changed, stage)),
            None => Ok(()),
        }
    }

    /// The hash of the files of a model folder that decide its vectors.
    ///
    /// # Errors
    /// The folder or a file cannot be read.
    pub fn model_hash(&self, folder: &Path) -> Result<String> {
        self.files_hash(folder, model_files(folder)?)
    }

    /// The hash of these files of a folder, names and contents.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn files_hash(&self, folder: &Path, files: impl IntoIterator<Item = PathBuf>) -> Result<String> {
        let mut hash = blake3::Hasher::new();
        for file in files {
            let name = file.strip_prefix(folder).unwrap_or(&file).as_os_str().as_encoded_bytes();
            hash.update(&(name.len() as u64).to_le_bytes()).update(name).update(self.hashes.of(&file)?.as_bytes());
        }
        self.hashes.save();
        Ok(hash.finalize().to_hex().to_string())
    }

    /// The BLAKE3 hash of a file's content, in hexadecimal digits.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn file_hash(&self, file: &Path) -> Result<String> {
        self.hashes.of(file)
    }

    /// What tells the stage from all others, whether it is finished or not: a hash of its settings and of the content that it reads.
    ///
    /// # Errors
    /// A stage before it is not finished.
    pub fn identity(&self, stage: &Stage) -> Result<String> {
        let mut hash = blake3::Hasher::new();
        let mut part = |text: &str| {
            hash.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        };
        for (key, value) in stage.settings.iter().chain(&stage.read) {
            part(key);
            part(value);
        }
        for (what, before) in &stage.after {
            part(what);
            part(&self.finished(before)?);
        }
        Ok(hash.finalize().to_hex().to_string())
    }

    /// The record of a finished stage.
    pub fn record(&self, name: &str) -> Option<StageRecord> {
        self.records.borrow().get(name).cloned()
    }

    /// What stands for all that a stage leaves.
    fn place<'a>(&'a self, stage: &'a Stage) -> &'a Path {
        stage.outputs.first().map_or(&self.root, PathBuf::as_path)
    }

    /// The hashes of the files that a stage leaves, as they are now.
    fn written(&self, stage: &Stage) -> Result<BTreeMap<String, String>> {
        let mut written = BTreeMap::new();
        for output in &stage.outputs {
            let files = if output.is_dir() { model_files(output)? } else { vec![output.clone()] };
            for file in files {
                let name = file.strip_prefix(&self.root).unwrap_or(&file).to_string_lossy().into_owned();
                written.insert(name, self.hashes.of(&file)?);
            }
        }
        self.hashes.save();
        Ok(written)
    }
}

fn stale(path: &Path, why: Stale, stage: &Stage) -> PretrainError {
    PretrainError::StageStale { path: path.to_owned(), why, stage: stage.command }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn run_in(folder: &Path) -> RunFolder {
        let config = Config::parse("", &[format!("run.dir={}", folder.display())]).unwrap();
        RunFolder::prepare(&config, false).unwrap()
    }

    fn stage(output: &Path, k: usize) -> Stage {
        Stage::new("cluster", "cluster").with_settings("k", &k).unwrap().writing([PathBuf::from(output)])
    }

    /// Whether the stage was run, and not skipped.
    fn ran(folder: &Path, stage: &Stage, text: &str) -> bool {
        let work = || {
            std::fs::write(&stage.outputs[0], text).unwrap();
            Ok(())
        };
        run_in(folder).stage_quietly(stage, work).unwrap().is_some()
    }

    #[test]
    fn a_stage_runs_once_for_the_same_inputs_and_again_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        assert!(ran(folder.path(), &stage(&output, 1), "x"));
        assert!(!ran(folder.path(), &stage(&output, 1), "x"));
        assert!(ran(folder.path(), &stage(&output, 2), "x"));
        assert!(ran(folder.path(), &stage(&output, 2).reading("data", "d"), "x"));
    }

    #[test]
    fn a_stage_runs_again_where_its_files_are_gone_or_changed() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        let stage = stage(&output, 1);
        assert!(ran(folder.path(), &stage, "x"));
        std::fs::remove_file(&output).unwrap();
        assert!(ran(folder.path(), &stage, "x"));
        std::fs::write(&output, "y").unwrap();
        assert!(ran(folder.path(), &stage, "x"));
        assert!(!ran(folder.path(), &stage, "x"));
    }

    #[test]
    fn a_failed_stage_counts_as_not_done() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        assert!(ran(folder.path(), &stage(&output, 1), "x"));
        let run = run_in(folder.path());
        let failed = run.stage(&stage(&output, 2), || Err(PretrainError::Setting { setting: "x".into() }));
        assert!(failed.is_err() && run.record("cluster").is_none());
        let message = run.require(&stage(&output, 1)).unwrap_err().to_string();
        assert!(message.contains("not finished") && message.contains("`pretrain cluster`"), "{message}");
    }

    #[test]
    fn what_a_stage_needs_is_refused_with_the_reason_and_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        let problem = |stage: &Stage| run_in(folder.path()).require(stage).unwrap_err().to_string();
        let missing = problem(&stage(&output, 1));
        assert!(missing.contains("is missing: run `pretrain cluster` first"), "{missing}");

        ran(folder.path(), &stage(&output, 1).reading("data", "d"), "x");
        let settings = problem(&stage(&output, 2).reading("data", "e"));
        assert!(settings.contains("was made with k = 1, not 2: run `pretrain cluster` again"), "{settings}");
        let data = problem(&stage(&output, 1).reading("data", "e"));
        assert!(data.contains("was made from other data"), "{data}");

        std::fs::write(&output, "y").unwrap();
        let same = stage(&output, 1).reading("data", "d");
        assert!(problem(&same).contains("out changed since it was written"), "{}", problem(&same));
        assert!(run_in(folder.path()).finished(&same).is_ok(), "the record alone is still that of the stage");
    }

    #[test]
    fn a_stage_follows_the_content_of_the_one_before_and_not_its_settings() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["one", "two"].map(|name| folder.path().join(name));
        let later =
            |k: usize| Stage::new("train", "train").after("clusters", stage(&first, k)).writing([second.clone()]);
        let refused = |later: &Stage| run_in(folder.path()).stage(later, || panic!("ran")).unwrap_err().to_string();
        assert!(refused(&later(1)).contains("one is missing: run `pretrain cluster` first"));

        ran(folder.path(), &stage(&first, 1), "x");
        assert!(ran(folder.path(), &later(1), "y"));
        assert!(refused(&later(2)).contains("one was made with k = 1, not 2: run `pretrain cluster` again"));

        ran(folder.path(), &stage(&first, 2), "x");
        assert!(!ran(folder.path(), &later(2), "y"), "the same content from other settings");
        ran(folder.path(), &stage(&first, 3), "z");
        let message = run_in(folder.path()).require(&later(3)).unwrap_err().to_string();
        assert!(message.contains("two was made from other clusters: run `pretrain train` again"), "{message}");
        assert!(ran(folder.path(), &later(3), "y"));
        std::fs::write(&first, "edited").unwrap();
        assert!(refused(&later(3)).contains("one changed since it was written: run `pretrain cluster` again"));
    }

    #[test]
    fn a_model_folder_changes_with_every_file_that_decides_its_vectors() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        let stage = stage(&model, 1);
        let work = || {
            std::fs::create_dir_all(model.join("1_Pooling")).unwrap();
            std::fs::write(model.join("1_Pooling/config.json"), "{}").unwrap();
            Ok(())
        };
        run_in(folder.path()).stage(&stage, work).unwrap();
        let run = run_in(folder.path());
        let hash = run.model_hash(&model).unwrap();
        std::fs::write(model.join("README.md"), "mine").unwrap();
        run.require(&stage).unwrap();
        assert_eq!(run.model_hash(&model).unwrap(), hash);
        std::fs::write(model.join("modules.json"), "[]").unwrap();
        let message = run.require(&stage).unwrap_err().to_string();
        assert!(message.contains("modules.json changed"), "{message}");
        assert_ne!(run.model_hash(&model).unwrap(), hash);
    }
}
