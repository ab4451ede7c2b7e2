//! Many rows against tiles of others: rows side by side in the lanes of vectors, so that no sum over lanes remains.

use super::instructions::{IntegerSimd, WithIntegerSimd, dispatch, lanes};

/// Rows that share the loads of a panel.
pub const TILE: usize = 6;

/// Vectors of a panel: with [`TILE`] rows the sums, 12, leave room for the factors in the 16 registers of AVX2.
pub const WIDTH: usize = 2;

/// Rows in fixed point in the order in which [`products`] reads them: panel, word, vector of the panel, lane. Lanes without
/// a row hold 0.
///
/// # Examples
/// ```
/// use vectors::fixed_point::{Panels, quantise};
///
/// let mut rows = [[0]; 3];
/// for (row, values) in rows.iter_mut().zip([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]) {
///     quantise(&values, row);
/// }
/// let panels = Panels::new(rows.iter().map(|row| &row[..]), 1);
/// assert_eq!((panels.len(), panels.panels()), (3, 1));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Panels {
    values: Vec<i32>,
    rows: usize,
    words_a_row: usize,
    panel_len: usize,
}

impl Panels {
    /// Rows of a panel: the lanes of [`WIDTH`] vectors of the best instruction set here.
    ///
    /// # Examples
    /// ```
    /// assert!(vectors::fixed_point::Panels::panel_len() >= 16);
    /// ```
    #[must_use]
    pub fn panel_len() -> usize {
        dispatch(PanelLen)
    }

    /// The rows side by side.
    ///
    /// # Panics
    /// If a row has fewer than `words_a_row` words.
    #[must_use]
    pub fn new<'r>(rows: impl ExactSizeIterator<Item = &'r [i32]>, words_a_row: usize) -> Self {
        let mut panels = Self::default();
        panels.fill(rows, words_a_row);
        panels
    }

    /// These rows instead of those that there are, in their memory if it is enough.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    ///
    /// # Examples
    /// ```
    /// use vectors::fixed_point::Panels;
    ///
    /// let mut panels = Panels::default();
    /// panels.fill([&[1, 2][..], &[3, 4], &[5, 6]].into_iter(), 2);
    /// assert_eq!(panels.len(), 3);
    /// panels.fill([&[1, 2][..]].into_iter(), 2);
    /// assert_eq!(panels.len(), 1);
    /// ```
    pub fn fill<'r>(&mut self, rows: impl ExactSizeIterator<Item = &'r [i32]>, words_a_row: usize) {
        let (rows, panel_len) = (rows.collect::<Vec<_>>(), Self::panel_len());
        let values = &mut self.values;
        values.clear();
        values.reserve_exact(words_of(rows.len(), words_a_row));
        for panel in rows.chunks(panel_len) {
            for word in 0..words_a_row {
                values.extend(panel.iter().map(|row| row[word]));
                values.extend(std::iter::repeat_n(0, panel_len - panel.len()));
            }
        }
        (self.rows, self.words_a_row, self.panel_len) = (rows.len(), words_a_row, panel_len);
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Number of panels.
    #[must_use]
    pub fn panels(&self) -> usize {
        self.rows.div_ceil(self.panel_len)
    }

    /// One panel, a group of vectors for each word.
    ///
    /// # Panics
    /// If there is no such panel, or `I` is not the instruction set that [`dispatch`] chooses.
    #[inline(always)]
    #[must_use]
    pub fn panel<I: IntegerSimd>(&self, index: usize) -> &[[I::Vector; WIDTH]] {
        let len = self.words_a_row * self.panel_len;
        bytemuck::cast_slice(&self.values[index * len..][..len])
    }
}

/// Words of whole panels.
fn words_of(rows: usize, words_a_row: usize) -> usize {
    rows.next_multiple_of(Panels::panel_len()) * words_a_row
}

struct PanelLen;

impl WithIntegerSimd for PanelLen {
    type Output = usize;

    fn with<I: IntegerSimd>(self, _: I) -> usize {
        WIDTH * lanes::<I>()
    }
}

