use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_flex::FlexTensor;
use rayon::prelude::*;
use vectors::fixed_point::Directions;
use vectors::simd::vectorised;

use super::attention::{Scratch, Text};
use super::dense::{Dense, Threads};
use super::rows::{Norm, unit};
use super::{Inference, InferencePrecision};
use crate::bert::{self, Activation, Architecture, Bert, FeedForward, Pooling, check_ids, check_lengths};
use crate::ops::flex::{gate_rows, memory, turn_rows, values};
use crate::ops::{Added, rotation_table};
use crate::{Encoder, TokenBatch};

/// Tokens of the texts that a thread takes through all layers at a time, about: their rows stay in the cache, and as many pay for reading the weights.
const TOKENS: usize = 224;

/// A BERT's weights.
#[derive(Debug)]
pub(crate) struct CpuBert {
    kind: Architecture,
    pooling: Pooling,
    include_prompt: bool,
    hidden: usize,
    heads: usize,
    most_tokens: usize,
    dim: usize,
    words: FlexTensor,
    positions: Vec<f32>,
    /// Of the only segment.
    segment: Vec<f32>,
    norm: Norm,
    distances: Vec<f32>,
    layers: Vec<Layer>,
    last_norm: Option<Norm>,
    projections: Vec<(Dense, Activation)>,
}

#[derive(Debug)]
struct Layer {
    qkv: Dense,
    attention_output: Dense,
    attention_norm: Option<Norm>,
    intermediate: Dense,
    output: Dense,
    output_norm: Norm,
}

/// What is used again for each group of texts.
#[derive(Default)]
struct Buffers {
    x: Vec<f32>,
    normal: Vec<f32>,
    qkv: Vec<f32>,
    context: Vec<f32>,
    wide: Vec<f32>,
    sum: Vec<f32>,
    scratch: Scratch,
    directions: Directions,
}

/// Texts that go through the layers together.
struct Group<'a> {
    tokens: &'a TokenBatch,
    texts: Range<usize>,
    threads: Threads,
}

impl Group<'_> {
    /// Rows of a text, counted from the group's first.
    fn rows(&self, text: usize) -> Range<usize> {
        let offsets = self.tokens.offsets();
        let first = offsets[self.texts.start];
        offsets[text] - first..offsets[text + 1] - first
    }

    fn offsets(&self) -> Vec<usize> {
        let offsets = self.tokens.offsets();
        let first = offsets[self.texts.start];
        offsets[self.texts.start..=self.texts.end].iter().map(|offset| offset - first).collect()
    }
}

fn floats<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Option<Vec<f32>> {
    Some(values(&memory(tensor)?).to_vec())
}

impl CpuBert {
    /// None where the weights are not f32 on flex, or not to be had in this precision.
    pub(crate) fn new<B: Backend>(bert: &Bert<B>, precision: InferencePrecision) -> Option<Self> {
        let dense_in = |precision: InferencePrecision, layer: &bert::Dense<B>| {
            let weight = memory(layer.weight.val())?;
            let bias = layer.bias.as_ref().map(|bias| floats(bias.val()));
            let bias = match bias {
                Some(bias) => Some(bias?),
                None => None,
            };
            Dense::new(values(&weight), layer.weight.dims(), bias, precision)
        };
        let dense = |layer: &bert::Dense<B>| dense_in(precision, layer);
        let eps = bert.config().layer_norm_eps as f32;
        let norm = |norm: &bert::Norm<B>| {
            let scale = floats(norm.weight.val())?;
            let shift = match &norm.bias {
                Some(shift) => floats(shift.val())?,
                None => vec![0.0; scale.len()],
            };
            Some(Norm { scale, shift, eps })
        };
        let table = |table: &Option<burn::module::Param<Tensor<B, 2>>>| match table {
            Some(table) => floats(table.val()),
            None => Some(Vec::new()),
        };
        let config = bert.config();
        let mut segment = table(&bert.types)?;
        segment.truncate(config.hidden_size);
        let layers = bert.layers.iter().map(|layer| {
            Some(Layer {
                qkv: dense(&layer.qkv)?,
                attention_output: dense(&layer.attention_output)?,
                attention_norm: match &layer.attention_norm {
                    Some(of_attention) => Some(norm(of_attention)?),
                    None => None,
                },
                intermediate: dense(&layer.intermediate)?,
                output: dense(&layer.output)?,
                output_norm: norm(&layer.output_norm)?,
            })
        });
        let projections = bert.projections.iter().map(|layer| {
            // Of each text one row: nothing is to be gained.
            Some((dense_in(InferencePrecision::F32, &layer.dense)?, layer.activation))
        });
        Some(Self {
            kind: bert.kind.clone(),
            pooling: bert.pooling(),
            include_prompt: bert.include_prompt(),
            hidden: config.hidden_size,
            heads: config.num_attention_heads,
            most_tokens: config.max_tokens(),
            dim: bert.dim(),
            words: memory(bert.word_embeddings())?,
            positions: table(&bert.positions)?,
            segment,
            norm: norm(&bert.norm)?,
            distances: table(&bert.distances)?,
            layers: layers.collect::<Option<_>>()?,
            last_norm: match &bert.last_norm {
                Some(last) => Some(norm(last)?),
                None => None,
            },
            projections: projections.collect::<Option<_>>()?,
        })
    }

