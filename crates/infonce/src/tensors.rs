//! The loss by tiles of tensors, on any backend.

use std::ops::Range;

use burn::tensor::{Bool, IndexingUpdateOp, Int, Tensor, TensorData, backend::Backend};

use crate::batch::Batch;
use crate::block::{Block, Blocks, Group};
use crate::negatives::Negatives;
use crate::similarities::{Histogram, Sums};
use crate::{InBatch, InfoNceConfig, LossAndGradients};

/// In the place of a similarity that is no negative's: finite, for backends whose kernels assume finite numbers.
const LEFT_OUT: f32 = -1e30;
/// Above [`LEFT_OUT`] and below every similarity; over the temperature, between their logits.
const NO_SIMILARITY: f32 = -1e29;

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
}

/// A guide's rows on the device.
struct Guided<B: Backend> {
    /// Of queries and passages.
    sides: [Tensor<B, 2>; 2],
    /// Lowest score that is masked, of each pair: `[b, 1]`
    thresholds: Tensor<B, 2>,
}

/// Sums over the negatives of some rows in one group: `[t, 1]` each.
#[derive(Clone)]
struct Softmax<B: Backend> {
    largest: Tensor<B, 2>,
    sum: Tensor<B, 2>,
    /// Each exponential times its similarity.
    similarity: Tensor<B, 2>,
}

/// What is known of some rows once all columns were looked at: `[t, 1]` each.
struct Settled<B: Backend> {
    softmaxes: Vec<Softmax<B>>,
    /// Derivative of the mean loss with respect to a similarity of a group over its exponential.
    factors: Vec<Tensor<B, 2>>,
    /// The same for the pair, with the opposite sign.
    pull: Tensor<B, 2>,
    /// `[t, COLUMNS]`: loss, slope of the scale, hit, sum of similarities, negatives, harder ones, guided ones.
    numbers: Tensor<B, 2>,
}

pub(crate) fn loss_and_gradients<B: Backend>(
    config: &InfoNceConfig,
    batch: Batch<B>,
    known: &InBatch<'_>,
) -> LossAndGradients<B> {
    let run = Run::new(config, batch, known);
    let passages = run.sides[1].dims()[0];
    let mut masked = 0;
    let mut numbers = Vec::new();
    let mut histogram = config.percentile.then(|| DeviceHistogram::new(&run.sides));
    let mut gradients = [run.queries, passages].map(|rows| Gradient::new(rows, config.tile));
    for rows in tiles(run.queries, config.tile) {
        let left_out = run.left_out(&rows, &mut masked);
        let settled = run.settle(&rows, &left_out, &mut histogram);
        run.pull(&rows, &left_out, &settled, &mut gradients);
        numbers.push(settled.numbers);
    }
    let own: Vec<f32> = run.own.clone().into_data().iter::<f32>().collect();
    let [query_gradient, passage_gradient] = gradients.map(Gradient::finish);
    let numbers: Vec<f64> = Tensor::cat(numbers, 0).into_data().iter::<f64>().collect();

    let (mut sums, mut totals) = (Sums::default(), [0.0_f64; COLUMNS]);
    for (row, &own) in numbers.chunks_exact(COLUMNS).zip(&own) {
        totals.iter_mut().zip(row).for_each(|(total, value)| *total += value);
        sums.positive(own);
        sums.negatives(row[4] as u32, row[3] as f32, row[5] as u32);
    }
    let [loss, scale_slope, hits, _, _, _, guided] = totals;
    let pairs = run.queries as f64;
    let histogram = histogram.map(DeviceHistogram::into_histogram);
    LossAndGradients {
        loss: (loss / pairs) as f32,
        query_gradient,
        passage_gradient,
        scale_gradient: (scale_slope / pairs) as f32,
        masked: masked + guided as usize,
        accuracy: (hits / pairs) as f32,
        similarities: sums.finish(run.queries, passages, histogram.as_ref()),
    }
}

fn tiles(rows: usize, tile: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(tile).map(move |start| start..rows.min(start.saturating_add(tile)))
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
            negatives: Negatives::new(queries, known, config.mask_duplicates),
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
        tiles(self.sides[block.candidates as usize].dims()[0], self.config.tile)
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
        histogram: &mut Option<DeviceHistogram<B>>,
    ) -> Settled<B> {
        let own = self.own.clone().slice(rows.clone());
        let none = own.zeros_like();
        let empty = Softmax {
            largest: none.full_like(NO_SIMILARITY / self.config.temperature),
            sum: none.clone(),
            similarity: none.clone(),
        };
        let mut softmaxes = vec![empty; self.blocks.groups.len()];
        let mut hardest = none.full_like(LEFT_OUT);
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
                    if let Some(histogram) = histogram {
                        histogram.add(similarities.clone(), negative.clone());
                    }
                    negatives = negatives + negative.sum_dim(1);
                }
                let softmax = &mut softmaxes[block.group];
                *softmax = softmax.clone().with(similarities, block.sharpness);
            }
        }
        let positive = own.clone().div_scalar(self.config.temperature);
        let hits = own.greater(hardest).float().cast(positive.dtype());
        let (mut losses, mut slopes, mut pull) = (positive.zeros_like(), positive.zeros_like(), positive.zeros_like());
        let mut factors = Vec::new();
        let scale = 1.0 / (self.queries as f64 * f64::from(self.config.temperature));
        for (group, softmax) in self.blocks.groups.iter().zip(&softmaxes) {
            let pick = softmax.pick(*group, &positive, self.config.temperature);
            losses = losses + pick.loss.mul_scalar(group.share);
            slopes = slopes + pick.slope.mul_scalar(group.share);
            let weight = pick.pull.mul_scalar(group.share * scale);
            factors.push(weight.clone() / softmax.sum_or_one());
            pull = pull + weight;
        }
        let numbers = Tensor::cat(vec![losses, slopes, hits, sum, negatives, harder, guided], 1);
        Settled { softmaxes, factors, pull, numbers }
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

