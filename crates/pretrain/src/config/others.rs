//! Other data that the trained encoder is judged on, beside the run's own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::EvalConfig;
use crate::data::Beir;
use crate::error::{PretrainError, Result};

/// A BEIR folder on whose test split everything is judged too, without a pair of it in training: zero-shot transfer.
///
/// # Examples
///
/// ```
/// let text = r#"
/// [[eval.other]]
/// name = "scifact"
/// path = "data/scifact"
/// max_passage_tokens = 256
/// "#;
/// let other = &pretrain::Config::parse(text, &[])?.eval.others[0];
/// assert_eq!((other.split.as_str(), other.max_query_tokens), ("test", None));
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherData {
    /// Its name in files, tables and messages.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// The split's name in file names.
    #[serde(default = "test", skip_serializing_if = "is_test")]
    pub split: String,
    /// The longest query here, in tokens with the special ones; absent: as in the section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_query_tokens: Option<usize>,
    /// The longest passage here, in tokens with the special ones; absent: as in the section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_passage_tokens: Option<usize>,
}

fn test() -> String {
    "test".to_owned()
}

fn is_test(split: &str) -> bool {
    split == "test"
}

impl OtherData {
    /// Whether the folder has its files.
    ///
    /// # Errors
    /// [`PretrainError::Other`] with the first that it lacks.
    pub(crate) fn check(&self) -> Result<()> {
        let there = |path: &PathBuf| path.metadata().map_err(|source| PretrainError::io(path, source)).map(drop);
        self.source().test_files().iter().try_for_each(there).map_err(|error| error.of_other(self))
    }

    pub(crate) fn source(&self) -> Beir {
        Beir::new(&self.path).with_test_split(&self.split)
    }
}

impl EvalConfig {
    /// The section as it holds for other data.
    pub(crate) fn on(&self, other: &OtherData) -> Self {
        Self {
            max_query_tokens: other.max_query_tokens.unwrap_or(self.max_query_tokens),
            max_passage_tokens: other.max_passage_tokens.unwrap_or(self.max_passage_tokens),
            ..self.clone()
        }
    }
}
