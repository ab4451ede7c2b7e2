use serde::{Deserialize, Serialize};

use crate::Side;

/// Texts put before every query and before every passage; empty: none.
///
/// # Examples
/// ```
/// let prompts = embed::Prompts::new("query: ", "passage: ");
/// assert_eq!(prompts.of(embed::Side::Passage), "passage: ");
/// assert_eq!(embed::Prompts::default().of(embed::Side::Query), "");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[doc(alias = "instruction")]
pub struct Prompts {
    /// Before a query.
    pub query: String,
    /// Before a passage.
    pub passage: String,
}

impl Prompts {
    /// A prompt for each side.
    pub fn new(query: impl Into<String>, passage: impl Into<String>) -> Self {
        Prompts { query: query.into(), passage: passage.into() }
    }

    /// The prompt of one side.
    pub fn of(&self, side: Side) -> &str {
        match side {
            Side::Query => &self.query,
            Side::Passage => &self.passage,
        }
    }
}