    fn group(&self, group: &Group<'_>, out: &mut [f32], buffers: &mut Buffers) {
        self.embed(group, &mut buffers.x);
        let offsets = group.offsets();
        let longest = offsets.windows(2).map(|span| span[1] - span[0]).max().unwrap_or(0);
        let rotations = self.rotations(&offsets);
        let [picked, all] = [true, false].map(|picked| self.asked(group, picked));
        for (index, (layer, &reach)) in self.layers.iter().zip(&self.kind.layers).enumerate() {
            let is_last = index + 1 == self.layers.len();
            let rotation = rotations.iter().find(|(theta, _)| Some(*theta) == reach.theta);
            let added = Added::new(longest, self.heads, reach.window, &self.distances);
            let asked = if is_last { &picked } else { &all };
            self.layer(layer, (rotation.map(|(_, table)| table.as_slice()), &added), (group, asked), buffers);
        }
        let offsets: Vec<usize> = match self.layers.is_empty() {
            true => offsets,
            false => std::iter::once(0)
                .chain(picked.iter().scan(0, |end, rows| {
                    *end += rows.len();
                    Some(*end)
                }))
                .collect(),
        };
        if let Some(norm) = &self.last_norm {
            norm.in_place(&mut buffers.x);
        }
        let mut pooled = vec![0.0; group.texts.len() * self.hidden];
        for ((text, span), pooled) in
            group.texts.clone().zip(offsets.windows(2)).zip(pooled.chunks_exact_mut(self.hidden))
        {
            let rows = &buffers.x[span[0] * self.hidden..span[1] * self.hidden];
            self.pool(rows, group.tokens.prompt_len(text), pooled);
        }
        self.finish(group, pooled, out);
    }

    /// The rows of each text, counted from the group's first, that are computed: all, or those that pooling reads.
    fn asked(&self, group: &Group<'_>, picked: bool) -> Vec<Range<usize>> {
        let of_text = |text: usize| {
            let rows = group.rows(text);
            match self.pooling {
                Pooling::Cls if picked => rows.start..rows.end.min(rows.start + 1),
                Pooling::LastToken if picked => rows.end.saturating_sub(1).max(rows.start)..rows.end,
                _ => rows,
            }
        };
        group.texts.clone().map(of_text).collect()
    }

    fn embed(&self, group: &Group<'_>, x: &mut Vec<f32>) {
        let offsets = group.tokens.offsets();
        let ids = &group.tokens.ids()[offsets[group.texts.start]..offsets[group.texts.end]];
        x.resize(ids.len() * self.hidden, 0.0);
        let words = values(&self.words);
        let places = match self.kind.learned_positions {
            Some(learned) => group.texts.clone().flat_map(|text| learned.rows(group.tokens.tokens(text))).collect(),
            None => Vec::new(),
        };
        for (at, (row, &id)) in x.chunks_exact_mut(self.hidden).zip(ids).enumerate() {
            row.copy_from_slice(&words[id as usize * self.hidden..][..self.hidden]);
            if let Some(&place) = places.get(at) {
                let position = &self.positions[place as usize * self.hidden..][..self.hidden];
                row.iter_mut().zip(position).for_each(|(value, position)| *value += position);
            }
            row.iter_mut().zip(&self.segment).for_each(|(value, segment)| *value += segment);
        }
        self.norm.in_place(x);
    }

