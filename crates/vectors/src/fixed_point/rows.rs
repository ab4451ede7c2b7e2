use memmap2::MmapMut;
use rayon::prelude::*;

use super::{quantise, words};
use crate::UnitRows;

/// A copy of rows in fixed point: 2 bytes a value.
///
/// # Examples
/// ```
/// use vectors::{Vectors, fixed_point::FixedRows};
///
/// let vectors = Vectors::from_f32(&[1.0, 0.0, 0.6, 0.8], 2)?;
/// let rows = FixedRows::new(vectors.unit_rows()?).expect("memory");
/// assert_eq!(rows.range(0..2), [32_000, 19_200 | 25_600 << 16]);
/// assert!(rows.residue() < 1e-7);
/// # Ok::<(), vectors::VectorsError>(())
/// ```
#[derive(Debug)]
pub struct FixedRows {
    /// Words, in memory that the system gives in large pages if it can: clearing it by small ones takes as long as
    /// writing it.
    words: MmapMut,
    words_a_row: usize,
    residue: f32,
}

/// Rows of a task.
const PART_ROWS: usize = 1024;

impl FixedRows {
    /// The copy; `None` if the system has no memory for it.
    #[must_use]
    pub fn new(rows: UnitRows<'_>) -> Option<Self> {
        let words_a_row = words(rows.dim());
        let mut all = MmapMut::map_anon(rows.len() * words_a_row * size_of::<i32>()).ok()?;
        #[cfg(target_os = "linux")]
        let _ = all.advise(memmap2::Advice::HugePage);
        let words: &mut [i32] = bytemuck::cast_slice_mut(&mut all);
        let parts = words.par_chunks_mut(PART_ROWS * words_a_row).enumerate();
        let residues = parts.map(|(part, words)| {
            let first = part * PART_ROWS;
            let rows = rows.range(first..first + words.len() / words_a_row);
            pulp::Arch::new().dispatch(Quantise { rows, words, words_a_row })
        });
        let residue = residues.reduce(|| 0.0, f32::max);
        Some(Self { words: all, words_a_row, residue })
    }

    /// The largest norm of what rounding took from a row.
    #[must_use]
    pub fn residue(&self) -> f32 {
        self.residue
    }

    /// The words of some rows, one row after another.
    ///
    /// # Panics
    /// If there are no such rows.
    #[must_use]
    pub fn range(&self, rows: std::ops::Range<usize>) -> &[i32] {
        &bytemuck::cast_slice(&self.words)[rows.start * self.words_a_row..rows.end * self.words_a_row]
    }
}

struct Quantise<'a> {
    rows: UnitRows<'a>,
    words: &'a mut [i32],
    words_a_row: usize,
}

impl pulp::WithSimd for Quantise<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> f32 {
        let (mut residue, mut widened) = (0.0_f32, Vec::new());
        for (row, words) in self.words.chunks_exact_mut(self.words_a_row).enumerate() {
            residue = residue.max(quantise(self.rows.row(row, &mut widened), words));
        }
        residue
    }
}
