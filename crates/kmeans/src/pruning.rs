//! Lloyd's iterations that look only at what may have changed.
//!
//! Each row keeps a lower bound of its product with its own centroid and, for each group of centroids, an upper bound
//! of its products with the others. When centroids move, the triangle inequality of angles moves the bounds. A row is
//! looked at where a bound allows another label, and then only against the groups that allow it. Labels are those of
//! the plain iterations, ties within rounding apart.
//!
//! Elkan (2003) and Ding et al. (2015, "Yinyang K-Means") bound Euclidean distances; Schubert, Lang & Feher (2021,
//! "Accelerating Spherical k-Means") cosines, as here.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use vectors::UnitRows;
use vectors::fixed_point::FixedRows;

use crate::grouping::Grouping;
use crate::kernel::{Centroids, Change, Known, Looked, Move, Moved, are_few};
use crate::sums::Part;

/// The largest squared norm of a row that is taken as one of unit norm.
const SQUARED_NORM: f32 = 1.002_002;

/// Added to every bound that moves, for the rounding of products and bounds.
const SLACK: f32 = 1e-6;

/// Rows of a task.
const LEAF_ROWS: usize = 2048;

/// The rows of a fit, and their copy in fixed point if there is one.
#[derive(Clone, Copy)]
pub(crate) struct Training<'a> {
    pub(crate) rows: UnitRows<'a>,
    pub(crate) fixed: Option<&'a FixedRows>,
}

impl<'a> Training<'a> {
    fn part(self, range: Range<usize>) -> Looked<'a> {
        let fixed = self.fixed.map(|fixed| fixed.range(range.clone()));
        Looked { rows: self.rows.range(range), fixed, error: self.fixed.map_or(0.0, FixedRows::residue) }
    }
}

/// Rows that changed their label.
pub(crate) enum Moves {
    Few(FewMoves),
    /// So many that it is not worth their memory to say which.
    Many {
        count: usize,
    },
    /// What they change of the sums, a task after another.
    Summed(Vec<Change>),
}

/// Moves of each task's rows.
pub(crate) struct FewMoves {
    leaves: Vec<Vec<Move>>,
}

impl FewMoves {
    pub(crate) fn len(&self) -> usize {
        self.leaves.iter().map(Vec::len).sum()
    }

    /// Rows of a part of the tasks, in their order, each less for the label that it had and more for the one it has.
    pub(crate) fn part(&self, part: Part) -> impl Iterator<Item = (usize, u32, i8)> {
        part.of(self.leaves.len()).flat_map(|leaf| {
            let row = move |moved: &Move| leaf * LEAF_ROWS + moved.row as usize;
            let signed = move |moved: &Move| [(row(moved), moved.from, -1), (row(moved), moved.to, 1)];
            self.leaves[leaf].iter().flat_map(signed)
        })
    }
}

impl Moves {
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many { count } => *count,
            Self::Summed(changes) => changes.iter().map(|change| change.count).sum(),
        }
    }

    fn of_leaves(leaves: Vec<LeafMoves>) -> Self {
        let (mut few, mut count, mut changes) = (Vec::new(), 0, Vec::new());
        for leaf in leaves {
            match leaf {
                LeafMoves::Few(moves) => few.push(moves),
                LeafMoves::Many { moved } => count += moved,
                LeafMoves::Summed(change) => changes.push(change),
            }
        }
        if !changes.is_empty() {
            Self::Summed(changes)
        } else if count > 0 {
            Self::Many { count: count + few.iter().map(Vec::len).sum::<usize>() }
        } else {
            Self::Few(FewMoves { leaves: few })
        }
    }
}

/// Moves of one task's rows.
enum LeafMoves {
    Few(Vec<Move>),
    Many { moved: usize },
    Summed(Change),
}

impl LeafMoves {
    fn new(moved: Moved) -> Self {
        match moved {
            Moved::Rows(moves) if moves.len() <= LEAF_ROWS / 4 => Self::Few(moves),
            Moved::Rows(moves) => Self::Many { moved: moves.len() },
            Moved::Summed(change) => Self::Summed(change),
        }
    }
}

/// Relabels all rows, each of which has some label, with all centroids.
pub(crate) fn relabel_all(training: Training<'_>, centroids: ArrayView2<'_, f32>, labels: &mut [u32]) -> Moves {
    let kept = training.fixed.is_some();
    let centroids = Centroids::new(centroids, &Grouping::new(centroids, 1, kept), kept);
    let leaves = labels.par_chunks_mut(LEAF_ROWS).enumerate().map(|(leaf, labels)| {
        let first = leaf * LEAF_ROWS;
        let looked = training.part(first..first + labels.len());
        let (mut own, mut others) = (vec![-2.0; labels.len()], vec![2.0; labels.len()]);
        let all: Vec<u32> = (0..labels.len() as u32).collect();
        let known = Known { labels, own: &mut own, others: &mut others };
        LeafMoves::new(centroids.look(looked, &all, known))
    });
    Moves::of_leaves(leaves.collect())
}

