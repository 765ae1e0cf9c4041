//! The feed-forward block, `gelu(x W + b) V + c`.
//!
//! Fused: of what lies between both layers, the largest activations of a network, only what goes into GELU is kept. The way
//! back computes what came out again, together with the slope of GELU. With gradient checkpointing nothing is kept: rows go
//! through both layers a piece at a time, and the way back begins at `x`.

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
    use crate::kernels::linear::fused::{add_bias, add_bias_gelu, column_sums};
    use crate::kernels::math::{normal, vectorized};
    use crate::kernels::rows::{CHUNK_ROWS, add_up};
    use burn::nn::Linear;
    use burn::tensor::{GradientCheckpointingStrategy, Tensor};
    use electra_matmul::{Format, Matrix, MatrixMut, Output, Threads};
    use rayon::prelude::*;

    /// Rows that go through both layers at a time with gradient checkpointing.
    const PIECE: usize = 512;

    /// Rows of a piece. Where what goes into GELU is kept, all rows are one piece, for the sake of larger products.
    fn piece(rows: usize, is_kept: bool) -> usize {
        if is_kept { rows.max(1) } else { PIECE.min(rows).max(1) }
    }

    /// Absent where an operand is on another backend.
    pub(super) fn feed_forward<const D: usize>(
        intermediate: &Linear,
        output: &Linear,
        x: &Tensor<D>,
        format: Format,
    ) -> Option<Tensor<D>> {
        let is_kept = x.device().gradient_checkpointing_strategy() != Some(GradientCheckpointingStrategy::Balanced);
        let biases = [intermediate.bias.as_ref()?.val(), output.bias.as_ref()?.val()];
        let [first, second] = biases;
        let weights = [intermediate.weight.val(), output.weight.val()];
        let [up, down] = weights;
        let operands = super::super::operands!(x.clone(), up, first, down, second);
        let ([x, up, first, down, second], place) = Place::of(operands);
        let mut block = Block { x, up, first, down, before: None, format };
        let (hidden, inner, width) = block.sizes();
        let mut shape = block.x.shape();
        shape[D - 1] = width;
        let rows = block.x.len() / hidden;
        let mut output = uninitialised(rows * width);
        let is_kept = is_kept && place.is_some();
        let piece = piece(rows, is_kept);
        let [mut before, mut between] = [(); 2].map(|()| uninitialised(piece * inner));
        for (x, output) in block.x.chunks(piece * hidden).zip(output.chunks_mut(piece * width)) {
            let rows = x.len() / hidden;
            let [before, between] = [&mut before, &mut between].map(|values| &mut values[..rows * inner]);
            block.up(x, before);
            let chunk = CHUNK_ROWS * inner;
            let both = before.par_chunks_mut(chunk).zip(between.par_chunks_mut(chunk));
            both.for_each(|(before, after)| add_bias_gelu(before, &block.first, after));
            let (a, b) = (Matrix::new(between, rows, inner), Matrix::new(&block.down, inner, width));
            block.multiply(MatrixMut::new(output, rows, width), Output::Set, a, b);
            output.par_chunks_mut(CHUNK_ROWS * width).for_each(|rows| add_bias(rows, &second));
        }
        block.before = is_kept.then(|| Values::new(before, [rows, inner]));
        Some(record(place, Values::new(output, shape), block))
    }

    #[derive(Clone, Debug)]
    struct Block {
        x: Values,
        up: Values,
        first: Values,
        down: Values,
        /// What went into GELU; absent where it is computed again.
        before: Option<Values>,
        format: Format,
    }

    impl Block {
        /// Widths of what goes in, what lies between the layers, and what comes out.
        fn sizes(&self) -> (usize, usize, usize) {
            (self.x.width(), self.up.width(), self.down.width())
        }

        /// The product of the first layer for some rows, without its bias.
        fn up(&self, x: &[f32], before: &mut [f32]) {
            let (hidden, inner, _) = self.sizes();
            let rows = x.len() / hidden;
            let (a, b) = (Matrix::new(x, rows, hidden), Matrix::new(&self.up, hidden, inner));
            self.multiply(MatrixMut::new(before, rows, inner), Output::Set, a, b);
        }

        fn multiply(&self, out: MatrixMut, how: Output, a: Matrix, b: Matrix) {
            self.format.multiply(out, how, a, b, 1.0, Threads::All);
        }

        /// What goes into GELU for the rows `x`, computed again.
        fn again(&self, x: &[f32], before: &mut [f32]) {
            self.up(x, before);
            before.par_chunks_mut(CHUNK_ROWS * self.up.width()).for_each(|rows| add_bias(rows, &self.first));
        }
    }

    impl Gradient<5> for Block {
        fn backward(mut self, output: Values, _wanted: [bool; 5]) -> [Option<Values>; 5] {
            let (hidden, inner, width) = self.sizes();
            let mut dx = uninitialised(self.x.len());
            let (mut dup, mut ddown) = (vec![0.0; hidden * inner], vec![0.0; inner * width]);
            let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
            let mut kept = self.before.take();
            let piece = piece(self.x.len() / hidden, kept.is_some());
            let [mut betweens, mut changes] = [(); 2].map(|()| uninitialised(piece * inner));
            let mut slopes = uninitialised(if kept.is_some() { 0 } else { piece * inner });
            let chunk = CHUNK_ROWS * inner;
            let pieces = self.x.chunks(piece * hidden).zip(dx.chunks_mut(piece * hidden));
            for ((x, dx), gradient) in pieces.zip(output.chunks(piece * width)) {
                let rows = x.len() / hidden;
                let [between, change] = [&mut betweens, &mut changes].map(|values| &mut values[..rows * inner]);
                let slope = match &mut kept {
                    Some(kept) => kept.as_mut(),
                    None => {
                        self.again(x, &mut slopes[..rows * inner]);
                        &mut slopes[..rows * inner]
                    }
                };
                let both = slope.par_chunks_mut(chunk).zip(between.par_chunks_mut(chunk));
                both.for_each(|(slope, between)| gelu_and_slope(slope, between));
                seconds.extend(column_sums(gradient, width));
                let gradient = Matrix::new(gradient, rows, width);
                self.multiply(
                    MatrixMut::new(&mut ddown, inner, width),
                    Output::Add,
                    Matrix::new(between, rows, inner).t(),
                    gradient,
                );
                let down = Matrix::new(&self.down, inner, width).t();
                self.multiply(MatrixMut::new(change, rows, inner), Output::Set, gradient, down);
                let both = change.par_chunks_mut(chunk).zip(slope.par_chunks(chunk));
                firsts.extend(both.map(|(change, slope)| scale_and_sum(change, slope, inner)).collect::<Vec<_>>());
                let change = Matrix::new(change, rows, inner);
                self.multiply(
                    MatrixMut::new(&mut dup, hidden, inner),
                    Output::Add,
                    Matrix::new(x, rows, hidden).t(),
                    change,
                );
                self.multiply(
                    MatrixMut::new(dx, rows, hidden),
                    Output::Set,
                    change,
                    Matrix::new(&self.up, hidden, inner).t(),
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

    vectorized! {
        /// What goes into GELU becomes its slope there; the values go into `after`.
        fn gelu_and_slope(values: &mut [f32], after: &mut [f32]) {
            for (value, after) in values.iter_mut().zip(after) {
                let (below, density) = normal(*value);
                *after = *value * below;
                *value = below + *value * density;
            }
        }
    }

    vectorized! {
        /// The gradient of what comes out of GELU becomes that of what goes in; returns the sums of its columns.
        fn scale_and_sum(gradient: &mut [f32], slope: &[f32], width: usize) -> Vec<f32> {
            let mut sums = vec![0.0; width];
            for (row, slope) in gradient.chunks_exact_mut(width).zip(slope.chunks_exact(width)) {
                for ((value, slope), sum) in row.iter_mut().zip(slope).zip(&mut sums) {
                    *value *= slope;
                    *sum += *value;
                }
            }
            sums
        }
    }
}
