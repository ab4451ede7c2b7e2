use serde::{Deserialize, Serialize};

/// What the columns of a file of pairs are called: the fields of a JSON object, the names in a header, or Parquet's columns.
///
/// ```
/// use pretrain::data::Columns;
///
/// let columns: Columns = serde_json::from_str(r#"{"query": "anchor", "passage": "positive", "negatives": ["negative"]}"#).unwrap();
/// assert_eq!((columns.query.as_str(), columns.topic.as_str()), ("anchor", "topic"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Columns {
    /// The query's; `query`.
    pub query: String,
    /// The passage's, which may be a list of several; `passage`.
    pub passage: String,
    /// The topic's, which need not be there; `topic`.
    pub topic: String,
    /// Those of passages that do not answer the query, each of which may be a list and need not be there; `negatives`.
    pub negatives: Vec<String>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            query: "query".into(),
            passage: "passage".into(),
            topic: "topic".into(),
            negatives: vec!["negatives".into()],
        }
    }
}

impl Columns {
    /// A name that two columns share, or that is empty.
    pub fn fault(&self) -> Option<&str> {
        let names: Vec<&str> = self.names().collect();
        let repeated = |at: usize| names[..at].contains(&names[at]);
        (0..names.len()).find(|&at| names[at].is_empty() || repeated(at)).map(|at| names[at])
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        [&self.query, &self.passage, &self.topic].into_iter().chain(&self.negatives).map(String::as_str)
    }
}
