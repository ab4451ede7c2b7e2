//! Nearest centroids of a few rows among a few groups of centroids: the look that bounds leave to be done.

use ndarray::ArrayView2;
use pulp::{Arch, Simd, WithSimd};

use super::panels::{self, Panels};
use super::{HereAre, Registers, dots};
use crate::rows::Rows;

/// Vectors of centroids in a group: with `panels::TILE` rows their accumulators hide the latency of a product.
const GROUP_VECTORS: usize = 2;

/// Products of one row with two centroids that are closer than this are summed again in the order of the plain pass.
const NEAR: f32 = 4e-6;

/// Rows that look together; their values stay in the second-level cache.
const TOGETHER: usize = 192;

/// Centroids, grouped as bounds are kept.
pub(crate) struct Grouped {
    layout: Layout,
    /// `[count, dim]`
    rows: Vec<f32>,
    count: usize,
    dim: usize,
    group_len: usize,
}

enum Layout {
    /// One group: a row that is read at all is read against all of so few centroids.
    Dots(dots::Groups),
    Panels(Panels),
}

/// What is known of some rows, each slice from the same row on.
pub(crate) struct Known<'a> {
    pub(crate) labels: &'a mut [u32],
    /// Lower bound of each row's product with the centroid of its label.
    pub(crate) own: &'a mut [f32],
    /// Upper bounds of its products with the other centroids of each group, `[rows, groups]`.
    pub(crate) others: &'a mut [f32],
}

/// A row that changed its label.
#[derive(Clone, Copy)]
pub(crate) struct Move {
    pub(crate) row: usize,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Grouped {
    pub(crate) fn new(centroids: ArrayView2<'_, f32>) -> Self {
        let registers = Arch::new().dispatch(HereAre);
        Self::for_registers(centroids, registers)
    }

    fn for_registers(centroids: ArrayView2<'_, f32>, registers: Registers) -> Self {
        let (count, dim) = centroids.dim();
        let layout = match count {
            ..=dots::MOST => Layout::Dots(dots::Groups::new(centroids, registers)),
            _ => Layout::Panels(Panels::of_width(centroids, registers, GROUP_VECTORS)),
        };
        let rows = centroids.iter().copied().collect();
        Self { layout, rows, count, dim, group_len: group_len(count, registers) }
    }

    /// The groups of so many centroids.
    pub(crate) fn groups(count: usize) -> usize {
        count.div_ceil(group_len(count, Arch::new().dispatch(HereAre)))
    }

    /// Centroids of a group; the last may have fewer.
    pub(crate) fn group_len(&self) -> usize {
        self.group_len
    }

    /// Labels the rows `looked` (ascending indices into `rows`), makes their bounds those of these centroids, and
    /// gives the ones that changed their label.
    pub(crate) fn look(&self, rows: Rows<'_>, looked: &[u32], known: Known<'_>) -> Vec<Move> {
        let mut look = Look { grouped: self, rows, known, moves: Vec::new() };
        Arch::new().dispatch(LookAt { look: &mut look, looked });
        look.moves
    }

    fn centroid(&self, index: u32) -> &[f32] {
        &self.rows[index as usize * self.dim..][..self.dim]
    }
}

fn group_len(count: usize, registers: Registers) -> usize {
    if count <= dots::MOST { dots::MOST } else { GROUP_VECTORS * registers.lanes }
}

struct Look<'a> {
    grouped: &'a Grouped,
    rows: Rows<'a>,
    known: Known<'a>,
    moves: Vec<Move>,
}

struct LookAt<'l, 'a> {
    look: &'l mut Look<'a>,
    looked: &'l [u32],
}

impl WithSimd for LookAt<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match &self.look.grouped.layout {
            Layout::Dots(groups) => {
                for looked in self.looked.chunks(dots::TILE) {
                    self.look.among_all(simd, groups, looked);
                }
            }
            Layout::Panels(panels) => {
                for looked in self.looked.chunks(TOGETHER) {
                    self.look.among_groups(simd, panels, looked);
                }
            }
        }
    }
}

/// The best centroid of a row so far.
#[derive(Clone, Copy)]
struct Best {
    label: u32,
    product: f32,
    /// Whether the product was summed in the order of the plain pass.
    in_order: bool,
}

