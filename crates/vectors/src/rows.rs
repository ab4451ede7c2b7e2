use std::ops::Range;

/// Rows of f32 in one contiguous slice.
///
/// # Examples
/// ```
/// use vectors::Rows;
///
/// let rows = Rows::new(&[1.0, 2.0, 3.0, 4.0], 2);
/// assert_eq!((rows.len(), rows.row(1)), (2, &[3.0, 4.0][..]));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    values: &'a [f32],
    dim: usize,
}

impl<'a> Rows<'a> {
    /// The rows of `dim` values each that follow one another in `values`.
    ///
    /// # Panics
    /// If `dim` is 0, or `values` are no whole rows.
    #[must_use]
    #[track_caller]
    pub fn new(values: &'a [f32], dim: usize) -> Self {
        assert!(dim > 0 && values.len().is_multiple_of(dim), "{} values are no rows of {dim}", values.len());
        Self { values, dim }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(self) -> usize {
        self.values.len() / self.dim
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.values.is_empty()
    }

    /// Values of a row.
    #[must_use]
    pub fn dim(self) -> usize {
        self.dim
    }

    /// One row.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline(always)]
    #[must_use]
    pub fn row(self, index: usize) -> &'a [f32] {
        &self.values[index * self.dim..][..self.dim]
    }

    /// The values of some rows.
    ///
    /// # Panics
    /// If there are no such rows.
    #[inline(always)]
    #[must_use]
    pub fn values(self, rows: Range<usize>) -> &'a [f32] {
        &self.values[rows.start * self.dim..rows.end * self.dim]
    }

    /// `T` rows from `start` on, of which only the first `used` count: the last of these fills the rest.
    ///
    /// # Panics
    /// If there are no such rows, or `used` is 0.
    #[inline(always)]
    #[must_use]
    pub fn tile<const T: usize>(self, start: usize, used: usize) -> [&'a [f32]; T] {
        let mut tile = [self.row(start); T];
        for (index, row) in tile.iter_mut().enumerate() {
            *row = self.row(start + index.min(used - 1));
        }
        tile
    }
}
