use std::sync::Arc;

use burn_flex::FlexTensor;
use rayon::prelude::*;
use vectors::simd::vectorised;

use super::kernel::{Kernel, dims, tensor, values};

/// Mean of the table's rows of each text; without `ids`, of the rows between its offsets.
#[derive(Clone, Debug)]
pub(super) struct BagMean {
    pub(super) offsets: Arc<[usize]>,
    pub(super) ids: Option<Arc<[u32]>>,
}

impl Kernel<1> for BagMean {
    /// Shape of the table.
    type Saved = [usize; 2];

    fn forward(&self, [table]: &[FlexTensor; 1], keep: bool) -> (FlexTensor, Option<[usize; 2]>) {
        let shape @ [_, width] = dims::<2>(table);
        let table = values(table);
        let texts = self.offsets.len() - 1;
        let mut y = vec![0.0; texts * width];
        y.par_chunks_mut(width).zip(self.offsets.par_windows(2)).with_min_len(8).for_each(|(y, span)| {
            vectorised(
                #[inline(always)]
                || {
                    for at in span[0]..span[1] {
                        add(y, &table[self.row(at) * width..][..width], 1.0);
                    }
                    let share = 1.0 / (span[1] - span[0]) as f32;
                    for y in y.iter_mut() {
                        *y *= share;
                    }
                },
            );
        });
        (tensor(y, [texts, width]), keep.then_some(shape))
    }

    /// Each task owns a range of the table's rows and walks over all tokens in order: no two tasks write one row, and the sum of a row
    /// has one order.
    fn backward(&self, [rows, width]: [usize; 2], gradient: FlexTensor) -> [FlexTensor; 1] {
        let g = values(&gradient);
        let mut table = vec![0.0; rows * width];
        let per_task = rows.div_ceil(rayon::current_num_threads()).max(1);
        table.par_chunks_mut(per_task * width).enumerate().for_each(|(task, part)| {
            let first = task * per_task;
            let owned = first..first + part.len() / width;
            vectorised(
                #[inline(always)]
                || self.scatter(g, width, owned, part),
            );
        });
        [tensor(table, [rows, width])]
    }
}

impl BagMean {
    #[inline(always)]
    fn row(&self, at: usize) -> usize {
        self.ids.as_ref().map_or(at, |ids| ids[at] as usize)
    }

    #[inline(always)]
    fn scatter(&self, g: &[f32], width: usize, owned: std::ops::Range<usize>, part: &mut [f32]) {
        for (g, span) in g.chunks_exact(width).zip(self.offsets.windows(2)) {
            let share = 1.0 / (span[1] - span[0]) as f32;
            for row in (span[0]..span[1]).map(|at| self.row(at)).filter(|row| owned.contains(row)) {
                add(&mut part[(row - owned.start) * width..][..width], g, share);
            }
        }
    }
}

#[inline(always)]
fn add(y: &mut [f32], x: &[f32], factor: f32) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}
