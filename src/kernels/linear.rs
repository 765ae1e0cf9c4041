//! Dense layers, `x W + b`, with exact GELU after them or without.
//!
//! Fused: bias and GELU in one pass over the product; the gradient of GELU and the sum for the bias in one pass back.

use super::context::StepContext;
use super::gelu::gelu;
use super::precision::product;
use burn::nn::Linear;
use burn::tensor::Tensor;

/// `x` `[.., d_input]` -> `[.., d_output]`.
pub fn linear<const D: usize>(layer: &Linear, x: Tensor<D>, context: &StepContext) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if context.is_fused()
        && let Some(output) = fused::dense(layer, &x, fused::Activation::None, context.format())
    {
        return output;
    }
    portable(layer, x, context)
}

/// `gelu(x W + b)`, `x` `[.., d_input]` -> `[.., d_output]`.
pub fn linear_gelu<const D: usize>(layer: &Linear, x: Tensor<D>, context: &StepContext) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if context.is_fused()
        && let Some(output) = fused::dense(layer, &x, fused::Activation::Gelu, context.format())
    {
        return output;
    }
    gelu(portable(layer, x, context))
}

fn portable<const D: usize>(layer: &Linear, x: Tensor<D>, context: &StepContext) -> Tensor<D> {
    if context.is_single() {
        return layer.forward(x);
    }
    let weight = layer.weight.val();
    let [inner, width] = weight.dims();
    let mut shape = x.dims();
    shape[D - 1] = width;
    let rows = shape[..D - 1].iter().product();
    let output = product(x.reshape([rows, inner]), weight, context);
    let output = match &layer.bias {
        Some(bias) => output + bias.val().unsqueeze::<2>(),
        None => output,
    };
    output.reshape(shape)
}

#[cfg(feature = "flex")]
pub(super) mod fused {
    use crate::kernels::host::{Gradient, Place, Values, record, uninitialised};
    use crate::kernels::math::{normal, vectorized};
    use crate::kernels::rows::{CHUNK_ROWS, add_up};
    use burn::nn::Linear;
    use burn::tensor::Tensor;
    use electra_matmul::{Format, Matrix, MatrixMut, Output, Threads};
    use rayon::prelude::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(crate) enum Activation {
        None,
        Gelu,
    }

    pub(crate) fn dense<const D: usize>(
        layer: &Linear,
        x: &Tensor<D>,
        activation: Activation,
        format: Format,
    ) -> Option<Tensor<D>> {
        let bias = layer.bias.as_ref()?.val();
        let operands = super::super::operands!(x.clone(), layer.weight.val(), bias);
        let ([x, weight, bias], place) = Place::of(operands);
        let width = weight.width();
        let rows = x.len() / x.width();
        let mut shape = x.shape();
        shape[D - 1] = width;

        let mut product = times(&x, &weight, format);
        let chunk = CHUNK_ROWS * width;
        let (output, before) = match activation {
            Activation::None => {
                product.par_chunks_mut(chunk).for_each(|rows| add_bias(rows, &bias));
                (product, None)
            }
            Activation::Gelu => {
                let mut output = uninitialised(rows * width);
                let both = product.par_chunks_mut(chunk).zip(output.par_chunks_mut(chunk));
                both.for_each(|(rows, output)| add_bias_gelu(rows, &bias, output));
                (output, place.is_some().then(|| Values::new(product, [rows, width])))
            }
        };
        Some(record(place, Values::new(output, shape), Dense { x, weight, before, format }))
    }

    /// `x W`, without a bias.
    pub(crate) fn times(x: &Values, weight: &Values, format: Format) -> Vec<f32> {
        let (inner, width) = (x.width(), weight.width());
        let rows = x.len() / inner;
        let mut product = uninitialised(rows * width);
        let (a, b) = (Matrix::new(x, rows, inner), Matrix::new(weight, inner, width));
        format.multiply(MatrixMut::new(&mut product, rows, width), Output::Set, a, b, 1.0, Threads::All);
        product
    }

