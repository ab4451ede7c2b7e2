use std::sync::Arc;

use burn_flex::FlexTensor;
use vectors::simd::vectorised;

use super::fill::{ROWS, blocks, fill};
use super::kernel::{Kernel, dims, of_rows, tensor, values};

/// Queries and keys turned, and values as they are. The gradient is turned back.
#[derive(Clone, Debug)]
pub(super) struct Rotate {
    /// Of each row the cosines, then the sines.
    pub(super) table: Arc<[f32]>,
    /// Columns of a head.
    pub(super) size: usize,
}

impl Kernel<1> for Rotate {
    type Saved = ();

    fn forward(&self, [qkv]: &[FlexTensor; 1], keep: bool) -> (FlexTensor, Option<()>) {
        (self.turned(qkv, 1.0), keep.then_some(()))
    }

    fn backward(&self, (): (), gradient: FlexTensor) -> [FlexTensor; 1] {
        [self.turned(&gradient, -1.0)]
    }
}

impl Rotate {
    fn turned(&self, x: &FlexTensor, sign: f32) -> FlexTensor {
        let shape @ [rows, width] = dims::<2>(x);
        let x = values(x);
        let ([y], _) = fill(&blocks(rows, ROWS), [width], |rows, [y]| {
            y.copy_from_slice(of_rows(x, &rows, width));
            turn_rows(y, width, of_rows(&self.table, &rows, self.size), self.size, sign);
        });
        tensor(y, shape)
    }
}

/// Turns the queries and keys of rows of `width` values, by angles of each row.
pub(crate) fn turn_rows(rows: &mut [f32], width: usize, table: &[f32], size: usize, sign: f32) {
    vectorised(
        #[inline(always)]
        || {
            for (row, angles) in rows.chunks_exact_mut(width).zip(table.chunks_exact(size)) {
                let (cos, sin) = angles.split_at(size / 2);
                for head in row[..2 * width / 3].chunks_exact_mut(size) {
                    turn(head, cos, sin, sign);
                }
            }
        },
    );
}

#[inline(always)]
fn turn(head: &mut [f32], cos: &[f32], sin: &[f32], sign: f32) {
    let (a, b) = head.split_at_mut(cos.len());
    for (((a, b), &cos), &sin) in a.iter_mut().zip(b).zip(cos).zip(sin) {
        let sin = sign * sin;
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}
