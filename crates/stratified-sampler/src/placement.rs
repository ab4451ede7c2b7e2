use crate::prefetch::prefetch;

/// How many pairs ahead memory is asked for: so many that it answers in time, so few that no answer has left the cache.
const AHEAD: usize = 16;

/// Batches that are filled pair by pair, each pair into the first with room that follows all batches with one of its keys.
///
/// A pair is placed in nearly constant time: full batches are passed over by a union-find of the next one with room.
pub(crate) struct Placement<'a> {
    /// Columns of keys, one key a pair each, and for each key the batch after the last that has it.
    keys: &'a [Vec<u32>],
    after: Vec<Vec<u32>>,
    size: usize,
    /// `size` places a batch.
    pairs: Vec<u32>,
    fill: Vec<u32>,
    /// The batch itself, or a later one at or before the next with room.
    next: Vec<u32>,
}

impl<'a> Placement<'a> {
    /// Returns no batches yet; those to come are of `size` pairs.
    pub(crate) fn new(keys: &'a [Vec<u32>], size: usize) -> Self {
        let after = |column: &Vec<u32>| vec![0; column.iter().max().map_or(0, |&key| key as usize + 1)];
        let after = keys.iter().map(after).collect();
        Self { keys, after, size, pairs: Vec::new(), fill: Vec::new(), next: Vec::new() }
    }

    /// Returns the number of batches.
    pub(crate) fn len(&self) -> usize {
        self.fill.len()
    }

    /// Adds empty batches.
    pub(crate) fn open(&mut self, batches: usize) {
        let len = self.len() + batches;
        self.next.extend(self.len() as u32..len as u32);
        self.fill.resize(len, 0);
        self.pairs.resize(len * self.size, 0);
    }

    /// Places pairs one after another, and gives those to `rest` for which there is no batch from `first` on.
    pub(crate) fn place_all(&mut self, pairs: &[u32], first: usize, mut rest: impl FnMut(&mut Self, u32)) {
        for (index, &pair) in pairs.iter().enumerate() {
            self.fetch(&pairs[index..]);
            if !self.place(pair, first) {
                rest(self, pair);
            }
        }
    }

    /// Asks for what pairs will need that come soon: first their keys, then what is known of these.
    fn fetch(&self, pairs: &[u32]) {
        if let Some(&pair) = pairs.get(2 * AHEAD) {
            self.keys.iter().for_each(|column| prefetch(column, pair as usize));
        }
        if let Some(&pair) = pairs.get(AHEAD) {
            let columns = self.keys.iter().zip(&self.after);
            columns.for_each(|(column, after)| prefetch(after, column[pair as usize] as usize));
        }
    }

    /// Places a pair in one of the batches from `first` on; `false` if there is none for it.
    pub(crate) fn place(&mut self, pair: u32, first: usize) -> bool {
        let after = |(column, after): (&Vec<u32>, &Vec<u32>)| after[column[pair as usize] as usize] as usize;
        let earliest = self.keys.iter().zip(&self.after).map(after).fold(first, usize::max);
        let batch = self.with_room(earliest);
        if batch == self.len() {
            return false;
        }
        self.pairs[batch * self.size + self.fill[batch] as usize] = pair;
        self.fill[batch] += 1;
        if self.is_full(batch) {
            self.next[batch] = batch as u32 + 1;
        }
        for (column, after) in self.keys.iter().zip(&mut self.after) {
            after[column[pair as usize] as usize] = batch as u32 + 1;
        }
        true
    }

    /// Returns the first batch with room from one on; the number of batches if there is none.
    fn with_room(&mut self, mut batch: usize) -> usize {
        while batch < self.len() && self.next[batch] as usize != batch {
            let next = self.next[batch] as usize;
            if next < self.len() {
                self.next[batch] = self.next[next];
            }
            batch = next;
        }
        batch
    }

    pub(crate) fn is_full(&self, batch: usize) -> bool {
        self.fill[batch] as usize == self.size
    }

    /// Returns the pairs of a batch.
    pub(crate) fn batch(&self, batch: usize) -> &[u32] {
        &self.pairs[batch * self.size..][..self.fill[batch] as usize]
    }

    /// Returns the places of all batches, `size` each.
    pub(crate) fn into_pairs(self) -> Vec<u32> {
        self.pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_go_to_the_first_batch_with_room_behind_their_keys() {
        let keys = [vec![0, 0, 1, 0, 2, 1], vec![0, 1, 1, 2, 0, 3]];
        let mut placement = Placement::new(&keys, 2);
        placement.open(3);
        let placed: Vec<bool> = (0..6).map(|pair| placement.place(pair, 0)).collect();
        // 2 follows 1 by its second key, 3 by its first; 4 follows 0; 5 follows 2, which is in the last.
        assert_eq!(placed, [true, true, true, true, true, false]);
        assert_eq!([placement.batch(0), placement.batch(1), placement.batch(2)], [&[0][..], &[1, 4], &[2, 3]]);
    }
}
