//! Centroids that share a bound: near each other, so that a row is far from most groups. Bounds are right for any grouping; a
//! good one leaves fewer groups open.

use std::sync::Arc;

use ndarray::ArrayView2;

/// An order of the centroids in which each group is a run.
#[derive(Clone)]
pub(crate) struct Grouping {
    /// The centroid at each place.
    pub(crate) order: Arc<[u32]>,
    pub(crate) group_len: usize,
    pub(crate) groups: usize,
}

impl Grouping {
    /// At most so many groups, each of whole `unit`s of centroids, which are multiplied together.
    pub(crate) fn new(centroids: ArrayView2<'_, f32>, most: usize, unit: usize) -> Self {
        let count = centroids.nrows();
        let group_len = count.div_ceil(unit).div_ceil(most.max(1)) * unit;
        let mut order: Vec<u32> = (0..count as u32).collect();
        split(centroids, &mut order, group_len);
        Self { order: order.into(), group_len, groups: count.div_ceil(group_len) }
    }
}

/// Orders centroids along the line between two that are far apart, and either half of the groups so again.
fn split(centroids: ArrayView2<'_, f32>, order: &mut [u32], group_len: usize) {
    let groups = order.len().div_ceil(group_len);
    if groups < 2 {
        return;
    }
    let one = farthest(centroids, order, order[0]);
    let other = farthest(centroids, order, one);
    let along = |label: u32| product(centroids, label, one) - product(centroids, label, other);
    let mut keyed: Vec<(f32, u32)> = order.iter().map(|&label| (along(label), label)).collect();
    keyed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    for (label, keyed) in order.iter_mut().zip(keyed) {
        *label = keyed.1;
    }
    let (left, right) = order.split_at_mut(groups / 2 * group_len);
    split(centroids, left, group_len);
    split(centroids, right, group_len);
}

/// The first of the centroids of least product with `from`.
fn farthest(centroids: ArrayView2<'_, f32>, order: &[u32], from: u32) -> u32 {
    let first = (f32::INFINITY, from);
    let least = order.iter().fold(first, |least, &label| {
        let product = product(centroids, label, from);
        if product < least.0 { (product, label) } else { least }
    });
    least.1
}

fn product(centroids: ArrayView2<'_, f32>, a: u32, b: u32) -> f32 {
    centroids.row(a as usize).dot(&centroids.row(b as usize))
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn every_centroid_has_a_place_and_near_ones_are_of_one_group() {
        // Four directions, mixed, of 64 centroids each: whole units.
        let angle = |label: usize| (label % 4) as f32 * 1.5 + label as f32 * 1e-4;
        let value = |(label, column): (usize, usize)| [angle(label).cos(), angle(label).sin()][column];
        let centroids = Array2::from_shape_fn((256, 2), value);
        let grouping = Grouping::new(centroids.view(), 4, 16);
        let mut sorted = grouping.order.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..256).collect::<Vec<_>>());
        for group in grouping.order.chunks(grouping.group_len) {
            assert!(group.iter().all(|&label| product(centroids.view(), label, group[0]) > 0.99), "{group:?}");
        }
    }
}
