//! What is compared of the rows, without a copy: prefixes that share their first columns, scaled where cosines are compared.
//!
//! # Inequality
//! Norms within [`NORMS`] keep products of f32 and their scales in range; other rows are for [`View`](crate::view::View), which copies them, and
//! so are cosines of one column, whose gradients are nothing but the rounding of what cancels.

use std::ops::{Range, RangeInclusive};

use rayon::prelude::*;
use vectors::{Matrix, inner_product};

use crate::block::Side;
use crate::{InfoNceConfig, Prefix, Similarity};

const NORMS: RangeInclusive<f64> = 1e-12..=1e12;

/// Queries and passages, and their prefixes from the narrowest to the widest.
pub(super) struct Compared<'a> {
    pub(super) sides: [Matrix<'a>; 2],
    pub(super) prefixes: Vec<ComparedPrefix>,
}

/// One prefix.
pub(super) struct ComparedPrefix {
    pub(super) weight: f32,
    /// Its columns beyond those of the prefix before.
    pub(super) columns: Range<usize>,
    /// 1 over the norm of each query's and each passage's prefix, 0 for one of zeros; `None` where rows are compared as they come.
    pub(super) scales: Option<[Vec<f32>; 2]>,
    /// The similarity of each pair.
    pub(super) own: Vec<f32>,
}

impl<'a> Compared<'a> {
    /// `None` if a norm is out of range, or a cosine of one column.
    pub(super) fn new(config: &InfoNceConfig, mut prefixes: Vec<Prefix>, sides: [Matrix<'a>; 2]) -> Option<Self> {
        prefixes.sort_by_key(|prefix| prefix.width);
        let mut all = Self { sides, prefixes: Vec::with_capacity(prefixes.len()) };
        for Prefix { width, weight } in prefixes {
            let columns = all.width()..width;
            let scales = match config.similarity {
                Similarity::Dot => None,
                Similarity::Cosine if width == 1 => return None,
                Similarity::Cosine => Some([scales(sides[0], width)?, scales(sides[1], width)?]),
            };
            all.prefixes.push(ComparedPrefix { weight, columns, scales, own: Vec::new() });
            let own = |pair: usize| all.similarity(all.prefixes.len() - 1, Side::Queries, [pair, pair]);
            let own = (0..sides[0].count()).into_par_iter().map(own).collect();
            if let Some(prefix) = all.prefixes.last_mut() {
                prefix.own = own;
            }
        }
        Some(all)
    }

    /// Columns of the widest.
    pub(super) fn width(&self) -> usize {
        self.prefixes.last().map_or(0, |prefix| prefix.columns.end)
    }

    /// Whether the products of the whole rows are the similarities.
    pub(super) fn is_plain(&self) -> bool {
        let [prefix] = &self.prefixes[..] else { return false };
        prefix.scales.is_none() && self.width() == self.sides[0].width()
    }

    /// Of a row of these anchors and one of the other side.
    pub(super) fn similarity(&self, prefix: usize, anchors: Side, [anchor, candidate]: [usize; 2]) -> f32 {
        let width = self.prefixes[prefix].columns.end;
        let row = |side: Side, row: usize| &self.sides[side as usize].row(row)[..width];
        let product = inner_product(row(anchors, anchor), row(anchors.other(), candidate));
        let scale = |side: Side, row: usize| f64::from(self.scale(prefix, side, row));
        (product * scale(anchors, anchor) * scale(anchors.other(), candidate)) as f32
    }

    /// What a row is multiplied by.
    pub(super) fn scale(&self, prefix: usize, side: Side, row: usize) -> f32 {
        self.prefixes[prefix].scales.as_ref().map_or(1.0, |scales| scales[side as usize][row])
    }

    /// The largest similarity of a query and a passage that there can be, by the widest prefix.
    pub(super) fn bound(&self) -> f32 {
        if self.prefixes.iter().any(|prefix| prefix.scales.is_some()) {
            return 1.0;
        }
        let width = self.width();
        let longest =
            |side: Matrix<'_>| (0..side.count()).map(|row| vectors::norm(&side.row(row)[..width])).fold(0.0, f64::max);
        (longest(self.sides[0]) * longest(self.sides[1])) as f32
    }
}

impl ComparedPrefix {
    /// Of some rows of an anchors' side and of a candidates' side.
    pub(super) fn scales_of(
        &self,
        [anchors, candidates]: [Side; 2],
        [rows, columns]: [&Range<usize>; 2],
    ) -> Option<[&[f32]; 2]> {
        let scales = self.scales.as_ref()?;
        Some([&scales[anchors as usize][rows.clone()], &scales[candidates as usize][columns.clone()]])
    }
}

fn scales(rows: Matrix<'_>, width: usize) -> Option<Vec<f32>> {
    let scale = |row: usize| match vectors::norm(&rows.row(row)[..width]) {
        0.0 => Some(0.0),
        // What is not finite is for the gradients to show.
        norm if NORMS.contains(&norm) || !norm.is_finite() => Some((1.0 / norm) as f32),
        _ => None,
    };
    (0..rows.count()).into_par_iter().map(scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_follow_one_another_and_cosines_have_norm_1() {
        let (queries, passages) = ([3.0, 4.0, 12.0], [0.0, 2.0, 0.0]);
        let sides = [Matrix::rows(&queries, 3), Matrix::rows(&passages, 3)];
        let config = InfoNceConfig::default().with_similarity(Similarity::Cosine);
        let compared = Compared::new(&config, vec![Prefix::new(3), Prefix::new(2)], sides).unwrap();
        let columns: Vec<Range<usize>> = compared.prefixes.iter().map(|prefix| prefix.columns.clone()).collect();
        assert_eq!(columns, [0..2, 2..3]);
        let own: Vec<f32> = compared.prefixes.iter().map(|prefix| prefix.own[0]).collect();
        assert_eq!(own, [0.8, 4.0 / 13.0]);
        assert_eq!(compared.scale(0, Side::Passages, 0), 0.5);
    }

    #[test]
    fn rows_out_of_range_are_for_others_and_rows_of_zeros_are_not() {
        let config = InfoNceConfig::default().with_similarity(Similarity::Cosine);
        let by = |width: usize, row: &[f32]| {
            Compared::new(&config, vec![Prefix::new(width)], [Matrix::rows(row, 2); 2]).is_some()
        };
        let of = |row: &[f32]| by(2, row);
        assert!(!by(1, &[1.0, 0.0]));
        assert!(of(&[0.0, 0.0]) && of(&[1e-10, 1e10]) && !of(&[1e-20, 0.0]) && !of(&[1e20, 0.0]));
    }
}
