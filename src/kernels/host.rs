//! The bridge between Burn's tensors and slices of this process's memory, and the node of a fused operation in the
//! graph of gradients.
//!
//! A tensor of the flex backend is a plain slice of `f32`. A fused operation takes such slices, writes another, and
//! says how the gradient of its output becomes those of its inputs; everything else is here, once.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, Flex, TensorMetadata,
};
use burn::tensor::{DType, Int, Shape, Tensor, TensorData};
use std::marker::PhantomData;

type FlexTensor = FloatTensor<Flex>;

/// The numbers of a tensor, row by row. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Values(FlexTensor);

impl Values {
    /// Takes over `values`.
    pub(super) fn new(values: Vec<f32>, shape: impl Into<Shape>) -> Self {
        Self(FlexTensor::from_data(TensorData::new(values, shape.into())))
    }

    /// Those of a tensor, copied only where they do not lie row by row; absent where they are not of single precision.
    fn read(tensor: FlexTensor) -> Option<Self> {
        (tensor.dtype() == DType::F32).then(|| Self(tensor.to_contiguous()))
    }

    pub(super) fn shape(&self) -> Shape {
        TensorMetadata::shape(&self.0)
    }

    /// Length of the last dimension.
    pub(super) fn width(&self) -> usize {
        let shape = self.shape();
        shape[shape.num_dims() - 1]
    }

    /// To be written to: shared numbers are copied first.
    pub(super) fn as_mut(&mut self) -> &mut [f32] {
        self.0.storage_mut()
    }
}

impl std::ops::Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.storage()
    }
}

/// A tensor on the flex backend, with its place in the graph of gradients where it has one.
pub(super) struct Operand {
    pub values: Values,
    guard: Option<NodeGuard>,
    context: DispatchAutodiffContext,
}

impl Operand {
    /// Absent where `tensor` is on another backend.
    pub(super) fn of<const D: usize>(tensor: Tensor<D>) -> Option<Self> {
        let DispatchTensor { kind, autodiff: context } = tensor.into_dispatch();
        let (values, guard) = match kind {
            DispatchTensorKind::Flex(BackendTensor::Float(values)) => (values, None),
            DispatchTensorKind::Autodiff(inner) => match *inner {
                DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) => {
                    let (values, guard) = tensor.into_parts();
                    (values, Some(guard))
                }
                _ => return None,
            },
            _ => return None,
        };
        Some(Self { values: Values::read(values)?, guard, context })
    }
}

/// What an operation keeps for its gradient.
pub(super) trait Gradient<const N: usize>: Clone + std::fmt::Debug + Send + 'static {
    /// The gradients of the `N` inputs from that of the output; `wanted` says which of them anybody asks for.
    fn backward(self, output: Values, wanted: [bool; N]) -> [Option<Values>; N];
}

/// Where the inputs of an operation stand in the graph; taken from them before their values go into it.
pub(super) struct Place<const N: usize> {
    guards: [NodeGuard; N],
    context: DispatchAutodiffContext,
}

impl<const N: usize> Place<N> {
    /// The values of `operands`, and their place; absent where no gradients are recorded.
    pub(super) fn of(operands: [Operand; N]) -> ([Values; N], Option<Self>) {
        let context =
            operands.iter().fold(DispatchAutodiffContext::Disabled, |all, operand| all.merge(operand.context));
        let recorded = context != DispatchAutodiffContext::Disabled;
        let mut guards = Vec::with_capacity(N);
        let values = operands.map(|operand| {
            if recorded {
                let constant = || <FloatTensor<Autodiff<Flex>>>::new(operand.values.0.clone()).node();
                guards.push(operand.guard.unwrap_or_else(constant));
            }
            operand.values
        });
        let place = <[NodeGuard; N]>::try_from(guards).ok().map(|guards| Self { guards, context });
        (values, place)
    }
}

/// The output of an operation as a tensor, with `gradient` in the graph where its inputs have a place there.
pub(super) fn record<const D: usize, const N: usize, G: Gradient<N>>(
    place: Option<Place<N>>,
    output: Values,
    gradient: G,
) -> Tensor<D> {
    let Some(Place { guards, context }) = place else {
        return plain(output);
    };
    let output = match Node(PhantomData).prepare::<NoCheckpointing>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(gradient, output.0),
        OpsKind::UnTracked(prepared) => prepared.finish(output.0),
    };
    let kind = DispatchTensorKind::Flex(BackendTensor::Autodiff(output));
    let kind = DispatchTensorKind::Autodiff(Box::new(kind));
    Tensor::from_dispatch(DispatchTensor { kind, autodiff: context })
}

/// A fused operation in the graph.
#[derive(Debug)]
struct Node<G>(PhantomData<G>);

impl<G: Gradient<N>, const N: usize> Backward<Flex, N> for Node<G> {
    type State = G;

    fn backward(self, ops: Ops<G, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let Some(output) = Values::read(grads.consume::<Flex>(&ops.node)) else {
            unreachable!("the gradient of a single-precision tensor has its precision")
        };
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let inputs = ops.state.backward(output, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(inputs) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient.0);
            }
        }
    }
}

/// Memory for `len` numbers that are all written before one is read.
#[cfg(not(test))]
#[expect(clippy::uninit_vec, reason = "every kernel writes all elements of its output and reads none before")]
pub(super) fn uninitialised(len: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    // Clearing the memory first would cost a tenth of a training step.
    // SAFETY: the capacity is `len`, any bits are an `f32`, and callers keep to the sentence above.
    unsafe {
        values.set_len(len);
    }
    values
}

/// The same where kernels are tested: what is read before it is written, or never written, makes NaN of the results.
#[cfg(test)]
pub(super) fn uninitialised(len: usize) -> Vec<f32> {
    vec![f32::NAN; len]
}

/// The numbers of a tensor of ids.
pub(super) fn integers<const D: usize>(ids: Tensor<D, Int>) -> Vec<usize> {
    ids.into_data().iter::<i64>().map(|id| id as usize).collect()
}

/// `values` as a tensor without gradients.
pub(super) fn plain<const D: usize>(values: Values) -> Tensor<D> {
    let kind = DispatchTensorKind::Flex(BackendTensor::Float(values.0));
    Tensor::from_dispatch(DispatchTensor { kind, autodiff: DispatchAutodiffContext::Disabled })
}
