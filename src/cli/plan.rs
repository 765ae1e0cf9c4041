//! What `electra pretrain --dry-run` says.

use electra_burn::bench::{Expected, expected};
use electra_burn::device::Adapters;
use electra_burn::learner::{Estimate, Limits, check_fits, readable_size as size};
use electra_burn::{Config, Result, readable_count};
use std::process::ExitCode;

/// Largest single tensors that are named.
const BUFFERS: usize = 4;

/// Prints what a run with `config` would take on each of `adapters`.
pub fn show(config: &Config, adapters: &Adapters) -> Result<ExitCode> {
    let (data, training) = (&config.data, &config.training);
    let sequences = data.batch_size * training.accumulation;
    let tokens = sequences * data.sequence_length;
    let main = Limits::of(adapters.main());
    say!("parameters    {}", readable_count(Estimate::new(config, main).parameters));
    let batches =
        if training.accumulation > 1 { format!(" in {} batches", training.accumulation) } else { String::new() };
    say!("a step        {sequences} sequences of {} tokens{batches}: {tokens} tokens at most", data.sequence_length);
    say!(
        "the run       {} steps, {} tokens at most",
        training.steps,
        readable_count(tokens.saturating_mul(training.steps))
    );
    for adapter in adapters.iter() {
        let limits = Limits::of(adapter);
        let estimate = Estimate::new(config, limits);
        say!("\n{adapter}");
        let has = limits.memory.or(adapter.memory).map_or_else(String::new, |memory| format!(" of {}", size(memory)));
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
        match expected(config, adapter) {
            Some(Expected { seconds, same_model }) => {
                let by = if same_model { "this model" } else { "another model, by its operations" };
                say!("time          about {}, by a benchmark of {by}", duration(seconds));
            }
            None => say!("time          not known: `electra bench --device {}` measures it", adapter.name),
        }
    }
    for adapter in adapters.iter() {
        check_fits(config, &adapter.name, Limits::of(adapter))?;
    }
    say!("\nit fits; nothing was begun");
    Ok(ExitCode::SUCCESS)
}

/// A time for people.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 2.0 * 3600.0 => format!("{:.0} minutes", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.0} hours", s / 3600.0),
        s => format!("{:.0} days", s / 86400.0),
    }
}
