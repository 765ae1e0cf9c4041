//! Rows of a table by their number, with a gradient that is parallel on GPUs.
//!
//! Burn's `select` has a gradient that adds row after row, one thread a column. Here are two others. Without a [`SumOrder`]
//! a lookup is `gather`, whose gradient adds all numbers at once where the device has float atomics, in an order that
//! changes from run to run. With one, the gradient is made of sums in that order.

use crate::data::{FAN, SumOrder, Sums};
use crate::device::computes_on_host;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata};
use burn::tensor::{Int, Shape, Slice, Tensor};
use std::sync::Arc;

/// Rows `ids` `[n]` of `table` `[rows, width]`: `[n, width]`. Ids must be below `rows`; `order`, if any, must be theirs.
pub fn lookup(table: Tensor<2>, ids: Tensor<1, Int>, order: Option<&SumOrder>) -> Tensor<2> {
    if let Some(SumOrder { indices, sums }) = order {
        let (ids, indices) = (ids.into_dispatch(), indices.clone().into_dispatch());
        return Tensor::from_dispatch(Dispatch::ordered_rows(table.into_dispatch(), ids, indices, sums.clone()));
    }
    // A loop over rows there, forwards and back.
    if computes_on_host(&table.device()) {
        return table.select(0, ids);
    }
    let ([_, width], [n]) = (table.dims(), ids.dims());
    table.gather(0, ids.reshape([n, 1]).expand([n, width]))
}

/// The gradient of a table of `rows` rows from that of its looked up rows, `[n, width]`.
fn add<B: Backend>(sums: &Sums, gradient: FloatTensor<B>, indices: IntTensor<B>, rows: usize) -> FloatTensor<B> {
    let width = gradient.shape()[1];
    let (device, dtype) = (gradient.device(), gradient.dtype());
    let zeros = |rows: usize| B::float_zeros(Shape::new([rows, width]), &device, dtype.into());
    let mut at = 0;
    let mut list = |len: usize| {
        let list = B::int_slice(indices.clone(), &[Slice::from(at..at + len)]);
        at += len;
        list
    };
    let mut all = vec![gradient.clone()];
    let mut before = gradient;
    for &rows in &sums.levels {
        let padded = B::float_cat(vec![before, zeros(1)], 0);
        let first = B::float_select(padded.clone(), 0, list(rows));
        before = (1..FAN).fold(first, |sum, _| B::float_add(sum, B::float_select(padded.clone(), 0, list(rows))));
        all.push(before.clone());
    }
    all.push(zeros(1));
    let table = B::float_select(B::float_cat(all, 0), 0, list(sums.rows));
    match rows - sums.rows {
        0 => table,
        others => B::float_cat(vec![table, zeros(others)], 0),
    }
}

use extension::OrderedRows;

/// What Burn's dispatch needs to find the operation on every backend.
#[allow(deprecated, reason = "ndarray, which this version of Burn is the last to have")]
mod extension {
    use super::{FloatTensor, IntTensor, Sums};
    use burn::backend::{Backend, backend_extension};
    use std::sync::Arc;

    /// A lookup whose gradient has an order.
    #[backend_extension(
        Autodiff,
        Cube: cfg(gpu),
        Flex: cfg(feature = "flex"),
        NdArray: cfg(feature = "ndarray"),
        Remote: cfg(feature = "remote")
    )]
    pub(super) trait OrderedRows: Backend {
        fn ordered_rows(
            table: FloatTensor<Self>,
            ids: IntTensor<Self>,
            indices: IntTensor<Self>,
            sums: Arc<Sums>,
        ) -> FloatTensor<Self> {
            let _ = (indices, sums);
            Self::float_select(table, 0, ids)
        }
    }

    #[cfg(gpu)]
    impl OrderedRows for burn::backend::Cube {}
    #[cfg(feature = "flex")]
    impl OrderedRows for burn::backend::Flex {}
    #[cfg(feature = "ndarray")]
    impl OrderedRows for burn::backend::NdArray {}
    #[cfg(feature = "remote")]
    impl OrderedRows for burn::backend::Remote {}
}

impl<B: OrderedRows, C: CheckpointStrategy> OrderedRows for Autodiff<B, C> {
    fn ordered_rows(
        table: FloatTensor<Self>,
        ids: IntTensor<Self>,
        indices: IntTensor<Self>,
        sums: Arc<Sums>,
    ) -> FloatTensor<Self> {
        let (guard, rows) = (table.node(), table.shape()[0]);
        let output = B::float_select(table.into_primitive(), 0, ids);
        match Rows.prepare::<C>([guard]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((indices, sums, rows), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}

/// The lookup in the graph of gradients.
#[derive(Debug)]
struct Rows;

impl<B: Backend> Backward<B, 1> for Rows {
    type State = (IntTensor<B>, Arc<Sums>, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (indices, sums, rows) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |gradient| add::<B>(&sums, gradient, indices, rows));
    }
}
