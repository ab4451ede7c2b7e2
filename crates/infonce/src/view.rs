//! What is compared of the rows: some of their columns, of norm 1 where these are cosines.

use burn::tensor::{Tensor, backend::Backend};

use crate::Similarity;

/// Rows as they are compared.
pub(crate) struct View<B: Backend> {
    /// `[n, width]`
    pub(crate) rows: Tensor<B, 2>,
    /// Norms before, 0 for rows of zeros: `[n, 1]`; `None` where rows are as they come.
    norms: Option<Tensor<B, 2>>,
}

impl<B: Backend> View<B> {
    /// The first `width` columns.
    pub(crate) fn new(rows: &Tensor<B, 2>, width: usize, similarity: Similarity) -> Self {
        let [count, columns] = rows.dims();
        let rows = if width == columns { rows.clone() } else { rows.clone().slice([0..count, 0..width]) };
        if similarity == Similarity::Dot {
            return Self { rows, norms: None };
        }
        // Over the largest value first, since the squares of small ones are 0 and of large ones infinite. It is a constant to the gradient.
        let largest = rows.clone().detach().abs().max_dim(1);
        let zero = largest.clone().equal_elem(0.0);
        let largest = largest.mask_fill(zero.clone(), 1.0);
        let scaled = rows / largest.clone();
        let norms = scaled.clone().square().sum_dim(1).mask_fill(zero.clone(), 1.0).sqrt();
        let rows = (scaled / norms.clone()).mask_fill(zero.clone().expand([count, width]), 0.0);
        Self { rows, norms: Some((norms * largest).mask_fill(zero, 0.0)) }
    }

    /// The gradient with respect to the columns before, of one with respect to these: `[n, width]` both.
    ///
    /// Of `x̂ = x / ‖x‖` it is `(g − (g · x̂) x̂) / ‖x‖`.
    pub(crate) fn gradient(&self, gradient: Tensor<B, 2>) -> Tensor<B, 2> {
        let Some(norms) = &self.norms else { return gradient };
        let zero = norms.clone().equal_elem(0.0);
        let radial = (gradient.clone() * self.rows.clone()).sum_dim(1);
        let across = (gradient - self.rows.clone() * radial) / norms.clone().mask_fill(zero.clone(), 1.0);
        let shape = across.dims();
        across.mask_fill(zero.expand(shape), 0.0)
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;

    use super::*;

    #[test]
    fn the_smallest_and_the_largest_rows_have_directions() {
        for size in [1e-30, 1e30] {
            let rows = Tensor::<Flex, 2>::from_floats([[3.0 * size, -4.0 * size]], &Default::default());
            let found = View::new(&rows, 2, Similarity::Cosine).rows.to_data().to_vec::<f32>().unwrap();
            assert!((found[0] - 0.6).abs() < 1e-6 && (found[1] + 0.8).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn gradients_of_unit_prefixes_are_across_them_and_rows_of_zeros_have_none() {
        let rows = Tensor::<Flex, 2>::from_floats([[3.0, 4.0, 7.0], [0.0, 0.0, 1.0]], &Default::default());
        let view = View::new(&rows, 2, Similarity::Cosine);
        assert_eq!(view.rows.to_data().to_vec::<f32>().unwrap(), [0.6, 0.8, 0.0, 0.0]);
        let gradient = view.gradient(Tensor::from_floats([[1.0, 0.0], [1.0, 1.0]], &Default::default()));
        // (1, 0) less 0.6 (0.6, 0.8), over 5.
        let expected = [0.128, -0.096, 0.0, 0.0];
        let found = gradient.to_data().to_vec::<f32>().unwrap();
        assert!(found.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-7), "{found:?}");
    }
}
