//! Initial weights: truncated normal, zero biases, LayerNorm 1 and 0.
//!
//! Values are drawn on the host from the run's seed, so that a model starts from the same weights on every backend;
//! the price is about 10 ns a weight, once.

use crate::config::PositionInit;
use crate::data::{Purpose, Rng};
use burn::module::Param;
use burn::nn::{Embedding, LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData};

/// Makes initialised modules on one device.
pub struct Init<'a> {
    rng: Rng,
    deviation: f32,
    layer_norm_eps: f64,
    device: &'a Device,
    positions: PositionInit,
}

impl<'a> Init<'a> {
    /// Weights with standard deviation `deviation` (before they are cut at two deviations), drawn from `seed`.
    pub fn new(seed: u64, deviation: f64, layer_norm_eps: f64, device: &'a Device) -> Self {
        let rng = Rng::new(seed, Purpose::Init, 0, 0);
        Self { rng, deviation: deviation as f32, layer_norm_eps, device, positions: PositionInit::default() }
    }

    /// Zeros instead of random weights, for networks whose weights are loaded: drawing them would be most of the time
    /// that it takes to open a model.
    pub fn blank(layer_norm_eps: f64, device: &'a Device) -> Self {
        Self::new(0, 0.0, layer_norm_eps, device)
    }

    /// Position embeddings that begin as `positions` says.
    pub fn with_positions(self, positions: PositionInit) -> Self {
        Self { positions, ..self }
    }

    /// `[rows, columns]`, truncated normal.
    pub fn weight(&mut self, rows: usize, columns: usize) -> Param<Tensor<2>> {
        if self.deviation == 0.0 {
            return Param::from_tensor(Tensor::zeros([rows, columns], self.device));
        }
        let values: Vec<f32> = (0..rows * columns).map(|_| self.deviation * self.rng.truncated_normal()).collect();
        Param::from_tensor(Tensor::from_data(TensorData::new(values, [rows, columns]), self.device))
    }

    /// `[size]`, zero.
    pub fn bias(&self, size: usize) -> Param<Tensor<1>> {
        Param::from_tensor(Tensor::zeros([size], self.device))
    }

    /// A dense layer, weight `[d_input, d_output]`.
    pub fn linear(&mut self, d_input: usize, d_output: usize) -> Linear {
        Linear { weight: self.weight(d_input, d_output), bias: Some(self.bias(d_output)) }
    }

    /// A table of `rows` embeddings.
    pub fn embedding(&mut self, rows: usize, columns: usize) -> Embedding {
        Embedding { weight: self.weight(rows, columns) }
    }

    /// A table of position embeddings; those of [`PositionInit::Structured`] are rewritten with what belongs to them.
    pub fn positions(&mut self, rows: usize, columns: usize) -> Embedding {
        // Drawn in any case, so that all other weights are the same either way.
        let random = self.embedding(rows, columns);
        match self.positions {
            PositionInit::Random | PositionInit::Structured => random,
            PositionInit::Sinusoidal => {
                let values = sinusoids(rows, columns, self.deviation);
                let values = Tensor::from_data(TensorData::new(values, [rows, columns]), self.device);
                Embedding { weight: Param::from_tensor(values) }
            }
        }
    }

    /// A LayerNorm over the last dimension.
    pub fn layer_norm(&self, size: usize) -> LayerNorm {
        LayerNormConfig::new(size).with_epsilon(self.layer_norm_eps).init(self.device)
    }
}

/// Sines and cosines of `rows` positions whose wavelengths go in equal ratios from 2 pi to 2 pi `rows` (Vaswani et al.,
/// "Attention is all you need", section 3.5, with `rows` instead of 10,000), with standard deviation `deviation`.
fn sinusoids(rows: usize, columns: usize, deviation: f32) -> Vec<f32> {
    let value = |row: usize, column: usize| {
        let share = (column - column % 2) as f64 / columns as f64;
        f64::from(deviation) * wave(row as f64 / (rows as f64).powf(share), column)
    };
    (0..rows).flat_map(|row| (0..columns).map(move |column| value(row, column) as f32)).collect()
}

/// The sine of `angle` in even columns and the cosine in odd ones, with a standard deviation of 1 over all angles.
pub(super) fn wave(angle: f64, column: usize) -> f64 {
    std::f64::consts::SQRT_2 * if column.is_multiple_of(2) { angle.sin() } else { angle.cos() }
}
