use std::ops::Range;

use rayon::prelude::*;
use vectors::simd::vectorised;
use vectors::{Matrix, PackedMatrix};

use super::dense::Threads;
use crate::ops::Added;
use crate::ops::flex::softmax;

/// Queries whose scores are in memory at a time.
const QUERIES: usize = 24;

/// What is used again for each head.
#[derive(Default)]
pub(super) struct Scratch {
    scores: Vec<f32>,
    packed: Option<[PackedMatrix; 2]>,
}

/// Queries, keys and values of a text, `[tokens, 3 · hidden]`.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) qkv: &'a [f32],
    pub(super) hidden: usize,
    pub(super) heads: usize,
    pub(super) added: &'a Added,
}

impl Text<'_> {
    /// What some of its tokens attend to, `[queries, hidden]`.
    pub(super) fn attend(self, queries: Range<usize>, out: &mut [f32], scratch: &mut Scratch, threads: Threads) {
        let size = self.hidden / self.heads;
        if threads == Threads::One {
            for head in 0..self.heads {
                self.head(head, queries.clone(), &mut out[head * size..], self.hidden, scratch);
            }
            return;
        }
        let heads: Vec<Vec<f32>> = (0..self.heads)
            .into_par_iter()
            .map_init(Scratch::default, |scratch, head| {
                let mut out = vec![0.0; queries.len() * size];
                self.head(head, queries.clone(), &mut out, size, scratch);
                out
            })
            .collect();
        for (head, rows) in heads.iter().enumerate() {
            for (out, row) in out.chunks_exact_mut(self.hidden).zip(rows.chunks_exact(size)) {
                out[head * size..][..size].copy_from_slice(row);
            }
        }
    }

    /// Of one head, into rows that begin `stride` apart.
    fn head(self, head: usize, queries: Range<usize>, out: &mut [f32], stride: usize, scratch: &mut Scratch) {
        let size = self.hidden / self.heads;
        let part = |part: usize| {
            let first = part * self.hidden + head * size;
            Matrix::rows(self.qkv, 3 * self.hidden).columns(first..first + size)
        };
        let [query, key, value] = [0, 1, 2].map(part);
        let tokens = key.count();
        let [keys, values] = scratch.packed.get_or_insert_with(|| [key, value].map(PackedMatrix::new));
        keys.pack(key.transposed());
        values.pack(value);
        let scale = 1.0 / (size as f32).sqrt();
        let scores = &mut scratch.scores;
        for start in queries.clone().step_by(QUERIES) {
            let block = start..queries.end.min(start + QUERIES);
            scores.resize(block.len() * tokens, 0.0);
            keys.multiply(
                scores,
                tokens,
                query.slice(block.clone()),
                #[inline(always)]
                |_, _, _| (),
            );
            vectorised(
                #[inline(always)]
                || {
                    for (row, query) in scores.chunks_exact_mut(tokens).zip(block.clone()) {
                        softmax(row, scale, self.added.of(head, query, tokens));
                    }
                },
            );
            values.multiply(
                &mut out[(start - queries.start) * stride..],
                stride,
                Matrix::rows(scores, tokens),
                #[inline(always)]
                |_, _, _| (),
            );
        }
    }
}
