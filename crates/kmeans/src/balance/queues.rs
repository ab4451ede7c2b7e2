use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::candidates::{Candidate, ascending};

/// The rows of one cluster in the order in which they would leave it, for each cluster they could go to.
#[derive(Default)]
pub(super) struct Queues {
    /// The first of each queue, ascending by cluster.
    exits: Vec<Exit>,
    queues: Vec<Queue>,
}

/// A row's way out of its cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exit {
    pub(super) row: usize,
    pub(super) to: u32,
    /// Cosine lost; infinite if there is no such row.
    pub(super) loss: f32,
}

/// Rows and labels as the queues need them.
pub(super) trait Members {
    fn cluster(&self) -> u32;
    /// Whether the row is still of the cluster.
    fn holds(&self, row: usize) -> bool;
    /// Rows of the cluster; some may have left.
    fn rows(&self) -> &[usize];
    fn candidates(&self, row: usize) -> &[Candidate];
    /// Cosine of the row with the centroid of the cluster.
    fn cosine(&self, row: usize) -> f32;
}

impl Queues {
    /// The queues of a cluster out of `clusters`.
    pub(super) fn new(members: &impl Members, clusters: usize) -> Self {
        let mut queues: Vec<Queue> = (0..clusters).map(|_| Queue::default()).collect();
        for &row in members.rows().iter().filter(|&&row| members.holds(row)) {
            for candidate in others(members, row) {
                queues[candidate.cluster as usize].offer(entry(members.cosine(row), candidate, row));
            }
        }
        let queues = (0_u32..).zip(queues).filter(|(_, queue)| !queue.rows.is_empty());
        let firsts = queues.map(|(to, mut queue)| {
            queue.cut();
            (queue.first(members, to), queue)
        });
        let (exits, queues) = firsts.unzip();
        Self { exits, queues }
    }

    pub(super) fn exits(&self) -> &[Exit] {
        &self.exits
    }

    /// Adds a row that has come.
    pub(super) fn push(&mut self, members: &impl Members, row: usize) {
        for candidate in others(members, row) {
            let entry = entry(members.cosine(row), candidate, row);
            let to = candidate.cluster;
            match self.exits.binary_search_by_key(&to, |exit| exit.to) {
                Ok(at) => {
                    self.queues[at].rows.push(entry);
                    self.exits[at] = self.queues[at].first(members, to);
                }
                Err(at) => {
                    self.exits.insert(at, exit(entry, to));
                    self.queues.insert(at, Queue { rows: BinaryHeap::from([entry]), ..Queue::default() });
                }
            }
        }
    }

    /// Forgets a row that has left.
    pub(super) fn remove(&mut self, members: &impl Members, row: usize) {
        for (exit, queue) in self.exits.iter_mut().zip(&mut self.queues).filter(|(exit, _)| exit.row == row) {
            *exit = queue.first(members, exit.to);
        }
    }
}

/// Loss in bits that order as the numbers do, then the row: a total order, the least first.
type Entry = Reverse<(u32, usize)>;

#[derive(Default)]
struct Queue {
    rows: BinaryHeap<Entry>,
    /// Rows that lose more than this have been turned away.
    most: Option<u32>,
}

/// Rows kept when a queue is cut: few of them ever leave.
const DEPTH: usize = 32;

impl Queue {
    /// Adds a row if it may be among the first [`DEPTH`].
    #[inline]
    fn offer(&mut self, entry: Entry) {
        if self.most.is_some_and(|most| entry.0.0 > most) {
            return;
        }
        self.rows.push(entry);
        if self.rows.len() == 4 * DEPTH {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.rows.len() <= DEPTH {
            return;
        }
        let mut rows = std::mem::take(&mut self.rows).into_vec();
        // `Reverse` orders the least last.
        let (_, Reverse((loss, _)), _) = rows.select_nth_unstable_by(DEPTH - 1, |a, b| b.cmp(a));
        self.most = Some(*loss);
        rows.truncate(DEPTH);
        rows.shrink_to_fit();
        self.rows = rows.into();
    }

    fn first(&mut self, members: &impl Members, to: u32) -> Exit {
        loop {
            match self.rows.peek() {
                Some(Reverse((_, row))) if !members.holds(*row) => {
                    self.rows.pop();
                }
                Some(&entry) if self.most.is_none_or(|most| entry.0.0 <= most) => return exit(entry, to),
                None if self.most.is_none() => return Exit { row: usize::MAX, to, loss: f32::INFINITY },
                _ => *self = Self::refilled(members, to),
            }
        }
    }

    fn refilled(members: &impl Members, to: u32) -> Self {
        let mut queue = Self::default();
        for &row in members.rows().iter().filter(|&&row| members.holds(row)) {
            if let Some(candidate) = members.candidates(row).iter().find(|candidate| candidate.cluster == to) {
                queue.offer(entry(members.cosine(row), candidate, row));
            }
        }
        queue
    }
}

/// The candidates of a row that are not its own cluster.
fn others(members: &impl Members, row: usize) -> impl Iterator<Item = &Candidate> {
    members.candidates(row).iter().filter(|candidate| candidate.cluster != members.cluster())
}

fn entry(cosine: f32, candidate: &Candidate, row: usize) -> Entry {
    Reverse((ascending(cosine - candidate.cosine), row))
}

fn exit(Reverse((loss, row)): Entry, to: u32) -> Exit {
    Exit { row, to, loss: number(loss) }
}

/// The number whose [`ascending`] bits these are.
fn number(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Cluster(Vec<Candidate>, Vec<usize>);

    impl Members for Cluster {
        fn cluster(&self) -> u32 {
            0
        }
        fn holds(&self, row: usize) -> bool {
            self.1.contains(&row)
        }
        fn rows(&self) -> &[usize] {
            &self.1
        }
        fn candidates(&self, row: usize) -> &[Candidate] {
            &self.0[row..=row]
        }
        fn cosine(&self, _: usize) -> f32 {
            0.5
        }
    }

    #[test]
    fn rows_leave_in_the_order_of_their_loss_however_often_the_queue_is_cut() {
        let cosines = (0..20 * DEPTH).map(|row| (row * 7919 % 1009) as f32 / 1009.0 - 0.3);
        let candidates: Vec<Candidate> = cosines.map(|cosine| Candidate { cluster: 3, cosine }).collect();
        let mut members = Cluster(candidates, (0..20 * DEPTH).collect());
        let mut queues = Queues::new(&members, 4);
        let mut losses = Vec::new();
        while let [exit] = *queues.exits()
            && exit.loss < f32::INFINITY
        {
            losses.push(exit.loss);
            members.1.retain(|&row| row != exit.row);
            queues.remove(&members, exit.row);
        }
        assert_eq!(losses.len(), 20 * DEPTH);
        assert!(losses.is_sorted());
    }

    #[test]
    fn numbers_come_back_from_their_bits() {
        for value in [-1.5_f32, -1e-9, 0.0, 3e-8, 2.0] {
            assert_eq!(number(ascending(value)), value);
        }
    }
}