/// Bounds of the rows at one set of centroids.
pub(crate) struct Bounded {
    /// Lower bound of each row's product with its centroid.
    own: Vec<f32>,
    /// Upper bounds of its products with the other centroids of each group, `[n, groups]`.
    others: Vec<f32>,
    grouping: Grouping,
    /// Rows of a task.
    leaf_rows: usize,
}

/// Bounds of a row whose file may be larger than memory: beside them it has its label and, where all rows move, 8
/// bytes more.
const BOUNDS_OF_MAPPED: usize = 3;

impl Bounded {
    /// Bounds that know nothing yet.
    pub(crate) fn new(training: Training<'_>, centroids: ArrayView2<'_, f32>) -> Self {
        let Training { rows, fixed } = training;
        // More bounds than values would take longer to read than the row.
        let most = if rows.may_exceed_memory() { BOUNDS_OF_MAPPED } else { rows.dim() };
        let grouping = Grouping::new(centroids, most, fixed.is_some());
        // What a task changes of the sums takes at most 4 bytes a row, where it keeps sums.
        let leaf_rows = if are_few(centroids.nrows()) { LEAF_ROWS.max(2 * centroids.len()) } else { LEAF_ROWS };
        Self { own: vec![-2.0; rows.len()], others: vec![2.0; rows.len() * grouping.groups], grouping, leaf_rows }
    }

    /// Relabels the rows for `centroids`, which were `before` when the bounds were right.
    pub(crate) fn pass(
        &mut self,
        training: Training<'_>,
        (before, centroids): (ArrayView2<'_, f32>, ArrayView2<'_, f32>),
        labels: &mut [u32],
    ) -> Moves {
        let drifts = Drifts::new(before, centroids);
        let shift = Shift { own: &drifts.0, groups: &drifts.of_groups(&self.grouping) };
        let centroids = Centroids::new(centroids, &self.grouping, training.fixed.is_some());
        let (groups, leaf_rows) = (self.grouping.groups, self.leaf_rows);
        let leaves = (labels.par_chunks_mut(leaf_rows))
            .zip(self.own.par_chunks_mut(leaf_rows))
            .zip(self.others.par_chunks_mut(leaf_rows * groups))
            .enumerate()
            .map(|(leaf, ((labels, own), others))| {
                let first = leaf * leaf_rows;
                let looked = training.part(first..first + labels.len());
                let known = Known { labels, own, others };
                LeafMoves::new(Leaf { known, groups }.relabel(looked, &centroids, &shift))
            });
        Moves::of_leaves(leaves.collect())
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
    fn of_groups(&self, grouping: &Grouping) -> Vec<Drift> {
        let farthest = |labels: &[u32]| {
            let drifts = labels.iter().map(|&label| self.0[label as usize]);
            drifts.fold(Drift::NONE, |far, drift| if drift.sine > far.sine { drift } else { far })
        };
        grouping.order.chunks(grouping.group_len).map(farthest).collect()
    }
}

struct Shift<'a> {
    own: &'a [Drift],
    groups: &'a [Drift],
}

/// A task's rows.
struct Leaf<'a> {
    known: Known<'a>,
    groups: usize,
}

impl Leaf<'_> {
    fn relabel(mut self, looked: Looked<'_>, centroids: &Centroids, shift: &Shift<'_>) -> Moved {
        let mut doubtful = Vec::new();
        Arch::new().dispatch(Shifting { leaf: &mut self, shift, doubtful: &mut doubtful });
        centroids.look(looked, &doubtful, self.known)
    }
}

/// Moves the bounds, and finds the rows whose label they leave open.
struct Shifting<'l, 'a> {
    leaf: &'l mut Leaf<'a>,
    shift: &'l Shift<'l>,
    doubtful: &'l mut Vec<u32>,
}

const LANES: usize = 8;

impl WithSimd for Shifting<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Known { labels, own, others } = &mut self.leaf.known;
        let (drifts, last_drifts) = self.shift.groups.as_chunks::<LANES>();
        for (row, (others, own)) in others.chunks_exact_mut(self.leaf.groups).zip(&mut **own).enumerate() {
            let mut most = [-2.0_f32; LANES];
            let (bounds, last_bounds) = others.as_chunks_mut::<LANES>();
            for (bounds, drifts) in bounds.iter_mut().zip(drifts) {
                raise(bounds, drifts, &mut most);
            }
            raise(last_bounds, last_drifts, &mut most);
            *own = self.shift.own[labels[row] as usize].lowered(*own);
            if most.iter().any(|most| most > own) {
                self.doubtful.push(row as u32);
            }
        }
    }
}

#[inline(always)]
fn raise(bounds: &mut [f32], drifts: &[Drift], most: &mut [f32; LANES]) {
    for ((bound, drift), most) in bounds.iter_mut().zip(drifts).zip(most) {
        *bound = drift.raised(*bound);
        *most = if *bound > *most { *bound } else { *most };
    }
}