/// The products of a tile of rows with the rows of a panel. Each is exact, whatever the order of its sum.
///
/// Every row has as many words as the panel.
#[inline(always)]
pub fn products<I: IntegerSimd, const R: usize>(
    simd: I,
    panel: &[[I::Vector; WIDTH]],
    tile: [&[i32]; R],
) -> [[I::Vector; WIDTH]; R] {
    let mut sums = [[simd.zero(); WIDTH]; R];
    let tile = tile.map(
        #[inline(always)]
        |row| &row[..panel.len()],
    );
    for (word, vectors) in panel.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(tile) {
            let word = simd.splat(row[word]);
            for (sum, &vector) in sums.iter_mut().zip(vectors) {
                *sum = simd.add_products(*sum, word, vector);
            }
        }
    }
    sums
}

/// The product of two rows.
#[inline(always)]
pub fn dot<I: IntegerSimd>(simd: I, a: &[i32], b: &[i32]) -> i32 {
    let whole = a.len() / lanes::<I>() * lanes::<I>();
    let ((a, a_rest), (b, b_rest)) = (a.split_at(whole), b.split_at(whole));
    let (a, b): (&[I::Vector], &[I::Vector]) = (bytemuck::cast_slice(a), bytemuck::cast_slice(b));
    let mut sums = simd.zero();
    for (&a, &b) in a.iter().zip(b) {
        sums = simd.add_products(sums, a, b);
    }
    let rest: [&[i16]; 2] = [bytemuck::cast_slice(a_rest), bytemuck::cast_slice(b_rest)];
    let rest = rest[0].iter().zip(rest[1]).map(|(&a, &b)| i32::from(a) * i32::from(b));
    bytemuck::cast_slice::<I::Vector, i32>(&[sums]).iter().copied().chain(rest).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct AllProducts<'a> {
        panels: &'a Panels,
        tile: [&'a [i32]; TILE],
    }

    impl WithIntegerSimd for AllProducts<'_> {
        type Output = [Vec<i32>; TILE];

        #[inline(always)]
        fn with<I: IntegerSimd>(self, simd: I) -> Self::Output {
            let mut all: [Vec<i32>; TILE] = Default::default();
            for panel in 0..self.panels.panels() {
                let sums = products(simd, self.panels.panel::<I>(panel), self.tile);
                for (all, sums) in all.iter_mut().zip(&sums) {
                    all.extend_from_slice(bytemuck::cast_slice(sums));
                }
            }
            for (row, all) in self.tile.iter().zip(&mut all) {
                all.truncate(self.panels.len());
                all.push(dot(simd, row, row));
            }
            all
        }
    }

    fn product(a: &[i32], b: &[i32]) -> i32 {
        let numbers: [&[i16]; 2] = [bytemuck::cast_slice(a), bytemuck::cast_slice(b)];
        numbers[0].iter().zip(numbers[1]).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
    }

    proptest! {
        #[test]
        fn every_product_of_tile_and_panel_is_exact(rows in 1_usize..70, words in 1_usize..40, seed in any::<u32>()) {
            let word = |at: usize| {
                let mixed = (at as u32 + 1).wrapping_mul(2_654_435_761).wrapping_add(seed).wrapping_mul(0x9e37_79b1);
                let number = |bits: u32| (bits % 5_001) as i32 - 2_500;
                number(mixed >> 16) & 0xffff | number(mixed & 0xffff) << 16
            };
            let values: Vec<i32> = (0..(rows + TILE) * words).map(word).collect();
            let (tile, rest) = values.split_at(TILE * words);
            let tile: [&[i32]; TILE] = std::array::from_fn(|row| &tile[row * words..][..words]);
            let others: Vec<&[i32]> = rest.chunks(words).collect();
            let panels = Panels::new(others.iter().copied(), words);
            let found = dispatch(AllProducts { panels: &panels, tile });
            for (row, found) in tile.iter().zip(&found) {
                let expected: Vec<i32> = others.iter().chain([row]).map(|other| product(row, other)).collect();
                prop_assert_eq!(found, &expected);
            }
        }
    }
}
