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
        let index = self.number(name);
        self.topics.of_passage.push(index);
    }

    /// Gives a passage a topic if it has none yet.
    pub(super) fn complete(&mut self, passage: u32, name: &str) {
        if !name.is_empty() && self.topics.name(passage).is_empty() {
            self.topics.of_passage[passage as usize] = self.number(name);
        }
    }

    fn number(&mut self, name: &str) -> u32 {
        self.index.get(name).copied().unwrap_or_else(|| {
            let next = self.topics.names.len() as u32;
            self.topics.names.push(name.to_owned());
            self.index.insert(name.to_owned(), next);
            next
        })
    }
}
