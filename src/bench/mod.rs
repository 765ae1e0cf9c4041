//! How fast a training step is, and where its time goes.

mod breakdown;
mod check;
mod flops;
mod machine;
mod record;
mod stream;

pub use breakdown::Breakdown;
pub use check::{first_losses, largest_differences};
pub use flops::{step_bytes, step_flops};
pub use machine::{Peak, copy_peak, matrix_peaks, peak_rss_mib};
pub use record::{Expected, expected, keep};
pub use stream::Stream;

use crate::config::{Config, Precision};
use crate::data::{Counts, StepBatch};
use crate::device::{Adapter, Launches, computes_on_host, require_precision, watch};
use crate::error::{Error, Result};
use crate::kernels::are_fused;
use crate::learner::{Limits, Pretrainer, StepResult, WarmupLinear, check_fits, optimizer, update};
use crate::objective::Tally;
use burn::module::Module;
use burn::tensor::ExecutionError;
use burn::train::metric::Adaptor;
use burn::train::{ItemLazy, Learner};
use serde::Serialize;
use std::sync::Arc;
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
    /// Whether the kernels of a GPU are timed by name.
    pub profile: bool,
    /// Whether whole steps alone are timed: no parts of a step, no peaks of the device.
    pub quick: bool,
}

/// What was measured. A field for each key of the JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Name of the device.
    pub device: String,
    /// What the hardware calls itself.
    pub description: String,
    /// Format of the operands of matrix products, as `training.precision` calls it.
    pub precision: String,
    /// Sequences of a step.
    pub batch_size: usize,
    /// Their length with padding.
    pub sequence_length: usize,
    /// Threads on the CPU.
    pub threads: usize,
    /// Whether the kernels are fused ones.
    pub fused: bool,
    /// Trained parameters.
    pub parameters: usize,
    /// Real tokens in the time of the median step.
    pub tokens_per_second: f64,
    /// The median step. On a GPU each is the mean of a block of steps, whose batches were there before and whose end alone
    /// is waited for.
    pub step_seconds: f64,
    /// The fastest and the slowest step.
    pub step_seconds_range: [f64; 2],
    /// Steps of a block.
    pub block: usize,
    /// Seconds in which the host hands a step to the device, which computes meanwhile; absent on the CPU, where both are one.
    pub host_seconds: Option<f64>,
    /// What a step hands to the device; absent on the CPU.
    pub launches: Option<Launches>,
    /// The first step, which compiles and tunes kernels.
    pub first_step_seconds: f64,
    /// Loss of the generator and of the discriminator in the last step.
    pub losses: [f64; 2],
    /// [`step_flops`] in the time of the median step, in 10^9 a second.
    pub gflops: f64,
    /// What the device reaches in the format of the step, in the same unit; absent where no peaks are measured.
    pub matrix_peak_gflops: Option<f64>,
    /// The first over the second.
    pub share_of_peak: Option<f64>,
    /// What the device reaches in each of its formats.
    pub peaks: Vec<Peak>,
    /// What the device reads and writes in a copy, in 10^9 bytes a second; absent on the CPU.
    pub copy_gbytes: Option<f64>,
    /// Seconds in which the device could do the products of a step, and in which it could move [`step_bytes`].
    pub floor_seconds: [Option<f64>; 2],
    /// The larger floor over the median step.
    pub share_of_floor: Option<f64>,
    /// Bytes that tensors take on the device after the last step, and bytes that are held for them; absent on the CPU.
    pub memory: Option<[u64; 2]>,
    /// The most memory that the process has had, in MiB, where the system reports it.
    pub peak_rss_mib: Option<f64>,
    /// Seconds in each part of a step; from steps of their own, which wait after each part.
    pub breakdown: Option<Breakdown>,
    /// Every step, in order.
    #[serde(skip)]
    pub steps: Vec<f64>,
}

/// Steps between two waits for a GPU, at most.
const BLOCK: usize = 10;

/// Times training steps of `config` on random tokens.
///
/// # Errors
/// [`Error::Usage`] for options out of range, [`Error::Config`] for a precision that the adapter does not have, and the
/// device's as [`Error::Backend`].
pub fn bench(config: &Config, adapter: &Adapter, options: &BenchOptions) -> Result<Measured> {
    if options.steps == 0 {
        return Err(Error::Usage("0 steps time nothing; expected 1 or more".into()));
    }
    if !(0.0..=0.5).contains(&options.padding) {
        return Err(Error::Usage(format!("a share of padding of {}; expected 0 to 0.5", options.padding)));
    }
    let precision = require_precision(adapter, config.training.precision)?;
    if options.profile && computes_on_host(&adapter.device) {
        return Err(Error::Usage(format!("--profile times the kernels of a GPU; {} is none", adapter.name)));
    }
    check_fits(config, &adapter.name, Limits::of(adapter), 1)?;
    run(config, adapter, precision, options).map_err(Error::backend)
}

