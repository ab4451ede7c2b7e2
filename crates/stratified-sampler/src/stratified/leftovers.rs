use std::ops::Range;

use super::Stratified;
use crate::Leftovers;
use crate::key::{Key, Purpose};
use crate::merge;
use crate::permutation::Permutation;
use crate::strata::Strata;

/// Returns the strata in the order in which their leftovers stand in line; none if nothing is to be drawn from a line.
pub(super) fn line_up(strata: &Strata, leftovers: Leftovers, nearest: Option<&[u32]>) -> Vec<u32> {
    let all = 0..strata.drawn as u32;
    match (leftovers, nearest) {
        (Leftovers::Drop | Leftovers::Carry, _) => Vec::new(),
        (Leftovers::Mix, _) => all.collect(),
        (Leftovers::Merge, None) => {
            let mut by_size: Vec<u32> = all.collect();
            by_size.sort_by_key(|&stratum| {
                let stratum = stratum as usize;
                (strata.size(stratum), strata.labels[stratum])
            });
            by_size
        }
        (Leftovers::Merge, Some(nearest)) => line_up_nearest(strata, nearest),
    }
}

fn line_up_nearest(strata: &Strata, nearest: &[u32]) -> Vec<u32> {
    let mut sizes = vec![0; nearest.len()];
    let mut by_label = vec![None; nearest.len()];
    for (stratum, &label) in (0u32..).zip(&strata.labels[..strata.drawn]) {
        sizes[label as usize] = strata.size(stratum as usize);
        by_label[label as usize] = Some(stratum);
    }
    let labels = merge::line_up(nearest, &sizes).into_iter();
    labels.filter_map(|label| by_label[label as usize]).collect()
}

impl Stratified {
    /// Appends the slots of part of an epoch's leftovers.
    pub(super) fn draw_leftovers(&self, epoch: u64, places: Range<u32>, out: &mut Vec<u32>) {
        let key = self.key.purpose(Purpose::Leftovers).child(epoch);
        if self.config.leftovers == Leftovers::Merge {
            self.draw_line(epoch, places, key, out);
        } else {
            self.draw_mixed(epoch, places, key, out);
        }
    }

    /// Appends the slots of part of the line, from a place on that the key says.
    fn draw_line(&self, epoch: u64, places: Range<u32>, key: Key, out: &mut Vec<u32>) {
        let pairs = u64::from(self.line.pairs());
        let turned = (u128::from(key.word(0)) * u128::from(pairs)) >> 64;
        let mut at = (u64::from(places.start) + turned as u64) % pairs;
        let mut left = places.len() as u32;
        while left > 0 {
            let place = self.line.at(at as u32);
            let count = place.left.min(left);
            let first = self.first_leftover(place.stratum) + place.nth;
            self.draw_stratum(epoch, place.stratum, first..first + count, out);
            left -= count;
            at = (at + u64::from(count)) % pairs;
        }
    }

    /// Fills `out` with the slots of part of the leftovers, shuffled together.
    fn draw_mixed(&self, epoch: u64, places: Range<u32>, key: Key, out: &mut Vec<u32>) {
        Permutation::new(self.line.pairs(), key).fill(places, out);
        let small = self.line.start(self.strata.homes);
        let mut of_homes = Vec::new();
        for (index, place) in (0u32..).zip(out.iter_mut()) {
            if *place < small {
                of_homes.push((*place, index));
            } else {
                // Small strata are left over as a whole: an order of their own would change nothing.
                *place = self.strata.small().start + (*place - small);
            }
        }
        // Stratum by stratum, because setting up its order costs more than using it.
        of_homes.sort_unstable_by_key(|&(place, _)| place);
        let mut numbers = Vec::new();
        let mut rest = &of_homes[..];
        while let Some(&(first, _)) = rest.first() {
            let at = self.line.at(first);
            let same = rest.partition_point(|&(place, _)| place - first < at.left);
            let from = self.first_leftover(at.stratum) + at.nth;
            numbers.clear();
            numbers.extend(rest[..same].iter().map(|(place, _)| from + (place - first)));
            self.order(epoch, at.stratum).apply(&mut numbers);
            for (&(_, index), number) in rest[..same].iter().zip(&numbers) {
                out[index as usize] = self.strata.slots(at.stratum).start + number;
            }
            rest = &rest[same..];
        }
    }

    /// Returns the place of the first leftover pair in the order of its stratum.
    fn first_leftover(&self, stratum: usize) -> u32 {
        if stratum < self.strata.homes { self.strata.size(stratum).min(self.cap) / self.batch * self.batch } else { 0 }
    }
}
