//! What the commands that fine-tune have in common.

use super::device::Devices;
use super::signals::signals;
use super::terminal::{Display, THREAD};
use electra_burn::Result;
use electra_burn::device::Adapters;
use electra_burn::learner::{Observers, Panics, RunOptions};
use std::io::IsTerminal;
use std::path::Path;
use toml::Value;

/// How an encoder is fine-tuned.
#[derive(clap::Args)]
pub struct Training {
    /// The encoder's size and tokenizer with fresh weights, to compare with
    #[arg(long)]
    from_scratch: bool,
    /// Run this many seeds and report median and spread
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub seeds: u16,
    /// First seed [default: 42]
    #[arg(long, value_name = "N")]
    seed: Option<i64>,
    /// Passes over the training data [default: 3, or 10 for fewer than 8,000 examples; 50 for recommendation]
    #[arg(long, value_name = "N")]
    epochs: Option<f64>,
    /// Texts in a batch [default: 32]
    #[arg(long, value_name = "N")]
    batch_size: Option<i64>,
    /// Peak learning rate of the head [default: by the encoder's width]
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Override a configuration key, for example optimizer.layerwise_decay=0.9
    #[arg(long, num_args = 1.., value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    devices: Devices,
    /// Print lines even on a terminal
    #[arg(long)]
    no_tui: bool,
}

impl Training {
    /// What was given, and `more`, as keys of the configuration.
    pub fn flags<const N: usize>(&self, more: [(&str, Option<Value>); N]) -> Vec<(String, Value)> {
        let own = [
            ("from_scratch", self.from_scratch.then_some(Value::Boolean(true))),
            ("seed", self.seed.map(Value::Integer)),
            ("epochs", self.epochs.map(Value::Float)),
            ("data.batch_size", self.batch_size.map(Value::Integer)),
            ("optimizer.learning_rate", self.learning_rate.map(Value::Float)),
        ];
        more.into_iter().chain(own).filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }

    /// What a run into `output`, or one that is resumed there, needs beside its configuration.
    pub fn options(&self, output: &Path, resume: bool) -> Result<RunOptions> {
        let options = displayed(output, self.devices.open()?, !self.no_tui)?;
        Ok(RunOptions { resume, ..options })
    }
}

/// A new run into `output`, shown on the terminal: on a dashboard if that is `wanted` and there is a terminal, else in lines.
pub fn displayed(output: &Path, adapters: Adapters, wanted: bool) -> Result<RunOptions> {
    let dashboard = wanted && std::io::stdout().is_terminal();
    let signal = signals(dashboard)?;
    let observers = Observers::new().with(Display::new(dashboard, signal.clone()));
    // A dashboard that fails ends no run.
    let panics = Panics::Kept { except: THREAD };
    Ok(RunOptions { signal, observers, panics, ..RunOptions::new(output, adapters) })
}

/// A path as a value of the configuration.
pub fn path(path: &Path) -> Value {
    Value::String(path.to_string_lossy().into_owned())
}
