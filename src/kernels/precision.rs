//! Matrix products in half precision: their operands are rounded, everything else stays in single precision, weights,
//! softmax, norms, losses and the optimizer included.

use crate::config::Precision;
use burn::tensor::{FloatDType, Tensor};
use std::cell::Cell;

thread_local! {
    static PRECISION: Cell<Precision> = const { Cell::new(Precision::Auto) };
}

/// Runs `work` with the matrix products of this thread in `precision`; their gradients follow.
pub fn with_precision<R>(precision: Precision, work: impl FnOnce() -> R) -> R {
    /// Puts back what was there before, after a panic too.
    struct Before(Precision);
    impl Drop for Before {
        fn drop(&mut self) {
            PRECISION.set(self.0);
        }
    }
    let _before = Before(PRECISION.replace(precision));
    work()
}

/// Whether products are in single precision, as the fused kernels compute them.
pub(super) fn is_single() -> bool {
    matches!(PRECISION.get(), Precision::Auto | Precision::F32 | Precision::TF32)
}

/// The operand of a product, rounded if products are.
pub(super) fn operand<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match PRECISION.get() {
        Precision::Auto | Precision::F32 | Precision::TF32 => x,
        Precision::F16 => x.cast(FloatDType::F16),
        Precision::BF16 => x.cast(FloatDType::BF16),
    }
}

/// `a b` in single precision, whatever the operands were rounded to.
pub(super) fn product<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let product = operand(a).matmul(operand(b));
    if is_single() { product } else { product.cast(FloatDType::F32) }
}
