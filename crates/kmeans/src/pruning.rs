//! Lloyd's iterations that look only at what may have changed.
//!
//! Each row keeps a lower bound of its product with its own centroid and, for each group of centroids, an upper bound
//! of its products with the others. When centroids move, the triangle inequality of angles moves the bounds. A row is
//! looked at where a bound allows another label, and then only against the groups that allow it. Labels are those of
//! the plain iterations, ties within rounding apart.
//!
//! Elkan (2003) and Ding et al. (2015, "Yinyang K-Means") bound Euclidean distances; Schubert, Lang & Feher (2021,
//! "Accelerating Spherical k-Means") cosines, as here.

use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;

use crate::assign::Totals;
use crate::kernel::{Grouped, Known, Move};
use crate::rows::Source;
use crate::sums::{self, Sums};

/// The largest squared norm of a row that is taken as one of unit norm.
const SQUARED_NORM: f32 = 1.002_002;

/// Added to every bound that moves, for the rounding of products and bounds.
const SLACK: f32 = 1e-6;

/// Rows of a task.
const LEAF_ROWS: usize = 2048;

/// Bounds and sums of the rows at one set of centroids.
pub(crate) struct Bounded {
    /// Lower bound of each row's product with its centroid.
    own: Vec<f32>,
    /// Upper bounds of its products with the other centroids of each group, `[n, groups]`.
    others: Vec<f32>,
    groups: usize,
    sums: Sums,
}

impl Bounded {
    /// Bounds that know nothing yet, beside labels and sums of the rows at any centroids.
    pub(crate) fn new(rows: usize, clusters: usize, sums: Sums) -> Self {
        let groups = Grouped::groups(clusters);
        Self { own: vec![-2.0; rows], others: vec![2.0; rows * groups], groups, sums }
    }

    /// Relabels the rows for `centroids`, which were `before` when the bounds were right.
    pub(crate) fn pass(
        &mut self,
        rows: Source<'_>,
        (before, centroids): (ArrayView2<'_, f32>, ArrayView2<'_, f32>),
        labels: &mut [u32],
    ) -> Totals {
        let grouped = Grouped::new(centroids);
        let drifts = Drifts::new(before, centroids);
        let shift = Shift { own: &drifts.0, groups: &drifts.of_groups(grouped.group_len()) };
        let groups = self.groups;
        let moves: Vec<Vec<Move>> = (labels.par_chunks_mut(LEAF_ROWS))
            .zip(self.own.par_chunks_mut(LEAF_ROWS))
            .zip(self.others.par_chunks_mut(LEAF_ROWS * groups))
            .enumerate()
            .map(|(leaf, ((labels, own), others))| {
                let first = leaf * LEAF_ROWS;
                let rows = rows.range(first..first + labels.len());
                Leaf { labels, own, others, groups, first }.relabel(rows, &grouped, &shift)
            })
            .collect();
        let changed = moves.iter().map(Vec::len).sum::<usize>();
        self.update_sums(rows, labels, moves.into_iter().flatten().collect(), centroids.nrows());
        Totals { cosines: self.sums.alignment(centroids), changed: changed as u64 }
    }

    pub(crate) fn sums(&self) -> &Sums {
        &self.sums
    }

    fn update_sums(&mut self, rows: Source<'_>, labels: &[u32], moves: Vec<Move>, clusters: usize) {
        // A move is two additions, and reads rows out of order.
        if moves.len() > rows.len() / 4 {
            self.sums = sums::by_label(rows, labels, clusters);
            return;
        }
        let mut by_cluster: Vec<Vec<(usize, f64)>> = vec![Vec::new(); clusters];
        for Move { row, from, to } in moves {
            by_cluster[from as usize].push((row, -1.0));
            by_cluster[to as usize].push((row, 1.0));
            self.sums.sizes[from as usize] -= 1;
            self.sums.sizes[to as usize] += 1;
        }
        let dim = rows.dim();
        self.sums.values.par_chunks_mut(dim).zip(&by_cluster).for_each(|(sum, changes)| {
            let mut buffer = Vec::new();
            for &(row, sign) in changes {
                for (sum, &value) in sum.iter_mut().zip(rows.row(row, &mut buffer)) {
                    *sum += sign * f64::from(value);
                }
            }
        });
    }
}

/// How far a centroid moved: cosine and sine of the angle.
#[derive(Clone, Copy)]
struct Drift {
    cosine: f32,
    sine: f32,
}

impl Drift {
    const NONE: Self = Self { cosine: 1.0, sine: 0.0 };

