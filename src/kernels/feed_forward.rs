//! The feed-forward block, `gelu(x W + b) V + c`.
//!
//! With gradient checkpointing, fused: rows go through a piece at a time, so that what lies between the two layers, the
//! largest activation of a network, never exists as a whole; the way back computes it again.

use super::context::StepContext;
use super::linear::{linear, linear_gelu};
use burn::nn::Linear;
use burn::tensor::Tensor;

/// `x` `[.., hidden]` -> `[.., hidden]`.
pub fn feed_forward<const D: usize>(
    intermediate: &Linear,
    output: &Linear,
    x: Tensor<D>,
    context: &StepContext,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if context.is_fused()
        && let Some(output) = fused::feed_forward(intermediate, output, &x, context.format())
    {
        return output;
    }
    linear(output, linear_gelu(intermediate, x, context), context)
}

#[cfg(feature = "flex")]
mod fused {
    use crate::kernels::host::{Gradient, Place, Values, record, uninitialised};
    use crate::kernels::linear::fused::{add_bias, add_bias_gelu, back_through_gelu, sum_columns};
    use crate::kernels::rows::{CHUNK_ROWS, add_up};
    use burn::nn::Linear;
    use burn::tensor::{GradientCheckpointingStrategy, Tensor};
    use electra_matmul::{Format, Matrix, MatrixMut, Output, Threads};
    use rayon::prelude::*;

    /// Rows that go through both layers at a time.
    const PIECE: usize = 512;

    /// Absent where activations are to be kept.
    pub(super) fn feed_forward<const D: usize>(
        intermediate: &Linear,
        output: &Linear,
        x: &Tensor<D>,
        format: Format,
    ) -> Option<Tensor<D>> {
        if x.device().gradient_checkpointing_strategy() != Some(GradientCheckpointingStrategy::Balanced) {
            return None;
        }
        let biases = [intermediate.bias.as_ref()?.val(), output.bias.as_ref()?.val()];
        let [first, second] = biases;
        let weights = [intermediate.weight.val(), output.weight.val()];
        let [up, down] = weights;
        let operands = super::super::operands!(x.clone(), up, first, down, second);
        let ([x, up, first, down, second], place) = Place::of(operands);
        let block = Block { x, up, first, down, format };
        let (hidden, inner, width) = block.sizes();
        let mut shape = block.x.shape();
        shape[D - 1] = width;
        let mut output = uninitialised(block.x.len() / hidden * width);
        let (mut before, mut between) = (Vec::new(), Vec::new());
        for (x, output) in block.x.chunks(PIECE * hidden).zip(output.chunks_mut(PIECE * width)) {
            let rows = x.len() / hidden;
            block.between(x, &mut before, &mut between);
            let (a, b) = (Matrix::new(&between, rows, inner), Matrix::new(&block.down, inner, width));
            format.multiply(MatrixMut::new(output, rows, width), Output::Set, a, b, 1.0, Threads::All);
            output.par_chunks_mut(CHUNK_ROWS * width).for_each(|rows| add_bias(rows, &second));
        }
        Some(record(place, Values::new(output, shape), block))
    }

    #[derive(Clone, Debug)]
    struct Block {
        x: Values,
        up: Values,
        first: Values,
        down: Values,
        format: Format,
    }

    impl Block {
        /// Widths of what goes in, what lies between the layers, and what comes out.
        fn sizes(&self) -> (usize, usize, usize) {
            (self.x.width(), self.up.width(), self.down.width())
        }

        /// What goes into GELU and what comes out of it for some rows.
        fn between(&self, x: &[f32], before: &mut Vec<f32>, after: &mut Vec<f32>) {
            let (hidden, inner, _) = self.sizes();
            let rows = x.len() / hidden;
            before.resize(rows * inner, 0.0);
            after.resize(rows * inner, 0.0);
            let (a, b) = (Matrix::new(x, rows, hidden), Matrix::new(&self.up, hidden, inner));
            self.format.multiply(MatrixMut::new(before, rows, inner), Output::Set, a, b, 1.0, Threads::All);
            let chunk = CHUNK_ROWS * inner;
            let both = before.par_chunks_mut(chunk).zip(after.par_chunks_mut(chunk));
            both.for_each(|(before, after)| add_bias_gelu(before, &self.first, after));
        }
    }

    impl Gradient<5> for Block {
        fn backward(self, output: Values, _wanted: [bool; 5]) -> [Option<Values>; 5] {
            let (hidden, inner, width) = self.sizes();
            let mut dx = uninitialised(self.x.len());
            let (mut dup, mut ddown) = (vec![0.0; hidden * inner], vec![0.0; inner * width]);
            let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
            let (mut before, mut between, mut change) = (Vec::new(), Vec::new(), Vec::new());
            let pieces = self.x.chunks(PIECE * hidden).zip(dx.chunks_mut(PIECE * hidden));
            for ((x, dx), gradient) in pieces.zip(output.chunks(PIECE * width)) {
                let rows = x.len() / hidden;
                self.between(x, &mut before, &mut between);
                let gradients = gradient.par_chunks(CHUNK_ROWS * width);
                seconds.extend(gradients.map(|rows| sum_columns(rows, width)).collect::<Vec<_>>());
                let gradient = Matrix::new(gradient, rows, width);
                let out = MatrixMut::new(&mut ddown, inner, width);
                self.format.multiply(
                    out,
                    Output::Add,
                    Matrix::new(&between, rows, inner).t(),
                    gradient,
                    1.0,
                    Threads::All,
                );
                change.resize(rows * inner, 0.0);
                let out = MatrixMut::new(&mut change, rows, inner);
                self.format.multiply(
                    out,
                    Output::Set,
                    gradient,
                    Matrix::new(&self.down, inner, width).t(),
                    1.0,
                    Threads::All,
                );
                let chunk = CHUNK_ROWS * inner;
                let both = change.par_chunks_mut(chunk).zip(before.par_chunks(chunk));
                firsts
                    .extend(both.map(|(change, before)| back_through_gelu(change, before, inner)).collect::<Vec<_>>());
                let change = Matrix::new(&change, rows, inner);
                let out = MatrixMut::new(&mut dup, hidden, inner);
                self.format.multiply(out, Output::Add, Matrix::new(x, rows, hidden).t(), change, 1.0, Threads::All);
                let out = MatrixMut::new(dx, rows, hidden);
                self.format.multiply(
                    out,
                    Output::Set,
                    change,
                    Matrix::new(&self.up, hidden, inner).t(),
                    1.0,
                    Threads::All,
                );
            }
            [
                Some(Values::new(dx, self.x.shape())),
                Some(Values::new(dup, [hidden, inner])),
                Some(Values::new(add_up(firsts, inner), [inner])),
                Some(Values::new(ddown, [inner, width])),
                Some(Values::new(add_up(seconds, width), [width])),
            ]
        }
    }
}
