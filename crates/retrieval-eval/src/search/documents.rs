//! What is searched.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2};

/// Rows at places, each with an index.
pub(super) trait Documents: Sync {
    fn rows(&self, places: Range<usize>) -> ArrayView2<'_, f32>;

    fn row(&self, place: usize) -> ArrayView1<'_, f32>;

    fn index(&self, place: usize) -> u32;

    /// Whether a query of the batch may find the document of an index.
    #[inline(always)]
    fn admits(&self, _query: usize, _index: u32) -> bool {
        true
    }
}

/// Documents of which each query may find only some.
pub(super) struct Admitted<'a, D, F> {
    documents: &'a D,
    /// Row of the batch's first query among all.
    first: usize,
    admits: F,
}

impl<'a, D: Documents, F: Fn(usize, u32) -> bool + Sync> Admitted<'a, D, F> {
    /// Those that `admits` allows for a query, told by its row among all; that of the batch's first is `first`.
    pub(super) fn new(documents: &'a D, first: usize, admits: F) -> Self {
        Self { documents, first, admits }
    }
}

impl<D: Documents, F: Fn(usize, u32) -> bool + Sync> Documents for Admitted<'_, D, F> {
    fn rows(&self, places: Range<usize>) -> ArrayView2<'_, f32> {
        self.documents.rows(places)
    }

    fn row(&self, place: usize) -> ArrayView1<'_, f32> {
        self.documents.row(place)
    }

    fn index(&self, place: usize) -> u32 {
        self.documents.index(place)
    }

    fn admits(&self, query: usize, index: u32) -> bool {
        (self.admits)(self.first + query, index)
    }
}
