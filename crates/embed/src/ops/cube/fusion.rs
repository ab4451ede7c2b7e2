//! The kernel as an operation among those that burn fuses: it waits its turn in the stream.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::ir::{CustomOpIr, HandleContainer, OperationIr, OperationOutput, TensorIr};
use burn::tensor::Shape;
use burn::tensor::ops::FloatTensor;
use burn_fusion::stream::{Operation, OperationStreams};
use burn_fusion::{Fusion, FusionBackend, FusionRuntime, FusionTensor};

use super::sparse::{Factor, Spmm};

#[derive(Debug)]
struct Queued<I> {
    operation: CustomOpIr,
    backend: PhantomData<I>,
}

impl<I: FusionBackend + Spmm> Operation<I::FusionRuntime> for Queued<I> {
    fn execute(&self, handles: &mut HandleContainer<<I::FusionRuntime as FusionRuntime>::FusionHandle>) {
        let ([x, offsets, columns, weights], [y]) = self.operation.as_fixed();
        let factor = Factor {
            rows: y.shape[0],
            offsets: handles.get_int_tensor::<I>(offsets),
            columns: handles.get_int_tensor::<I>(columns),
            weights: handles.get_float_tensor::<I>(weights),
        };
        let x = handles.get_float_tensor::<I>(x);
        handles.register_float_tensor::<I>(&y.id, I::spmm(factor, x));
    }
}

impl<I: FusionBackend + Spmm> Spmm for Fusion<I> {
    fn spmm(factor: Factor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let client = x.client.clone();
        let y = TensorIr::uninit(client.create_empty_handle(), Shape::new([factor.rows, x.shape[1]]), x.dtype);
        let inputs = [x, factor.offsets, factor.columns, factor.weights];
        let streams = OperationStreams::with_inputs(&inputs);
        let operation = CustomOpIr::new("spmm", &inputs.map(FusionTensor::into_ir), &[y]);
        let queued = Queued::<I> { operation: operation.clone(), backend: PhantomData };
        client.register(streams, OperationIr::Custom(operation), queued).output()
    }
}
