use std::ops::Range;

use pulp::{Arch, NullaryFnOnce};

use crate::key::Key;

/// The largest size of a permutation: rows and columns are counted by 16 bits, so that there are at most 65,535 of each.
pub(crate) const LARGEST: u32 = 65_535 * 65_535;

/// What [`rounds`] asks for at most. They are stored in place, so that making a permutation allocates nothing.
const MOST_ROUNDS: usize = 24;

/// A keyed permutation of `0..size`, of which any part can be had without the rest.
///
/// A number is written as (row, column) of a grid of `ceil(sqrt(size))` rows, and the rounds of a Feistel network add to
/// the row a hash of the column and to the column a hash of the row, modulo their counts. The few cells of the grid that
/// are no number below `size` are left by walking on along the cycle. Both halves fit 16 bits, so that the rounds become vector
/// instructions of the best set that the processor has.
///
/// # Source
/// Black & Rogaway (2002), *Ciphers with arbitrary finite domains*, CT-RSA, methods 2 (walking) and 3 (the grid).
#[derive(Clone)]
pub(crate) struct Permutation {
    size: u32,
    rows: u16,
    columns: u16,
    rounds: [Round; MOST_ROUNDS],
    used: usize,
}

impl Permutation {
    /// Returns the permutation of `0..size` with that key; `size` is at most [`LARGEST`].
    pub(crate) fn new(size: u32, key: Key) -> Self {
        debug_assert!(size <= LARGEST);
        let root = size.isqrt();
        let rows = if root * root < size { root + 1 } else { root }.max(1);
        let used = rounds(size);
        let mut all = [Round([0; 3]); MOST_ROUNDS];
        for (number, round) in all[..used].iter_mut().enumerate() {
            *round = Round::new(key.word(number as u64));
        }
        Self { size, rows: rows as u16, columns: size.div_ceil(rows).max(1) as u16, rounds: all, used }
    }

    /// Returns the number at a position.
    pub(crate) fn at(&self, position: u32) -> u32 {
        debug_assert!(position < self.size);
        self.walk(position, Way::Forward)
    }

    /// Appends the numbers at a range of positions.
    pub(crate) fn fill(&self, positions: Range<u32>, out: &mut Vec<u32>) {
        self.fill_changed(positions, out, |_| {});
    }

    /// Appends the numbers at a range of positions, each few of them changed on the way.
    pub(crate) fn fill_changed(&self, positions: Range<u32>, out: &mut Vec<u32>, change: impl FnMut(&mut [u32])) {
        debug_assert!(positions.end <= self.size);
        Arch::new().dispatch(Fill { permutation: self, positions, out, change });
    }

    /// Fills with the numbers at so many positions at once: 16-bit lanes, of which 16 fill a common vector register.
    #[inline(always)]
    fn fill_lanes<const N: usize>(
        &self,
        positions: Range<u32>,
        out: &mut Vec<u32>,
        mut change: impl FnMut(&mut [u32]),
    ) {
        let mut numbers = [0; N];
        for first in positions.clone().step_by(N) {
            let mut cells = Cells::<N>::from(first, self.columns);
            cells.go(self, Way::Forward);
            cells.numbers(self.columns, &mut numbers);
            let filled = &mut numbers[..N.min((positions.end - first) as usize)];
            self.walk_on(filled, Way::Forward);
            change(filled);
            out.extend_from_slice(filled);
        }
    }

    /// Replaces numbers by their positions.
    pub(crate) fn invert(&self, numbers: &mut [u32]) {
        Arch::new().dispatch(Invert { permutation: self, numbers });
    }

    #[inline(always)]
    fn invert_lanes<const N: usize>(&self, numbers: &mut [u32]) {
        for some in numbers.chunks_mut(N) {
            let mut lanes = [0; N];
            lanes[..some.len()].copy_from_slice(some);
            let mut cells = Cells::of(&lanes, self.columns);
            cells.go(self, Way::Backward);
            cells.numbers(self.columns, &mut lanes);
            some.copy_from_slice(&lanes[..some.len()]);
            self.walk_on(some, Way::Backward);
        }
    }

    /// Walks from those numbers on that are not below `size`.
    #[inline(always)]
    fn walk_on(&self, numbers: &mut [u32], way: Way) {
        // One look at all of them, because few are.
        let is_outside = |any, &number: &u32| any | (number >= self.size);
        if numbers.iter().fold(false, is_outside) {
            for number in numbers.iter_mut().filter(|number| **number >= self.size) {
                *number = self.walk(*number, way);
            }
        }
    }

