//! How fast a training step is, and where its time goes.

mod breakdown;
mod machine;

pub use breakdown::Breakdown;
pub use machine::{matrix_peak, peak_rss_mib};

use crate::config::Config;
use crate::data::{HostBatch, Masking, Purpose, Rng, Row, StepBatch};
use crate::device::{Adapter, computes_on_host};
use crate::error::{Error, Result};
use crate::learner::{Pretrainer, WarmupLinear, optimizer, update};
use crate::tokenizer::{SpecialTokens, TokenKinds};
use burn::tensor::Device;
use burn::train::{ItemLazy, Learner};
use serde::Serialize;
use std::time::{Duration, Instant};

/// What is measured.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// Steps that are timed.
    pub steps: usize,
    /// Steps before them that are not.
    pub warmup: usize,
    /// Mean share of padding in the sequences, below 0.5; their lengths are spread evenly around it.
    pub padding: f64,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Name of the device.
    pub device: String,
    /// Sequences and their length.
    pub shape: [usize; 2],
    /// Threads on the CPU.
    pub threads: usize,
    /// Trained parameters.
    pub parameters: usize,
    /// Real tokens in the time of the median step.
    pub tokens_per_second: f64,
    /// The median step.
    pub step_seconds: f64,
    /// The fastest and the slowest step.
    pub step_seconds_range: [f64; 2],
    /// Matrix products of a step as [`step_flops`] counts them, in the time of the median step.
    pub gflops: f64,
    /// What one product of 1024 x 1024 matrices reaches on this device.
    pub matrix_peak_gflops: f64,
    /// The first over the second.
    pub share_of_peak: f64,
    /// The most memory that the process has had, in MiB, where the system tells.
    pub peak_rss_mib: Option<f64>,
    /// Seconds of each part of a step, from steps of their own that are taken apart.
    pub breakdown: Breakdown,
    /// Every step, in order.
    #[serde(skip)]
    pub steps: Vec<f64>,
}

/// Times training steps of `config` on random tokens.
///
/// # Errors
/// The device's.
pub fn bench(config: &Config, adapter: &Adapter, options: &BenchOptions) -> Result<Measured> {
    let failed = |error: burn::tensor::ExecutionError| Error::Run(format!("the device: {error}"));
    let device = adapter.device.clone();
    let stream = Stream::new(config, options.padding);
    let model = Pretrainer::new(config, &device.clone().autodiff());
    let parameters = burn::module::Module::num_params(&model);
    let mut learner = Learner::new(model, optimizer(&config.optimizer), WarmupLinear::new(config));
    let max_norm = config.optimizer.max_grad_norm;
    let mut steps = Vec::with_capacity(options.steps);
    let mut counts = Vec::with_capacity(options.steps);
    for step in 1..=options.warmup + options.steps {
        let started = Instant::now();
        let input = stream.step(step, &device);
        counts.push(input.counts());
        begin(&learner, &device, config.seed, step);
        let updated = update(&mut learner, input, max_norm).map_err(failed)?;
        updated.observation.sync().map_err(failed)?;
        steps.push(started.elapsed().as_secs_f64());
    }
    let steps = steps.split_off(options.warmup);
    let flops: Vec<f64> = counts.split_off(options.warmup).iter().map(|counts| step_flops(config, *counts)).collect();
    let tokens: Vec<f64> = counts_of(&stream, options);
    let breakdown = Breakdown::measure(&mut learner, &stream, config, &device, options).map_err(failed)?;
    let step_seconds = median(&steps);
    let matrix_peak_gflops = matrix_peak(&device).map_err(failed)?;
    let gflops = median(&flops) / step_seconds / 1e9;
    Ok(Measured {
        device: adapter.name.clone(),
        shape: [config.data.batch_size, config.data.sequence_length],
        threads: rayon::current_num_threads(),
        parameters,
        tokens_per_second: median(&tokens) / step_seconds,
        step_seconds,
        step_seconds_range: [
            steps.iter().copied().fold(f64::INFINITY, f64::min),
            steps.iter().copied().fold(0.0, f64::max),
        ],
        gflops,
        matrix_peak_gflops,
        share_of_peak: gflops / matrix_peak_gflops,
        peak_rss_mib: peak_rss_mib(),
        breakdown,
        steps,
    })
}
