/// For each group the rows of a block whose bounds allow that their nearest centroid is in it.
#[derive(Default)]
pub(super) struct OpenGroups {
    /// `[groups, MOST_ROWS]`
    positions: Vec<u8>,
    counts: Vec<u8>,
}

/// Rows of a block at most: a position, and their number, is a byte.
pub(super) const MOST_ROWS: usize = 192;
const _: () = assert!(MOST_ROWS <= u8::MAX as usize);

/// Bounds that are compared together.
const LANES: usize = 8;

impl OpenGroups {
    pub(super) fn clear(&mut self, groups: usize) {
        self.positions.resize(groups * MOST_ROWS, 0);
        self.counts.clear();
        self.counts.resize(groups, 0);
    }

    /// Opens for a row the groups whose bound is not below the least that its largest product can be: another's products
    /// all are, so that none of its centroids is nearest.
    #[inline(always)]
    pub(super) fn push(&mut self, position: u8, bounds: &[f32], least: f32) {
        for (eight, bounds) in bounds.chunks(LANES).enumerate() {
            let mut open = 0_u32;
            for (lane, &bound) in bounds.iter().enumerate() {
                open |= u32::from(bound >= least) << lane;
            }
            while open != 0 {
                let group = eight * LANES + open.trailing_zeros() as usize;
                self.positions[group * MOST_ROWS + self.counts[group] as usize] = position;
                self.counts[group] += 1;
                open &= open - 1;
            }
        }
    }

    /// Positions of the rows for which a group is open.
    pub(super) fn rows(&self, group: usize) -> &[u8] {
        &self.positions[group * MOST_ROWS..][..self.counts[group] as usize]
    }
}
