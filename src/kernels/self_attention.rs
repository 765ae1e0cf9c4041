//! Attention of a text to itself: the projections to query, key and value, and [`attention`] of these.
//!
//! Fused: one node of the graph, so that the gradients of the three projections are added up in the products that make them,
//! instead of one after the other on one thread.

use super::attention::{AttentionMask, attention};
use super::context::StepContext;
use super::dropout::Dropout;
use super::linear::linear;
use burn::nn::Linear;
use burn::tensor::Tensor;

/// `x` `[batch, seq, hidden]` -> `[batch, seq, hidden]`, heads side by side in `hidden`; `projections` are those to query, key and
/// value.
pub fn self_attention(
    projections: [&Linear; 3],
    x: Tensor<3>,
    num_attention_heads: usize,
    mask: &AttentionMask,
    dropout: &Dropout,
    context: &StepContext,
) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if context.is_fused()
        && let Some(output) = fused::self_attention(projections, &x, num_attention_heads, mask, (dropout, context))
    {
        return output;
    }
    let [query, key, value] = projections.map(|layer| linear(layer, x.clone(), context));
    attention(query, key, value, num_attention_heads, mask, dropout, context)
}

#[cfg(feature = "flex")]
mod fused {
    use super::AttentionMask;
    use crate::kernels::attention::fused::{Attention, Layout, attend};
    use crate::kernels::context::StepContext;
    use crate::kernels::dropout::Dropout;
    use crate::kernels::host::{Gradient, Place, Values, record, uninitialised};
    use crate::kernels::linear::fused::{add_bias, column_sums, of_weight, times};
    use crate::kernels::rows::{CHUNK_ROWS, add_up};
    use burn::nn::Linear;
    use burn::tensor::Tensor;
    use electra_matmul::{Format, Matrix, MatrixMut, Output, Threads};
    use rayon::prelude::*;

    pub(super) fn self_attention(
        projections: [&Linear; 3],
        x: &Tensor<3>,
        heads: usize,
        mask: &AttentionMask,
        (dropout, context): (&Dropout, &StepContext),
    ) -> Option<Tensor<3>> {
        let [query, key, value] = projections;
        let hidden = query.weight.dims()[1];
        let layout = Layout::new(mask, x.dims(), hidden, heads)?;
        let bias = |layer: &Linear| Some(layer.bias.as_ref()?.val());
        let biases = [bias(query)?, bias(key)?, bias(value)?];
        let [query_bias, key_bias, value_bias] = biases;
        let operands = super::super::operands!(
            x.clone(),
            query.weight.val(),
            key.weight.val(),
            value.weight.val(),
            query_bias,
            key_bias,
            value_bias,
        );
        let (drop, format) = (dropout.mask(&x.device(), context), context.format());
        let mut shape = x.shape();
        shape[2] = hidden;
        let ([x, query, key, value, query_bias, key_bias, value_bias], place) = Place::of(operands);
        let weights = [query, key, value];
        let biases = [query_bias, key_bias, value_bias];
        let inputs = std::array::from_fn(|at| project(&x, &weights[at], &biases[at], format));
        let (output, attention) = attend(inputs, layout, drop, format);
        Some(record(place, Values::new(output, shape), SelfAttention { x, weights, attention, format }))
    }

    /// `x W + b`.
    fn project(x: &Values, weight: &Values, bias: &Values, format: Format) -> Values {
        let hidden = weight.width();
        let mut output = times(x, weight, format);
        output.par_chunks_mut(CHUNK_ROWS * hidden).for_each(|rows| add_bias(rows, bias));
        let rows = output.len() / hidden;
        Values::new(output, [rows, hidden])
    }

    #[derive(Clone, Debug)]
    struct SelfAttention {
        x: Values,
        /// Of query, key and value.
        weights: [Values; 3],
        attention: Attention,
        format: Format,
    }

    impl Gradient<7> for SelfAttention {
        fn backward(self, output: Values, _wanted: [bool; 7]) -> [Option<Values>; 7] {
            let Self { x, weights, attention, format } = self;
            let (inner, hidden) = (x.width(), output.width());
            let rows = x.len() / inner;
            let gradients = attention.back(&output);
            let mut dx = uninitialised(rows * inner);
            for (at, (gradient, weight)) in gradients.iter().zip(&weights).enumerate() {
                let how = if at == 0 { Output::Set } else { Output::Add };
                let (a, b) = (Matrix::new(gradient, rows, hidden), Matrix::new(weight, inner, hidden).t());
                format.multiply(MatrixMut::new(&mut dx, rows, inner), how, a, b, 1.0, Threads::All);
            }
            let [query, key, value] =
                gradients.each_ref().map(|gradient| Some(of_weight(&x, gradient, [inner, hidden], format)));
            let [query_bias, key_bias, value_bias] = gradients
                .each_ref()
                .map(|gradient| Some(Values::new(add_up(column_sums(gradient, hidden), hidden), [hidden])));
            [Some(Values::new(dx, x.shape())), query, key, value, query_bias, key_bias, value_bias]
        }
    }
}
