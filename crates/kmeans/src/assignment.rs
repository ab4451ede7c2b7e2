use vectors::UnitRows;

/// Below every product of a row and a centroid, whose norms are at most 1.001: the own bound of which nothing is known.
pub(crate) const BELOW_ALL: f32 = -2.0;

/// Above every product of a row and a centroid: the bound of a group of which nothing is known.
pub(crate) const ABOVE_ALL: f32 = 2.0;

/// Labels of some rows and bounds of their products, each slice from the same row on.
///
/// # Invariant
/// With `x·c` for exact products and `E` for the rounding of a product in f32 (`docs/kmeans.md`, "Ties"): a row's own bound is
/// at most `x·c + E` of its label's centroid, and a group's bound is at least `x·c − E` of each of its other centroids.
pub(crate) struct Assignment<'a> {
    pub(crate) labels: &'a mut [u32],
    /// Lower bound of each row's product with the centroid of its label.
    pub(crate) own: &'a mut [f32],
    /// Upper bounds of its products with the other centroids of each group, `[rows, groups]`.
    pub(crate) others: &'a mut [f32],
}

/// Rows as they are stored, and in fixed point if they are kept so.
#[derive(Clone, Copy)]
pub(crate) struct RowsToAssign<'a> {
    pub(crate) rows: UnitRows<'a>,
    pub(crate) fixed: Option<&'a [i32]>,
    /// The largest norm of what rounding took from a row that is kept in fixed point.
    pub(crate) residue: f32,
}
