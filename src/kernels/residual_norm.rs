//! Residual connection with dropout, and LayerNorm: `norm(residual + dropout(x))`, in one pass forwards and one back.

use super::context::StepContext;
use super::dropout::Dropout;
use burn::nn::LayerNorm;
use burn::tensor::Tensor;

/// `layer_norm(residual + dropout(x))`, both `[.., width]`; `epsilon` is that of `layer_norm`, which keeps it to itself.
pub fn residual_norm<const D: usize>(
    layer_norm: &LayerNorm,
    epsilon: f64,
    dropout: &Dropout,
    x: Tensor<D>,
    residual: Tensor<D>,
    context: &StepContext,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if context.is_fused()
        && let Some(output) = fused::residual_norm(layer_norm, epsilon, (dropout, context), &x, &residual)
    {
        return output;
    }
    layer_norm.forward(residual + dropout.forward(x, context))
}

/// `layer_norm(x)`, `x` `[.., width]`; `epsilon` is that of `layer_norm`.
pub fn layer_norm<const D: usize>(
    layer_norm: &LayerNorm,
    epsilon: f64,
    x: Tensor<D>,
    context: &StepContext,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if context.is_fused()
        && let Some(output) = fused::layer_norm(layer_norm, epsilon, &x)
    {
        return output;
    }
    layer_norm.forward(x)
}

#[cfg(feature = "flex")]
mod fused {
    use crate::kernels::context::StepContext;
    use crate::kernels::dropout::{Dropout, Mask};
    use crate::kernels::host::{Gradient, Place, Values, record, uninitialised};
    use crate::kernels::normalize::Normalized;
    use crate::kernels::rows::CHUNK_ROWS;
    use burn::nn::LayerNorm;
    use burn::tensor::Tensor;
    use rayon::prelude::*;

    pub(super) fn residual_norm<const D: usize>(
        layer_norm: &LayerNorm,
        epsilon: f64,
        (dropout, context): (&Dropout, &StepContext),
        x: &Tensor<D>,
        residual: &Tensor<D>,
    ) -> Option<Tensor<D>> {
        let beta = layer_norm.beta.as_ref()?.val();
        let operands = super::super::operands!(residual.clone(), layer_norm.gamma.val(), beta, x.clone());
        let mask = dropout.mask(&x.device(), context);
        let ([residual, gamma, beta, x], place) = Place::of(operands);
        let fill = |at: usize, rows: &mut [f32]| {
            let range = at..at + rows.len();
            rows.copy_from_slice(&residual[range.clone()]);
            match mask {
                Some(mask) => mask.add(rows, &x[range], at),
                None => rows.iter_mut().zip(&x[range]).for_each(|(value, x)| *value += x),
            }
        };
        let (output, rows) = Normalized::forward(x.len() / gamma.len(), &gamma, &beta, epsilon, fill, |_, _| ());
        Some(record(place, Values::new(output, x.shape()), Residual { rows, mask }))
    }

    pub(super) fn layer_norm<const D: usize>(layer_norm: &LayerNorm, epsilon: f64, x: &Tensor<D>) -> Option<Tensor<D>> {
        let beta = layer_norm.beta.as_ref()?.val();
        let operands = super::super::operands!(x.clone(), layer_norm.gamma.val(), beta);
        let ([x, gamma, beta], place) = Place::of(operands);
        let fill = |at: usize, rows: &mut [f32]| rows.copy_from_slice(&x[at..at + rows.len()]);
        let (output, rows) = Normalized::forward(x.len() / gamma.len(), &gamma, &beta, epsilon, fill, |_, _| ());
        Some(record(place, Values::new(output, x.shape()), rows))
    }

    impl Gradient<3> for Normalized {
        fn backward(self, output: Values, _wanted: [bool; 3]) -> [Option<Values>; 3] {
            self.back(output, |_, _| ()).map(Some)
        }
    }

    #[derive(Clone, Debug)]
    struct Residual {
        rows: Normalized,
        mask: Option<Mask>,
    }

    impl Gradient<4> for Residual {
        fn backward(self, output: Values, _wanted: [bool; 4]) -> [Option<Values>; 4] {
            let [residual, gamma, beta] = self.rows.back(output, |_, _| ());
            let x = match self.mask {
                None => residual.clone(),
                Some(mask) => {
                    let mut x = uninitialised(residual.len());
                    let chunk = CHUNK_ROWS * gamma.len();
                    let both = x.par_chunks_mut(chunk).zip(residual.par_chunks(chunk)).enumerate();
                    both.for_each(|(number, (x, values))| mask.apply(x, values, number * chunk));
                    Values::new(x, residual.shape())
                }
            };
            [Some(residual), Some(gamma), Some(beta), Some(x)]
        }
    }
}
