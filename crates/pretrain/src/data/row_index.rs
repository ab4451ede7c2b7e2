//! Rows found by a text of theirs that is kept elsewhere.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Rows by their keys, none of which it holds: five to ten bytes a row.
#[derive(Default)]
pub(super) struct RowIndex {
    rows: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl RowIndex {
    /// The row whose key is `key`, where `key_of` gives the key of a row.
    pub(super) fn get<'a>(&self, key: &str, key_of: impl Fn(u32) -> &'a str) -> Option<u32> {
        self.rows.find(self.hasher.hash_one(key), |&row| key_of(row) == key).copied()
    }

    /// Adds a row whose key is no other's.
    pub(super) fn insert<'a>(&mut self, row: u32, key_of: impl Fn(u32) -> &'a str) {
        let hash = |row: &u32| self.hasher.hash_one(key_of(*row));
        self.rows.insert_unique(hash(&row), row, hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_keys_however_many_there_are() {
        let keys: Vec<String> = (0..1000).map(|i| format!("key {i}")).collect();
        let key_of = |row: u32| keys[row as usize].as_str();
        let mut index = RowIndex::default();
        for row in 0..1000 {
            assert_eq!(index.get(key_of(row), key_of), None);
            index.insert(row, key_of);
        }
        assert!((0..1000).all(|row| index.get(key_of(row), key_of) == Some(row)));
        assert_eq!(index.get("key", key_of), None);
    }
}
