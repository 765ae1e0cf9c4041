//! Residual connection with dropout, and LayerNorm: `norm(residual + dropout(x))`, in one pass forwards and one back.

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
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if let Some(output) = fused::residual_norm(layer_norm, epsilon, dropout, &x, &residual) {
        return output;
    }
    layer_norm.forward(residual + dropout.forward(x))
}

/// `layer_norm(x)`, `x` `[.., width]`; `epsilon` is that of `layer_norm`.
pub fn norm<const D: usize>(layer_norm: &LayerNorm, epsilon: f64, x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if let Some(output) = fused::norm(layer_norm, epsilon, &x) {
        return output;
    }
    layer_norm.forward(x)
}

#[cfg(feature = "flex")]
mod fused {
    use crate::kernels::dropout::{Dropout, Mask};
    use crate::kernels::host::{Gradient, Place, Values, record, uninitialised};
    use crate::kernels::normalize::{back, normalize};
    use crate::kernels::rows::{CHUNK_ROWS, add_up};
    use burn::nn::LayerNorm;
    use burn::tensor::Tensor;
    use rayon::prelude::*;

    pub fn residual_norm<const D: usize>(
        layer_norm: &LayerNorm,
        epsilon: f64,
        dropout: &Dropout,
        x: &Tensor<D>,
        residual: &Tensor<D>,
    ) -> Option<Tensor<D>> {
        let beta = layer_norm.beta.as_ref()?.val();
        let operands = super::super::operands!(residual.clone(), layer_norm.gamma.val(), beta, x.clone());
        let mask = dropout.mask(&x.device());
        let ([residual, gamma, beta, x], place) = Place::of(operands);
        let (output, kept) = forward(&residual, Some((&x, mask)), &gamma, &beta, epsilon as f32);
        Some(record(place, output, kept))
    }

    pub fn norm<const D: usize>(layer_norm: &LayerNorm, epsilon: f64, x: &Tensor<D>) -> Option<Tensor<D>> {
        let beta = layer_norm.beta.as_ref()?.val();
        let operands = super::super::operands!(x.clone(), layer_norm.gamma.val(), beta);
        let ([x, gamma, beta], place) = Place::of(operands);
        let (output, kept) = forward(&x, None, &gamma, &beta, epsilon as f32);
        Some(record(place, output, kept))
    }

    fn forward(
        residual: &Values,
        x: Option<(&Values, Option<Mask>)>,
        gamma: &Values,
        beta: &Values,
        epsilon: f32,
    ) -> (Values, Norm) {
        let width = gamma.len();
        let rows = residual.len() / width;
        let mut output = uninitialised(rows * width);
        let mut normalized = uninitialised(rows * width);
        let mut scales = uninitialised(rows);
        let chunk = CHUNK_ROWS * width;
        (output.par_chunks_mut(chunk), normalized.par_chunks_mut(chunk), scales.par_chunks_mut(CHUNK_ROWS))
            .into_par_iter()
            .enumerate()
            .for_each(|(number, (output, normalized, scales))| {
                let at = number * chunk;
                let range = at..at + output.len();
                normalized.copy_from_slice(&residual[range.clone()]);
                if let Some((x, mask)) = x {
                    add_masked(normalized, &x[range], mask, at);
                }
                normalize(normalized, output, scales, gamma, beta, epsilon);
            });
        let shape = residual.shape();
        let kept = Norm {
            normalized: Values::new(normalized, [rows, width]),
            scales,
            gamma: gamma.clone(),
            mask: x.and_then(|(_, mask)| mask),
        };
        (Values::new(output, shape), kept)
    }

    #[derive(Clone, Debug)]
    struct Norm {
        /// The rows with mean 0 and variance 1.
        normalized: Values,
        /// What each row was multiplied by to have it.
        scales: Vec<f32>,
        gamma: Values,
        mask: Option<Mask>,
    }

    impl Norm {
        /// The gradients of what was normalized, of gamma and of beta.
        fn back(&self, mut output: Values) -> [Values; 3] {
            let width = self.gamma.len();
            let chunk = CHUNK_ROWS * width;
            let shape = output.shape();
            let sums: Vec<(Vec<f32>, Vec<f32>)> = (
                output.as_mut().par_chunks_mut(chunk),
                self.normalized.par_chunks(chunk),
                self.scales.par_chunks(CHUNK_ROWS),
            )
                .into_par_iter()
                .map(|(gradient, normalized, scales)| back(gradient, normalized, scales, &self.gamma))
                .collect();
            let (gammas, betas) = sums.into_iter().unzip();
            let total = |parts| Values::new(add_up(parts, width), [width]);
            [output.reshaped(shape), total(gammas), total(betas)]
        }
    }

    impl Gradient<3> for Norm {
        fn backward(self, output: Values, _wanted: [bool; 3]) -> [Option<Values>; 3] {
            self.back(output).map(Some)
        }
    }

    impl Gradient<4> for Norm {
        fn backward(self, output: Values, _wanted: [bool; 4]) -> [Option<Values>; 4] {
            let [residual, gamma, beta] = self.back(output);
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

    /// Adds `x`, masked, to `values`; `at` is where they begin in the mask.
    fn add_masked(values: &mut [f32], x: &[f32], mask: Option<Mask>, at: usize) {
        match mask {
            Some(mask) => mask.add(values, x, at),
            None => values.iter_mut().zip(x).for_each(|(value, x)| *value += x),
        }
    }
}
