//! The loss by tiles of tensors, on any backend.

mod further;
mod gradient;
mod histogram;
mod softmax;

use std::ops::Range;

use burn::tensor::{Bool, IndexingUpdateOp, Int, Tensor, TensorData, backend::Backend};

use further::{Addition, Further, column};
use gradient::Gradient;
use histogram::DeviceHistograms;
use softmax::Softmax;

use crate::batch::Batch;
use crate::block::{Block, Blocks};
use crate::left_out::{LEFT_OUT, NO_SIMILARITY};
use crate::negatives::Negatives;
use crate::tally::{Diagnosis, Strata, Tally, diagnose};
use crate::{InBatch, InfoNceConfig, LossAndGradients};

/// What is brought to the host of each pair.
const COLUMNS: usize = 7;

struct Run<'a, B: Backend> {
    config: &'a InfoNceConfig,
    blocks: Blocks,
    negatives: Negatives,
    /// Queries and passages.
    sides: [Tensor<B, 2>; 2],
    guide: Option<Guided<B>>,
    /// Similarity of each pair: `[b, 1]`
    own: Tensor<B, 2>,
    queries: usize,
    strata: Strata,
}

/// A guide's rows on the device.
struct Guided<B: Backend> {
    /// Of queries and passages.
    sides: [Tensor<B, 2>; 2],
    /// Lowest score that is masked, of each pair: `[b, 1]`
    thresholds: Tensor<B, 2>,
}

/// What is known of some rows once all columns were looked at: `[t, 1]` each.
struct Settled<B: Backend> {
    softmaxes: Vec<Softmax<B>>,
    /// Derivative of the mean loss with respect to a similarity of a group over its exponential.
    factors: Vec<Tensor<B, 2>>,
    /// The same for the pair, with the opposite sign.
    pull: Tensor<B, 2>,
    /// The same for further positives, as what they add to the gradients.
    additions: Vec<Addition<B>>,
    /// `[t, COLUMNS]`: loss, slope of the scale, hit, sum of similarities, negatives, harder ones, guided ones.
    numbers: Tensor<B, 2>,
}

pub(crate) fn loss_and_gradients<B: Backend>(
    config: &InfoNceConfig,
    batch: Batch<B>,
    known: &InBatch<'_>,
) -> LossAndGradients<B> {
    let run = Run::new(config, batch, known);
    let (pairs, passages) = (known.rows(run.queries), run.sides[1].dims()[0]);
    let (mut masked, mut numbers) = (0, Vec::new());
    let mut histograms = config.percentile.then(|| DeviceHistograms::new(&run.sides, run.strata.count()));
    let mut gradients = run.sides.each_ref().map(|side| Gradient::new(side, config.tile));
    for rows in tiles(pairs.clone(), config.tile) {
        let left_out = run.left_out(&rows, &mut masked);
        let settled = run.settle(&rows, &left_out, &mut histograms);
        run.pull(&rows, &left_out, &settled, &mut gradients);
        numbers.push(settled.numbers);
        settled.additions.into_iter().for_each(|addition| gradients[addition.side as usize].add_rows(addition));
    }
    let own: Vec<f32> = run.own.clone().slice(pairs.clone()).into_data().iter::<f32>().collect();
    let [query_gradient, passage_gradient] = gradients.map(Gradient::finish);
    let numbers: Vec<f64> = Tensor::cat(numbers, 0).into_data().iter::<f64>().collect();

    let (mut tallies, mut totals) = (vec![Tally::default(); run.strata.count()], [0.0_f64; COLUMNS]);
    for ((row, &own), pair) in numbers.chunks_exact(COLUMNS).zip(&own).zip(pairs) {
        totals.iter_mut().zip(row).for_each(|(total, value)| *total += value);
        let tally = &mut tallies[run.strata.place(pair)];
        tally.pair(own, row[2] > 0.0);
        tally.negatives(row[4] as u32, row[3] as f32, row[5] as u32);
    }
    let [loss, scale_slope, _, _, _, _, guided] = totals;
    let histograms = histograms.map(DeviceHistograms::into_histograms);
    let Diagnosis { accuracy, similarities, by_stratum } =
        diagnose(&run.strata, &tallies, histograms.as_deref(), passages);
    LossAndGradients {
        loss: (loss / run.queries as f64) as f32,
        query_gradient,
        passage_gradient,
        scale_gradient: (scale_slope / run.queries as f64) as f32,
        masked: masked + guided as usize,
        accuracy,
        similarities,
        by_stratum,
    }
}

