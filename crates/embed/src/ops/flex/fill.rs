//! Values that tasks write a block of rows at a time.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

/// Rows of one task of an operation on each value: fixed, so that the order of sums is.
pub(super) const ROWS: usize = 32;

/// Where blocks of so many rows begin, and the last ends.
pub(super) fn blocks(rows: usize, size: usize) -> Vec<usize> {
    let mut offsets: Vec<usize> = (0..rows).step_by(size.max(1)).collect();
    offsets.push(rows);
    offsets
}

/// `N` matrices of so many columns each, written a block at a time: a block is the rows from one offset to the next. `task` gets a block's rows and
/// their values, which are zero, of each matrix; the thread that it runs on has written these zeros, not one thread all. Beside the matrices comes what
/// `task` returned of each block, in their order.
///
/// # Panics
/// If the offsets do not rise from 0.
#[allow(unsafe_code, reason = "a vector of values written in parallel has no safe interface")]
pub(super) fn fill<const N: usize, R: Send>(
    offsets: &[usize],
    widths: [usize; N],
    task: impl Fn(Range<usize>, [&mut [f32]; N]) -> R + Sync,
) -> ([Vec<f32>; N], Vec<R>) {
    let rows = offsets.last().copied().unwrap_or(0);
    let mut outputs = widths.map(|width| (Vec::with_capacity(rows * width), width));
    let mut rest =
        outputs.each_mut().map(|(values, width)| (&mut values.spare_capacity_mut()[..rows * *width], *width));
    let mut tasks = Vec::with_capacity(offsets.len());
    for span in offsets.windows(2) {
        let blocks = rest.each_mut().map(|(rest, width)| {
            let block = rest.split_off_mut(..(span[1] - span[0]) * *width);
            block.unwrap_or_else(|| unreachable!("a block ends behind the last"))
        });
        tasks.push((span[0]..span[1], blocks));
    }
    assert!(rest.iter().all(|(rest, _)| rest.is_empty()), "blocks begin behind the first row");
    let results = tasks.into_par_iter().map(|(rows, blocks)| task(rows, blocks.map(zeroed))).collect();
    let filled = outputs.map(|(mut values, width)| {
        // SAFETY: blocks took all of these values, as is asserted, and each was set to zero before its task.
        unsafe { values.set_len(rows * width) };
        values
    });
    (filled, results)
}

#[allow(unsafe_code, reason = "the values are written one line above")]
fn zeroed(block: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    block.fill(MaybeUninit::new(0.0));
    // SAFETY: every value has just been written.
    unsafe { block.assume_init_mut() }
}

/// Sum of the tasks' sums of `len` values each, in their order.
pub(super) fn total(sums: &[Vec<f32>], len: usize) -> Vec<f32> {
    /// Values of a task.
    const PART: usize = 1 << 14;
    let mut total = vec![0.0; len];
    total.par_chunks_mut(PART).enumerate().for_each(|(part, total)| {
        for sum in sums {
            for (total, sum) in total.iter_mut().zip(&sum[part * PART..]) {
                *total += sum;
            }
        }
    });
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_its_tasks() {
        let ([of_two, of_none, of_one], sums) = fill(&blocks(70, 32), [2, 0, 1], |rows, [two, none, one]| {
            assert!(none.is_empty() && two.iter().chain(one.iter()).all(|&value| value == 0.0));
            one.iter_mut().zip(rows.clone()).for_each(|(one, row)| *one = row as f32);
            two.fill(rows.start as f32);
            rows.len()
        });
        assert_eq!(sums, [32, 32, 6]);
        assert_eq!((of_two.len(), of_two[63], of_two[64], of_two[139], of_none.len()), (140, 0.0, 32.0, 64.0, 0));
        assert!(of_one.iter().enumerate().all(|(row, &one)| one == row as f32));
        let ([of_nothing], none) = fill(&blocks(0, 32), [4], |_, _| ());
        assert_eq!((of_nothing.len(), none.len()), (0, 0));
    }

    #[test]
    #[should_panic(expected = "behind the first row")]
    fn rows_that_no_block_has_are_refused() {
        let _ = fill(&[3, 5], [1], |_, _| ());
    }
}
