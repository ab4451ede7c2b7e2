use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use vectors::UnitRows;

use crate::moves::{Moves, SumChange};
use crate::parts::Part;

/// Sum and number of the rows of each label.
#[derive(Clone)]
pub(crate) struct Sums {
    /// `[clusters, dim]`, row-major.
    pub(crate) values: Vec<f64>,
    pub(crate) sizes: Vec<u64>,
}

impl Sums {
    pub(crate) fn none(clusters: usize, dim: usize) -> Self {
        Self { values: vec![0.0; clusters * dim], sizes: vec![0; clusters] }
    }

    pub(crate) fn merge(mut self, other: &Self) -> Self {
        self.add(other);
        self
    }

    /// Sizes of `other` may be negative numbers, wrapped.
    fn add(&mut self, other: &Self) {
        for (value, other) in self.values.iter_mut().zip(&other.values) {
            *value += other;
        }
        for (size, other) in self.sizes.iter_mut().zip(&other.sizes) {
            *size = size.wrapping_add(*other);
        }
    }

    /// Takes rows from the sums of their former labels to those of `labels`.
    pub(crate) fn follow(&mut self, rows: UnitRows<'_>, labels: &[u32], moves: Moves) {
        let clusters = self.sizes.len();
        let few = match moves {
            // A move is two additions, and reads rows out of order.
            Moves::Few(few) if few.len() <= rows.len() / 5 => few,
            Moves::Summed(changes) => {
                changes.iter().for_each(|change| self.change(change));
                return;
            }
            _ => {
                *self = by_label(rows, labels, clusters);
                return;
            }
        };
        if rows.may_exceed_memory() {
            self.add(&in_row_order(rows, clusters, |part| few.part(part)));
            return;
        }
        let mut changes = vec![0; clusters];
        for (_, label, _) in few.part(Part::ALL) {
            changes[label as usize] += 1;
        }
        let mut by_cluster: Vec<Vec<(usize, f64)>> = changes.into_iter().map(Vec::with_capacity).collect();
        for (row, label, sign) in few.part(Part::ALL) {
            by_cluster[label as usize].push((row, f64::from(sign)));
            self.sizes[label as usize] = self.sizes[label as usize].wrapping_add_signed(sign.into());
        }
        drop(few);
        self.values.par_chunks_mut(rows.dim()).zip(&by_cluster).for_each(|(sum, changes)| {
            Arch::new().dispatch(Add { rows, sum, signed: changes.iter().copied() });
        });
    }

    fn change(&mut self, change: &SumChange) {
        self.values.iter_mut().zip(&change.sums).for_each(|(value, change)| *value += change);
        self.sizes.iter_mut().zip(&change.sizes).for_each(|(size, &change)| *size = size.wrapping_add_signed(change));
    }

    /// Sum over the rows of their cosines with `centroids`, each with that of its label.
    pub(crate) fn alignment(&self, centroids: ArrayView2<'_, f32>) -> f64 {
        let products = centroids.axis_iter(Axis(0)).zip(self.values.chunks_exact(centroids.ncols()));
        products.map(|(centroid, sum)| centroid.iter().zip(sum).map(|(&c, s)| f64::from(c) * s).sum::<f64>()).sum()
    }

    /// Unit centroids in the direction of the sums. Where a sum has no direction (no rows, or rows that cancel),
    /// the centroid of `previous` stays.
    pub(crate) fn centroids(&self, previous: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut centroids = previous.to_owned();
        let dim = centroids.ncols();
        for ((mut centroid, sum), &size) in
            centroids.axis_iter_mut(Axis(0)).zip(self.values.chunks_exact(dim)).zip(&self.sizes)
        {
            let norm = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
            // Rows that cancel but for the rounding of their values to f32, 2⁻²⁴ of each, leave at most 6e-8 each.
            if norm > 1e-6 * size as f64 {
                centroid.iter_mut().zip(sum).for_each(|(value, &sum)| *value = (sum / norm) as f32);
            }
        }
        centroids
    }
}

/// Sums of the rows of each label, each in row order; for more sums than a cache holds.
pub(crate) fn by_label(rows: UnitRows<'_>, labels: &[u32], clusters: usize) -> Sums {
    if rows.may_exceed_memory() {
        let signed = |part: Part| part.of(rows.len()).map(|row| (row, labels[row], 1));
        return in_row_order(rows, clusters, signed);
    }
    let sizes = sizes(labels, clusters);
    let members = members(labels, &sizes);
    let mut values = vec![0.0; clusters * rows.dim()];
    values.par_chunks_mut(rows.dim()).zip(&members).for_each(|(sum, members)| {
        Arch::new().dispatch(Add { rows, sum, signed: members.iter().map(|&member| (member, 1.0)) });
    });
    Sums { values, sizes }
}

