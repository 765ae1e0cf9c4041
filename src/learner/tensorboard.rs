//! What TensorBoard shows of a run: every number of `metrics.jsonl`, the configuration, and the norms of weights and
//! gradients by block at every validation, in an events file of each process that has worked on the run.

mod events;
#[cfg(test)]
mod tests;

use super::observer::{RecordEvent, RunStart, TrainObserver, ValidationEvent};
use crate::error::{Error, Result};
use electra_runs::layout::CONFIG;
use events::{What, record};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The prefix of events files. Seconds since 1970 follow; TensorBoard reads the files in that order.
const PREFIX: &str = "events.out.tfevents.";

/// Writes the events file of this process.
#[derive(Default)]
pub struct TensorBoard {
    /// From the start of training on.
    file: Option<(PathBuf, File)>,
}

impl TensorBoard {
    /// One that begins its file when training begins.
    pub fn new() -> Self {
        Self::default()
    }

    /// One write an event, so that a reader or a crash sees at most one half of one.
    fn write(&mut self, step: usize, what: &What) -> Result<()> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        file.write_all(&record(now(), step, what)).map_err(Error::io(path))
    }
}

impl TrainObserver for TensorBoard {
    /// Begins a file. What earlier files hold of steps after the start is void from now on.
    fn on_start(&mut self, start: &RunStart) -> Result<()> {
        let config = start.run.join(CONFIG);
        let text = std::fs::read_to_string(&config).map_err(Error::io(&config))?;
        let path = start.run.join(name(&start.run, now() as u64).map_err(Error::io(&start.run))?);
        let file = File::create_new(&path).map_err(Error::io(&path))?;
        self.file = Some((path, file));
        // Steps count from 1; before the first there is a validation, at 0.
        let first = if start.step == 0 { 0 } else { start.step + 1 };
        self.write(0, &What::Version)?;
        self.write(first, &What::Start)?;
        self.write(start.step, &What::Text("configuration", &format!("```toml\n{text}```\n")))
    }

    /// The numbers by tag. TensorBoard puts those together whose tags agree as far as the first slash.
    fn on_record(&mut self, record: &RecordEvent) -> Result<()> {
        let columns = record.columns.iter().filter(|(name, _)| *name != "step");
        let scalar = |(name, value): (&String, &serde_json::Value)| {
            value.as_f64().map(|value| (format!("{name}/{}", record.split), value))
        };
        let scalars: Vec<_> = columns.filter_map(scalar).collect();
        self.write(record.step, &What::Scalars(&scalars))
    }

    fn wants_norms(&self) -> bool {
        true
    }

    fn on_validation(&mut self, validation: &ValidationEvent) -> Result<()> {
        let norms = validation.norms.iter().map(|(name, norm)| (format!("norm/{name}"), *norm));
        self.write(validation.step, &What::Scalars(&norms.collect::<Vec<_>>()))
    }
}

/// The name of a new file in `run`, after all that are there, also where the clock was set back.
fn name(run: &Path, now: u64) -> std::io::Result<String> {
    let mut seconds = now;
    for entry in std::fs::read_dir(run)? {
        let name = entry?.file_name();
        let found = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('.').next()?.parse::<u64>().ok());
        seconds = seconds.max(found.map_or(0, |found| found + 1));
    }
    Ok(format!("{PREFIX}{seconds:010}.electra"))
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
