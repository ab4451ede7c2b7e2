use std::sync::Arc;

use rustc_hash::FxHashMap;

/// Strings numbered 0, 1, 2, … in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    names: Vec<Arc<str>>,
    numbers: FxHashMap<Arc<str>, u32>,
}

impl Ids {
    /// The number of `name`, which gets the next one if it is new.
    ///
    /// # Panics
    /// If there are 2³² names already.
    pub(crate) fn intern(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or_else(|_| panic!("more than 2^32 different ids"));
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }

    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn name(&self, number: u32) -> &str {
        &self.names[number as usize]
    }

    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }
}