    /// Cosines and sines of each token, by the base of the wavelengths.
    fn rotations(&self, offsets: &[usize]) -> Vec<(f64, Vec<f32>)> {
        let size = self.hidden / self.heads;
        let mut rotations: Vec<(f64, Vec<f32>)> = Vec::new();
        for theta in self.kind.layers.iter().filter_map(|layer| layer.theta) {
            if rotations.iter().all(|(known, _)| *known != theta) {
                let table = rotation_table(offsets, size, |tokens| self.kind.base(theta, tokens, size));
                rotations.push((theta, table));
            }
        }
        rotations
    }

    fn layer(
        &self,
        layer: &Layer,
        (rotation, added): (Option<&[f32]>, &Added),
        (group, asked): (&Group<'_>, &[Range<usize>]),
        buffers: &mut Buffers,
    ) {
        let Buffers { x, normal, qkv, context, wide, sum, scratch, directions } = buffers;
        let (hidden, threads) = (self.hidden, group.threads);
        let input = match &layer.attention_norm {
            Some(norm) if self.kind.pre_norm => {
                normal.clone_from(x);
                norm.in_place(normal);
                &*normal
            }
            _ => &*x,
        };
        layer.qkv.forward(input, qkv, directions, threads);
        if let Some(table) = rotation {
            turn_rows(qkv, 3 * hidden, table, hidden / self.heads, 1.0);
        }
        let count: usize = asked.iter().map(Range::len).sum();
        context.resize(count * hidden, 0.0);
        let mut rest = &mut context[..];
        for (text, asked) in group.texts.clone().zip(asked) {
            let rows = group.rows(text);
            let (out, after) = rest.split_at_mut(asked.len() * hidden);
            rest = after;
            if !asked.is_empty() {
                let qkv = &qkv[rows.start * 3 * hidden..rows.end * 3 * hidden];
                let text = Text { qkv, hidden, heads: self.heads, added };
                text.attend(asked.start - rows.start..asked.end - rows.start, out, scratch, threads);
            }
        }
        keep_rows(x, hidden, asked, count);
        layer.attention_output.add(context, x, sum, directions, threads);
        std::mem::swap(x, sum);
        let input = if self.kind.pre_norm {
            normal.clone_from(x);
            layer.output_norm.in_place(normal);
            &*normal
        } else {
            if let Some(norm) = &layer.attention_norm {
                norm.in_place(x);
            }
            &*x
        };
        let narrow = match self.kind.feed_forward {
            FeedForward::Gelu => {
                layer.intermediate.gelu(input, wide, directions, threads);
                &*wide
            }
            FeedForward::Gated(gate) => {
                layer.intermediate.forward(input, wide, directions, threads);
                qkv.resize(wide.len() / 2, 0.0);
                vectorised(
                    #[inline(always)]
                    || gate_rows(gate, wide, qkv, layer.intermediate.output() / 2),
                );
                &*qkv
            }
        };
        layer.output.add(narrow, x, sum, directions, threads);
        std::mem::swap(x, sum);
        if !self.kind.pre_norm {
            layer.output_norm.in_place(x);
        }
    }

    fn pool(&self, rows: &[f32], prompt: usize, pooled: &mut [f32]) {
        let before = if self.include_prompt { 0 } else { prompt };
        let rows = rows.chunks_exact(self.hidden);
        let mut add = |row: &[f32], weight: f32| {
            pooled.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        };
        match self.pooling {
            // Of the last layer there is no other row.
            Pooling::Cls => rows.take(1).for_each(|row| add(row, 1.0)),
            Pooling::LastToken => rows.rev().take(1).for_each(|row| add(row, 1.0)),
            Pooling::Mean => {
                let share = 1.0 / rows.len().saturating_sub(before).max(1) as f32;
                rows.skip(before).for_each(|row| add(row, share));
            }
            Pooling::WeightedMean => {
                let sum: usize = (before + 1..=rows.len()).sum();
                for (place, row) in rows.enumerate().skip(before) {
                    add(row, (place + 1) as f32 / sum as f32);
                }
            }
            Pooling::Max => {
                let mut rows = rows.skip(before);
                if let Some(first) = rows.next() {
                    pooled.copy_from_slice(first);
                }
                for row in rows {
                    pooled.iter_mut().zip(row).for_each(|(most, value)| *most = most.max(*value));
                }
            }
        }
    }

    /// Dense layers, truncation and norm of what is pooled; texts of which nothing is are constant.
    fn finish(&self, group: &Group<'_>, pooled: Vec<f32>, out: &mut [f32]) {
        let mut rows = pooled;
        let mut width = self.hidden;
        for (dense, activation) in &self.projections {
            let mut projected = Vec::new();
            dense.forward(&rows, &mut projected, &mut Directions::default(), Threads::One);
            projected.iter_mut().for_each(|value| *value = activation.of(*value));
            (rows, width) = (projected, dense.output());
        }
        for ((text, row), out) in group.texts.clone().zip(rows.chunks_exact(width)).zip(out.chunks_exact_mut(self.dim))
        {
            if self.counted(group.tokens, text) == 0 {
                out.fill((1.0 / (self.dim as f64).sqrt()) as f32);
            } else {
                out.copy_from_slice(&row[..self.dim]);
                unit(out);
            }
        }
    }

    /// Tokens that a text's vector is of.
    fn counted(&self, tokens: &TokenBatch, text: usize) -> usize {
        let left_out = match self.pooling {
            Pooling::Cls | Pooling::LastToken => 0,
            _ if self.include_prompt => 0,
            _ => tokens.prompt_len(text),
        };
        tokens.row_len(text) - left_out.min(tokens.row_len(text))
    }
}

/// Of the rows those that are asked for.
fn keep_rows(x: &mut Vec<f32>, width: usize, asked: &[Range<usize>], count: usize) {
    if x.len() == count * width {
        return;
    }
    let mut to = 0;
    for rows in asked {
        x.copy_within(rows.start * width..rows.end * width, to);
        to += rows.len() * width;
    }
    x.truncate(to);
}

/// Consecutive texts of about [`TOKENS`] tokens together.
fn groups(tokens: &TokenBatch) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let (mut start, mut total) = (0, 0);
    for text in 0..tokens.len() {
        if total > 0 && total + tokens.row_len(text) > TOKENS {
            groups.push(start..text);
            (start, total) = (text, 0);
        }
        total += tokens.row_len(text);
    }
    if start < tokens.len() {
        groups.push(start..tokens.len());
    }
    groups
}

