//! Gradients that are put together of tiles.

use std::ops::Range;

use burn::tensor::{Tensor, backend::Backend};

/// The gradient of one side, a tile of rows at a time.
pub(super) struct Gradient<B: Backend> {
    tile: usize,
    rows: usize,
    tiles: Vec<Option<Tensor<B, 2>>>,
}

impl<B: Backend> Gradient<B> {
    pub(super) fn new(rows: usize, tile: usize) -> Self {
        Self { tile, rows, tiles: vec![None; rows.div_ceil(tile)] }
    }

    /// Adds to `rows`, which are in one tile.
    pub(super) fn add(&mut self, rows: &Range<usize>, part: Tensor<B, 2>) {
        let place = rows.start / self.tile;
        let start = place * self.tile;
        let end = self.rows.min(start.saturating_add(self.tile));
        let ([_, width], like) = (part.dims(), (part.device(), part.dtype()));
        let zeros = |rows: usize| (rows > 0).then(|| Tensor::zeros([rows, width], (&like.0, like.1)));
        let padded = [zeros(rows.start - start), Some(part), zeros(end - rows.end)];
        let part = Tensor::cat(padded.into_iter().flatten().collect(), 0);
        let tile = &mut self.tiles[place];
        *tile = Some(match tile.take() {
            Some(sum) => sum + part,
            None => part,
        });
    }

    /// Of rows like these; 0 for those to which nothing was added.
    pub(super) fn finish(self, like: &Tensor<B, 2>) -> Tensor<B, 2> {
        let [_, width] = like.dims();
        let zeros = |rows: usize| Tensor::zeros([rows, width], (&like.device(), like.dtype()));
        let rows_of = |place: usize| self.tile.min(self.rows - place * self.tile);
        let tiles = self.tiles.into_iter().enumerate();
        Tensor::cat(tiles.map(|(place, tile)| tile.unwrap_or_else(|| zeros(rows_of(place)))).collect(), 0)
    }
}
