use std::ops::Range;

/// One of some equal parts.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) index: usize,
    pub(crate) parts: usize,
}

impl Part {
    pub(crate) const ALL: Self = Self { index: 0, parts: 1 };

    /// The part's share of `0..len`.
    pub(crate) fn of(self, len: usize) -> Range<usize> {
        let first = |index| len / self.parts * index + (len % self.parts).min(index);
        first(self.index)..first(self.index + 1)
    }
}
