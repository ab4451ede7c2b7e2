//! Queries that are used, in the order of their use.

use rustc_hash::FxHashSet;

use super::{Pair, TestQuery, Text, Texts};

/// What names queries by their rows.
pub(super) struct Uses<'a> {
    pub(super) train: &'a mut [Pair],
    /// Of these only pairs stay whose query is trained on.
    pub(super) known: &'a mut Vec<Pair>,
    pub(super) validation: &'a mut [TestQuery],
    pub(super) test: &'a mut [TestQuery],
}

impl Uses<'_> {
    /// The queries that are used, training first, with all rows made to point at them.
    pub(super) fn renumber(self, all: &Texts) -> Texts {
        let trained: FxHashSet<u32> = self.train.iter().map(|pair| pair.query).collect();
        self.known.retain(|pair| trained.contains(&pair.query));
        let mut row = vec![None; all.len()];
        let mut used = Texts::default();
        let mut renumber = |query: &mut u32| {
            let Text { id, text } = all.get(*query);
            *query = *row[*query as usize].get_or_insert_with(|| {
                used.push(id, text);
                used.len() as u32 - 1
            });
        };
        self.train.iter_mut().chain(self.known).for_each(|pair| renumber(&mut pair.query));
        self.validation.iter_mut().chain(self.test).for_each(|query| renumber(&mut query.query));
        used
    }
}
