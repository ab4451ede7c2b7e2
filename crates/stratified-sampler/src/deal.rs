use std::ops::Range;

use crate::key::Key;
use crate::permutation::Permutation;

/// So many different runs a hand has, at least, where it has as many places: a run is then less than 1% of a hand. Fewer
/// and longer runs would be faster to draw, and would show what stood together in the line.
const FEWEST_RUNS: u32 = 128;

/// The places of a line dealt out to hands of equal size, so that each hand has places from all over the line.
///
/// Places are dealt in short runs, of about 1/128 of a hand. The line of runs is cut into as many equal rows as a hand has runs; a hand takes one run
/// of each row, the next hand the next one, from a run on that a key says, and goes through the rows in an order of its own. What the full hands leave is
/// one more hand.
pub(crate) struct Deal {
    places: u32,
    /// Places of a run.
    run: u32,
    /// Runs of a hand.
    rows: u32,
}

impl Deal {
    /// Returns the deal of a line of that many places into hands of `hand`, or into one of all places if they are fewer.
    pub(crate) fn new(places: u32, hand: u32) -> Self {
        let hand = hand.min(places).max(1);
        // A power of two, so that one that divides the hand is easy to tell.
        let longest = (hand / FEWEST_RUNS).max(1).ilog2();
        let run = 1 << longest.min(hand.trailing_zeros());
        Self { places, run, rows: hand / run }
    }

    /// Returns the places of a hand, run by run. Hands have different places, and all together all of them.
    pub(crate) fn hand(&self, nth: u32, key: Key) -> impl Iterator<Item = Range<u32>> {
        let mut rows = Vec::new();
        Permutation::new(self.rows, key.child(0).child(nth.into())).fill(0..self.rows, &mut rows);
        let turns = key.child(1);
        let runs = u64::from(self.places / self.run);
        let is_last = nth == self.places / (self.rows * self.run);
        let run = self.run;
        let start = move |row: u32| (u64::from(row) * runs / u64::from(self.rows)) as u32;
        let of_row = move |row: u32| {
            let (start, end) = (start(row), start(row + 1));
            let turn = ((turns.word(row.into()) >> 32) * u64::from(end - start)) >> 32;
            let nth = (nth < end - start).then(|| (u64::from(nth) + turn) as u32 % (end - start));
            nth.map(|nth| (start + nth) * run..(start + nth + 1) * run)
        };
        let rest = is_last.then(|| self.places / run * run..self.places);
        rows.into_iter().filter_map(of_row).chain(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_dealt_once() {
        for hand in [1, 2, 3, 7, 255, 256, 512, 768, 1000, 1024] {
            for places in [0, 1, 2, 5, 255, 256, 1023, 1024, 2048, 3000, 5001] {
                let deal = Deal::new(places, hand);
                let mut dealt = Vec::new();
                for nth in 0..=places / hand {
                    let before = dealt.len();
                    dealt.extend(deal.hand(nth, Key::from_seed(3)).flatten());
                    let size = dealt.len() - before;
                    assert_eq!(size as u32, if nth < places / hand { hand } else { places % hand });
                }
                dealt.sort_unstable();
                assert!(dealt.into_iter().eq(0..places), "{places} places, hands of {hand}");
            }
        }
    }

    #[test]
    fn a_hand_has_places_from_all_over_the_line() {
        let deal = Deal::new(100_000, 1024);
        assert_eq!((deal.run, deal.rows), (8, 128));
        let mut hand: Vec<u32> = deal.hand(11, Key::from_seed(0)).flatten().collect();
        hand.sort_unstable();
        let gaps = hand.chunks(8).zip(hand.chunks(8).skip(1)).map(|(run, next)| next[0] - run[0]);
        assert!(gaps.max() < Some(1600), "rows are 781 places long");
    }
}
