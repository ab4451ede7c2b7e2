use ndarray::Array2;
use vectors::UnitRows;

use super::bounds::Bounds;

/// Rows to assign to centroids that stay, within bounds of the sizes.
#[derive(Clone, Copy)]
pub(super) struct Problem<'a> {
    pub(super) rows: UnitRows<'a>,
    pub(super) centroids: &'a Array2<f32>,
    pub(super) bounds: Bounds,
}
