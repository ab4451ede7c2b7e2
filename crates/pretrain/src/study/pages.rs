//! Marked blocks of Markdown files, written anew with a study's tables.

use std::path::Path;

use super::results::StudyResults;
use crate::error::{PretrainError, Result};
use crate::files::write_whole;

/// What begins a block: `<!-- study NAME: WHAT -->`.
const BEGIN: &str = "<!-- study ";
/// What ends it.
const END: &str = "<!-- end of study -->";

impl StudyResults {
    /// Writes the blocks of this study in the Markdown file `path` anew: what is between `<!-- study NAME: WHAT -->` and
    /// `<!-- end of study -->`, where `WHAT` is an experiment's name, with `, short` after it for a short table and `, on SET` for another data
    /// set alone; `predictions`; or `verdict`.
    ///
    /// # Errors
    /// The file cannot be read or written, a block has no end, or asks for what the study has not.
    pub fn write_page(&self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path).map_err(|source| PretrainError::io(path, source))?;
        let page = self.page(&text).map_err(|(line, problem)| PretrainError::StudyPage {
            path: path.to_owned(),
            line,
            problem,
        })?;
        match page == text {
            true => Ok(()),
            false => write_whole(path, |out| out.write_all(page.as_bytes())),
        }
    }

    /// The text with this study's blocks anew; else the line of a block, and what is wrong with it.
    fn page(&self, text: &str) -> Result<String, (usize, String)> {
        let mut page = String::with_capacity(text.len());
        let mut lines = text.lines().enumerate();
        while let Some((at, line)) = lines.next() {
            page.push_str(line);
            page.push('\n');
            let Some(what) = self.block_of(line) else { continue };
            let block = self.block(what).ok_or_else(|| (at + 1, format!("{} has no {what}", self.study)))?;
            page += &format!("\n{}\n\n{END}\n", block.trim_end());
            if !lines.any(|(_, line)| line.trim() == END) {
                return Err((at + 1, format!("expected {END} after it")));
            }
        }
        Ok(page)
    }

    /// What a block of this study that begins with `line` is to hold.
    fn block_of<'a>(&self, line: &'a str) -> Option<&'a str> {
        let inner = line.trim().strip_prefix(BEGIN)?.strip_suffix("-->")?;
        let (name, what) = inner.split_once(':')?;
        (name.trim() == self.study).then_some(what.trim())
    }

    fn block(&self, what: &str) -> Option<String> {
        match what {
            "predictions" => return Some(super::markdown::prediction(&self.predictions)),
            "verdict" => return Some(self.verdict()),
            _ => {}
        }
        let experiment = |name: &str| self.experiments.iter().find(|of| of.name == name);
        if let Some(of) = experiment(what) {
            return Some(self.experiment(of));
        }
        if let Some(name) = what.strip_suffix(", short") {
            return Some(self.table(experiment(name)?, super::record::TEST, true));
        }
        let (name, set) = what.split_once(", on ")?;
        let of = experiment(name)?;
        let known = of.sets().iter().any(|judged| judged.set == set);
        known.then(|| self.table(of, set, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> StudyResults {
        StudyResults {
            study: "squad".into(),
            measures: vec!["nDCG@10".into()],
            config: Default::default(),
            done: (0, 0),
            experiments: Vec::new(),
            runs: Vec::new(),
            predictions: Vec::new(),
            best: None,
            recommended: None,
        }
    }

    #[test]
    fn a_block_is_written_anew_and_all_else_stays() {
        let text = "# A\n\n<!-- study squad: verdict -->\nold\n<!-- end of study -->\n\n<!-- study other: verdict -->\nkept\n<!-- end of study -->\n";
        let page = results().page(text).unwrap();
        assert!(page.starts_with("# A\n\n<!-- study squad: verdict -->\n\nNo arm is told"), "{page}");
        assert!(
            page.ends_with("\n<!-- end of study -->\n\n<!-- study other: verdict -->\nkept\n<!-- end of study -->\n")
        );
        assert_eq!(results().page(&page).unwrap(), page);
    }

    #[test]
    fn a_block_without_an_end_and_one_of_nothing_are_named_by_their_line() {
        assert_eq!(results().page("\n<!-- study squad: verdict -->\n").unwrap_err().0, 2);
        let (line, problem) = results().page("<!-- study squad: main -->\n<!-- end of study -->").unwrap_err();
        assert_eq!((line, problem.as_str()), (1, "squad has no main"));
    }
}
