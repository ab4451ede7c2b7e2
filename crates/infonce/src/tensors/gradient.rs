//! Gradients that are put together of tiles.

use std::ops::Range;

use burn::tensor::{IndexingUpdateOp, Tensor, backend::Backend};

use super::further::Addition;

/// The gradient of one side, a tile of rows at a time.
pub(super) struct Gradient<B: Backend> {
    tile: usize,
    /// Of the side: what its rows are like.
    like: Tensor<B, 2>,
    tiles: Vec<Option<Tensor<B, 2>>>,
    /// What was added to rows here and there.
    rows: Option<Tensor<B, 2>>,
}

impl<B: Backend> Gradient<B> {
    pub(super) fn new(side: &Tensor<B, 2>, tile: usize) -> Self {
        Self { tile, tiles: vec![None; side.dims()[0].div_ceil(tile)], like: side.clone(), rows: None }
    }

    /// Adds to `rows`, which are in one tile.
    pub(super) fn add(&mut self, rows: &Range<usize>, part: Tensor<B, 2>) {
        let place = rows.start / self.tile;
        let whole = self.rows_of(place);
        let zeros = |rows: Range<usize>| (!rows.is_empty()).then(|| self.zeros(rows.len()));
        let padded = [zeros(whole.start..rows.start), Some(part), zeros(rows.end..whole.end)];
        let part = Tensor::cat(padded.into_iter().flatten().collect(), 0);
        let tile = &mut self.tiles[place];
        *tile = Some(match tile.take() {
            Some(sum) => sum + part,
            None => part,
        });
    }

    /// Adds to rows here and there.
    pub(super) fn add_rows(&mut self, Addition { rows, values, .. }: Addition<B>) {
        let sum = self.rows.take().unwrap_or_else(|| self.zeros(self.like.dims()[0]));
        self.rows = Some(sum.select_assign(0, rows, values, IndexingUpdateOp::Add));
    }

    /// All of it, 0 where nothing was added.
    pub(super) fn finish(mut self) -> Tensor<B, 2> {
        let tiles = std::mem::take(&mut self.tiles).into_iter().enumerate();
        let tile = |(place, tile): (usize, Option<Tensor<B, 2>>)| {
            tile.unwrap_or_else(|| self.zeros(self.rows_of(place).len()))
        };
        let all = Tensor::cat(tiles.map(tile).collect(), 0);
        match self.rows {
            Some(rows) => all + rows,
            None => all,
        }
    }

    fn rows_of(&self, place: usize) -> Range<usize> {
        let start = place * self.tile;
        start..self.like.dims()[0].min(start.saturating_add(self.tile))
    }

    fn zeros(&self, rows: usize) -> Tensor<B, 2> {
        Tensor::zeros([rows, self.like.dims()[1]], (&self.like.device(), self.like.dtype()))
    }
}
