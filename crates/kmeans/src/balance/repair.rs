use ndarray::Axis;
use rayon::prelude::*;

use super::candidates::{BLOCK, Candidate, Candidates};
use super::prices::kept;
use super::problem::Problem;
use super::queues::{Exit, Members, Queues};
use super::search::{Arc, Search};
use crate::sums::sizes;

/// Moves the rows that the prices leave over, each along the shortest path of clusters.
///
/// Nodes are the clusters and, after them, a sink. An arc from cluster to cluster is the row that loses least on it,
/// an arc to the sink one row more that a cluster keeps, an arc from the sink one row less.
pub(super) struct Repair<'a> {
    problem: Problem<'a>,
    candidates: Candidates,
    labels: Vec<u32>,
    /// Cosine of each row with the centroid of its label.
    cosines: Vec<f32>,
    members: Vec<Vec<usize>>,
    sizes: Vec<u64>,
    kept: Vec<u64>,
    /// Prices of the clusters and of the sink: no arc costs less than 0 under them.
    prices: Vec<f64>,
    /// One for each cluster, as soon as a search needs them.
    queues: Vec<Queues>,
}

impl<'a> Repair<'a> {
    pub(super) fn new(problem: Problem<'a>, candidates: Candidates, prices: &[f32]) -> Self {
        let market = candidates.market(prices);
        let best: Vec<Candidate> =
            (0..candidates.rows()).into_par_iter().map(|row| candidates.choice(row, market).best).collect();
        let labels: Vec<u32> = best.iter().map(|best| best.cluster).collect();
        let sizes = sizes(&labels, prices.len());
        let mut members: Vec<Vec<usize>> = sizes.iter().map(|&size| Vec::with_capacity(size as usize)).collect();
        for (row, &label) in labels.iter().enumerate() {
            members[label as usize].push(row);
        }
        Self {
            kept: sizes.iter().zip(prices).map(|(&size, &price)| kept(size, price, problem.bounds)).collect(),
            cosines: best.iter().map(|best| best.cosine).collect(),
            prices: prices.iter().copied().map(f64::from).chain([0.0]).collect(),
            queues: Vec::new(),
            problem,
            candidates,
            labels,
            members,
            sizes,
        }
    }

    /// Labels whose sizes are within the bounds.
    pub(super) fn run(mut self) -> Vec<u32> {
        while self.nodes().any(|node| self.surplus(node) > 0) {
            if self.queues.is_empty() {
                self.fill_queues();
            }
            match self.search() {
                Ok((search, end)) => self.follow(&search, end),
                Err(reached) => self.widen(&reached),
            }
        }
        self.labels
    }

    fn sink(&self) -> usize {
        self.sizes.len()
    }

    fn nodes(&self) -> std::ops::RangeInclusive<usize> {
        0..=self.sink()
    }

    /// Rows that have to leave the node; they sum to 0.
    fn surplus(&self, node: usize) -> i64 {
        if node == self.sink() {
            self.kept.iter().sum::<u64>() as i64 - self.labels.len() as i64
        } else {
            self.sizes[node] as i64 - self.kept[node] as i64
        }
    }

    /// Shortest paths up to the first node that lacks rows; `Err` has the nodes that can be reached, if it has none.
    fn search(&self) -> Result<(Search, usize), Vec<bool>> {
        let mut search = Search::new(self.prices.len());
        for node in self.nodes().filter(|&node| self.surplus(node) > 0) {
            search.reach(node, 0.0, None);
        }
        while let Some(node) = search.next() {
            if self.surplus(node) < 0 {
                return Ok((search, node));
            }
            search.settled.push(node);
            if node == self.sink() {
                self.leave_sink(&mut search);
            } else {
                self.leave_cluster(node, &mut search);
            }
        }
        Err(search.distances.iter().map(|distance| distance.is_finite()).collect())
    }

    fn leave_sink(&self, search: &mut Search) {
        let min = *self.problem.bounds.range().start();
        for cluster in (0..self.sink()).filter(|&cluster| self.kept[cluster] > min) {
            let cost = self.prices[cluster] - self.prices[self.sink()];
            search.lower(self.sink(), cluster, cost, Arc::Sink);
        }
    }

