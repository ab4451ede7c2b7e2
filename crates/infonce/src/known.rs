use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::InBatch;

/// Logits that are left out as known positives and for no other reason: (row, column) in ascending order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    logits: Vec<(usize, usize)>,
}

impl Known {
    /// Those of a batch: a row a query, a column a passage.
    pub(crate) fn new(ids: &InBatch<'_>) -> Self {
        if ids.known_positives.is_empty() {
            return Self::default();
        }
        let mut columns: FxHashMap<u64, Vec<usize>> = FxHashMap::default();
        for (column, &id) in ids.passage_ids.iter().enumerate() {
            columns.entry(id).or_default().push(column);
        }
        let mut logits = Vec::new();
        for (row, positives) in ids.known_positives.iter().enumerate() {
            let found = positives.iter().filter_map(|id| columns.get(id)).flatten();
            let left_out = found.filter(|&&column| column != row && !ids.is_duplicate(row, column));
            logits.extend(left_out.map(|&column| (row, column)));
        }
        logits.sort_unstable();
        logits.dedup();
        Self { logits }
    }

    pub(crate) fn len(&self) -> usize {
        self.logits.len()
    }

    /// The same with a row a passage and a column a query.
    pub(crate) fn transposed(&self) -> Self {
        let mut logits: Vec<(usize, usize)> = self.logits.iter().map(|&(row, column)| (column, row)).collect();
        logits.sort_unstable();
        Self { logits }
    }

    /// Those in some of the rows.
    pub(crate) fn of_rows(&self, rows: Range<usize>) -> &[(usize, usize)] {
        let place = |row| self.logits.partition_point(|&(of, _)| of < row);
        &self.logits[place(rows.start)..place(rows.end)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Query 0 also answers to 8 and 9, of which 9 occurs twice; its own passage 7 occurs again in row 3.
    fn ids() -> InBatch<'static> {
        InBatch { query_ids: &[], passage_ids: &[7, 8, 9, 7, 9], known_positives: &[&[7, 8, 9, 9], &[8], &[5, 9], &[]] }
    }

    #[test]
    fn what_duplicates_mask_already_is_not_listed_again() {
        let known = Known::new(&ids());
        assert_eq!(known.logits, [(0, 1), (0, 2), (0, 4)]);
        assert_eq!(known.transposed().logits, [(1, 0), (2, 0), (4, 0)]);
    }

    #[test]
    fn rows_are_cut_out() {
        let known = Known { logits: vec![(0, 1), (2, 0), (2, 5), (4, 1)] };
        assert_eq!(known.of_rows(1..4), [(2, 0), (2, 5)]);
        assert!(known.of_rows(3..4).is_empty());
    }
}
