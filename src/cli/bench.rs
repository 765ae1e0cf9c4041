//! `electra bench`

use super::progress::Working;
use electra_burn::bench::{BenchOptions, Measured, bench};
use electra_burn::config::{self, Source};
use electra_burn::{Error, Result, device, kernels};
use std::path::PathBuf;
use std::process::ExitCode;

/// Time training steps on random tokens, and see where their time goes.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra bench --preset small --batch 16
  electra bench --preset tiny --device wgpu --padding 0.3 --json")]
pub struct Arguments {
    /// Configuration file (TOML)
    config: Option<PathBuf>,
    /// demo, tiny, small, base or large
    #[arg(long, default_value = "small")]
    preset: String,
    /// Sequences in a batch [default: 16]
    #[arg(long, value_name = "B")]
    batch: Option<usize>,
    /// Tokens in a sequence [default: the configuration's]
    #[arg(long, value_name = "S")]
    sequence_length: Option<usize>,
    /// Timed steps
    #[arg(long, default_value_t = 15)]
    steps: usize,
    /// Steps before them
    #[arg(long, default_value_t = 3)]
    warmup: usize,
    /// Mean share of padding, up to 0.5
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    padding: f64,
    /// Threads on the CPU [default: all]
    #[arg(long)]
    threads: Option<usize>,
    /// auto, or a name that `electra devices` lists
    #[arg(long, default_value = "auto", value_name = "NAME[:INDEX]")]
    device: String,
    /// Override a configuration key
    #[arg(long, num_args = 1.., value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write the seconds of every step to this file, one a line
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut set = vec![format!("data.batch_size={}", arguments.batch.unwrap_or(16))];
    set.extend(arguments.sequence_length.map(|length| format!("data.sequence_length={length}")));
    set.extend(arguments.set.iter().cloned());
    let config = config::load(&Source {
        file: arguments.config.clone(),
        preset: Some(arguments.preset.clone()),
        corpus: Vec::new(),
        set,
        environment: std::env::vars().collect(),
    })?;
    if let Some(threads) = arguments.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        pool.map_err(|error| Error::Usage(format!("--threads {threads}: {error}")))?;
    }
    let adapter = device::select(&arguments.device)?;
    let options = BenchOptions { steps: arguments.steps, warmup: arguments.warmup, padding: arguments.padding };
    let working = Working::on("timing steps");
    let measured = bench(&config, &adapter, &options)?;
    drop(working);
    if arguments.json {
        say!("{}", serde_json::to_string(&measured).unwrap_or_default());
    } else {
        let form = if kernels::are_fused(&adapter.device) { "fused kernels" } else { "portable kernels" };
        show(&measured, &adapter.description, form);
    }
    if let Some(file) = &arguments.trace {
        let lines: String = measured.steps.iter().map(|seconds| format!("{seconds:.6}\n")).collect();
        std::fs::write(file, lines).map_err(|error| Error::output(file, error.to_string()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(measured: &Measured, description: &str, form: &str) {
    let Measured { batch_size, sequence_length, threads, step_seconds, step_seconds_range: [low, high], .. } = measured;
    say!("{} ({description}), {threads} threads, {form}", measured.device);
    say!("{batch_size} x {sequence_length} tokens, {} parameters", electra_burn::readable_count(measured.parameters));
    say!("step        {step_seconds:.4} s (median; {low:.4} to {high:.4})");
    say!("throughput  {:.0} tokens/s", measured.tokens_per_second);
    say!(
        "products    {:.1} GFLOP/s, {:.0} % of the {:.1} that one product of 1024 x 1024 matrices reaches",
        measured.gflops,
        100.0 * measured.share_of_peak,
        measured.matrix_peak_gflops
    );
    if let Some(peak) = measured.peak_rss_mib {
        say!("memory      {peak:.0} MiB at most");
    }
    say!();
    let parts = measured.breakdown.parts();
    let total: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
    for (name, seconds) in parts {
        say!("{name:<22} {:>9.2} ms {:>5.1} %", 1e3 * seconds, 100.0 * seconds / total);
    }
}
