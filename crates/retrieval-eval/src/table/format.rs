use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;

/// How a [`RunTable`](crate::RunTable) is written.
///
/// # Examples
/// ```
/// use retrieval_eval::TableFormat;
///
/// let format: TableFormat = "markdown".parse()?;
/// assert_eq!(format, TableFormat::Markdown);
/// assert!("pdf".parse::<TableFormat>().is_err());
/// assert!(TableFormat::ALL.iter().all(|format| format.to_string().parse::<TableFormat>().unwrap() == *format));
/// # Ok::<(), retrieval_eval::EvalError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableFormat {
    /// Aligned columns for a terminal.
    #[default]
    Text,
    /// A table of GitHub Flavored Markdown.
    Markdown,
    /// A `tabular` with the rules of the package booktabs.
    Latex,
    /// Comma-separated values, RFC 4180: unrounded numbers, a column each.
    Csv,
    /// The whole table as serde writes it: unrounded, and read back by serde, to the last bit with serde_json's feature
    /// `float_roundtrip`.
    Json,
}

impl TableFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Text, Self::Markdown, Self::Latex, Self::Csv, Self::Json];

    /// The name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Latex => "latex",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

impl Display for TableFormat {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for TableFormat {
    type Err = EvalError;

    fn from_str(name: &str) -> Result<Self, EvalError> {
        let known = Self::ALL.into_iter().find(|format| format.name() == name);
        known.ok_or_else(|| EvalError::UnknownFormat { name: name.to_owned() })
    }
}
