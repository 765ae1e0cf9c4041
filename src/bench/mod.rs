//! How fast a training step is, and where its time goes.

mod breakdown;
mod check;
mod flops;
mod machine;
mod stream;

pub use breakdown::Breakdown;
pub use check::{first_losses, largest_differences};
pub use flops::step_flops;
pub use machine::{matrix_peak, peak_rss_mib};
pub use stream::Stream;

use crate::config::Config;
use crate::device::{Adapter, require_precision};
use crate::error::{Error, Result};
use crate::learner::{Pretrainer, WarmupLinear, optimizer, update};
use burn::module::Module;
use burn::tensor::ExecutionError;
use burn::train::{ItemLazy, Learner};
use serde::Serialize;
use std::time::Instant;

/// What is measured.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// Steps that are timed.
    pub steps: usize,
    /// Steps before them that are not.
    pub warmup: usize,
    /// Mean share of padding, at most 0.5; lengths are spread evenly around it.
    pub padding: f64,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Name of the device.
    pub device: String,
    /// Sequences of a step.
    pub batch_size: usize,
    /// Their length with padding.
    pub sequence_length: usize,
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
    /// [`step_flops`] in the time of the median step, in 10^9 a second.
    pub gflops: f64,
    /// [`matrix_peak`] of the device, in the same unit.
    pub matrix_peak_gflops: f64,
    /// The first over the second.
    pub share_of_peak: f64,
    /// The most memory that the process has had, in MiB, where the system tells.
    pub peak_rss_mib: Option<f64>,
    /// Seconds in each part of a step; from steps of their own, which wait behind each part.
    pub breakdown: Breakdown,
    /// Every step, in order.
    #[serde(skip)]
    pub steps: Vec<f64>,
}

/// Times training steps of `config` on random tokens.
///
/// # Errors
/// [`Error::Usage`] for options out of range, [`Error::Config`] for a precision that the adapter does not have, and the
/// device's as [`Error::Training`].
pub fn bench(config: &Config, adapter: &Adapter, options: &BenchOptions) -> Result<Measured> {
    if options.steps == 0 {
        return Err(Error::Usage("0 steps time nothing; expected 1 or more".into()));
    }
    if !(0.0..=0.5).contains(&options.padding) {
        return Err(Error::Usage(format!("a share of padding of {}; expected 0 to 0.5", options.padding)));
    }
    require_precision(adapter, config.training.precision)?;
    run(config, adapter, options).map_err(|error| Error::Training(format!("the device: {error}")))
}

fn run(config: &Config, adapter: &Adapter, options: &BenchOptions) -> std::result::Result<Measured, ExecutionError> {
    let device = adapter.device.clone();
    let stream = Stream::new(config, options.padding);
    let recording = device.clone().autodiff();
    let recording = if config.training.gradient_checkpointing { recording.gradient_checkpointing() } else { recording };
    let model = Pretrainer::new(config, &recording);
    let parameters = model.num_params();
    let mut learner = Learner::new(model, optimizer(&config.optimizer), WarmupLinear::new(config));
    let (mut steps, mut tokens, mut flops) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..options.warmup + options.steps {
        let started = Instant::now();
        let input = stream.step(step, &device);
        let counts = input.counts;
        update(&mut learner, input, config.optimizer.max_grad_norm)?.sync()?;
        if step >= options.warmup {
            steps.push(started.elapsed().as_secs_f64());
            tokens.push(counts.tokens as f64);
            flops.push(step_flops(config, counts));
        }
    }
    let peak_rss_mib = peak_rss_mib();
    let breakdown = Breakdown::measure(&mut learner, &stream, config, &device, options)?;
    let matrix_peak_gflops = matrix_peak(&device)? / 1e9;
    let step_seconds = median(&steps);
    let gflops = median(&flops) / step_seconds / 1e9;
    Ok(Measured {
        device: adapter.name.clone(),
        batch_size: config.data.batch_size * config.training.accumulation,
        sequence_length: config.data.sequence_length,
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
        peak_rss_mib,
        breakdown,
        steps,
    })
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
