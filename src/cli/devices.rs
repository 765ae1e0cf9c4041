//! `electra devices`

use electra_burn::bench::{first_losses, largest_differences};
use electra_burn::config::{self, Config, Precision, Source};
use electra_burn::device::{
    Adapter, Capabilities, absent, adapters, auto, capabilities, compiled, kernel_cache, precisions, select,
};
use electra_burn::{Error, Result, kernels};
use std::process::ExitCode;
use std::time::Instant;

/// List the devices that can be trained on, and what `--device auto` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra devices
  electra devices --check
  electra devices --check wgpu:1 ndarray")]
pub struct Arguments {
    /// What to check, names of devices [default: all]
    #[arg(value_name = "NAME", requires = "check")]
    names: Vec<String>,
    /// Train ten steps of the preset tiny on each device and compare the losses with those of flex
    #[arg(long)]
    check: bool,
}

const GIB: f64 = (1u64 << 30) as f64;

/// Steps of a check.
const STEPS: usize = 10;

/// By how much the losses of a device whose products are in `precision`, generator's and discriminator's, may differ from
/// flex's, in units of the loss. Ten updates build on each other. Where rounding puts a sample on the other side of the
/// boundary between two words, the discriminator reads another text: a few in ten steps, 1e-3 each. TF32 has 11 bits of
/// precision, 5e-4 an operand.
fn tolerances(precision: Precision) -> [f64; 2] {
    match precision {
        Precision::TF32 => [5e-3, 5e-2],
        _ => [1e-3, 2e-2],
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let all = adapters();
    let (chosen, reason) = auto()?;
    for adapter in &all {
        let mark = if chosen.name == adapter.name { '*' } else { ' ' };
        let memory = adapter.memory.map_or_else(|| "-".into(), |bytes| format!("{:.1} GiB", bytes as f64 / GIB));
        say!("{mark} {:<10} {:<52} {memory:>9}  {}", adapter.name, adapter.description, formats(adapter));
        if let Some(capabilities) = capabilities(&adapter.device) {
            for line in details(&capabilities) {
                say!("             {line}");
            }
        }
    }
    for backend in compiled().iter().filter(|name| !all.iter().any(|adapter| adapter.name.starts_with(**name))) {
        say!("  {backend:<10} no device found");
    }
    for backend in absent() {
        say!("  {backend:<10} not compiled in: cargo build --features {backend}");
    }
    say!("\n* `--device auto` takes {}: {reason}", chosen.name);
    if let Some(path) = kernel_cache() {
        say!("  kernels and what was tuned about them are kept in {}", path.display());
    }
    if !arguments.check {
        return Ok(ExitCode::SUCCESS);
    }
    match arguments.names.as_slice() {
        [] => check(&all),
        names => check(&names.iter().map(|name| select(name)).collect::<Result<Vec<_>>>()?),
    }
}

/// The formats of `training.precision`, and which of them the device has matrix units for.
fn formats(adapter: &Adapter) -> String {
    let products = capabilities(&adapter.device).map_or_else(Vec::new, |capabilities| capabilities.products);
    let has_units = |name: &str| products.iter().any(|(product, has_units)| *product == name && *has_units);
    let format = |precision: Precision| match has_units(precision.name()) {
        true => format!("{precision} (matrix units)"),
        false => precision.to_string(),
    };
    let formats = precisions(adapter).into_iter().map(format).collect::<Vec<_>>().join(", ");
    let without = !products.is_empty() && !products.iter().any(|(_, has_units)| *has_units);
    if without { format!("{formats} (no matrix units)") } else { formats }
}

/// What else a GPU says of itself.
fn details(capabilities: &Capabilities) -> Vec<String> {
    let Capabilities { compiler, largest_buffer, float_atomics, missing, .. } = capabilities;
    let buffer = match *largest_buffer as f64 / GIB {
        gib if gib < 1.0 => format!("{:.0} MiB", gib * 1024.0),
        gib => format!("{gib:.1} GiB"),
    };
    let atomics = if *float_atomics { "float atomics" } else { "no float atomics: ids are sorted on the host" };
    let mut lines = vec![format!("kernels in {compiler}, buffers up to {buffer}, {atomics}")];
    lines.extend(missing.iter().map(|missing| format!("warning: {missing}")));
    lines
}

fn check(adapters: &[Adapter]) -> Result<ExitCode> {
    let set = ["model.hidden_dropout_prob=0", "model.attention_probs_dropout_prob=0", "schedule.warmup_steps=2"];
    let source = Source { preset: Some("tiny".into()), set: set.map(String::from).into(), ..Source::default() };
    let config = config::load(&source)?;
    // Devices are compared in the widest format that each has.
    let config = |adapter: &Adapter| {
        let mut config = config.clone();
        config.training.precision = precisions(adapter)[0];
        config
    };
    let flex = &select("flex")?;
    say!("\n{STEPS} steps of the preset tiny, generator and discriminator loss of the last one");
    // The reference has fused kernels; with `--portable` flex itself is among what is compared with it.
    let portable = kernels::is_portable();
    kernels::set_portable(false);
    let (expected, line) = timed(&config(flex), flex)?;
    kernels::set_portable(portable);
    say!("{line}");
    let mut differing = Vec::new();
    for adapter in adapters.iter().filter(|adapter| portable || adapter.name != flex.name) {
        let config = config(adapter);
        let (found, line) = timed(&config, adapter)?;
        let [mlm, disc] = largest_differences(&found, &expected);
        let precision = config.training.precision;
        let [may_mlm, may_disc] = tolerances(precision);
        let same = mlm <= may_mlm && disc <= may_disc;
        let verdict = if same { "agrees with flex" } else { "DIFFERS from flex" };
        if !same {
            differing.push(format!(
                "{} in {precision}, by {mlm:.1e} and {disc:.1e} (expected at most {may_mlm:e} and {may_disc:e})",
                adapter.name
            ));
        }
        say!("{line}  {verdict}, by {mlm:.1e} and {disc:.1e} at most, products in {precision}");
    }
    if differing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let differing = differing.join("; ");
    Err(Error::backend(format!("other losses than flex, of generator and discriminator: {differing}")))
}

/// The losses on a device, and a line that reports them.
fn timed(config: &Config, adapter: &Adapter) -> Result<(Vec<[f64; 2]>, String)> {
    let started = Instant::now();
    let losses = first_losses(config, adapter, STEPS)?;
    let [mlm, disc] = losses.last().copied().unwrap_or_default();
    let line = format!("{:<10} {mlm:.4} {disc:.4} {:>6.1} s", adapter.name, started.elapsed().as_secs_f64());
    Ok((losses, line))
}
