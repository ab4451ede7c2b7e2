use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Children of each cluster, `total` in all: in proportion to `sizes`, at least one and at most one a row.
///
/// After the first child of each, the next one always goes to the largest size / (2 × children + 1), the lowest index
/// on a tie. `total` is at least the number of clusters with rows and at most that of rows.
pub(super) fn children(sizes: &[u64], total: usize) -> Vec<usize> {
    let mut children: Vec<usize> = sizes.iter().map(|&size| usize::from(size > 0)).collect();
    let claims = (0..sizes.len()).map(|parent| Claim { size: sizes[parent], children: 1, parent: Reverse(parent) });
    let mut claims: BinaryHeap<Claim> = claims.filter(Claim::has_rows_left).collect();
    for _ in children.iter().sum()..total {
        let Some(mut claim) = claims.pop() else {
            break;
        };
        claim.children += 1;
        children[claim.parent.0] += 1;
        claims.extend(claim.has_rows_left().then_some(claim));
    }
    children
}

#[derive(PartialEq, Eq)]
struct Claim {
    size: u64,
    children: u64,
    parent: Reverse<usize>,
}

impl Claim {
    fn has_rows_left(&self) -> bool {
        self.children < self.size
    }
}

impl Ord for Claim {
    fn cmp(&self, other: &Self) -> Ordering {
        let weight = |left: &Self, right: &Self| u128::from(left.size) * u128::from(2 * right.children + 1);
        weight(self, other).cmp(&weight(other, self)).then_with(|| self.parent.cmp(&other.parent))
    }
}

impl PartialOrd for Claim {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn children_are_in_proportion_to_rows() {
        assert_eq!(children(&[100, 200, 300], 12), [2, 4, 6]);
        assert_eq!(children(&[1000, 1, 0, 999], 7), [3, 1, 0, 3]);
        assert_eq!(children(&[3, 3, 3], 4), [2, 1, 1]);
        assert_eq!(children(&[2, 5], 7), [2, 5]);
    }

    proptest! {
        #[test]
        fn each_has_one_and_none_more_than_rows(sizes in prop::collection::vec(0_u64..50, 1..30), part in 0.0..1.0) {
            let (parents, rows) = (sizes.iter().filter(|&&size| size > 0).count(), sizes.iter().sum::<u64>() as usize);
            let total = parents + (part * (rows - parents) as f64) as usize;
            let children = children(&sizes, total);
            prop_assert_eq!(children.iter().sum::<usize>(), total);
            for (&size, &children) in sizes.iter().zip(&children) {
                prop_assert!(children as u64 <= size && (children > 0) == (size > 0), "{children} of {size} rows");
            }
        }
    }
}