fn run(
    config: &Config,
    adapter: &Adapter,
    precision: Precision,
    options: &BenchOptions,
) -> std::result::Result<Measured, ExecutionError> {
    let device = adapter.device.clone();
    let on_host = computes_on_host(&device);
    let stream = Stream::new(config, options.padding);
    let model = Pretrainer::new(config, &adapter.recording(&config.training));
    let parameters = model.num_params();
    let learner = Learner::new(model, optimizer(&config.optimizer), WarmupLinear::new(config));
    let mut timer = Timer { learner, stream, config, adapter, next: 0 };

    let first_step_seconds = timer.block(1)?.seconds;
    for _ in 1..options.warmup {
        timer.block(1)?;
    }
    let block = if on_host { 1 } else { BLOCK.min(options.steps.div_ceil(3)) };
    let blocks = (0..options.steps.div_ceil(block)).map(|_| timer.block(block));
    let blocks = blocks.collect::<std::result::Result<Vec<Block>, _>>()?;
    let losses = blocks.last().map_or([f64::NAN; 2], |block| block.losses);
    let memory = device.memory_pool_usage().filter(|_| !on_host);
    let memory = memory.map(|usage| [usage.bytes_in_use, usage.bytes_reserved]);
    let launches = if on_host { None } else { Some(timer.launches(options.profile)?) };
    let peak_rss_mib = peak_rss_mib();
    let breakdown = (!options.quick)
        .then(|| Breakdown::measure(&mut timer.learner, &timer.stream, config, &device, timer.next, options.steps))
        .transpose()?;
    drop(timer);

    let peaks = if options.quick { Vec::new() } else { matrix_peaks(adapter)? };
    let copy_gbytes = if options.quick { None } else { copy_peak(&device)? };
    let precision = precision.name();
    let peak = peaks.iter().find(|peak| peak.format == precision).map(|peak| peak.gflops);
    let per_step = |of: fn(&Block) -> f64| -> Vec<f64> { blocks.iter().map(of).collect() };
    let (steps, tokens) = (per_step(|block| block.seconds), per_step(|block| block.counts.tokens as f64));
    let step_seconds = median(&steps);
    let middle = blocks.get(blocks.len() / 2).map_or_else(Counts::default, |block| block.counts);
    let flops = median(&blocks.iter().map(|block| step_flops(config, block.counts)).collect::<Vec<_>>());
    let gflops = flops / step_seconds / 1e9;
    let floor_seconds = [
        peak.map(|peak| flops / peak / 1e9),
        copy_gbytes.map(|copy| step_bytes(config, middle, parameters) / copy / 1e9),
    ];
    Ok(Measured {
        device: adapter.name.clone(),
        description: adapter.description.clone(),
        precision: precision.into(),
        batch_size: config.data.batch_size * config.training.accumulation,
        sequence_length: config.data.sequence_length,
        threads: rayon::current_num_threads(),
        fused: are_fused(&adapter.device),
        parameters,
        tokens_per_second: median(&tokens) / step_seconds,
        step_seconds,
        step_seconds_range: [
            steps.iter().copied().fold(f64::INFINITY, f64::min),
            steps.iter().copied().fold(0.0, f64::max),
        ],
        block,
        host_seconds: (!on_host).then(|| median(&per_step(|block| block.host_seconds))),
        launches,
        first_step_seconds,
        losses,
        gflops,
        matrix_peak_gflops: peak,
        share_of_peak: peak.map(|peak| gflops / peak),
        peaks,
        copy_gbytes,
        floor_seconds,
        share_of_floor: floor_seconds[1]
            .map(|_| floor_seconds.into_iter().flatten().fold(0.0, f64::max) / step_seconds),
        memory,
        peak_rss_mib,
        breakdown,
        steps,
    })
}

/// What a block of steps took, for each of its steps.
struct Block {
    seconds: f64,
    /// Until the last of them was handed over.
    host_seconds: f64,
    /// Of the last step.
    counts: Counts,
    losses: [f64; 2],
}

/// Takes steps of an endless stream.
struct Timer<'a> {
    learner: Learner<Pretrainer>,
    stream: Stream,
    config: &'a Config,
    adapter: &'a Adapter,
    /// The next step.
    next: usize,
}

impl Timer<'_> {
    /// Takes `steps` steps, waits once. On a GPU their batches are made beforehand, as another thread does it in a run.
    fn block(&mut self, steps: usize) -> std::result::Result<Block, ExecutionError> {
        let device = &self.adapter.device;
        let stream = &self.stream;
        let numbers = self.next..self.next + steps;
        self.next = numbers.end;
        let on_host = computes_on_host(device);
        let ready: Vec<StepBatch> =
            numbers.clone().filter(|_| !on_host).map(|step| stream.step(step, device)).collect();
        device.sync()?;
        let mut ready = ready.into_iter();
        let started = Instant::now();
        let mut last = None;
        for step in numbers {
            let input = ready.next().unwrap_or_else(|| stream.step(step, device));
            let counts = input.counts;
            last = Some((counts, update(&mut self.learner, input, self.config.optimizer.max_grad_norm)?));
        }
        let host_seconds = started.elapsed().as_secs_f64() / steps as f64;
        let (counts, seen) = last.unwrap_or_else(|| unreachable!("a block has a step"));
        let seen: Arc<StepResult<Tally>> = seen.sync()?.adapt();
        let tally = &seen.tally;
        let seconds = started.elapsed().as_secs_f64() / steps as f64;
        Ok(Block { seconds, host_seconds, counts, losses: [tally.mlm_loss(), tally.disc_loss()] })
    }

    /// What one step hands to the device.
    fn launches(&mut self, timed: bool) -> std::result::Result<Launches, ExecutionError> {
        let device = self.adapter.device.clone();
        let input = self.stream.step(self.next, &device);
        self.next += 1;
        let work = || update(&mut self.learner, input, self.config.optimizer.max_grad_norm);
        watch(&device, timed, work).map(|(_, launches)| launches)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