    /// Goes at least one step, and on until a number is below `size`.
    fn walk(&self, mut number: u32, way: Way) -> u32 {
        loop {
            let mut cell = Cells::of(&[number], self.columns);
            cell.go(self, way);
            number = cell.number(0, self.columns);
            if number < self.size {
                return number;
            }
        }
    }

    fn keys(&self) -> &[Round] {
        &self.rounds[..self.used]
    }
}

/// [`Permutation::fill_changed`], compiled for each instruction set.
struct Fill<'a, C> {
    permutation: &'a Permutation,
    positions: Range<u32>,
    out: &'a mut Vec<u32>,
    change: C,
}

impl<C: FnMut(&mut [u32])> NullaryFnOnce for Fill<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { permutation, positions, out, change } = self;
        out.reserve(positions.len());
        // All lanes are computed, so a short range gets few.
        match positions.len() {
            0..=16 => permutation.fill_lanes::<16>(positions, out, change),
            17..=32 => permutation.fill_lanes::<32>(positions, out, change),
            _ => permutation.fill_lanes::<64>(positions, out, change),
        }
    }
}

/// [`Permutation::invert`], compiled for each instruction set.
struct Invert<'a> {
    permutation: &'a Permutation,
    numbers: &'a mut [u32],
}

impl NullaryFnOnce for Invert<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.permutation.invert_lanes::<64>(self.numbers);
    }
}

/// From positions to numbers, or back.
#[derive(Clone, Copy)]
enum Way {
    Forward,
    Backward,
}

/// Returns the number of rounds, always even, because rows and columns take turns. With few cells it takes more of them
/// until all orders are equally likely.
fn rounds(size: u32) -> usize {
    // Twice as many as those with which a test in `tests/shuffle_quality.rs` fails: 12, 6 and 4.
    match size {
        0..16 => 24,
        16..1024 => 12,
        _ => 8,
    }
}

/// The key of one round.
#[derive(Clone, Copy)]
struct Round([u16; 3]);

impl Round {
    fn new(word: u64) -> Self {
        Self([word as u16, (word >> 16) as u16, (word >> 32) as u16])
    }

    /// Returns a hash of `x` in `0..count`.
    ///
    /// # Source
    /// Multipliers and shifts: Wellons, *Hash function prospector*, 16 bits; the keys between them are ours.
    #[inline(always)]
    fn hash(self, x: u16, count: u16) -> u16 {
        let [first, second, third] = self.0;
        let mut hash = x.wrapping_add(first);
        hash = (hash ^ (hash >> 8)).wrapping_mul(0x88b5).wrapping_add(second);
        hash = (hash ^ (hash >> 7)).wrapping_mul(0xdb2d).wrapping_add(third);
        ((u32::from(hash) * u32::from(count)) >> 16) as u16
    }
}

/// Cells of the grid.
struct Cells<const N: usize> {
    row: [u16; N],
    column: [u16; N],
}

impl<const N: usize> Cells<N> {
    /// Returns the cells of given numbers.
    #[inline(always)]
    fn of(numbers: &[u32; N], columns: u16) -> Self {
        let columns = u32::from(columns);
        Self {
            row: numbers.map(|number| (number / columns) as u16),
            column: numbers.map(|number| (number % columns) as u16),
        }
    }

    /// Returns the cells of consecutive numbers; those beyond the grid come out as some cell or other.
    #[inline(always)]
    fn from(first: u32, columns: u16) -> Self {
        let mut row = (first / u32::from(columns)) as u16;
        let mut column = (first % u32::from(columns)) as u16;
        let mut cells = Self { row: [0; N], column: [0; N] };
        if usize::from(column) + N <= usize::from(columns) {
            cells.row = [row; N];
            cells.column = std::array::from_fn(|lane| column + lane as u16);
            return cells;
        }
        for (to_row, to_column) in cells.row.iter_mut().zip(&mut cells.column) {
            (*to_row, *to_column) = (row, column);
            column += 1;
            if column == columns {
                column = 0;
                row = row.wrapping_add(1);
            }
        }
        cells
    }

