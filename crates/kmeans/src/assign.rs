//! One pass over the rows: nearest centroids, objective and, fused with it, the sums of the next centroids.
//!
//! The rows are halved until a part is at most `leaf_rows` long, and the parts' results are merged up the same tree,
//! so that floating-point sums do not depend on the number of threads.

use ndarray::ArrayView2;
use vectors::UnitRows;

use crate::kernel::{OnRow, PackedCentroids};
use crate::sums::{self, Sums};

/// What a pass counts beside the labels it writes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    /// Sum of the rows' cosines with their centroids.
    pub(crate) cosines: f64,
    /// Labels that differ from those before the pass.
    pub(crate) changed: u64,
}

impl Totals {
    fn merge(self, other: Self) -> Self {
        Self { cosines: self.cosines + other.cosines, changed: self.changed + other.changed }
    }
}

const LEAF_ROWS: usize = 1024;

/// Sums of up to this many bytes are fused: they stay in the caches.
const FUSED_BYTES: usize = 2 * 1024 * 1024;

/// Writes the nearest centroid of every row to `labels`.
pub(crate) fn assign(rows: UnitRows<'_>, centroids: ArrayView2<'_, f32>, labels: &mut [u32]) -> Totals {
    let packed = PackedCentroids::new(centroids);
    let leaf = |rows: UnitRows<'_>, labels: &mut [u32]| {
        let mut pass = Labelling::new(labels);
        rows.blocks(|rows| packed.nearest(rows, &mut pass));
        pass.totals
    };
    Tree { leaf_rows: LEAF_ROWS, leaf: &leaf, merge: &Totals::merge }.fold(rows, labels)
}

/// [`assign`], and the sums of the rows of each label.
pub(crate) fn assign_and_sum(rows: UnitRows<'_>, centroids: ArrayView2<'_, f32>, labels: &mut [u32]) -> (Totals, Sums) {
    let (clusters, dim) = centroids.dim();
    if clusters * dim * size_of::<f64>() > FUSED_BYTES {
        let totals = assign(rows, centroids, labels);
        return (totals, sums::by_label(rows, labels, clusters));
    }
    let packed = PackedCentroids::new(centroids);
    let leaf = |rows: UnitRows<'_>, labels: &mut [u32]| {
        let mut pass = Summing::new(Labelling::new(labels), &packed);
        rows.blocks(|rows| packed.nearest(rows, &mut pass));
        (pass.labelling.totals, pass.sums)
    };
    let merge = |(left_totals, left): (Totals, Sums), (right_totals, right): (Totals, Sums)| {
        (Totals::merge(left_totals, right_totals), left.merge(&right))
    };
    // A leaf pays for the merge of its sums, so it has many times more rows than there are sums.
    Tree { leaf_rows: LEAF_ROWS.max(32 * clusters), leaf: &leaf, merge: &merge }.fold(rows, labels)
}

/// Lowers `distances` to 1 − cosine with `centroid` where that is less.
pub(crate) fn lower_distances(rows: UnitRows<'_>, centroid: ArrayView2<'_, f32>, distances: &mut [f32]) {
    let packed = PackedCentroids::new(centroid);
    let leaf = |rows: UnitRows<'_>, distances: &mut [f32]| {
        let mut pass = Lowering(distances.iter_mut());
        rows.blocks(|rows| packed.nearest(rows, &mut pass));
    };
    Tree { leaf_rows: LEAF_ROWS, leaf: &leaf, merge: &|(), ()| () }.fold(rows, distances);
}

struct Tree<'a, L, M> {
    leaf_rows: usize,
    leaf: &'a L,
    merge: &'a M,
}

impl<L: Sync, M: Sync> Tree<'_, L, M> {
    fn fold<T: Send, R: Send>(&self, rows: UnitRows<'_>, out: &mut [T]) -> R
    where
        L: Fn(UnitRows<'_>, &mut [T]) -> R,
        M: Fn(R, R) -> R,
    {
        if rows.len() <= self.leaf_rows {
            return (self.leaf)(rows, out);
        }
        let half = rows.len() / 2;
        let (left_rows, right_rows) = rows.split_at(half);
        let (left_out, right_out) = out.split_at_mut(half);
        let (left, right) = rayon::join(|| self.fold(left_rows, left_out), || self.fold(right_rows, right_out));
        (self.merge)(left, right)
    }
}

struct Labelling<'a> {
    labels: std::slice::IterMut<'a, u32>,
    totals: Totals,
}

impl<'a> Labelling<'a> {
    fn new(labels: &'a mut [u32]) -> Self {
        Self { labels: labels.iter_mut(), totals: Totals::default() }
    }
}

impl OnRow for Labelling<'_> {
    #[inline(always)]
    fn on_row(&mut self, _: &[f32], label: u32, cosine: f32) {
        self.totals.cosines += f64::from(cosine);
        if let Some(slot) = self.labels.next() {
            self.totals.changed += u64::from(*slot != label);
            *slot = label;
        }
    }
}

struct Summing<'a> {
    labelling: Labelling<'a>,
    sums: Sums,
    dim: usize,
}

impl<'a> Summing<'a> {
    fn new(labelling: Labelling<'a>, packed: &PackedCentroids) -> Self {
        let dim = packed.dim();
        let sums = Sums::none(packed.count(), dim);
        Self { labelling, sums, dim }
    }
}

impl OnRow for Summing<'_> {
    #[inline(always)]
    fn on_row(&mut self, row: &[f32], label: u32, cosine: f32) {
        self.labelling.on_row(row, label, cosine);
        self.sums.sizes[label as usize] += 1;
        let sums = &mut self.sums.values[label as usize * self.dim..][..self.dim];
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
}

struct Lowering<'a>(std::slice::IterMut<'a, f32>);

impl OnRow for Lowering<'_> {
    #[inline(always)]
    fn on_row(&mut self, _: &[f32], _: u32, cosine: f32) {
        if let Some(distance) = self.0.next() {
            *distance = distance.min((1.0 - cosine).max(0.0));
        }
    }
}
