//! One batch on several ranks.

use std::ops::Range;

use burn::tensor::{Tensor, backend::Backend};

use crate::Part;

/// How the rows of several ranks make up one batch, so that the negatives of each are those of all ("cross-device negatives").
///
/// Every rank embeds its own pairs, gathers the rows of all ranks ([`gather_queries`](Self::gather_queries),
/// [`gather_passages`](Self::gather_passages)), and asks for the loss of its [`part`](Self::part). The gradients of all ranks, each of all rows,
/// are summed, and of the sum each takes what its own rows have ([`own_queries`](Self::own_queries), [`own_passages`](Self::own_passages)): what
/// one device would have computed. How rows and gradients get from rank to rank is the caller's.
///
/// # Shapes
/// For rank `r` of `b_r` pairs and `m_r` further passages, and `h` hard negatives of each query:
/// - queries: `[b_r, d]`
/// - passages: `[b_r (1 + h) + m_r, d]`, laid out as a batch of its own: positives, hard negatives query by query, further ones
///
/// In the whole batch the positives of all ranks come first, then their hard negatives, then further ones, so that every hard negative stays
/// with its query.
///
/// # Source
/// Negatives of all devices: Qu et al. (2021), "RocketQA", arXiv 2010.08191.
///
/// # Examples
///
/// ```
/// use burn::tensor::Tensor;
/// use burn_flex::Flex;
/// use infonce::{ContrastiveLoss, InBatch, InfoNceConfig, LossAndGradients, Ranks};
///
/// # fn main() -> Result<(), infonce::InfoNceError> {
/// type Rows = Tensor<Flex, 2>;
/// let device = Default::default();
/// // Two ranks, of two pairs and one, with a hard negative of each query.
/// let ranks = Ranks::new(vec![2, 1], 1);
/// let queries = [Rows::from_floats([[1.0, 0.0], [0.0, 1.0]], &device), Rows::from_floats([[0.6, 0.8]], &device)];
/// let passages = [
///     Rows::from_floats([[0.8, 0.6], [0.6, 0.8], [-1.0, 0.0], [0.0, -1.0]], &device),
///     Rows::from_floats([[0.0, 1.0], [-0.6, -0.8]], &device),
/// ];
/// let (queries, passages) = (ranks.gather_queries(queries.into()), ranks.gather_passages(passages.into()));
///
/// let loss = InfoNceConfig::default().with_temperature(1.0).build()?;
/// let of = |part| {
///     let batch = InBatch { hard_negatives: 1, part, ..InBatch::default() };
///     loss.loss_and_gradients(queries.clone(), passages.clone(), &batch)
/// };
/// let summed = of(Some(ranks.part(0))).merge(of(Some(ranks.part(1))));
/// let one: LossAndGradients<Flex> = of(None);
/// assert!((summed.loss - one.loss).abs() < 1e-6);
/// assert_eq!(ranks.own_passages(summed.passage_gradient, 1).dims(), [2, 2]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranks {
    pairs: Vec<usize>,
    hard_negatives: usize,
    further: Vec<usize>,
}

impl Ranks {
    /// One of each of these numbers of pairs, every query with so many hard negatives.
    ///
    /// # Panics
    /// If there is no rank, or one without pairs.
    #[track_caller]
    pub fn new(pairs: Vec<usize>, hard_negatives: usize) -> Self {
        assert!(!pairs.is_empty() && !pairs.contains(&0), "ranks of {pairs:?} pairs");
        Self { further: vec![0; pairs.len()], pairs, hard_negatives }
    }

    /// These, each with so many further passages.
    ///
    /// # Panics
    /// Unless there is a number for each rank.
    #[must_use]
    #[track_caller]
    pub fn with_further(mut self, further: Vec<usize>) -> Self {
        assert!(
            further.len() == self.pairs.len(),
            "further passages of {} ranks, of {}",
            further.len(),
            self.pairs.len()
        );
        self.further = further;
        self
    }

    /// The pairs of a rank ([`InBatch::part`](crate::InBatch::part)).
    ///
    /// # Panics
    /// If there is no such rank.
    #[track_caller]
    pub fn part(&self, rank: usize) -> Part {
        Part { first: self.pairs[..rank].iter().sum(), pairs: self.pairs[rank] }
    }

    /// The queries of the whole batch, of those of each rank.
    ///
    /// # Panics
    /// Unless each rank has its rows.
    #[track_caller]
    pub fn gather_queries<B: Backend>(&self, ranks: Vec<Tensor<B, 2>>) -> Tensor<B, 2> {
        let counts: Vec<usize> = ranks.iter().map(|rows| rows.dims()[0]).collect();
        assert!(counts == self.pairs, "ranks with {counts:?} queries in place of {:?}", self.pairs);
        Tensor::cat(ranks, 0)
    }

    /// The passages of the whole batch, of those of each rank.
    ///
    /// # Panics
    /// Unless each rank has its rows.
    #[track_caller]
    pub fn gather_passages<B: Backend>(&self, ranks: Vec<Tensor<B, 2>>) -> Tensor<B, 2> {
        self.check(ranks.iter().map(|rows| rows.dims()[0]), 1);
        Tensor::cat(self.order().map(|Piece { rank, own, .. }| ranks[rank].clone().slice(own)).collect(), 0)
    }

