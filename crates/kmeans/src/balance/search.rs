use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::queues::Exit;

/// How a row, or the right to keep one, gets from node to node.
#[derive(Clone, Copy)]
pub(super) enum Arc {
    Row(Exit),
    Sink,
}

/// Distances of the nodes from those with rows to spare.
pub(super) struct Search {
    pub(super) distances: Vec<f64>,
    pub(super) from: Vec<Option<(usize, Arc)>>,
    pub(super) settled: Vec<usize>,
    open: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Search {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            distances: vec![f64::INFINITY; nodes],
            from: vec![None; nodes],
            settled: Vec::new(),
            open: BinaryHeap::new(),
        }
    }

    pub(super) fn reach(&mut self, node: usize, distance: f64, from: Option<(usize, Arc)>) {
        self.distances[node] = distance;
        self.from[node] = from;
        // Bits of numbers of at least 0 order as the numbers do.
        self.open.push(Reverse((distance.to_bits(), node)));
    }

    pub(super) fn lower(&mut self, from: usize, to: usize, cost: f64, arc: Arc) {
        // Rounding alone makes a cost negative.
        let distance = self.distances[from] + cost.max(0.0);
        if distance < self.distances[to] {
            self.reach(to, distance, Some((from, arc)));
        }
    }

    /// The nearest node that is not settled.
    pub(super) fn next(&mut self) -> Option<usize> {
        while let Some(Reverse((distance, node))) = self.open.pop() {
            if distance == self.distances[node].to_bits() {
                return Some(node);
            }
        }
        None
    }
}
