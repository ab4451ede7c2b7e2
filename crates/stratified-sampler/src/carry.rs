use std::ops::Range;

use crate::key::Key;
use crate::permutation::Permutation;

/// One stratum's endless stream, cut into batches: its pairs in one order, then in another, and so on. An epoch takes a
/// given number of pairs of it, by rule as many as the stratum has.
///
/// A *lap* goes once through the stratum, so that after any number of whole laps each pair has come equally often. Each lap
/// of a stratum of two batches or more has an order of its own. A smaller stratum keeps an order for a *turn* of
/// several laps, about `batch / (size - batch)` of them, because almost every batch of such a stratum lies on a seam between laps
/// and a seam between equal orders repeats no pair.
///
/// # The seam
/// A batch across the seam between two orders takes the last `carried` pairs of the old one and the first
/// `batch - carried` of the new one. Where one of the latter is among the former, it changes places with the first
/// later pair of the new order that is not. At most `carried` places behind the head are looked at, so that only the first `batch`
/// places of an order ever change, and a turn ends only where its last `carried` places are not among them. Thus the pairs
/// carried over follow from the old key alone, and no seam depends on the one before.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    /// Pairs of the stratum, at least `batch`.
    pub(crate) size: u32,
    /// Pairs that an epoch takes.
    pub(crate) take: u64,
    /// Pairs of a batch.
    pub(crate) batch: u32,
    /// Key of the stratum.
    pub(crate) key: Key,
}

impl Stream {
    /// Returns the number of batches that an epoch completes.
    pub(crate) fn batches(&self, epoch: u64) -> u32 {
        let (take, batch) = (self.take, u64::from(self.batch));
        // What the epochs before left of a batch, `take * epoch % batch`, without a product of more than 64 bits.
        let left = take % batch;
        let before = (epoch % batch) * left % batch;
        ((take + before) / batch) as u32
    }

    /// Appends the pairs, numbered from 0, of the batch of that index among those that an epoch completes.
    pub(crate) fn draw(&self, epoch: u64, index: u32, out: &mut Vec<u32>) {
        // An epoch is any u64, so that a place in the stream does not fit one.
        let (size, batch) = (u128::from(self.size), u128::from(self.batch));
        let start = (u128::from(self.take) * u128::from(epoch) / batch + u128::from(index)) * batch;
        let lap = start / size;
        let from = (start % size) as u32;
        let in_lap = self.batch.min(self.size - from);
        self.extend(lap, from..from + in_lap, out);
        self.extend(lap + 1, 0..self.batch - in_lap, out);
    }

    /// Appends some places of a lap.
    fn extend(&self, lap: u128, places: Range<u32>, out: &mut Vec<u32>) {
        let turn = self.turn(lap);
        let order = self.order(turn);
        let carried = self.carried(turn);
        if carried == 0 || places.start >= self.batch || places.is_empty() {
            return order.fill(places, out);
        }
        let base = out.len();
        order.fill(0..self.batch, out);
        self.resolve(turn, carried, base, out);
        out.truncate(base + places.end.min(self.batch) as usize);
        out.drain(base..base + places.start as usize);
        if places.end > self.batch {
            order.fill(self.batch..places.end, out);
        }
    }

    /// Keeps the pairs carried over from the turn before out of the head of `out[base..]`, a turn's first `batch` places.
    fn resolve(&self, turn: u128, carried: u32, base: usize, out: &mut Vec<u32>) {
        let count = out.len() - base;
        out.extend_from_within(base..);
        let (places, before) = out[base..].split_at_mut(count);
        self.order(turn - 1).invert(before);
        let is_carried = |place: usize| before[place] >= self.size - carried;

        let head = count - carried as usize;
        let mut later = head;
        for place in (0..head).filter(|&place| is_carried(place)) {
            while is_carried(later) {
                later += 1;
            }
            places.swap(place, later);
            later += 1;
        }
        out.truncate(base + count);
    }

    /// By how much a lap moves on against the batches, at most a batch.
    fn drift(&self) -> u128 {
        u128::from(self.batch.min(self.size - self.batch))
    }

    /// Returns the turn that a lap belongs to; the lap itself for strata of two batches or more.
    fn turn(&self, lap: u128) -> u128 {
        lap * self.drift() / u128::from(self.batch)
    }

    /// Returns how many pairs of the turn before share a batch with the beginning of a turn.
    fn carried(&self, turn: u128) -> u32 {
        if turn == 0 {
            return 0;
        }
        let first_lap = (turn * u128::from(self.batch)).div_ceil(self.drift());
        (first_lap * u128::from(self.size) % u128::from(self.batch)) as u32
    }

    fn order(&self, turn: u128) -> Permutation {
        Permutation::new(self.size, self.key.child(turn as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_small_stream_repeats_no_pair_in_a_batch_and_evens_out_each_epoch() {
        for batch in 1..10 {
            for size in batch..5 * batch {
                let key = Key::from_seed(u64::from(size));
                let stream = Stream { size, take: size.into(), batch, key };
                let mut times = vec![0; size as usize];
                for epoch in 0..40 {
                    for index in 0..stream.batches(epoch) {
                        let mut drawn = Vec::new();
                        stream.draw(epoch, index, &mut drawn);
                        drawn.iter().for_each(|&pair| times[pair as usize] += 1);
                        drawn.sort_unstable();
                        drawn.dedup();
                        assert_eq!(drawn.len(), batch as usize, "{size} pairs, epoch {epoch}");
                    }
                    assert!(times.iter().all(|&times| times == epoch || times == epoch + 1));
                }
            }
        }
    }

    #[test]
    fn a_turn_begins_where_few_pairs_are_carried() {
        // Laps of 11 move on by 3 of 8: they begin at 0, 3, 6, 1, 4, 7, 2, 5 within a batch.
        let stream = Stream { size: 11, take: 11, batch: 8, key: Key::from_seed(0) };
        let turns: Vec<u128> = (0..9).map(|lap| stream.turn(lap)).collect();
        assert_eq!(turns, [0, 0, 0, 1, 1, 1, 2, 2, 3]);
        let carried: Vec<u32> = (0..4).map(|turn| stream.carried(turn)).collect();
        assert_eq!(carried, [0, 1, 2, 0]);
    }
}
