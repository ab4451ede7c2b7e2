use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor};

use super::indices;
#[cfg(feature = "_cube")]
use super::{csr::Csr, cube::Sparse};

/// Rows of a matrix by number.
pub(crate) struct Picks<B: Backend>(By<B>);

enum By<B: Backend> {
    #[cfg(feature = "_cube")]
    Product(Sparse<B>),
    Index(Tensor<B, 1, Int>),
}

impl<B: Backend> Picks<B> {
    /// Rows of a matrix that has `of` of them.
    pub(crate) fn new(rows: &[u32], of: usize, device: &B::Device) -> Self {
        Self::with_gaps(rows.iter().copied().map(Some), of, device)
    }

    /// Where there is no row, what is picked is finite if all rows are, and must count nothing.
    pub(super) fn with_gaps(rows: impl Iterator<Item = Option<u32>> + Clone, of: usize, device: &B::Device) -> Self {
        debug_assert!(rows.clone().flatten().all(|row| (row as usize) < of));
        #[cfg(feature = "_cube")]
        if let Some(product) = Sparse::new(|| Csr::picks(rows.clone(), of), device) {
            return Self(By::Product(product));
        }
        let rows: Vec<u32> = rows.map(Option::unwrap_or_default).collect();
        Self(By::Index(indices(&rows, device)))
    }

    pub(crate) fn of(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        match &self.0 {
            #[cfg(feature = "_cube")]
            By::Product(matrix) => matrix.times(x),
            By::Index(rows) => x.select(0, rows.clone()),
        }
    }
}
