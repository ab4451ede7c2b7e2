//! A pass in fixed point: blocks of open rows pass over the groups of centroids that each leaves open.

use vectors::UnitRows;
use vectors::fixed_point::{IntegerSimd, WithIntegerSimd, dispatch, quantise};

use super::fixed_centroids::FixedCentroids;
use super::open_groups::{MOST_ROWS, OpenGroups};
use super::row_block::{BlockWords, RowBlock};
use crate::assignment::{Assignment, RowsToAssign};
use crate::moves::Move;

/// Labels the rows `open` (ascending indices into `rows`), makes their bounds those of these centroids, and gives the ones that
/// changed their label.
pub(super) fn assign(
    centroids: &FixedCentroids,
    rows: RowsToAssign<'_>,
    open: &[u32],
    assignment: Assignment<'_>,
) -> Vec<Move> {
    let (moves, buffer, groups) = (Vec::new(), Vec::new(), OpenGroups::default());
    let mut pass = Pass { centroids, rows, assignment, moves, buffer, groups };
    // So many that their values stay in the second-level cache.
    for block in open.chunks(MOST_ROWS) {
        dispatch(AssignBlock { pass: &mut pass, block });
    }
    pass.moves
}

struct Pass<'a> {
    centroids: &'a FixedCentroids,
    rows: RowsToAssign<'a>,
    assignment: Assignment<'a>,
    moves: Vec<Move>,
    /// Rows in fixed point where none are kept.
    buffer: Vec<i32>,
    groups: OpenGroups,
}

struct AssignBlock<'p, 'a> {
    pass: &'p mut Pass<'a>,
    block: &'p [u32],
}

impl WithIntegerSimd for AssignBlock<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with<I: IntegerSimd>(self, simd: I) {
        let Pass { centroids, rows, assignment, moves, buffer, groups } = self.pass;
        let residue = match rows.fixed {
            Some(_) => rows.residue,
            None => quantise_rows(rows.rows, self.block, centroids.words_a_row, buffer),
        };
        let words = match rows.fixed {
            Some(words) => BlockWords { words, gathered: false },
            None => BlockWords { words: buffer, gathered: true },
        };
        let mut block = RowBlock::new(centroids, words, self.block, centroids.product_error(residue));
        block.open_groups(simd, assignment, groups);
        for group in 0..centroids.groups() {
            block.multiply_group(simd, group, groups.rows(group), assignment);
        }
        block.label_rows(rows.rows, assignment, moves);
    }
}

/// Writes the rows of a block in fixed point, one after another, and gives the largest of their residues.
#[inline(always)]
fn quantise_rows(rows: UnitRows<'_>, block: &[u32], words_a_row: usize, buffer: &mut Vec<i32>) -> f32 {
    buffer.resize(MOST_ROWS * words_a_row, 0);
    let (mut residue, mut widened) = (0.0_f32, Vec::new());
    for (&row, words) in block.iter().zip(buffer.chunks_exact_mut(words_a_row)) {
        residue = residue.max(quantise(rows.row(row as usize, &mut widened), words));
    }
    residue
}
