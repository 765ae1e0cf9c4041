//! What TensorBoard shows of a run: every number of `metrics.jsonl`, the configuration, and the norms of weights and
//! gradients by block at every validation, in an events file of each process that has worked on the run.

mod events;
#[cfg(test)]
mod tests;

use super::failure::Failure;
use super::gradients::{Squares, norms_by_block, weight_squares};
use crate::error::{Error, Result};
use burn::module::Module;
use burn::tensor::ExecutionError;
use electra_runs::layout::CONFIG;
use events::{What, record};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the names of events files begin with; seconds since 1970 follow, which TensorBoard reads the files in order of.
const PREFIX: &str = "events.out.tfevents.";

/// The events file of this process.
pub(super) struct Board {
    path: PathBuf,
    file: Mutex<File>,
    failure: Failure,
}

impl Board {
    /// Begins a file for the run at `run`, which resumes after `start` steps: what earlier files hold of later steps is
    /// void from now on. A write that fails stops the run.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be begun.
    pub fn create(run: &Path, start: usize, failure: Failure) -> Result<Self> {
        let config = run.join(CONFIG);
        let text = std::fs::read_to_string(&config).map_err(Error::io(&config))?;
        let path = run.join(name(run, now() as u64).map_err(Error::io(run))?);
        let file = File::create_new(&path).map_err(Error::io(&path))?;
        let board = Self { path, file: Mutex::new(file), failure };
        // Steps count from 1; before the first there is a validation, at 0.
        let first = if start == 0 { 0 } else { start + 1 };
        let text = format!("```toml\n{text}```\n");
        for (step, what) in [(0, What::Version), (first, What::Start), (start, What::Text("configuration", &text))] {
            board.append(step, &what).map_err(Error::io(&board.path))?;
        }
        Ok(board)
    }

    /// One write an event, so that a reader or a crash sees at most one half of one.
    fn append(&self, step: usize, what: &What) -> std::io::Result<()> {
        let bytes = record(now(), step, what);
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes)
    }

    fn write(&self, step: usize, what: &What) {
        if let Err(error) = self.append(step, what) {
            self.failure.stop("the events of TensorBoard cannot be written", Error::io(&self.path)(error));
        }
    }

    /// Writes the numbers of a line of `metrics.jsonl`.
    pub fn write_record(&self, line: &str) {
        let Ok(record) = serde_json::from_str::<Map<String, Value>>(line) else { return };
        let step = record.get("step").and_then(Value::as_u64).unwrap_or(0) as usize;
        self.write(step, &What::Scalars(&scalars(&record, line)));
    }

    /// Writes the norms by block of the weights of `model`, without autodiff, and of the gradients whose squared norms are
    /// `gradients`, which comes to one transfer from the device.
    ///
    /// # Errors
    /// The device's.
    pub fn write_norms<M: Module>(
        &self,
        step: usize,
        model: &M,
        gradients: Squares,
    ) -> std::result::Result<(), ExecutionError> {
        let named = |what: &str, squares: Squares| {
            let name = |(path, square)| (format!("norm/{what}/{path}"), square);
            squares.into_iter().map(name).collect::<Squares>()
        };
        let squares = [named("weights", weight_squares(model)), named("gradients", gradients)].concat();
        let norms: Vec<(String, f64)> = norms_by_block(squares)?.into_iter().collect();
        self.write(step, &What::Scalars(&norms));
        Ok(())
    }
}

/// The numbers of a record by tag. TensorBoard puts those together whose tags agree as far as the first slash.
fn scalars(record: &Map<String, Value>, line: &str) -> Vec<(String, f64)> {
    let split = record.get("split").and_then(Value::as_str).unwrap_or("train");
    let names = record.keys().filter(|name| *name != "step");
    names.filter_map(|name| Some((format!("{name}/{split}"), number(line, name)?))).collect()
}

/// The number `name` of a line, from its text: `serde_json` may be off in the last place, which can decide how the number is
/// rounded to single precision.
fn number(line: &str, name: &str) -> Option<f64> {
    let (_, value) = line.split_once(&format!("\"{name}\":"))?;
    value.split([',', '}']).next()?.parse().ok()
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
