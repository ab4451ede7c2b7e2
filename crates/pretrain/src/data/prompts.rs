//! Texts after a prompt.

use super::{Dataset, Texts};

impl Dataset {
    /// The data set with `query` before every query and `passage` before every passage, as part of them, blank ones excepted.
    ///
    /// # Examples
    ///
    /// ```
    /// use pretrain::data::Dataset;
    ///
    /// let dataset = Dataset { queries: [("q", "hills of Rome")].into_iter().collect(), ..Dataset::default() };
    /// assert_eq!(dataset.with_prompts("query: ", "").queries.text(0), "query: hills of Rome");
    /// ```
    #[must_use]
    pub fn with_prompts(mut self, query: &str, passage: &str) -> Self {
        self.queries = after(query, self.queries);
        self.passages = after(passage, self.passages);
        self
    }
}

fn after(prompt: &str, texts: Texts) -> Texts {
    if prompt.is_empty() {
        return texts;
    }
    let text = |text: &str| if text.trim().is_empty() { text.to_owned() } else { format!("{prompt}{text}") };
    texts.iter().map(|one| (one.id, text(one.text))).collect()
}