    /// The same of values on the host, `width` for each passage: ids, or rows of a guide.
    ///
    /// # Panics
    /// Unless each rank has the values of its passages.
    #[track_caller]
    pub fn gather_passage_values<T: Clone>(&self, ranks: &[&[T]], width: usize) -> Vec<T> {
        self.check(ranks.iter().map(|values| values.len()), width);
        let values = |Piece { rank, own, .. }: Piece| ranks[rank][own.start * width..own.end * width].iter().cloned();
        self.order().flat_map(values).collect()
    }

    /// Of a gradient of all queries the rows of one rank.
    ///
    /// # Panics
    /// If there is no such rank, or the gradient is not of the whole batch.
    #[track_caller]
    pub fn own_queries<B: Backend>(&self, gradient: Tensor<B, 2>, rank: usize) -> Tensor<B, 2> {
        let (Part { first, pairs }, all) = (self.part(rank), self.pairs.iter().sum::<usize>());
        assert!(gradient.dims()[0] == all, "a gradient of {} queries in place of {all}", gradient.dims()[0]);
        gradient.slice(first..first + pairs)
    }

    /// Of a gradient of all passages the rows of one rank, as it laid them out.
    ///
    /// # Panics
    /// If there is no such rank, or the gradient is not of the whole batch.
    #[track_caller]
    pub fn own_passages<B: Backend>(&self, gradient: Tensor<B, 2>, rank: usize) -> Tensor<B, 2> {
        let all: usize = self.passages().iter().sum();
        assert!(rank < self.pairs.len(), "rank {rank} of {}", self.pairs.len());
        assert!(gradient.dims()[0] == all, "a gradient of {} passages in place of {all}", gradient.dims()[0]);
        let own = self.order().filter(|piece| piece.rank == rank);
        Tensor::cat(own.map(|piece| gradient.clone().slice(piece.whole)).collect(), 0)
    }

    /// The pieces of the whole batch's passages, in its order.
    fn order(&self) -> impl Iterator<Item = Piece> {
        let of = move |kind: usize| (0..self.pairs.len()).map(move |rank| (rank, self.rows(rank)[kind].clone()));
        let pieces = (0..3).flat_map(of).filter(|(_, own)| !own.is_empty());
        pieces.scan(0, |start, (rank, own)| {
            let whole = *start..*start + own.len();
            *start = whole.end;
            Some(Piece { rank, own, whole })
        })
    }

    /// How many passages each rank has.
    fn passages(&self) -> Vec<usize> {
        (0..self.pairs.len()).map(|rank| self.rows(rank)[2].end).collect()
    }

    /// Of a rank's own passages the positives, the hard negatives and further ones.
    fn rows(&self, rank: usize) -> [Range<usize>; 3] {
        let pairs = self.pairs[rank];
        let hard = pairs * (1 + self.hard_negatives);
        [0..pairs, pairs..hard, hard..hard + self.further[rank]]
    }

    /// Panics unless there are so many values of each rank's passages, `width` for each.
    #[track_caller]
    fn check(&self, counts: impl Iterator<Item = usize>, width: usize) {
        let counts: Vec<usize> = counts.collect();
        let expected: Vec<usize> = self.passages().iter().map(|passages| passages * width).collect();
        assert!(counts == expected, "ranks with {counts:?} values of passages in place of {expected:?}");
    }
}

/// Neighbouring passages of one rank.
struct Piece {
    rank: usize,
    /// Its rows there, and in the whole batch.
    own: Range<usize>,
    whole: Range<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hard_negative_stays_with_its_query() {
        let ranks = Ranks::new(vec![2, 1, 3], 2).with_further(vec![1, 0, 2]);
        // Passages are named by rank, kind and query: `P` positives, `h` and `H` hard negatives, `x` further ones.
        let first = ["P0", "P1", "h0", "H0", "h1", "H1", "x"];
        let second = ["P2", "h2", "H2"];
        let third = ["P3", "P4", "P5", "h3", "H3", "h4", "H4", "h5", "H5", "y", "z"];
        let gathered = ranks.gather_passage_values(&[&first, &second, &third], 1);
        let (pairs, each) = (6, 2);
        for query in 0..pairs {
            assert_eq!(gathered[query], format!("P{query}"));
            assert_eq!(gathered[pairs + query * each], format!("h{query}"));
            assert_eq!(gathered[pairs + query * each + 1], format!("H{query}"));
        }
        assert_eq!(gathered[pairs * (1 + each)..], ["x", "y", "z"]);
        assert_eq!(ranks.part(2), Part { first: 3, pairs: 3 });
    }

    #[test]
    #[should_panic(expected = "ranks with [3, 1] values of passages in place of [4, 2]")]
    fn a_rank_without_its_hard_negatives_is_refused() {
        Ranks::new(vec![2, 1], 1).gather_passage_values(&[&[0; 3], &[0; 1]], 1);
    }
}
