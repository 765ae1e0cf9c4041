//! `electra bench`

use super::progress::Working;
use electra_burn::bench::{BenchOptions, Measured, bench, keep};
use electra_burn::config::{self, Source};
use electra_burn::device::Launches;
use electra_burn::files::Replacement;
use electra_burn::learner::readable_size as size;
use electra_burn::{Error, Result, device, kernels};
use std::path::PathBuf;
use std::process::ExitCode;

/// Time training steps on random tokens, and see where their time goes.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra bench --preset small --batch 16
  electra bench --preset tiny --device wgpu --padding 0.3 --json
  electra bench --preset small --batch 128 --device cuda --set training.precision=bf16 --profile")]
pub struct Arguments {
    /// Configuration file (TOML)
    config: Option<PathBuf>,
    /// demo, tiny, modern-small, modern-base, small, base or large
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
    /// Time the kernels of a GPU by name, in a step of its own
    #[arg(long)]
    profile: bool,
    /// Time whole steps alone: no parts of a step, no peaks of the device
    #[arg(long)]
    quick: bool,
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
        environment: super::environment()?,
        is_written: false,
    })?;
    if let Some(threads) = arguments.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        pool.map_err(|error| Error::Usage(format!("--threads {threads}: {error}")))?;
    }
    let adapter = device::select(&arguments.device)?;
    let options = BenchOptions {
        steps: arguments.steps,
        warmup: arguments.warmup,
        padding: arguments.padding,
        profile: arguments.profile,
        quick: arguments.quick,
    };
    let working = Working::on("timing steps");
    let measured = bench(&config, &adapter, &options)?;
    drop(working);
    if arguments.json {
        say!("{}", serde_json::to_string(&measured).unwrap_or_default());
    } else {
        let form = if kernels::are_fused(&adapter.device) { "fused kernels" } else { "portable kernels" };
        show(&measured, form);
    }
    if let Some(file) = &arguments.trace {
        let lines: String = measured.steps.iter().map(|seconds| format!("{seconds:.6}\n")).collect();
        Replacement::whole(file, lines.as_bytes())?;
    }
    // Last, so that the figures are printed even where that fails.
    keep(&config, &measured)?;
    Ok(ExitCode::SUCCESS)
}

/// Kernels that are listed by name.
const NAMES: usize = 20;

fn show(measured: &Measured, form: &str) {
    let Measured { batch_size, sequence_length, threads, step_seconds, step_seconds_range: [low, high], .. } = measured;
    say!(
        "{} ({}), {threads} threads, {form}, products in {}",
        measured.device,
        measured.description,
        measured.precision
    );
    say!("{batch_size} x {sequence_length} tokens, {} parameters", electra_runs::readable_count(measured.parameters));
    let steps = if measured.block > 1 {
        format!(", {} blocks of {} steps", measured.steps.len(), measured.block)
    } else {
        String::new()
    };
    say!(
        "step        {step_seconds:.4} s (median; {low:.4} to {high:.4}{steps}; the first {:.1} s)",
        measured.first_step_seconds
    );
    if let Some(host) = measured.host_seconds {
        say!("host        {host:.4} s of it to hand the step to the device");
    }
    say!("throughput  {:.0} tokens/s", measured.tokens_per_second);
    for peak in &measured.peaks {
        let share = match measured.share_of_peak {
            Some(share) if peak.format == measured.precision => {
                format!("; the step has {:.1}, {:.0} % of it", measured.gflops, 100.0 * share)
            }
            _ => String::new(),
        };
        say!("products    {:.1} GFLOP/s in {} (matrices of {2} x {2}){share}", peak.gflops, peak.format, peak.size);
    }
    if let (Some(copy), [Some(products), Some(memory)], Some(share)) =
        (measured.copy_gbytes, measured.floor_seconds, measured.share_of_floor)
    {
        say!("copy        {copy:.1} GB/s");
        let (larger, name) = if memory > products { (memory, "memory") } else { (products, "products") };
        say!("floor       {larger:.4} s by {name}, {:.0} % of the step", 100.0 * share);
    }
    if let Some([used, held]) = measured.memory {
        say!("memory      {} in use on the device after the last step, {} held for it", size(used), size(held));
    }
    if let Some(peak) = measured.peak_rss_mib {
        say!("process     {peak:.0} MiB at most");
    }
    say!("losses      generator {:.4}, discriminator {:.4}", measured.losses[0], measured.losses[1]);
    if let Some(breakdown) = &measured.breakdown {
        say!("\nparts of a step, with a wait after each:");
        let parts = breakdown.parts();
        let total: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
        for (name, seconds) in parts {
            say!("{name:<22} {:>9.2} ms {:>5.1} %", 1e3 * seconds, 100.0 * seconds / total);
        }
    }
    if let Some(launches) = &measured.launches {
        show_launches(launches);
    }
}

fn show_launches(launches: &Launches) {
    let Launches { kernels, operations, drops, blocks, by_name } = launches;
    say!(
        "\na step launches {kernels} kernels: Burn's fusion gets {operations} operations, and {drops} notes that a tensor is"
    );
    say!("no longer needed, and makes {blocks} blocks of them, fused or single");
    for kernel in by_name.iter().take(NAMES) {
        let time = kernel.seconds.map_or_else(String::new, |seconds| format!(" {:>9.2} ms", 1e3 * seconds));
        say!("{:<44} {:>6} times{time}", kernel.name, kernel.launches);
    }
    let times: Vec<f64> = by_name.iter().filter_map(|kernel| kernel.seconds).collect();
    if !times.is_empty() {
        say!("{:<44} {:>6} times {:>9.2} ms", "all kernels", kernels, 1e3 * times.iter().sum::<f64>());
    }
    if by_name.len() > NAMES {
        say!("and {} more names", by_name.len() - NAMES);
    }
}
