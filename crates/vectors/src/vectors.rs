use std::borrow::Cow;

use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::ArrayView2;

use crate::VectorsError;

/// Rows of vectors, not checked yet: a row-major matrix of f32, or of f16 whose values are widened block by block.
///
/// Borrowed rows are never copied, so that they may be a memory-mapped file larger than memory.
///
/// # Examples
/// ```
/// use vectors::Vectors;
///
/// let rows = Vectors::from_f32(&[1.0, 0.0, 0.6, 0.8], 2)?;
/// assert_eq!((rows.len(), rows.dim()), (2, 2));
/// assert_eq!(rows.unit_rows()?.row(1, &mut Vec::new()), [0.6, 0.8]);
/// # Ok::<(), vectors::VectorsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Vectors<'a> {
    values: Values<'a>,
    dim: usize,
    may_exceed_memory: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Values<'a> {
    F32(Cow<'a, [f32]>),
    F16(&'a [f16]),
}

impl<'a> Vectors<'a> {
    /// Rows of `dim` values each, one after another.
    ///
    /// # Errors
    /// [`VectorsError::Ragged`] if the values are no whole number of rows.
    pub fn from_f32(values: &'a [f32], dim: usize) -> Result<Self, VectorsError> {
        whole_rows(values.len(), dim)?;
        Ok(Self { values: Values::F32(values.into()), dim, may_exceed_memory: false })
    }

    /// Rows of `dim` values each, one after another.
    ///
    /// # Errors
    /// [`VectorsError::Ragged`] if the values are no whole number of rows.
    pub fn from_f16(values: &'a [f16], dim: usize) -> Result<Self, VectorsError> {
        whole_rows(values.len(), dim)?;
        Ok(Self { values: Values::F16(values), dim, may_exceed_memory: false })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        let values = match &self.values {
            Values::F32(values) => values.len(),
            Values::F16(values) => values.len(),
        };
        values.checked_div(self.dim).unwrap_or(0)
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values of a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The same rows, and whether they may be more than fit in memory. What takes memory in proportion to them to save time
    /// then does not. True of a mapped file's rows until it is said otherwise, false of all others.
    ///
    /// # Examples
    /// ```
    /// let rows = vectors::Vectors::from_f32(&[1.0, 0.0], 2)?;
    /// assert!(!rows.may_exceed_memory() && rows.with_may_exceed_memory(true).may_exceed_memory());
    /// # Ok::<(), vectors::VectorsError>(())
    /// ```
    #[must_use]
    pub fn with_may_exceed_memory(self, may_exceed_memory: bool) -> Self {
        Self { may_exceed_memory, ..self }
    }

    /// Whether they may be more than fit in memory.
    #[must_use]
    pub fn may_exceed_memory(&self) -> bool {
        self.may_exceed_memory
    }

    /// The values, row after row: a copy only of f16.
    #[must_use]
    pub fn to_f32(&self) -> Cow<'_, [f32]> {
        match &self.values {
            Values::F32(values) => Cow::Borrowed(values),
            Values::F16(values) => Cow::Owned(values.to_f32_vec()),
        }
    }

    pub(crate) fn values(&self) -> &Values<'a> {
        &self.values
    }
}

/// A copy only if the array is not in row-major order already.
impl<'a> From<ArrayView2<'a, f32>> for Vectors<'a> {
    fn from(rows: ArrayView2<'a, f32>) -> Self {
        let dim = rows.ncols();
        let values = match rows.to_slice() {
            Some(values) => Cow::Borrowed(values),
            None => Cow::Owned(rows.iter().copied().collect()),
        };
        Self { values: Values::F32(values), dim, may_exceed_memory: false }
    }
}

fn whole_rows(values: usize, dim: usize) -> Result<(), VectorsError> {
    if dim == 0 && values > 0 || dim > 0 && !values.is_multiple_of(dim) {
        return Err(VectorsError::Ragged { values, dim });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_no_whole_rows_are_refused() {
        for (values, dim) in [(5, 2), (3, 0), (1, 4)] {
            let error = Vectors::from_f32(&vec![0.0; values], dim).unwrap_err();
            assert_eq!(error.to_string(), format!("{values} values are no rows of {dim}"));
        }
        assert_eq!(Vectors::from_f16(&[], 0).unwrap().len(), 0);
        assert_eq!(Vectors::from_f32(&[0.0; 6], 3).unwrap().len(), 2);
    }
}
