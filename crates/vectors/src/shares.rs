//! Products of few rows on all threads.

use std::ops::Range;

use rayon::prelude::*;

/// Products that are computed in panels of columns.
#[derive(Clone, Copy)]
pub(crate) struct Shares {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Columns of a panel.
    pub(crate) panel: usize,
}

/// Some panels a thread: `product` gets which, memory for their columns alone, how far apart its rows are, and the first column.
pub(crate) fn share_columns(
    shares: Shares,
    out: &mut [f32],
    stride: usize,
    product: impl Fn(Range<usize>, &mut [f32], usize, usize) + Sync,
) {
    let panels = shares.columns.div_ceil(shares.panel);
    let share = panels.div_ceil(2 * rayon::current_num_threads()).max(1);
    let columns = |panel: usize| (panel * shares.panel).min(shares.columns);
    let parts: Vec<(Range<usize>, Vec<f32>)> = (0..panels.div_ceil(share))
        .into_par_iter()
        .map(|part| {
            let panels = part * share..panels.min((part + 1) * share);
            let columns = columns(panels.start)..columns(panels.end);
            let mut values = vec![0.0; shares.rows * columns.len()];
            product(panels, &mut values, columns.len(), columns.start);
            (columns, values)
        })
        .collect();
    for (columns, values) in &parts {
        for (out, values) in out.chunks_mut(stride).zip(values.chunks_exact(columns.len())) {
            out[columns.clone()].copy_from_slice(values);
        }
    }
}