/// Ranges of at most `tile` rows, cut at its multiples.
fn tiles(rows: Range<usize>, tile: usize) -> impl Iterator<Item = Range<usize>> {
    let first = rows.start / tile * tile;
    let starts = (first..rows.end).step_by(tile);
    starts.map(move |start| start.max(rows.start)..rows.end.min(start.saturating_add(tile)))
}

impl<'a, B: Backend> Run<'a, B> {
    fn new(config: &'a InfoNceConfig, batch: Batch<B>, known: &InBatch<'_>) -> Self {
        let Batch { queries: query_rows, passages } = batch;
        let (queries, device) = (query_rows.dims()[0], query_rows.device());
        let guide = config.guide.zip(known.guide).map(|(guide, rows)| {
            let side = |values: &[f32]| {
                let shape = [values.len() / rows.width, rows.width];
                Tensor::<B, 2>::from_data(TensorData::new(values.to_vec(), shape), (&device, burn::tensor::DType::F32))
            };
            let sides = [rows.queries, rows.passages].map(side);
            let own = pairs(&sides, queries);
            let margin = if guide.relative { own.clone().abs() } else { own.ones_like() };
            Guided { sides, thresholds: own - margin.mul_scalar(guide.margin) }
        });
        let sides = [query_rows, passages];
        Self {
            blocks: Blocks::new(config),
            negatives: Negatives::new(queries, known, config),
            strata: Strata::new(known.strata),
            own: pairs(&sides, queries),
            config,
            guide,
            sides,
            queries,
        }
    }

    /// For each block and row the candidates that are no negatives for what is known of the texts.
    fn left_out(&self, rows: &Range<usize>, masked: &mut usize) -> Vec<Vec<Vec<u32>>> {
        let of_block = |block: &Block| {
            let mut lists = vec![Vec::new(); rows.len()];
            for (row, list) in rows.clone().zip(&mut lists) {
                *masked += self.negatives.left_out(block, row, list);
            }
            lists
        };
        self.blocks.blocks.iter().map(of_block).collect()
    }

    /// The column tiles of a block.
    fn columns(&self, block: &Block) -> impl Iterator<Item = Range<usize>> + use<B> {
        tiles(0..self.sides[block.candidates as usize].dims()[0], self.config.tile)
    }

    /// Similarities of a tile, [`LEFT_OUT`] where there is no negative, and how many of each row the guide alone left out: `[t, c]`, `[t, 1]`.
    fn similarities(
        &self,
        block: &Block,
        rows: &Range<usize>,
        columns: &Range<usize>,
        left_out: &[Vec<u32>],
    ) -> (Tensor<B, 2>, Option<Tensor<B, 2>>) {
        let part = |sides: &[Tensor<B, 2>; 2]| {
            let anchors = sides[block.anchors as usize].clone().slice(rows.clone());
            anchors.matmul(sides[block.candidates as usize].clone().slice(columns.clone()).transpose())
        };
        let similarities = leave_out(part(&self.sides), columns, left_out);
        let Some(guide) = &self.guide else { return (similarities, None) };
        let masked = part(&guide.sides).greater_equal(guide.thresholds.clone().slice(rows.clone()));
        let alone = masked.clone().bool_and(is_negative(&similarities));
        let alone = alone.float().cast(similarities.dtype()).sum_dim(1);
        (similarities.mask_fill(masked, LEFT_OUT), Some(alone))
    }

