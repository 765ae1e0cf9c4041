//! Pretrains on text files and prints how it goes: `cargo run --example pretrain -- OUTPUT [FILE..]`.

use electra_burn::learner::{RecordEvent, RunStart};
use electra_burn::prelude::*;

/// Prints a line for every record.
struct Lines;

impl TrainObserver for Lines {
    fn on_start(&mut self, start: &RunStart) -> Result<()> {
        println!("{} trains on {}", start.run.display(), start.devices.join(", "));
        Ok(())
    }

    fn on_record(&mut self, record: &RecordEvent) -> Result<()> {
        println!("{}", record.summary);
        Ok(())
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let output = arguments.next().unwrap_or_else(|| "runs/example".into());
    let mut config = Config::preset("demo")?;
    config.data.corpus = arguments.map(Into::into).collect();
    (config.training.steps, config.training.log_every, config.training.validate_every) = (60, 20, 30);
    let options = RunOptions::new(&output, Adapters::select("auto", None)?);
    let observers = Observers::new().with(Lines);
    let trained = pretrain(&config, RunOptions { observers, ..options })?;
    trained.export(&output)?;
    println!("{} steps; the encoder is {output}/discriminator", trained.outcome.steps);
    Ok(())
}