impl<B: Backend> Softmax<B> {
    /// These sums and those over more similarities.
    fn with(self, similarities: Tensor<B, 2>, sharpness: f64) -> Self {
        let here = similarities.clone().max_dim(1).mul_scalar(sharpness);
        let largest = self.largest.clone().max_pair(here);
        let before = (self.largest - largest.clone()).exp();
        let added = Self { largest: largest.clone(), sum: before.clone(), similarity: before.clone() };
        let exponentials = added.exponentials(similarities.clone(), sharpness);
        Self {
            largest,
            sum: self.sum * before.clone() + exponentials.clone().sum_dim(1),
            similarity: self.similarity * before + (exponentials * similarities).sum_dim(1),
        }
    }

    /// `exp(logit − largest)`, 0 for what is no negative.
    fn exponentials(&self, similarities: Tensor<B, 2>, sharpness: f64) -> Tensor<B, 2> {
        (similarities.mul_scalar(sharpness) - self.largest.clone()).exp()
    }

    /// 1 for rows without a negative, so that what is 0 stays it.
    fn sum_or_one(&self) -> Tensor<B, 2> {
        self.sum.clone().mask_fill(self.is_empty(), 1.0)
    }

    fn is_empty(&self) -> Tensor<B, 2, Bool> {
        self.sum.clone().lower_equal_elem(0.0)
    }

    /// As [`Pick::new`](crate::softmax::Pick::new), a row each.
    fn pick(&self, group: Group, positive: &Tensor<B, 2>, temperature: f32) -> Picks<B> {
        let odds = self.largest.clone() + self.sum_or_one().log() - positive.clone();
        let (loss, pull) = match group.own {
            0 => (odds.clone(), odds.ones_like()),
            own => {
                let own = f64::from(own).ln();
                let odds = odds.sub_scalar(own);
                let tail = odds.clone().abs().neg().exp();
                let loss = odds.clone().clamp_min(0.0) + tail.clone().log1p();
                (loss.add_scalar(own), odds.clamp_max(0.0).exp() / tail.add_scalar(1.0))
            }
        };
        let nothing = f64::from(group.own.max(1)).ln();
        let similarity = self.similarity.clone() / self.sum_or_one();
        let pull = pull.mask_fill(self.is_empty(), 0.0);
        Picks {
            loss: loss.mask_fill(self.is_empty(), nothing),
            slope: (similarity.div_scalar(temperature) - positive.clone()) * pull.clone(),
            pull,
        }
    }
}

/// `[t, 1]` each.
struct Picks<B: Backend> {
    loss: Tensor<B, 2>,
    pull: Tensor<B, 2>,
    slope: Tensor<B, 2>,
}

/// The gradient of one side, a tile of rows at a time.
struct Gradient<B: Backend> {
    tile: usize,
    rows: usize,
    tiles: Vec<Option<Tensor<B, 2>>>,
}

impl<B: Backend> Gradient<B> {
    fn new(rows: usize, tile: usize) -> Self {
        Self { tile, rows, tiles: vec![None; rows.div_ceil(tile)] }
    }

    /// Adds to `rows`, which begin with a tile and are in one.
    fn add(&mut self, rows: &Range<usize>, part: Tensor<B, 2>) {
        let place = rows.start / self.tile;
        let end = self.rows.min(rows.start.saturating_add(self.tile));
        let missing = end - rows.end;
        let part = match missing {
            0 => part,
            _ => {
                let zeros = Tensor::zeros([missing, part.dims()[1]], (&part.device(), part.dtype()));
                Tensor::cat(vec![part, zeros], 0)
            }
        };
        let tile = &mut self.tiles[place];
        *tile = Some(match tile.take() {
            Some(sum) => sum + part,
            None => part,
        });
    }

    fn finish(self) -> Tensor<B, 2> {
        // Each tile has candidates of the first direction, or anchors of it.
        Tensor::cat(self.tiles.into_iter().flatten().collect(), 0)
    }
}

/// A [`Histogram`] on the device.
struct DeviceHistogram<B: Backend> {
    bound: f32,
    /// `[BINS]`
    counts: Tensor<B, 1>,
}

impl<B: Backend> DeviceHistogram<B> {
    fn new([queries, passages]: &[Tensor<B, 2>; 2]) -> Self {
        let longest = |rows: &Tensor<B, 2>| rows.clone().square().sum_dim(1).sqrt().max();
        let bound = longest(queries) * longest(passages);
        // Rows of zeros have similarities of 0, whatever they are divided by.
        let bound = bound.into_data().iter::<f32>().next().unwrap_or(f32::NAN).max(f32::MIN_POSITIVE);
        let counts = Tensor::zeros([Histogram::BINS], (&queries.device(), queries.dtype()));
        Self { bound, counts }
    }

    /// Counts the similarities whose `weight` is 1, not those whose it is 0.
    fn add(&mut self, similarities: Tensor<B, 2>, weight: Tensor<B, 2>) {
        let half = 0.5 * Histogram::BINS as f32;
        let places = (similarities.div_scalar(self.bound).add_scalar(1.0)).mul_scalar(half);
        let places = places.clamp(0.0, Histogram::BINS as f32 - 1.0).floor().int().reshape([-1]);
        let (counts, weight) = (self.counts.clone(), weight.reshape([-1]));
        self.counts = counts.select_assign(0, places, weight, IndexingUpdateOp::Add);
    }

    fn into_histogram(self) -> Histogram {
        Histogram::of(self.bound, self.counts.into_data().iter::<f32>().map(|count| count as u64).collect())
    }
}