    /// The least that a product `bound` with a centroid can have become.
    #[inline(always)]
    fn lowered(self, bound: f32) -> f32 {
        let across = (SQUARED_NORM - bound * bound).max(0.0).sqrt();
        let moved = bound * self.cosine - across * self.sine - SLACK;
        if self.sine == 0.0 {
            bound
        } else if bound <= -self.cosine {
            -2.0
        } else {
            moved
        }
    }

    /// The most that a product of at most `bound` can have become.
    #[inline(always)]
    fn raised(self, bound: f32) -> f32 {
        let across = (SQUARED_NORM - bound * bound).max(0.0).sqrt();
        let moved = bound * self.cosine + across * self.sine + SLACK;
        if self.sine == 0.0 {
            bound
        } else if bound >= 0.998 * self.cosine {
            2.0
        } else {
            moved
        }
    }
}

struct Drifts(Vec<Drift>);

impl Drifts {
    fn new(before: ArrayView2<'_, f32>, after: ArrayView2<'_, f32>) -> Self {
        let drift = |(before, after): (ArrayView1<'_, f32>, ArrayView1<'_, f32>)| {
            if before == after {
                return Drift::NONE;
            }
            let (mut product, mut squares) = (0.0, [0.0; 2]);
            for (&b, &a) in before.iter().zip(after) {
                let (b, a) = (f64::from(b), f64::from(a));
                product += b * a;
                squares[0] += b * b;
                squares[1] += a * a;
            }
            let cosine = (product / (squares[0] * squares[1]).sqrt()).clamp(-1.0, 1.0);
            let sine = (1.0 - cosine * cosine).sqrt();
            // A drift of more than a right angle bounds nothing.
            match cosine > 0.0 {
                true => Drift { cosine: cosine as f32, sine: sine as f32 + SLACK },
                false => Drift { cosine: 0.0, sine: 2.0 },
            }
        };
        Self(before.outer_iter().zip(after.outer_iter()).map(drift).collect())
    }

    /// The farthest of each group.
    fn of_groups(&self, group_len: usize) -> Vec<Drift> {
        let farthest = |drifts: &[Drift]| {
            drifts.iter().copied().fold(Drift::NONE, |far, drift| if drift.sine > far.sine { drift } else { far })
        };
        self.0.chunks(group_len).map(farthest).collect()
    }
}

struct Shift<'a> {
    own: &'a [Drift],
    groups: &'a [Drift],
}

/// A task's rows.
struct Leaf<'a> {
    labels: &'a mut [u32],
    own: &'a mut [f32],
    others: &'a mut [f32],
    groups: usize,
    /// Index of the first row.
    first: usize,
}

impl Leaf<'_> {
    fn relabel(mut self, rows: Source<'_>, grouped: &Grouped, shift: &Shift<'_>) -> Vec<Move> {
        let mut doubtful = pulp::Arch::new().dispatch(
            #[inline(always)]
            || self.shift(shift),
        );
        if doubtful.is_empty() {
            return Vec::new();
        }
        let (mut moves, mut start, mut done) = (Vec::new(), 0, 0);
        rows.blocks(|block| {
            let end = start + block.len();
            let here = doubtful[done..].partition_point(|&row| (row as usize) < end);
            let looked = &mut doubtful[done..done + here];
            looked.iter_mut().for_each(|row| *row -= start as u32);
            let known = Known {
                labels: &mut self.labels[start..end],
                own: &mut self.own[start..end],
                others: &mut self.others[start * self.groups..end * self.groups],
            };
            let moved = grouped.look(block, looked, known);
            moves.extend(moved.into_iter().map(|moved| Move { row: self.first + start + moved.row, ..moved }));
            (start, done) = (end, done + here);
        });
        moves
    }

    /// Moves the bounds, and gives the rows whose label they leave open.
    #[inline(always)]
    fn shift(&mut self, shift: &Shift<'_>) -> Vec<u32> {
        let mut doubtful = Vec::new();
        for (row, (others, own)) in self.others.chunks_exact_mut(self.groups).zip(&mut *self.own).enumerate() {
            let mut most = -2.0_f32;
            for (bound, drift) in others.iter_mut().zip(shift.groups) {
                *bound = drift.raised(*bound);
                most = if *bound > most { *bound } else { most };
            }
            *own = shift.own[self.labels[row] as usize].lowered(*own);
            if most > *own {
                doubtful.push(row as u32);
            }
        }
        doubtful
    }
}