impl Inference for CpuBert {
    #[track_caller]
    fn rows(&self, tokens: &TokenBatch, on_rows: &mut dyn FnMut(usize)) -> Vec<f32> {
        let vocabulary = values(&self.words).len() / self.hidden.max(1);
        check_ids(tokens, vocabulary);
        check_lengths(tokens, self.most_tokens);
        let mut out = vec![0.0; tokens.len() * self.dim];
        let groups = groups(tokens);
        let threads = rayon::current_num_threads();
        let mut rest = &mut out[..];
        let mut tasks = Vec::with_capacity(groups.len());
        for texts in groups {
            let (of_group, after) = rest.split_at_mut(texts.len() * self.dim);
            rest = after;
            tasks.push((texts, of_group));
        }
        if tasks.len() < threads {
            // In one of rayon's threads, which works where another would wait for each product.
            rayon::scope(|_| {
                let mut buffers = Buffers::default();
                for (texts, out) in tasks {
                    self.group(&Group { tokens, texts, threads: Threads::All }, out, &mut buffers);
                }
            });
            on_rows(tokens.len());
            return out;
        }
        let free = Mutex::new(Vec::<Buffers>::new());
        let mut tasks = tasks.into_iter();
        loop {
            let round: Vec<_> = tasks.by_ref().take(64 * threads).collect();
            let Some(done) = round.last().map(|(texts, _)| texts.end) else { break };
            round.into_par_iter().with_max_len(1).for_each(|(texts, out)| {
                let mut buffers = free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
                self.group(&Group { tokens, texts, threads: Threads::One }, out, &mut buffers);
                free.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
            });
            on_rows(done);
        }
        out
    }
}