    /// Looks at all columns of some rows.
    fn settle(
        &self,
        rows: &Range<usize>,
        left_out: &[Vec<Vec<u32>>],
        histograms: &mut Option<DeviceHistograms<B>>,
    ) -> Settled<B> {
        let own = self.own.clone().slice(rows.clone());
        let none = own.zeros_like();
        let mut softmaxes = vec![Softmax::empty(&own, self.config.temperature); self.blocks.groups.len()];
        let mut hardest = none.full_like(LEFT_OUT);
        let strata = self.strata(rows);
        let [mut sum, mut negatives, mut harder, mut guided] = [none.clone(), none.clone(), none.clone(), none];
        for (place, block) in self.blocks.blocks.iter().enumerate() {
            for columns in self.columns(block) {
                let (similarities, alone) = self.similarities(block, rows, &columns, &left_out[place]);
                if let Some(alone) = alone {
                    guided = guided + alone;
                }
                if place == 0 {
                    let negative = is_negative(&similarities).float().cast(similarities.dtype());
                    hardest = hardest.max_pair(similarities.clone().max_dim(1));
                    sum = sum + (similarities.clone() * negative.clone()).sum_dim(1);
                    let above = similarities.clone().greater(own.clone()).float().cast(similarities.dtype());
                    harder = harder + above.sum_dim(1);
                    *histograms = histograms
                        .take()
                        .map(|counted| counted.with(similarities.clone(), negative.clone(), strata.clone()));
                    negatives = negatives + negative.sum_dim(1);
                }
                let softmax = &mut softmaxes[block.group];
                *softmax = softmax.clone().with(similarities, block.sharpness);
            }
        }
        let temperature = self.config.temperature;
        let positive = own.clone().div_scalar(temperature);
        let hits = own.greater(hardest).float().cast(positive.dtype());
        let (mut losses, mut slopes, mut pull) = (positive.zeros_like(), positive.zeros_like(), positive.zeros_like());
        let (mut factors, mut additions) = (Vec::new(), Vec::new());
        let scale = 1.0 / (self.queries as f64 * f64::from(temperature));
        for (place, (group, softmax)) in self.blocks.groups.iter().zip(&softmaxes).enumerate() {
            let pick = softmax.pick(*group, &positive, temperature);
            let (own_share, further) = self.further(place, rows);
            let own_share = |values: Tensor<B, 2>| match &own_share {
                Some(share) => values * share.clone(),
                None => values,
            };
            let own_pull = own_share(pick.pull);
            let (mut loss, mut slope, mut pulls) = (own_share(pick.loss), own_share(pick.slope), own_pull.clone());
            for further in further {
                let logits = further.similarities().div_scalar(temperature);
                let pick = softmax.select(&further.rows).pick(*group, &logits, temperature);
                loss = further.add_to(loss, pick.loss);
                slope = further.add_to(slope, pick.slope);
                pulls = further.add_to(pulls, pick.pull.clone());
                additions.extend(further.pull(pick.pull.mul_scalar(group.share * scale)));
            }
            losses = losses + loss.mul_scalar(group.share);
            slopes = slopes + slope.mul_scalar(group.share);
            factors.push(pulls.mul_scalar(group.share * scale) / softmax.sum_or_one());
            pull = pull + own_pull.mul_scalar(group.share * scale);
        }
        let numbers = Tensor::cat(vec![losses, slopes, hits, sum, negatives, harder, guided], 1);
        Settled { softmaxes, factors, pull, additions, numbers }
    }

