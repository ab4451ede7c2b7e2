//! What a row has found among products in fixed point.

/// Less than every product.
pub(super) const NO_PRODUCT: i32 = i32::MIN;

/// A product that may be the largest of its row.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    /// The row's in its block.
    pub(super) position: u32,
    /// The centroid's.
    pub(super) place: u32,
    pub(super) product: i32,
}

/// The products of a row so far.
#[derive(Clone, Copy)]
pub(super) struct RowState {
    /// That with its own centroid.
    pub(super) own: i32,
    /// The place of its own centroid.
    pub(super) own_place: u32,
    /// The largest of all, its own at first.
    pub(super) most: i32,
    /// The place of that one.
    pub(super) place: u32,
    /// The largest but that with the other centroids of its group.
    pub(super) next: i32,
    /// Those with the group in work, without its own centroid.
    pub(super) group: GroupBest,
    /// Candidates that are left.
    pub(super) candidates: u32,
}

impl RowState {
    pub(super) const NONE: Self = Self {
        own: NO_PRODUCT,
        own_place: 0,
        most: NO_PRODUCT,
        place: u32::MAX,
        next: NO_PRODUCT,
        group: GroupBest::NONE,
        candidates: 0,
    };

    pub(super) fn new(own: i32, own_place: u32) -> Self {
        Self { own, own_place, most: own, place: own_place, ..Self::NONE }
    }
}

/// The largest product of a row with the centroids of a group, and the largest but that.
#[derive(Clone, Copy)]
pub(super) struct GroupBest {
    pub(super) most: i32,
    pub(super) place: u32,
    pub(super) next: i32,
}

impl GroupBest {
    pub(super) const NONE: Self = Self { most: NO_PRODUCT, place: u32::MAX, next: NO_PRODUCT };

    /// Takes the products with the centroids from `first` on, of which `most` is the largest.
    #[inline(always)]
    pub(super) fn take(&mut self, lanes: &[i32], (first, most): (u32, i32)) {
        if most <= self.most {
            self.next = self.next.max(most);
            return;
        }
        let lane = lanes.iter().position(|&product| product == most).unwrap_or(0);
        let mut next = self.most.max(self.next);
        for (other, &product) in lanes.iter().enumerate() {
            next = next.max(if other == lane { NO_PRODUCT } else { product });
        }
        *self = Self { most, place: first + lane as u32, next };
    }
}
