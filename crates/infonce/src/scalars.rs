use burn::tensor::{Tensor, backend::Backend};

/// The values of scalars of the same type, brought to the host by one synchronisation.
pub(crate) fn to_host<B: Backend, const N: usize>(scalars: [Tensor<B, 1>; N]) -> [f32; N] {
    let data = Tensor::cat(scalars.into(), 0).into_data();
    let mut values = data.iter::<f32>();
    std::array::from_fn(|_| values.next().unwrap_or(f32::NAN))
}