    #[inline(always)]
    fn go(&mut self, permutation: &Permutation, way: Way) {
        let (rows, columns) = (permutation.rows, permutation.columns);
        match way {
            Way::Forward => {
                for rounds in permutation.keys().chunks_exact(2) {
                    add(&mut self.row, &self.column, rounds[0], rows);
                    add(&mut self.column, &self.row, rounds[1], columns);
                }
            }
            Way::Backward => {
                for rounds in permutation.keys().rchunks_exact(2) {
                    subtract(&mut self.column, &self.row, rounds[1], columns);
                    subtract(&mut self.row, &self.column, rounds[0], rows);
                }
            }
        }
    }

    #[inline(always)]
    fn number(&self, lane: usize, columns: u16) -> u32 {
        u32::from(self.row[lane]).wrapping_mul(u32::from(columns)).wrapping_add(u32::from(self.column[lane]))
    }

    #[inline(always)]
    fn numbers(&self, columns: u16, out: &mut [u32; N]) {
        for (lane, number) in out.iter_mut().enumerate() {
            *number = self.number(lane, columns);
        }
    }
}

/// Adds to each half a hash of the other half, modulo `count`.
#[inline(always)]
fn add<const N: usize>(half: &mut [u16; N], other: &[u16; N], round: Round, count: u16) {
    for (half, &other) in half.iter_mut().zip(other) {
        // half + hash >= count, written so that no sum passes 16 bits.
        let missing = count - round.hash(other, count);
        let wrapped = half.wrapping_sub(missing);
        *half = if *half >= missing { wrapped } else { wrapped.wrapping_add(count) };
    }
}

/// Undoes [`add`].
#[inline(always)]
fn subtract<const N: usize>(half: &mut [u16; N], other: &[u16; N], round: Round, count: u16) {
    for (half, &other) in half.iter_mut().zip(other) {
        let hash = round.hash(other, count);
        let wrapped = half.wrapping_sub(hash);
        *half = if *half >= hash { wrapped } else { wrapped.wrapping_add(count) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permutation(size: u32) -> Permutation {
        Permutation::new(size, Key::from_seed(u64::from(size)))
    }

    #[test]
    fn every_number_comes_once() {
        for size in (1..400).chain([1000, 4096, 4097, 65_536, 100_003]) {
            let mut numbers = Vec::new();
            permutation(size).fill(0..size, &mut numbers);
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..size), "{size}");
        }
    }

    #[test]
    fn any_range_and_any_position_agree_with_the_whole() {
        for size in [1, 2, 3, 63, 64, 65, 129, 1000, 5000] {
            let permutation = permutation(size);
            let mut whole = Vec::new();
            permutation.fill(0..size, &mut whole);
            let single: Vec<u32> = (0..size).map(|position| permutation.at(position)).collect();
            assert_eq!(single, whole);
            let from = size / 3;
            for to in [size - size / 4].into_iter().chain(from..size.min(from + 40)) {
                let mut part = vec![9];
                permutation.fill(from..to, &mut part);
                assert_eq!(part[1..], whole[from as usize..to as usize]);
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same() {
        for size in [5, 1000, 100_003] {
            let permutation = permutation(size);
            let (mut fast, mut plain) = (Vec::new(), Vec::new());
            permutation.fill(0..size, &mut fast);
            permutation.fill_lanes::<64>(0..size, &mut plain, |_| {});
            assert_eq!(fast, plain);
            permutation.invert(&mut fast);
            permutation.invert_lanes::<16>(&mut plain);
            assert_eq!(fast, plain);
        }
    }

    #[test]
    fn positions_invert_numbers() {
        for size in [1, 2, 3, 5, 64, 200, 3001] {
            let permutation = permutation(size);
            let mut numbers = Vec::new();
            permutation.fill(0..size, &mut numbers);
            permutation.invert(&mut numbers);
            assert!(numbers.into_iter().eq(0..size));
        }
    }

    #[test]
    fn the_largest_sizes_stay_in_range() {
        for size in [LARGEST, LARGEST - 1, LARGEST - 65_534, 1 << 31] {
            let permutation = permutation(size);
            let mut numbers = Vec::new();
            permutation.fill(size - 1000..size, &mut numbers);
            assert!(numbers.iter().all(|&number| number < size));
            permutation.invert(&mut numbers);
            assert!(numbers.into_iter().eq(size - 1000..size));
        }
    }
}
