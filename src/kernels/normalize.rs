//! LayerNorm of rows, and its gradient.

use super::math::{sum, vectorized};

vectorized! {
    /// `values` become rows with mean 0 and variance 1, `output` those times `gamma` plus `beta`; `scales` what each row was
    /// multiplied by.
    pub fn normalize(
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
    pub fn back(gradient: &mut [f32], normalized: &[f32], scales: &[f32], gamma: &[f32]) -> (Vec<f32>, Vec<f32>) {
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
