use std::ops::Range;

use crate::Leftovers;
use crate::key::Key;
use crate::merge;
use crate::plan_hash::Hashed;
use crate::strata::Strata;

/// The leftovers of all strata, one stratum after another.
pub(crate) struct Line {
    /// The strata in order.
    strata: Vec<u32>,
    /// Place of the first pair of each, and the end.
    starts: Vec<u32>,
}

/// A place in a line.
pub(crate) struct Place {
    /// The stratum.
    pub(crate) stratum: usize,
    /// Which of the stratum's leftover pairs.
    pub(crate) nth: u32,
    /// How many of them follow, this one included.
    pub(crate) left: u32,
}

impl Line {
    /// Returns the line of which a stratum has `left_over` pairs; empty if nothing is to be drawn from a line. Under `Mix` the
    /// small strata are one, numbered as the first of them.
    pub(crate) fn of_leftovers(
        strata: &Strata,
        leftovers: Leftovers,
        nearest: Option<&[u32]>,
        left_over: impl Fn(usize) -> u32,
    ) -> Self {
        match (leftovers, nearest) {
            (Leftovers::Drop | Leftovers::Carry, _) => Self::new(Vec::new(), left_over),
            (Leftovers::Mix, _) => Self::new((0..=strata.homes as u32).collect(), |stratum| match stratum {
                _ if stratum < strata.homes => left_over(stratum),
                _ => strata.small().len() as u32,
            }),
            (Leftovers::Merge, None) => Self::new(by_size(strata), left_over),
            (Leftovers::Merge, Some(nearest)) => Self::new(by_nearest(strata, nearest), left_over),
        }
    }

    /// Returns the line of strata in that order, each with its number of leftover pairs.
    fn new(strata: Vec<u32>, leftover: impl Fn(usize) -> u32) -> Self {
        let mut starts = vec![0];
        let mut end = 0;
        for &stratum in &strata {
            end += leftover(stratum as usize);
            starts.push(end);
        }
        Self { strata, starts }
    }

    /// Adds the line to a hash.
    pub(crate) fn hash(&self, hash: &mut Hashed) {
        hash.numbers(&self.strata);
        hash.numbers(&self.starts);
    }

    /// Returns the number of pairs in line.
    pub(crate) fn pairs(&self) -> u32 {
        self.starts[self.strata.len()]
    }

    /// Returns what stands at some places, each stratum's together, of the line from a place on that the key says; its end goes on at
    /// its beginning.
    pub(crate) fn turned(&self, key: Key, places: Range<u32>) -> impl Iterator<Item = Place> {
        let pairs = u64::from(self.pairs());
        // The high half of a product is even to within pairs / 2^64, and needs no division.
        let turn = ((u128::from(key.word(0)) * u128::from(pairs)) >> 64) as u64;
        let mut next = places.start;
        std::iter::from_fn(move || {
            let left = places.end.checked_sub(next).filter(|&left| left > 0)?;
            let mut place = self.at(((u64::from(next) + turn) % pairs) as u32);
            place.left = place.left.min(left);
            next += place.left;
            Some(place)
        })
    }

    /// Returns what stands at a place.
    pub(crate) fn at(&self, place: u32) -> Place {
        let index = self.starts.partition_point(|&start| start <= place) - 1;
        Place {
            stratum: self.strata[index] as usize,
            nth: place - self.starts[index],
            left: self.starts[index + 1] - place,
        }
    }
}

fn by_size(strata: &Strata) -> Vec<u32> {
    let mut by_size: Vec<u32> = (0..strata.drawn as u32).collect();
    by_size.sort_by_key(|&stratum| {
        let stratum = stratum as usize;
        (strata.size(stratum), strata.labels[stratum])
    });
    by_size
}

fn by_nearest(strata: &Strata, nearest: &[u32]) -> Vec<u32> {
    let mut sizes = vec![0; nearest.len()];
    let mut by_label = vec![None; nearest.len()];
    for (stratum, &label) in (0u32..).zip(&strata.labels[..strata.drawn]) {
        sizes[label as usize] = strata.size(stratum as usize);
        by_label[label as usize] = Some(stratum);
    }
    let labels = merge::line_up(nearest, &sizes).into_iter();
    labels.filter_map(|label| by_label[label as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strata_without_leftovers_are_passed_over() {
        let line = Line::new(vec![2, 0, 1, 3], |stratum| [0, 3, 2, 0][stratum]);
        assert_eq!(line.pairs(), 5);
        let strata: Vec<usize> = (0..5).map(|place| line.at(place).stratum).collect();
        assert_eq!(strata, [2, 2, 1, 1, 1]);
        let place = line.at(3);
        assert_eq!((place.nth, place.left), (1, 2));
    }
}
