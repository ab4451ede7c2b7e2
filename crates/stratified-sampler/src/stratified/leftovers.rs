use super::Stratified;
use crate::Leftovers;
use crate::deal::Deal;
use crate::key::{Key, Purpose};
use crate::permutation::Permutation;

impl Stratified {
    /// Appends the slots of one batch of an epoch's leftovers; that after the last full one is the short one.
    pub(super) fn draw_leftovers(&self, epoch: u64, nth: u32, out: &mut Vec<u32>) {
        let key = self.key.purpose(Purpose::Leftovers).child(epoch);
        if self.config.leftovers == Leftovers::Merge {
            self.draw_line(epoch, nth, key, out);
        } else {
            self.draw_mixed(epoch, nth, key, out);
        }
    }

    /// Appends the slots of part of the line.
    fn draw_line(&self, epoch: u64, nth: u32, key: Key, out: &mut Vec<u32>) {
        let start = nth * self.batch;
        let end = self.line.pairs().min(start.saturating_add(self.batch));
        for place in self.line.turned(key, start..end) {
            let first = self.first_leftover(place.stratum) + place.nth;
            self.draw_stratum(epoch, place.stratum, first..first + place.left, out);
        }
    }

    /// Appends the slots of a hand of the line, where the small strata together are one.
    fn draw_mixed(&self, epoch: u64, nth: u32, key: Key, out: &mut Vec<u32>) {
        // Child 0 is the line's turn.
        let small = Permutation::new(self.strata.small().len() as u32, key.child(1));
        for places in Deal::new(self.line.pairs(), self.batch).hand(nth, key.child(2)) {
            for place in self.line.turned(key, places) {
                if place.stratum < self.strata.homes {
                    let first = self.first_leftover(place.stratum) + place.nth;
                    self.draw_stratum(epoch, place.stratum, first..first + place.left, out);
                } else {
                    let start = self.strata.small().start;
                    let places = place.nth..place.nth + place.left;
                    self.strata.draw(&small, start, places, out);
                }
            }
        }
    }

    /// Returns the place of the first leftover pair in the order of its stratum.
    fn first_leftover(&self, stratum: usize) -> u32 {
        if stratum < self.strata.homes { self.strata.size(stratum).min(self.cap) / self.batch * self.batch } else { 0 }
    }
}