    /// The further positives of some rows in one group, a block each, and what the pair itself then has of the mean: all where there are none.
    fn further(&self, group: usize, rows: &Range<usize>) -> (Option<Tensor<B, 2>>, Vec<Further<B>>) {
        let blocks = || self.blocks.of_group(group);
        let positives =
            |block: &Block| -> Vec<&[u32]> { rows.clone().map(|row| self.negatives.positives(block, row)).collect() };
        let of_blocks: Vec<Vec<&[u32]>> = blocks().map(positives).collect();
        let counts = (0..rows.len()).map(|row| of_blocks.iter().map(|lists| lists[row].len()).sum::<usize>());
        let times = self.blocks.groups[group].times();
        let shares: Vec<f64> = counts.map(|count| 1.0 / (times + count as f64)).collect();
        let further =
            |(block, lists): (&Block, &Vec<&[u32]>)| Further::new(block.anchors, &self.sides, rows, lists, &shares);
        let further: Vec<Further<B>> = blocks().zip(&of_blocks).filter_map(further).collect();
        let own = shares.iter().map(|share| times * share).collect();
        let own_share = (!further.is_empty()).then(|| column(own, &self.own.device(), self.own.dtype()));
        (own_share, further)
    }

    /// The strata of some rows: `[t, 1]`.
    fn strata(&self, rows: &Range<usize>) -> Tensor<B, 2, Int> {
        let places: Vec<i64> = rows.clone().map(|row| self.strata.place(row) as i64).collect();
        Tensor::<B, 1, Int>::from_data(places.as_slice(), &self.own.device()).reshape([-1, 1])
    }

    /// What some rows add to the gradients.
    fn pull(
        &self,
        rows: &Range<usize>,
        left_out: &[Vec<Vec<u32>>],
        settled: &Settled<B>,
        gradients: &mut [Gradient<B>; 2],
    ) {
        for (place, block) in self.blocks.blocks.iter().enumerate() {
            let (softmax, factor) = (&settled.softmaxes[block.group], &settled.factors[block.group]);
            let anchors = self.sides[block.anchors as usize].clone().slice(rows.clone());
            for columns in self.columns(block) {
                let (similarities, _) = self.similarities(block, rows, &columns, &left_out[place]);
                let weights = softmax.exponentials(similarities, block.sharpness) * factor.clone();
                let candidates = self.sides[block.candidates as usize].clone().slice(columns.clone());
                gradients[block.anchors as usize].add(rows, weights.clone().matmul(candidates));
                gradients[block.candidates as usize].add(&columns, weights.transpose().matmul(anchors.clone()));
            }
        }
        for (side, other) in [(0, 1), (1, 0)] {
            let other: Tensor<B, 2> = self.sides[other].clone().slice(rows.clone());
            gradients[side].add(rows, other * settled.pull.clone().neg());
        }
    }
}

/// Inner product of each pair: `[b, 1]`.
fn pairs<B: Backend>([queries, passages]: &[Tensor<B, 2>; 2], pairs: usize) -> Tensor<B, 2> {
    (queries.clone() * passages.clone().slice(0..pairs)).sum_dim(1)
}

fn is_negative<B: Backend>(similarities: &Tensor<B, 2>) -> Tensor<B, 2, Bool> {
    similarities.clone().greater_elem(NO_SIMILARITY)
}

/// The similarities of some columns, with those that are listed for each row [`LEFT_OUT`].
fn leave_out<B: Backend>(similarities: Tensor<B, 2>, columns: &Range<usize>, left_out: &[Vec<u32>]) -> Tensor<B, 2> {
    let ([rows, width], device) = (similarities.dims(), similarities.device());
    let mut places: Vec<i64> = Vec::new();
    for (row, listed) in left_out.iter().enumerate() {
        let listed = listed.iter().map(|&column| column as usize).filter(|column| columns.contains(column));
        places.extend(listed.map(|column| (row * width + column - columns.start) as i64));
    }
    if places.is_empty() {
        return similarities;
    }
    let values = Tensor::<B, 1>::full([places.len()], LEFT_OUT, (&device, similarities.dtype()));
    let places = Tensor::<B, 1, Int>::from_data(places.as_slice(), &device);
    // Adding -1e30 rounds to -1e30, and no place comes twice.
    similarities.reshape([-1]).select_assign(0, places, values, IndexingUpdateOp::Add).reshape([rows, width])
}
