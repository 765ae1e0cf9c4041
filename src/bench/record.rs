//! Benchmarks that are kept, so that the time of a run can be estimated.

use super::{Measured, step_flops};
use crate::config::{Config, ModelConfig};
use crate::data::Counts;
use crate::device::{Adapter, require_precision};
use crate::error::{Error, Result};
use crate::files;
use crate::kernels::are_fused;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is kept of a benchmark, a line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct BenchRecord {
    /// What the hardware calls itself.
    description: String,
    /// Backend and number of the device.
    device: String,
    precision: String,
    /// Whether the pair was the same.
    model: ModelConfig,
    batch_size: usize,
    sequence_length: usize,
    threads: usize,
    /// Whether the kernels were fused ones.
    fused: bool,
    deterministic: bool,
    gflops: f64,
}

/// How long a run will take, by a benchmark of its device.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// Seconds of all steps; validations and checkpoints come on top.
    pub seconds: f64,
    /// Whether the benchmark was of the same pair.
    pub same_model: bool,
    /// Sequences and tokens of each in a batch of the benchmark.
    pub shape: [usize; 2],
}

/// Where benchmarks are kept.
fn path() -> Result<PathBuf> {
    files::cache("ELECTRA_BENCHMARKS", "benchmarks.jsonl")
}

/// Keeps `measured`, which is of `config`.
///
/// # Errors
/// [`Error::Output`] where the file cannot be written to, [`Error::Usage`] where there is no place for it.
pub fn keep(config: &Config, measured: &Measured) -> Result<()> {
    append(&path()?, config, measured)
}

fn append(path: &Path, config: &Config, measured: &Measured) -> Result<()> {
    let line = BenchRecord {
        description: measured.description.clone(),
        device: measured.device.clone(),
        precision: measured.precision.clone(),
        model: config.model.clone(),
        batch_size: config.data.batch_size,
        sequence_length: config.data.sequence_length,
        threads: measured.threads,
        fused: measured.fused,
        deterministic: config.training.deterministic,
        gflops: measured.gflops,
    };
    let failed = |error: std::io::Error| Error::output(path, error.to_string());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    let text = serde_json::to_string(&line).map_err(|error| failed(error.into()))?;
    writeln!(file, "{text}").map_err(failed)
}

/// How long the steps of `config` will take on `adapter`, where a benchmark of it is on record in the same format, with the
/// same kind of kernels and as many threads: one of the same pair if there is one, of these that of the nearest batch, of
/// these the last. Lines that are none are passed over.
pub fn expected(config: &Config, adapter: &Adapter) -> Option<Expected> {
    read(&files::read_text(&path().ok()?, files::SMALL).ok()?, config, adapter)
}

fn read(text: &str, config: &Config, adapter: &Adapter) -> Option<Expected> {
    let precision = require_precision(adapter, config.training.precision).ok()?.name();
    let lines = text.lines().rev().filter_map(|line| serde_json::from_str::<BenchRecord>(line).ok());
    let of_device = |line: &BenchRecord| {
        line.device == adapter.name && line.description == adapter.description && line.precision == precision
    };
    let (fused, threads) = (are_fused(&adapter.device), rayon::current_num_threads());
    let alike = |line: &BenchRecord| {
        line.fused == fused && line.threads == threads && line.deterministic == config.training.deterministic
    };
    // How much larger one batch is than the other, in tokens.
    let tokens_of = |batch: usize, seq: usize| (batch * seq).max(1) as f64;
    let wanted = tokens_of(config.data.batch_size, config.data.sequence_length);
    let distance = |line: &BenchRecord| (tokens_of(line.batch_size, line.sequence_length) / wanted).ln().abs();
    let lines = lines.filter(|line| of_device(line) && alike(line) && line.gflops > 0.0);
    let key = |line: &BenchRecord| (line.model != config.model, distance(line));
    let line = lines.min_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(Ordering::Equal))?;
    let tokens = config.data.batch_size * config.training.accumulation * config.data.sequence_length;
    let picked = (tokens as f64 * config.data.mask_probability) as usize;
    let seconds = step_flops(config, Counts { picked, tokens }) / line.gflops / 1e9 * config.training.steps as f64;
    let seconds = config.training.time_budget.map_or(seconds, |budget| seconds.min(budget.as_secs_f64()));
    let shape = [line.batch_size, line.sequence_length];
    Some(Expected { seconds, same_model: line.model == config.model, shape })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, load};

    #[test]
    fn the_last_benchmark_of_the_device_and_the_pair_counts() {
        let set = vec!["training.precision=\"f32\"".to_owned()];
        let config = load(&Source { preset: Some("tiny".into()), set, ..Source::default() }).unwrap();
        let adapter = crate::device::select("flex").unwrap();
        let line = |device: &str, hidden: usize, gflops: f64| {
            let model = ModelConfig { hidden_size: hidden, ..config.model.clone() };
            let description = adapter.description.clone();
            let (device, precision) = (device.to_owned(), "f32".to_owned());
            let (batch_size, sequence_length, threads) = (16, 128, rayon::current_num_threads());
            let (fused, deterministic) = (true, false);
            let line = BenchRecord {
                description,
                device,
                precision,
                model,
                batch_size,
                sequence_length,
                threads,
                fused,
                deterministic,
                gflops,
            };
            serde_json::to_string(&line).unwrap()
        };
        let hidden = config.model.hidden_size;
        assert_eq!(read(&line("wgpu:0", hidden, 1.0), &config, &adapter), None);
        let text = [line("flex", hidden, 2.0), "no line".into(), line("flex", 2 * hidden, 4.0)].join("\n");
        let found = read(&text, &config, &adapter).unwrap();
        let other = read(&line("flex", 2 * hidden, 4.0), &config, &adapter).unwrap();
        assert_eq!((found.same_model, other.same_model), (true, false));
        assert!((found.seconds / other.seconds - 2.0).abs() < 1e-9);
    }
}
