//! The passages' topics while they are read.

use rustc_hash::FxHashMap;

use super::Topics;

#[derive(Default)]
pub(super) struct TopicNames {
    pub(super) topics: Topics,
    index: FxHashMap<String, u32>,
}

impl TopicNames {
    /// Gives the next passage its topic.
    pub(super) fn push(&mut self, name: &str) {
        let index = self.index.get(name).copied().unwrap_or_else(|| {
            let next = self.topics.names.len() as u32;
            self.topics.names.push(name.to_owned());
            self.index.insert(name.to_owned(), next);
            next
        });
        self.topics.of_passage.push(index);
    }
}