    /// The gradient of a weight `[inner, width]` from that of the product.
    pub(crate) fn of_weight(x: &[f32], gradient: &[f32], [inner, width]: [usize; 2], format: Format) -> Values {
        let rows = x.len() / inner;
        let mut dw = uninitialised(inner * width);
        let (a, b) = (Matrix::new(x, rows, inner).t(), Matrix::new(gradient, rows, width));
        format.multiply(MatrixMut::new(&mut dw, inner, width), Output::Set, a, b, 1.0, Threads::All);
        Values::new(dw, [inner, width])
    }

    /// The sums of the columns of `[rows, width]`, in parts for [`add_up`].
    pub(crate) fn column_sums(gradient: &[f32], width: usize) -> Vec<Vec<f32>> {
        gradient.par_chunks(CHUNK_ROWS * width).map(|rows| sum_columns(rows, width)).collect()
    }

    #[derive(Clone, Debug)]
    struct Dense {
        x: Values,
        weight: Values,
        /// What went into GELU, where there is one.
        before: Option<Values>,
        format: Format,
    }

    impl Gradient<3> for Dense {
        fn backward(self, mut output: Values, wanted: [bool; 3]) -> [Option<Values>; 3] {
            let Self { x, weight, before, format } = self;
            let (inner, width) = (x.width(), weight.width());
            let rows = x.len() / inner;
            let chunk = CHUNK_ROWS * width;
            let sums: Vec<Vec<f32>> = match before {
                Some(before) => {
                    let both = output.as_mut().par_chunks_mut(chunk).zip(before.par_chunks(chunk));
                    both.map(|(gradient, before)| back_through_gelu(gradient, before, width)).collect()
                }
                None => column_sums(&output, width),
            };
            let dx = wanted[0].then(|| {
                let mut dx = uninitialised(rows * inner);
                let out = MatrixMut::new(&mut dx, rows, inner);
                let (a, b) = (Matrix::new(&output, rows, width), Matrix::new(&weight, inner, width).t());
                format.multiply(out, Output::Set, a, b, 1.0, Threads::All);
                Values::new(dx, x.shape())
            });
            let dw = wanted[1].then(|| of_weight(&x, &output, [inner, width], format));
            [dx, dw, wanted[2].then(|| Values::new(add_up(sums, width), [width]))]
        }
    }

    vectorized! {
        pub fn add_bias(rows: &mut [f32], bias: &[f32]) {
            for row in rows.chunks_exact_mut(bias.len()) {
                for (value, bias) in row.iter_mut().zip(bias) {
                    *value += bias;
                }
            }
        }
    }

    vectorized! {
        pub fn add_bias_gelu(rows: &mut [f32], bias: &[f32], output: &mut [f32]) {
            for (row, output) in rows.chunks_exact_mut(bias.len()).zip(output.chunks_exact_mut(bias.len())) {
                for ((value, bias), output) in row.iter_mut().zip(bias).zip(output) {
                    *value += bias;
                    *output = *value * normal(*value).0;
                }
            }
        }
    }

    vectorized! {
        pub fn back_through_gelu(gradient: &mut [f32], before: &[f32], width: usize) -> Vec<f32> {
            let mut sums = vec![0.0; width];
            for (row, before) in gradient.chunks_exact_mut(width).zip(before.chunks_exact(width)) {
                for ((value, &x), sum) in row.iter_mut().zip(before).zip(&mut sums) {
                    let (below, density) = normal(x);
                    *value *= below + x * density;
                    *sum += *value;
                }
            }
            sums
        }
    }

    vectorized! {
        fn sum_columns(gradient: &[f32], width: usize) -> Vec<f32> {
            let mut sums = vec![0.0; width];
            for row in gradient.chunks_exact(width) {
                for (value, sum) in row.iter().zip(&mut sums) {
                    *sum += value;
                }
            }
            sums
        }
    }
}
