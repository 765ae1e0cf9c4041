//! Matrix products in half precision: their operands are rounded, everything else stays in single precision, weights,
//! softmax, norms, losses and the optimizer included.

use super::context::StepContext;
use crate::config::Precision;
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
    let product = operand(a, context).matmul(operand(b, context));
    if context.is_single() { product } else { product.cast(FloatDType::F32) }
}
