//! LayerNorm of rows, and its gradient.

use super::host::{Values, uninitialised};
use super::math::{sum, vectorized};
use super::rows::{CHUNK_ROWS, add_up};
use rayon::prelude::*;

/// What LayerNorm keeps for the way back.
#[derive(Clone, Debug)]
pub(super) struct Normalized {
    /// The rows with mean 0 and variance 1, `[rows, width]`.
    values: Values,
    /// What each row was multiplied by to have it.
    scales: Vec<f32>,
    gamma: Values,
}

impl Normalized {
    /// LayerNorm of `rows` rows that `fill` writes, with `finish` after it; both get some rows and the place of their first
    /// number among all. The output is `[rows * width]`.
    pub(super) fn forward(
        rows: usize,
        gamma: &Values,
        beta: &Values,
        epsilon: f64,
        fill: impl Fn(usize, &mut [f32]) + Sync,
        finish: impl Fn(usize, &mut [f32]) + Sync,
    ) -> (Vec<f32>, Self) {
        let width = gamma.len();
        let mut output = uninitialised(rows * width);
        let mut values = uninitialised(rows * width);
        let mut scales = uninitialised(rows);
        let chunk = CHUNK_ROWS * width;
        (output.par_chunks_mut(chunk), values.par_chunks_mut(chunk), scales.par_chunks_mut(CHUNK_ROWS))
            .into_par_iter()
            .enumerate()
            .for_each(|(number, (output, values, scales))| {
                fill(number * chunk, values);
                normalize(values, output, scales, gamma, beta, epsilon as f32);
                finish(number * chunk, output);
            });
        (output, Self { values: Values::new(values, [rows, width]), scales, gamma: gamma.clone() })
    }

    /// The gradients of what was normalized, of gamma and of beta from that of the output, which `begin` goes over first, as
    /// `finish` did.
    pub(super) fn back(&self, mut output: Values, begin: impl Fn(usize, &mut [f32]) + Sync) -> [Values; 3] {
        let width = self.gamma.len();
        let chunk = CHUNK_ROWS * width;
        let parts =
            (output.as_mut().par_chunks_mut(chunk), self.values.par_chunks(chunk), self.scales.par_chunks(CHUNK_ROWS));
        let (gammas, betas) = parts
            .into_par_iter()
            .enumerate()
            .map(|(number, (gradient, values, scales))| {
                begin(number * chunk, gradient);
                back(gradient, values, scales, &self.gamma)
            })
            .unzip();
        let total = |parts| Values::new(add_up(parts, width), [width]);
        [output, total(gammas), total(betas)]
    }
}

vectorized! {
    /// `values` become rows with mean 0 and variance 1, `output` those times `gamma` plus `beta`; `scales` what each row was
    /// multiplied by.
    fn normalize(
        values: &mut [f32],
        output: &mut [f32],
        scales: &mut [f32],
        gamma: &[f32],
        beta: &[f32],
        epsilon: f32,
    ) {
        let width = gamma.len();
        for ((row, output), scale) in values.chunks_exact_mut(width).zip(output.chunks_exact_mut(width)).zip(scales) {
            let mean = sum(width, |i| row[i]) / width as f32;
            let variance = sum(width, |i| (row[i] - mean) * (row[i] - mean)) / width as f32;
            *scale = 1.0 / (variance + epsilon).sqrt();
            for (((value, output), gamma), beta) in row.iter_mut().zip(output).zip(gamma).zip(beta) {
                *value = (*value - mean) * *scale;
                *output = *value * gamma + beta;
            }
        }
    }
}

vectorized! {
    /// Turns the gradient of the output into that of what was normalized; returns the sums for gamma and beta.
    fn back(gradient: &mut [f32], normalized: &[f32], scales: &[f32], gamma: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let width = gamma.len();
        let (mut gammas, mut betas) = (vec![0.0; width], vec![0.0; width]);
        for ((row, normalized), scale) in
            gradient.chunks_exact_mut(width).zip(normalized.chunks_exact(width)).zip(scales)
        {
            for i in 0..width {
                gammas[i] += row[i] * normalized[i];
                betas[i] += row[i];
                row[i] *= gamma[i];
            }
            let mean = sum(width, |i| row[i]) / width as f32;
            let along = sum(width, |i| row[i] * normalized[i]) / width as f32;
            for (value, normalized) in row.iter_mut().zip(normalized) {
                *value = (*value - mean - normalized * along) * scale;
            }
        }
        (gammas, betas)
    }
}
