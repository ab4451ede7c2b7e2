//! Marked blocks of Markdown files, written anew with a study's tables.

use std::path::Path;

use super::Study;
use super::markdown::prediction;
use super::record::TEST;
use super::results::StudyResults;
use crate::error::{PretrainError, Result};
use crate::files::write_whole;

/// What begins a block: `<!-- study NAME: WHAT -->`.
const BEGIN: &str = "<!-- study ";
/// What ends it.
const END: &str = "<!-- end of study -->";

impl Study {
    /// Nothing, where the pages of the study can be read and ask for what it has, before anything is trained.
    ///
    /// # Errors
    /// A page cannot be read, a block has no end, or asks for what the study has not.
    pub fn check_pages(&self) -> Result<()> {
        let empty = StudyResults::empty(self);
        let sets = self.base.eval.others.iter().map(|other| other.name.as_str());
        let sets: Vec<&str> = sets.chain([TEST]).collect();
        for path in &self.config.pages {
            let text = std::fs::read_to_string(path).map_err(|source| PretrainError::io(path, source))?;
            blocks(&text, &self.config.name, |what| empty.has(what, &sets).then(String::new))
                .map_err(|(line, problem)| PretrainError::StudyPage { path: path.clone(), line, problem })?;
        }
        Ok(())
    }
}

impl StudyResults {
    /// Writes the blocks of this study in the Markdown file `path` anew: what is between `<!-- study NAME: WHAT -->` and
    /// `<!-- end of study -->`, where `WHAT` is an experiment's name, with `, short` after it for a short table and `, on SET` for another data
    /// set alone; `predictions`; or `verdict`.
    ///
    /// # Errors
    /// The file cannot be read or written, a block has no end, or asks for what the study has not.
    pub fn write_page(&self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path).map_err(|source| PretrainError::io(path, source))?;
        let page = blocks(&text, &self.study, |what| self.block(what))
            .map_err(|(line, problem)| PretrainError::StudyPage { path: path.to_owned(), line, problem })?;
        match page == text {
            true => Ok(()),
            false => write_whole(path, |out| out.write_all(page.as_bytes())),
        }
    }

    /// Whether a block may ask for this, of a study that is judged on `sets`.
    fn has(&self, what: &str, sets: &[&str]) -> bool {
        let (name, of) = what.split_once(", ").unwrap_or((what, ""));
        let known = self.experiments.iter().any(|experiment| experiment.name == name);
        match of {
            "" => known || ["predictions", "verdict"].contains(&what),
            "short" => known,
            of => known && of.strip_prefix("on ").is_some_and(|set| sets.contains(&set)),
        }
    }

    /// What a block holds; empty where nothing is done of what it asks for.
    fn block(&self, what: &str) -> Option<String> {
        match what {
            "predictions" => return Some(prediction(&self.predictions)),
            "verdict" => return Some(self.verdict()),
            _ => {}
        }
        let (name, of) = what.split_once(", ").unwrap_or((what, ""));
        let experiment = self.experiments.iter().find(|experiment| experiment.name == name)?;
        match of {
            "" => Some(self.experiment(experiment)),
            "short" => Some(self.table(experiment, TEST, true)),
            of => Some(self.table(experiment, of.strip_prefix("on ")?, true)),
        }
    }
}

/// The text with the blocks of a study anew, as `block` has them; else the line of a block, and what is wrong with it.
fn blocks(
    text: &str,
    study: &str,
    block: impl Fn(&str) -> Option<String>,
) -> std::result::Result<String, (usize, String)> {
    let mut page = String::with_capacity(text.len());
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        page.push_str(line);
        page.push('\n');
        let Some(what) = block_of(line, study) else { continue };
        let block = block(what).ok_or_else(|| (at + 1, format!("{study} has no {what}")))?;
        page += &format!("\n{}\n\n{END}\n", block.trim_end());
        if !lines.any(|(_, line)| line.trim() == END) {
            return Err((at + 1, format!("expected {END} after it")));
        }
    }
    Ok(page)
}

/// What a block of a study that begins with `line` is to hold.
fn block_of<'a>(line: &'a str, study: &str) -> Option<&'a str> {
    let inner = line.trim().strip_prefix(BEGIN)?.strip_suffix("-->")?;
    let (name, what) = inner.split_once(':')?;
    (name.trim() == study).then_some(what.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> std::result::Result<String, (usize, String)> {
        blocks(text, "squad", |what| (what == "verdict").then(|| "No arm\n".to_owned()))
    }

    #[test]
    fn a_block_is_written_anew_and_all_else_stays() {
        let text = "# A\n\n<!-- study squad: verdict -->\nold\n<!-- end of study -->\n\n<!-- study other: verdict -->\nkept\n<!-- end of study -->\n";
        let written = page(text).unwrap();
        assert!(written.starts_with("# A\n\n<!-- study squad: verdict -->\n\nNo arm\n\n<!-- end"), "{written}");
        assert!(
            written
                .ends_with("\n<!-- end of study -->\n\n<!-- study other: verdict -->\nkept\n<!-- end of study -->\n")
        );
        assert_eq!(page(&written).unwrap(), written);
    }

    #[test]
    fn a_block_without_an_end_and_one_of_nothing_are_named_by_their_line() {
        assert_eq!(page("\n<!-- study squad: verdict -->\n").unwrap_err().0, 2);
        let (line, problem) = page("<!-- study squad: main -->\n<!-- end of study -->").unwrap_err();
        assert_eq!((line, problem.as_str()), (1, "squad has no main"));
    }
}