/// Parts whose sums are made at the same time, at most.
const MOST_PARTS: usize = 16;

/// Sums of signed rows, read in their order: those of a file may come from the disk. The sums of the parts take at
/// most 8 bytes a row, or the place of one.
fn in_row_order<I>(rows: UnitRows<'_>, clusters: usize, signed: impl Fn(Part) -> I + Sync) -> Sums
where
    I: Iterator<Item = (usize, u32, i8)>,
{
    let parts = (rows.len() / (clusters * rows.dim())).clamp(1, MOST_PARTS);
    let sums = (0..parts).into_par_iter().map(|index| {
        let mut sums = Sums::none(clusters, rows.dim());
        Arch::new().dispatch(AddEach { rows, sums: &mut sums, signed: signed(Part { index, parts }) });
        sums
    });
    sums.collect::<Vec<_>>().iter().fold(Sums::none(clusters, rows.dim()), Sums::merge)
}

/// Adds rows, each times a sign, to the sums of their labels.
struct AddEach<'a, I> {
    rows: UnitRows<'a>,
    sums: &'a mut Sums,
    signed: I,
}

impl<I: Iterator<Item = (usize, u32, i8)>> WithSimd for AddEach<'_, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (dim, mut widened) = (self.rows.dim(), Vec::new());
        for (row, label, sign) in self.signed {
            let sum = &mut self.sums.values[label as usize * dim..][..dim];
            for (sum, &value) in sum.iter_mut().zip(self.rows.row(row, &mut widened)) {
                *sum += f64::from(sign) * f64::from(value);
            }
            let size = &mut self.sums.sizes[label as usize];
            *size = size.wrapping_add_signed(sign.into());
        }
    }
}

/// Adds rows, each times a sign, to a sum.
struct Add<'a, R> {
    rows: UnitRows<'a>,
    sum: &'a mut [f64],
    signed: R,
}

impl<R: Iterator<Item = (usize, f64)>> WithSimd for Add<'_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (mut widened, mut signed) = (Vec::new(), self.signed.peekable());
        while let Some((row, sign)) = signed.next() {
            if let Some(&(next, _)) = signed.peek() {
                self.rows.prefetch(next);
            }
            for (sum, &value) in self.sum.iter_mut().zip(self.rows.row(row, &mut widened)) {
                *sum += sign * f64::from(value);
            }
        }
    }
}

/// Number of rows of each label.
pub(crate) fn sizes(labels: &[u32], clusters: usize) -> Vec<u64> {
    let mut sizes = vec![0; clusters];
    for &label in labels {
        sizes[label as usize] += 1;
    }
    sizes
}

fn members(labels: &[u32], sizes: &[u64]) -> Vec<Vec<usize>> {
    let mut members: Vec<Vec<usize>> = sizes.iter().map(|&size| Vec::with_capacity(size as usize)).collect();
    for (row, &label) in labels.iter().enumerate() {
        members[label as usize].push(row);
    }
    members
}

/// Divides every row by its norm; `Err` has the first row whose norm is 0, infinite or NaN, and that norm.
pub(crate) fn normalise(rows: &mut Array2<f32>) -> Result<(), (usize, f64)> {
    for (index, mut row) in rows.axis_iter_mut(Axis(0)).enumerate() {
        let mut values = row.to_vec();
        vectors::normalise(&mut values).map_err(|norm| (index, norm))?;
        row.assign(&ArrayView1::from(&values));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn centroids_of_cancelling_or_missing_rows_stay() {
        let values = [1.0_f32, 0.0, -1.0, 0.0, 0.0, 1.0];
        let sums = by_label(UnitRows::of_copies(&values, 2), &[0, 0, 2], 3);
        let previous = array![[0.6_f32, 0.8], [1.0, 0.0], [1.0, 0.0]];
        assert_eq!(sums.centroids(previous.view()), array![[0.6, 0.8], [1.0, 0.0], [0.0, 1.0]]);
        assert_eq!(sums.sizes, [2, 0, 1]);
    }

    #[test]
    fn a_row_without_direction_cannot_be_normalised() {
        let mut rows = array![[3.0_f32, 4.0], [0.0, 0.0]];
        assert_eq!(normalise(&mut rows), Err((1, 0.0)));
        assert_eq!(rows.row(0), array![0.6, 0.8]);
    }
}
