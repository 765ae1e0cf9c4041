//! Exact GELU, `x Phi(x)` (Hendrycks and Gimpel, 2016).
//!
//! Burn's own is exact forwards, but its derivative is that of the tanh approximation on every backend but flex: the
//! gradients of a two-layer model were off by 1e-3 of their largest entry. Written out, autodiff derives `erf` exactly.

use burn::tensor::Tensor;
use std::f64::consts::FRAC_1_SQRT_2;

/// Exact GELU, any shape.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let twice_phi = (x.clone() * FRAC_1_SQRT_2).erf() + 1.0;
    x * (twice_phi * 0.5)
}