impl Look<'_> {
    #[inline(always)]
    fn among_all<S: Simd>(&mut self, simd: S, groups: &dots::Groups, looked: &[u32]) {
        let tile = picked::<{ dots::TILE }>(self.rows, looked);
        let products = groups.all_products(simd, tile);
        for (&row, products) in looked.iter().zip(&products) {
            let (mut label, mut most, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
            for (index, &product) in products[..self.grouped.count].iter().enumerate() {
                if product > most {
                    (second, most, label) = (most, product, index as u32);
                } else if product > second {
                    second = product;
                }
            }
            self.known.others[row as usize] = second;
            self.settle(row, label, most);
        }
    }

    #[inline(always)]
    fn among_groups<S: Simd>(&mut self, simd: S, panels: &Panels, looked: &[u32]) {
        let groups = self.grouped.count.div_ceil(self.grouped.group_len);
        let mut best = [Best { label: 0, product: 0.0, in_order: false }; TOGETHER];
        for (best, &row) in best.iter_mut().zip(looked) {
            let label = self.known.labels[row as usize];
            let product = dot(simd, self.rows.row(row as usize), self.grouped.centroid(label));
            *best = Best { label, product, in_order: false };
            self.known.own[row as usize] = product;
        }
        let mut open = [0_u8; TOGETHER];
        for group in 0..groups {
            let mut count = 0;
            for (at, &row) in looked.iter().enumerate() {
                let bound = self.known.others[row as usize * groups + group];
                open[count] = at as u8;
                count += usize::from(bound > best[at].product);
            }
            let panel = panels.panel::<S>(group);
            for open in open[..count].chunks(panels::TILE) {
                let mut rows = [0; panels::TILE];
                for (row, &at) in rows.iter_mut().zip(open) {
                    *row = looked[at as usize];
                }
                let tile = picked::<{ panels::TILE }>(self.rows, &rows[..open.len()]);
                match panel.len() / self.grouped.dim {
                    1 => self.take::<S, 1>(simd, group, panels::products(simd, panel, tile), (open, looked), &mut best),
                    _ => self.take::<S, 2>(simd, group, panels::products(simd, panel, tile), (open, looked), &mut best),
                }
            }
        }
        for (best, &row) in best.iter().zip(looked) {
            let label = self.known.labels[row as usize];
            if best.label != label {
                // The centroid that a row leaves is one of the others of its group.
                let left = &mut self.known.others[row as usize * groups + label as usize / self.grouped.group_len];
                *left = left.max(self.known.own[row as usize]);
            }
            self.settle(row, best.label, best.product);
        }
    }

    /// The most of a group's products of each row of a tile.
    #[inline(always)]
    fn take<S: Simd, const W: usize>(
        &mut self,
        simd: S,
        group: usize,
        mut products: [[S::f32s; W]; panels::TILE],
        (open, looked): (&[u8], &[u32]),
        best: &mut [Best; TOGETHER],
    ) {
        let first = group * self.grouped.group_len;
        let groups = self.grouped.count.div_ceil(self.grouped.group_len);
        for (&at, products) in open.iter().zip(&mut products) {
            let row = looked[at as usize] as usize;
            let label = self.known.labels[row] as usize;
            let lanes: &mut [f32] = bytemuck::cast_slice_mut(products);
            if (first..first + lanes.len()).contains(&label) {
                // Lanes after the last centroid repeat it.
                let repeats = if label + 1 == self.grouped.count { lanes.len() } else { label - first + 1 };
                lanes[label - first..repeats].fill(f32::NEG_INFINITY);
            }
            let mut most = products[0];
            for &product in &products[1..] {
                most = simd.max_f32s(most, product);
            }
            let most = simd.reduce_max_f32s(most);
            self.known.others[row * groups + group] = most.max(-2.0);
            let best = &mut best[at as usize];
            if most > best.product - NEAR {
                let lanes: &[f32] = bytemuck::cast_slice(products);
                let lane = lanes.iter().position(|&product| product == most).unwrap_or(0);
                let found = Best { label: (first + lane) as u32, product: most, in_order: true };
                *best = self.better(simd, row, *best, found);
            }
        }
    }

    /// The better of two, decided as the plain pass does.
    #[inline(always)]
    fn better<S: Simd>(&self, simd: S, row: usize, mut best: Best, found: Best) -> Best {
        if (found.product - best.product).abs() <= NEAR && !best.in_order {
            let product = dot_in_order(simd, self.rows.row(row), self.grouped.centroid(best.label));
            best = Best { product, in_order: true, ..best };
        }
        let wins = found.product > best.product || found.product == best.product && found.label < best.label;
        if wins { found } else { best }
    }

    #[inline(always)]
    fn settle(&mut self, row: u32, label: u32, product: f32) {
        let row = row as usize;
        let from = std::mem::replace(&mut self.known.labels[row], label);
        if from != label {
            self.moves.push(Move { row, from, to: label });
        }
        self.known.own[row] = product;
    }
}

/// The rows of a tile; the last of them fills what is missing.
#[inline(always)]
fn picked<'a, const T: usize>(rows: Rows<'a>, indices: &[u32]) -> [&'a [f32]; T] {
    let mut tile = [rows.row(indices[0] as usize); T];
    for (at, row) in tile.iter_mut().enumerate() {
        *row = rows.row(indices[at.min(indices.len() - 1)] as usize);
    }
    tile
}

#[inline(always)]
fn dot<S: Simd>(simd: S, row: &[f32], centroid: &[f32]) -> f32 {
    let (row_head, row_tail) = S::as_simd_f32s(row);
    let (centroid_head, centroid_tail) = S::as_simd_f32s(centroid);
    let mut sums = [simd.splat_f32s(0.0); 4];
    let (row_fours, row_rest) = row_head.as_chunks::<4>();
    let (centroid_fours, centroid_rest) = centroid_head.as_chunks::<4>();
    for (row, centroid) in row_fours.iter().zip(centroid_fours) {
        for ((sum, &row), &centroid) in sums.iter_mut().zip(row).zip(centroid) {
            *sum = simd.mul_add_e_f32s(row, centroid, *sum);
        }
    }
    for (&row, &centroid) in row_rest.iter().zip(centroid_rest) {
        sums[0] = simd.mul_add_e_f32s(row, centroid, sums[0]);
    }
    let tail = simd.partial_load_f32s(row_tail);
    sums[1] = simd.mul_add_e_f32s(tail, simd.partial_load_f32s(centroid_tail), sums[1]);
    let halves = [simd.add_f32s(sums[0], sums[1]), simd.add_f32s(sums[2], sums[3])];
    simd.reduce_sum_f32s(simd.add_f32s(halves[0], halves[1]))
}

/// The product as a lane of a panel sums it.
#[inline(always)]
fn dot_in_order<S: Simd>(simd: S, row: &[f32], centroid: &[f32]) -> f32 {
    let mut sum = simd.splat_f32s(0.0);
    for (&value, &centroid) in row.iter().zip(centroid) {
        sum = simd.mul_add_e_f32s(simd.splat_f32s(value), simd.splat_f32s(centroid), sum);
    }
    let lanes: &[f32] = bytemuck::cast_slice(std::slice::from_ref(&sum));
    lanes[0]
}
