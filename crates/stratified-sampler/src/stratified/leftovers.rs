use super::Stratified;
use crate::Leftovers;
use crate::deal::Deal;
use crate::key::{Key, Purpose};
use crate::line::Line;
use crate::merge;
use crate::permutation::Permutation;
use crate::strata::Strata;

/// Returns the line of the leftovers, of which a stratum has `left_over`; empty if nothing is to be drawn from a line. Under `Mix` the
/// small strata are one, numbered as the first of them.
pub(super) fn line(
    strata: &Strata,
    leftovers: Leftovers,
    nearest: Option<&[u32]>,
    left_over: impl Fn(usize) -> u32,
) -> Line {
    match (leftovers, nearest) {
        (Leftovers::Drop | Leftovers::Carry, _) => Line::new(Vec::new(), left_over),
        (Leftovers::Mix, _) => Line::new((0..=strata.homes as u32).collect(), |stratum| match stratum {
            _ if stratum < strata.homes => left_over(stratum),
            _ => strata.small().len() as u32,
        }),
        (Leftovers::Merge, None) => Line::new(line_up_by_size(strata), left_over),
        (Leftovers::Merge, Some(nearest)) => Line::new(line_up_nearest(strata, nearest), left_over),
    }
}

fn line_up_by_size(strata: &Strata) -> Vec<u32> {
    let mut by_size: Vec<u32> = (0..strata.drawn as u32).collect();
    by_size.sort_by_key(|&stratum| {
        let stratum = stratum as usize;
        (strata.size(stratum), strata.labels[stratum])
    });
    by_size
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
        let small = Permutation::new(self.strata.small().len() as u32, key.child(1));
        for places in Deal::new(self.line.pairs(), self.batch).hand(nth, key.child(2)) {
            for place in self.line.turned(key, places) {
                if place.stratum < self.strata.homes {
                    let first = self.first_leftover(place.stratum) + place.nth;
                    self.draw_stratum(epoch, place.stratum, first..first + place.left, out);
                } else {
                    let start = self.strata.small().start;
                    let places = place.nth..place.nth + place.left;
                    small.fill_changed(places, out, |numbers| self.strata.fetch(numbers, start));
                }
            }
        }
    }

    /// Returns the place of the first leftover pair in the order of its stratum.
    fn first_leftover(&self, stratum: usize) -> u32 {
        if stratum < self.strata.homes { self.strata.size(stratum).min(self.cap) / self.batch * self.batch } else { 0 }
    }
}
