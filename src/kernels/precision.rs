//! Matrix products in half precision: their operands are rounded, everything else stays in single precision, weights,
//! softmax, norms, losses and the optimizer included.

use super::context::StepContext;
use crate::config::Precision;
use crate::device::computes_on_host;
use burn::tensor::{FloatDType, Tensor};

/// The operand of a product, rounded if products are.
fn operand<const D: usize>(x: Tensor<D>, context: &StepContext) -> Tensor<D> {
    match context.precision() {
        Precision::Auto | Precision::F32 | Precision::TF32 => x,
        Precision::F16 => x.cast(FloatDType::F16),
        Precision::BF16 => x.cast(FloatDType::BF16),
    }
}

/// `a b` in single precision, whatever the operands were rounded to.
pub(super) fn product<const D: usize>(a: Tensor<D>, b: Tensor<D>, context: &StepContext) -> Tensor<D> {
    let (a, b) = (operand(a, context), operand(b, context));
    if context.is_single() {
        return a.matmul(b);
    }
    // A CPU rounds the operands alone; a GPU has products that sum in single precision. On the way back it is the other way
    // round than in the fused kernels: the finished gradients of the operands are rounded, those that come in are not.
    match computes_on_host(&a.device()) {
        true => a.cast(FloatDType::F32).matmul(b.cast(FloatDType::F32)),
        false => a.matmul(b).cast(FloatDType::F32),
    }
}
