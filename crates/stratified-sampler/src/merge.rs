use crate::SamplerError;

/// Checks that a map has an entry for every label and that its entries name other labels of the map.
pub(crate) fn check(nearest: &[u32], largest_label: u32) -> Result<(), SamplerError> {
    let length = nearest.len();
    if largest_label as usize >= length {
        let label = largest_label;
        return Err(SamplerError::NearestTooShort { length, label });
    }
    for (label, &nearest) in (0..).zip(nearest) {
        if nearest == label {
            return Err(SamplerError::NearestToItself { label });
        }
        if nearest as usize >= length {
            return Err(SamplerError::NearestOutOfRange { label, nearest, length });
        }
    }
    Ok(())
}

/// Returns the labels of a checked map in a line where each follows its nearest, or others with the same nearest, as closely as
/// one line allows: the map's trees in preorder, smaller strata first. A tree hangs from the smallest stratum of its cycle.
pub(crate) fn line_up(nearest: &[u32], sizes: &[u32]) -> Vec<u32> {
    let mut by_size: Vec<u32> = (0..nearest.len() as u32).collect();
    by_size.sort_by_key(|&label| sizes[label as usize]);

    let mut followers = vec![Vec::new(); nearest.len()];
    // Largest first, because the last pushed is visited first.
    for &label in by_size.iter().rev() {
        followers[nearest[label as usize] as usize].push(label);
    }
    let mut line = Vec::with_capacity(nearest.len());
    let mut placed = vec![false; nearest.len()];
    for label in by_size {
        if placed[label as usize] {
            continue;
        }
        let mut stack = vec![root(nearest, sizes, label)];
        while let Some(label) = stack.pop() {
            if !std::mem::replace(&mut placed[label as usize], true) {
                line.push(label);
                stack.extend(&followers[label as usize]);
            }
        }
    }
    line
}

/// Returns the smallest stratum of the cycle that the map leads to from a label.
fn root(nearest: &[u32], sizes: &[u32], label: u32) -> u32 {
    let next = |label: u32| nearest[label as usize];
    // After as many steps as there are labels, one is on the cycle.
    let on_cycle = nearest.iter().fold(label, |label, _| next(label));
    let rank = |label: u32| (sizes[label as usize], label);
    let mut smallest = on_cycle;
    let mut at = next(on_cycle);
    while at != on_cycle {
        if rank(at) < rank(smallest) {
            smallest = at;
        }
        at = next(at);
    }
    smallest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_stay_together_smaller_strata_first() {
        // 0 and 3 are nearest to each other, 1 and 5 hang on 3, 2 and 4 are a tree of their own.
        let nearest = [3, 3, 4, 0, 2, 3];
        let sizes = [5, 9, 4, 6, 3, 8];
        assert_eq!(line_up(&nearest, &sizes), [4, 2, 0, 3, 5, 1]);
    }

    #[test]
    fn a_chain_is_followed_from_its_cycle_outwards() {
        let nearest = [1, 0, 1, 2, 3];
        assert_eq!(line_up(&nearest, &[1; 5]), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn wrong_maps_are_named() {
        assert_eq!(check(&[1, 0], 2), Err(SamplerError::NearestTooShort { length: 2, label: 2 }));
        assert_eq!(check(&[1, 1], 1), Err(SamplerError::NearestToItself { label: 1 }));
        assert_eq!(check(&[1, 2], 1), Err(SamplerError::NearestOutOfRange { label: 1, nearest: 2, length: 2 }));
        assert_eq!(check(&[1, 0, 0], 1), Ok(()));
    }
}
