use burn::tensor::backend::Backend;

use crate::{ContrastiveLoss, Dense, InfoNceConfig, InfoNceError, Tiled};

impl InfoNceConfig {
    /// The loss by tiles, with closed-form gradients.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds, [`InfoNceError::EmptyTile`] if the tile has no rows.
    pub fn build(&self) -> Result<Tiled, InfoNceError> {
        self.validate()?;
        match self.tile {
            0 => Err(InfoNceError::EmptyTile),
            _ => Ok(Tiled::new(self.clone())),
        }
    }

    /// The loss over the whole matrix of logits, with gradients by automatic differentiation; `tile` plays no part.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds.
    pub fn build_dense(&self) -> Result<Dense, InfoNceError> {
        self.validate().map(|()| Dense::new(self.clone()))
    }

    /// The loss that `tile` asks for: over the whole matrix where it is 0, else by tiles.
    ///
    /// # Errors
    /// What [`validate`](Self::validate) finds.
    ///
    /// # Examples
    ///
    /// ```
    /// use burn::tensor::Tensor;
    /// use burn_flex::Flex;
    /// use infonce::{InBatch, InfoNceConfig};
    ///
    /// # fn main() -> Result<(), infonce::InfoNceError> {
    /// let rows = Tensor::<Flex, 2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &Default::default());
    /// for tile in [0, 256] {
    ///     let loss = InfoNceConfig::default().with_temperature(1.0).with_tile(tile).build_boxed()?;
    ///     let output = loss.loss_and_gradients(rows.clone(), rows.clone(), &InBatch::default());
    ///     assert!((output.loss - (1.0 + (-1.0_f32).exp()).ln()).abs() < 1e-6);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn build_boxed<B: Backend>(&self) -> Result<Box<dyn ContrastiveLoss<B>>, InfoNceError> {
        Ok(match self.tile {
            0 => Box::new(self.build_dense()?),
            _ => Box::new(self.build()?),
        })
    }
}
