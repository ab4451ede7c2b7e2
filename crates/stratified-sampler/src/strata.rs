use std::ops::Range;

use crate::permutation::Permutation;
use crate::plan_hash::Hashed;
use crate::prefetch::prefetch;

/// The strata of labels: dense numbers in ascending order of the label.
pub(crate) struct Ranks {
    /// Label and size of each stratum, ascending by label.
    pub(crate) sizes: Vec<(u32, u32)>,
    /// Rank by label, where labels are dense enough for a table.
    table: Option<Vec<u32>>,
}

impl Ranks {
    pub(crate) fn new(labels: &[u32]) -> Self {
        let largest = labels.iter().max().map_or(0, |&label| label as usize);
        // The table then has at most 8 bytes a pair.
        if largest <= labels.len().saturating_mul(2) { Self::dense(labels, largest) } else { Self::sparse(labels) }
    }

    fn dense(labels: &[u32], largest: usize) -> Self {
        let mut table = vec![0u32; largest + 1];
        for &label in labels {
            table[label as usize] += 1;
        }
        let mut sizes = Vec::new();
        for (label, count) in table.iter_mut().enumerate() {
            if *count > 0 {
                sizes.push((label as u32, *count));
                *count = sizes.len() as u32 - 1;
            }
        }
        Self { sizes, table: Some(table) }
    }

    fn sparse(labels: &[u32]) -> Self {
        let mut sorted = labels.to_vec();
        sorted.sort_unstable();
        let sizes = sorted.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect();
        Self { sizes, table: None }
    }

    /// Returns the rank of a label that is among those given.
    pub(crate) fn of(&self, label: u32) -> usize {
        match &self.table {
            Some(table) => table[label as usize] as usize,
            None => self.sizes.partition_point(|&(other, _)| other < label),
        }
    }
}

/// Pairs grouped by stratum, 4 bytes each: first the strata that fill batches of their own ("homes"), then the small ones,
/// then those that are not drawn from, each kind ascending by label. A place in this order is a *slot*.
pub(crate) struct Strata {
    /// Label of each stratum.
    pub(crate) labels: Vec<u32>,
    /// First slot of each stratum, and the end of the last.
    starts: Vec<u32>,
    /// Pair at each slot.
    rows: Vec<u32>,
    /// How many strata fill batches of their own.
    pub(crate) homes: usize,
    /// How many strata are drawn from.
    pub(crate) drawn: usize,
}

impl Strata {
    /// Returns the grouping; strata of `at_least` pairs are homes, those of fewer than `drop_below` are not drawn from.
    pub(crate) fn group(labels: &[u32], at_least: usize, drop_below: usize) -> Self {
        let ranks = Ranks::new(labels);
        let size = |rank: &usize| ranks.sizes[*rank].1 as usize;
        let kind = |rank: &usize| (size(rank) < drop_below, size(rank) < at_least);
        let mut order: Vec<usize> = (0..ranks.sizes.len()).collect();
        order.sort_by_key(kind);
        let homes = order.partition_point(|rank| kind(rank) == (false, false));
        let drawn = order.partition_point(|rank| !kind(rank).0);

        let mut starts = vec![0];
        let mut next = vec![0; order.len()];
        let mut end = 0;
        for &rank in &order {
            next[rank] = end;
            end += ranks.sizes[rank].1;
            starts.push(end);
        }
        let mut rows = vec![0; labels.len()];
        for (row, &label) in labels.iter().enumerate() {
            let slot = &mut next[ranks.of(label)];
            rows[*slot as usize] = row as u32;
            *slot += 1;
        }
        Self { labels: order.iter().map(|&rank| ranks.sizes[rank].0).collect(), starts, rows, homes, drawn }
    }

    /// Returns the number of strata.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns the number of pairs.
    pub(crate) fn pairs(&self) -> u32 {
        self.rows.len() as u32
    }

    /// Returns the slots of a stratum.
    pub(crate) fn slots(&self, stratum: usize) -> Range<u32> {
        self.starts[stratum]..self.starts[stratum + 1]
    }

    /// Returns the number of pairs of a stratum.
    pub(crate) fn size(&self, stratum: usize) -> u32 {
        self.starts[stratum + 1] - self.starts[stratum]
    }

    /// Returns the slots of all small strata together.
    pub(crate) fn small(&self) -> Range<u32> {
        self.starts[self.homes]..self.starts[self.drawn]
    }

    /// Returns the stratum of a slot.
    pub(crate) fn of(&self, slot: u32) -> usize {
        self.starts.partition_point(|&start| start <= slot) - 1
    }

    /// Adds the grouping to a hash.
    pub(crate) fn hash(&self, hash: &mut Hashed) {
        hash.numbers(&self.labels);
        hash.numbers(&self.starts);
        hash.numbers(&self.rows);
    }

    /// Returns the size of the largest stratum.
    pub(crate) fn largest(&self) -> u32 {
        let sizes = (0..self.len()).map(|stratum| self.size(stratum));
        sizes.max().unwrap_or(0)
    }

    /// Appends the slots at some places of an order of consecutive slots, the first of which is `start`.
    pub(crate) fn draw(&self, order: &Permutation, start: u32, places: Range<u32>, out: &mut Vec<u32>) {
        order.fill_changed(places, out, |numbers| self.fetch(numbers, start));
    }

    /// Turns numbers of pairs, from 0 at a slot, into slots, and asks for the pairs there, which are looked up soon.
    #[inline(always)]
    pub(crate) fn fetch(&self, numbers: &mut [u32], start: u32) {
        for number in numbers {
            *number += start;
            prefetch(&self.rows, *number as usize);
        }
    }

    /// Replaces slots by the pairs there.
    pub(crate) fn look_up(&self, slots: &mut [u32]) {
        for slot in slots {
            *slot = self.rows[*slot as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_come_first_and_rows_ascend() {
        let strata = Strata::group(&[7, 3, 9, 3, 9, 3], 2, 0);
        assert_eq!(strata.labels, [3, 9, 7]);
        assert_eq!(strata.homes, 2);
        assert_eq!(strata.rows, [1, 3, 5, 2, 4, 0]);
        assert_eq!(strata.small(), 5..6);
        assert_eq!(strata.largest(), 3);
    }

    #[test]
    fn strata_that_are_not_drawn_from_come_last() {
        let strata = Strata::group(&[7, 3, 9, 3, 9, 3, 1], 3, 2);
        assert_eq!(strata.labels, [3, 9, 1, 7]);
        assert_eq!((strata.homes, strata.drawn), (1, 2));
        assert_eq!(strata.small(), 3..5);
        assert_eq!((0..7).map(|slot| strata.of(slot)).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 2, 3]);
    }

    #[test]
    fn huge_labels_need_no_table() {
        let labels = [u32::MAX, 0, u32::MAX, 1_000_000_000];
        let ranks = Ranks::new(&labels);
        assert!(ranks.table.is_none());
        assert_eq!(ranks.sizes, [(0, 1), (1_000_000_000, 1), (u32::MAX, 2)]);
        assert_eq!(ranks.of(u32::MAX), 2);
        assert_eq!(Strata::group(&labels, 2, 0).rows, [0, 2, 1, 3]);
    }

    #[test]
    fn labels_without_pairs_are_no_strata() {
        let strata = Strata::group(&[4, 4, 2], 1, 0);
        assert_eq!(strata.labels, [2, 4]);
        assert_eq!(strata.len(), 2);
    }
}
