use std::ops::Range;

/// Scores of one product, 1.5 MiB: they are scanned while the second-level cache still has them.
const SCORES: usize = 384 * 1024;
/// Documents of one product, at least and at most.
const DOCUMENTS: (usize, usize) = (384, 4096);
/// Documents that gemm's kernel takes at once: other block sizes cost it a slow remainder.
const PANEL: usize = 64;

/// The documents cut into blocks of nearly the same number of panels.
///
/// Unless there is but one block, each has more than 128 documents, and more than 256 scores. That is needed: smaller
/// products are summed in another order by gemm, which would give equal documents different scores.
pub(crate) struct Blocks {
    documents: usize,
    pub(crate) count: usize,
}

impl Blocks {
    pub(crate) fn new(documents: usize, queries: usize) -> Self {
        let size = (SCORES / queries).clamp(DOCUMENTS.0, DOCUMENTS.1);
        Self { documents, count: documents.div_ceil(size) }
    }

    /// The documents of a block below `count`.
    pub(crate) fn get(&self, block: usize) -> Range<usize> {
        let panels = self.documents.div_ceil(PANEL);
        let start = |block: usize| (block * panels / self.count * PANEL).min(self.documents);
        start(block)..start(block + 1)
    }
}

/// The least rows and columns of the products of documents with some of a batch of queries, such that gemm sums each
/// as it sums [`Blocks`] with the whole batch.
///
/// It has other orders for one column, for at most 256 scores, and for 64 rows and columns or fewer. Where there are
/// too few documents to leave these, the products must all have the same size.
pub(crate) fn least_product(documents: usize, queries: usize) -> (usize, usize) {
    match (documents, queries) {
        (_, 1) => (documents.min(257), 1),
        (..=128, _) => (documents, queries),
        _ => (129, 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_the_documents_and_none_is_small() {
        for documents in (1..3_000).chain([8_191, 8_192, 8_193, 100_000]) {
            for queries in [1, 2, 3, 100, 1_000, 1_024] {
                let blocks = Blocks::new(documents, queries);
                let mut end = 0;
                for block in 0..blocks.count {
                    let rows = blocks.get(block);
                    assert_eq!(rows.start, end);
                    end = rows.end;
                    let size = rows.len();
                    assert!(size > 128 && size * queries > 256 || blocks.count == 1, "{size} of {documents}");
                }
                assert_eq!(end, documents);
            }
        }
    }
}
