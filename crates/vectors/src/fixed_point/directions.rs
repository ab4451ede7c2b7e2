use super::{ONE, scaled, words};
use crate::Matrix;
use crate::simd::{lanes_sum, vectorised};

/// Rows of any norm: their directions in fixed point, and their norms.
///
/// # Examples
/// ```
/// use vectors::Matrix;
/// use vectors::fixed_point::Directions;
///
/// let mut rows = Directions::default();
/// rows.fill(Matrix::rows(&[30.0, 40.0, 0.0, 0.0], 2));
/// assert_eq!((rows.len(), rows.norm(0), rows.norm(1)), (2, 50.0, 0.0));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Directions {
    words: Vec<i32>,
    norms: Vec<f32>,
    dim: usize,
}

impl Directions {
    /// These rows instead of those that there are, in their memory if it is enough. A row with a norm below 1e-15 is taken for zero; one with a norm above
    /// 1e15, or that is not finite, has the norm NaN.
    ///
    /// # Panics
    /// If the values of a row are no neighbours.
    pub fn fill(&mut self, rows: Matrix<'_>) {
        self.dim = rows.width();
        let words_a_row = words(self.dim);
        // What is in them is written over.
        self.words.resize(rows.count() * words_a_row, 0);
        self.norms.resize(rows.count(), 0.0);
        vectorised(
            #[inline(always)]
            || {
                for (index, norm) in self.norms.iter_mut().enumerate() {
                    let words = &mut self.words[index * words_a_row..][..words_a_row];
                    *norm = direction(rows.row(index), words);
                }
            },
        );
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.norms.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.norms.is_empty()
    }

    /// Values of a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The L2 norm of a row.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    #[inline]
    pub fn norm(&self, row: usize) -> f32 {
        self.norms[row]
    }

    /// The words of a row.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    #[inline]
    pub fn words(&self, row: usize) -> &[i32] {
        let words = words(self.dim);
        &self.words[row * words..][..words]
    }
}

/// The norms that fixed point takes: their squares are f32 of full precision.
const NORMS: std::ops::Range<f32> = 1e-15..1e15;

/// Writes the direction of a row, and gives its norm.
#[inline(always)]
pub(super) fn direction(row: &[f32], words: &mut [i32]) -> f32 {
    let square = lanes_sum(
        row,
        row,
        #[inline(always)]
        |v, w| v * w,
    );
    let norm = square.sqrt();
    if NORMS.contains(&norm) {
        scaled(row, ONE / norm, words);
        return norm;
    }
    words.fill(0);
    if norm < NORMS.start { 0.0 } else { f32::NAN }
}
