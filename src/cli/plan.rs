//! What `electra pretrain --dry-run` says.

use electra_burn::bench::{Expected, expected};
use electra_burn::device::Adapters;
use electra_burn::learner::{Estimate, Length, Limits, check_fits, readable_size as size, share};
use electra_burn::{Config, Result};
use electra_runs::readable_count;
use std::process::ExitCode;
use std::time::Duration;

/// Largest single tensors that are named.
const BUFFERS: usize = 4;

/// Prints what a run with `config` would take on each of `adapters`; `bench` is the command that measures such a run.
pub fn show(config: &Config, adapters: &Adapters, bench: &str) -> Result<ExitCode> {
    let (data, training) = (&config.data, &config.training);
    let products = adapters.products(training.precision)?;
    let sequences = data.batch_size * training.accumulation;
    let tokens = sequences * data.sequence_length;
    let main = Limits::of(adapters.main());
    let parameters = Estimate::new(config, main).parameters;
    say!("parameters    {}, generator and discriminator together", readable_count(parameters));
    let batches =
        if training.accumulation > 1 { format!(" in {} batches", training.accumulation) } else { String::new() };
    let (length, at_most) = (data.sequence_length, readable_count(tokens));
    say!("a step        {} sequences of {length} tokens{batches}: {at_most} tokens at most", readable_count(sequences));
    let length = Length::new(training, Duration::ZERO);
    let by_steps = length.steps.map(|steps| {
        let all = readable_count(tokens.saturating_mul(steps));
        format!("{} steps, {all} tokens at most", readable_count(steps))
    });
    let by_time = length.budget.map(|budget| format!("{} from its first step", humantime::format_duration(budget)));
    let ends: Vec<String> = by_steps.into_iter().chain(by_time).collect();
    say!("the run       {}", ends.join(", or "));
    say!("products      {products}");
    let count = adapters.iter().len();
    let share = &share(config, count);
    for adapter in adapters.iter() {
        let limits = Limits::of(adapter);
        let estimate = Estimate::new(share, limits);
        let part = if count > 1 { format!(", {} sequences of a batch", share.data.batch_size) } else { String::new() };
        say!("\n{adapter}{part}");
        let has = limits.memory.map_or_else(String::new, |memory| format!(" of {}", size(memory)));
        say!("memory        about {}{has}", size(estimate.total()));
        say!("  weights     {}", size(estimate.weights));
        say!("  gradients   {}", size(estimate.gradients));
        say!("  moments     {}", size(estimate.moments));
        say!("  activations {}", size(estimate.activations));
        let limit = limits.largest_buffer.map_or_else(String::new, |limit| format!(", buffers hold {}", size(limit)));
        say!("largest tensors{limit}");
        for (name, bytes) in estimate.buffers.iter().take(BUFFERS) {
            say!("  {:<11} {name}", size(*bytes));
        }
        match expected(share, adapter) {
            Some(Expected { seconds, same_model, shape: [batch, seq] }) => {
                let of = if same_model { "this model" } else { "another model" };
                say!("time          about {}, from a benchmark of {of} with {batch} x {seq} tokens", duration(seconds));
            }
            None if length.steps.is_none() => {}
            None => say!("time          not known: `{bench} --device {}` measures it", adapter.name),
        }
    }
    for adapter in adapters.iter() {
        check_fits(config, &adapter.name, Limits::of(adapter), count)?;
    }
    say!("\nit fits; nothing was begun");
    Ok(ExitCode::SUCCESS)
}

/// A time for people.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "a second".into(),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 2.0 * 3600.0 => format!("{:.0} minutes", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.0} hours", s / 3600.0),
        s if s < 730.0 * 86400.0 => format!("{:.0} days", s / 86400.0),
        s => format!("{} years", readable_count((s / 86400.0 / 365.0) as usize)),
    }
}