    fn leave_cluster(&self, cluster: usize, search: &mut Search) {
        let price = self.prices[cluster];
        if self.kept[cluster] < *self.problem.bounds.range().end() {
            search.lower(cluster, self.sink(), self.prices[self.sink()] - price, Arc::Sink);
        }
        for &exit in self.queues[cluster].exits() {
            let to = exit.to as usize;
            search.lower(cluster, to, f64::from(exit.loss) + self.prices[to] - price, Arc::Row(exit));
        }
    }

    /// Moves one row along every arc of the path to `end`, and the prices so that no arc costs less than 0.
    fn follow(&mut self, search: &Search, end: usize) {
        for &node in &search.settled {
            self.prices[node] += search.distances[end] - search.distances[node];
        }
        let mut node = end;
        while let Some((from, arc)) = search.from[node] {
            match arc {
                Arc::Row(exit) => self.shift(exit, from),
                Arc::Sink if from == self.sink() => self.kept[node] -= 1,
                Arc::Sink => self.kept[from] += 1,
            }
            node = from;
        }
    }

    fn shift(&mut self, exit: Exit, from: usize) {
        let (row, to) = (exit.row, exit.to as usize);
        if let Some(candidate) = self.candidates.of(row).iter().find(|candidate| candidate.cluster == exit.to) {
            self.cosines[row] = candidate.cosine;
        }
        self.labels[row] = exit.to;
        self.members[to].push(row);
        self.sizes[from] -= 1;
        self.sizes[to] += 1;
        let mut queues = std::mem::take(&mut self.queues);
        queues[from].remove(&self.view(from), row);
        queues[to].push(&self.view(to), row);
        self.queues = queues;
    }

    fn view(&self, cluster: usize) -> View<'_, 'a> {
        View { repair: self, cluster }
    }

    fn fill_queues(&mut self) {
        let clusters = self.sink();
        self.queues = (0..clusters).into_par_iter().map(|cluster| Queues::new(&self.view(cluster), clusters)).collect();
    }

    /// Gives every row of the reached clusters a candidate from which the search goes on.
    fn widen(&mut self, reached: &[bool]) {
        let targets = self.targets(reached);
        let centroids = self.problem.centroids.select(Axis(0), &targets);
        let rows: Vec<usize> = (0..self.labels.len()).filter(|&row| reached[self.labels[row] as usize]).collect();
        let replacements = rows.par_chunks(BLOCK).flat_map_iter(|rows| {
            let cosines = self.problem.cosines(rows, centroids.view());
            let best = cosines.axis_iter(Axis(0)).map(|cosines| {
                let candidates = cosines.into_iter().zip(&targets).map(|(&cosine, &target)| {
                    (f64::from(cosine) - self.prices[target], Candidate { cluster: target as u32, cosine })
                });
                let first = (f64::NEG_INFINITY, Candidate::default());
                candidates.fold(first, |best, candidate| if candidate.0 > best.0 { candidate } else { best }).1
            });
            rows.iter().copied().zip(best.collect::<Vec<_>>()).collect::<Vec<_>>()
        });
        let replacements = replacements.collect();
        self.candidates.replace_last(replacements);
        self.fill_queues();
    }

    /// Clusters out of reach that lack rows; where only the sink does, those that may keep more.
    fn targets(&self, reached: &[bool]) -> Vec<usize> {
        let outside = || (0..self.sink()).filter(|&cluster| !reached[cluster]);
        let lacking: Vec<usize> = outside().filter(|&cluster| self.surplus(cluster) < 0).collect();
        if lacking.is_empty() {
            let max = *self.problem.bounds.range().end();
            return outside().filter(|&cluster| self.kept[cluster] < max).collect();
        }
        lacking
    }
}

/// One cluster's rows.
struct View<'r, 'a> {
    repair: &'r Repair<'a>,
    cluster: usize,
}

impl Members for View<'_, '_> {
    fn cluster(&self) -> u32 {
        self.cluster as u32
    }

    fn holds(&self, row: usize) -> bool {
        self.repair.labels[row] as usize == self.cluster
    }

    fn rows(&self) -> &[usize] {
        &self.repair.members[self.cluster]
    }

    fn candidates(&self, row: usize) -> &[Candidate] {
        self.repair.candidates.of(row)
    }

    fn cosine(&self, row: usize) -> f32 {
        self.repair.cosines[row]
    }
}
