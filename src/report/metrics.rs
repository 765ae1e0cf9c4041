//! `metrics.jsonl`, read a line at a time: however long it is, what is kept of it is small.

use super::file_name;
use super::series::Series;
use crate::files;
use crate::learner::{Health, Validation};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// Damaged lines that are told one by one.
const TOLD: usize = 3;

/// Most numbers in a split: what a damaged file makes beyond them is left out.
const NAMES: usize = 128;

/// What the records of a run come to.
#[derive(Default)]
pub(super) struct Metrics {
    /// By name and split.
    series: BTreeMap<(String, String), Series>,
    /// Records.
    pub count: usize,
    /// The furthest step.
    pub step: usize,
    /// Tokens a second of every record that has them.
    speeds: Vec<f32>,
    /// Sums over all records.
    pub skipped_steps: u64,
    /// Where they were last.
    pub last_skipped: usize,
    /// Values that have no curve, since there are too many names.
    left_out: usize,
    /// How the discriminator does, by the validations.
    pub health: Health,
    /// Real tokens up to the last record; 0 where the records do not know.
    pub tokens_seen: u64,
    pub loss_spikes: u64,
    pub last_spike: usize,
}

impl Metrics {
    /// Reads the file at `path`; what is wrong with it goes to `problems`.
    pub fn read(path: &Path, problems: &mut Vec<String>) -> Self {
        let mut metrics = Self::default();
        let mut damaged = Vec::new();
        let mut count = 0;
        let name = file_name(path);
        let read = files::each_line(path, files::LINE, |number, line| {
            if let Err(message) = metrics.add(line) {
                count += 1;
                if damaged.len() < TOLD {
                    damaged.push(format!("{name}:{number}: {message}; the line is left out"));
                }
            }
            true
        });
        match read {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                problems.push(format!("{name}: there is none yet, so there are no curves"));
            }
            Err(error) => problems.push(format!("{name}: {error}; what follows is left out")),
            Ok(()) => {}
        }
        if metrics.left_out > 0 {
            let left_out = metrics.left_out;
            problems.push(format!("{name}: more than {} names of numbers; {left_out} values are left out", 2 * NAMES));
        }
        let more = count - damaged.len();
        problems.extend(damaged);
        if more > 0 {
            problems.push(format!("{name}: {more} more damaged lines are left out"));
        }
        metrics
    }

    fn add(&mut self, line: &[u8]) -> Result<(), String> {
        let record: Map<String, Value> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let step = record.get("step").and_then(Value::as_u64).ok_or("it has no step")?;
        let split = record.get("split").and_then(Value::as_str).ok_or("it has no split")?.to_owned();
        self.count += 1;
        self.step = self.step.max(step as usize);
        let record = Value::Object(record);
        if let Some(validation) = Validation::of(&record) {
            self.health.add(validation);
        }
        let Value::Object(record) = record else { return Ok(()) };
        for (name, value) in record {
            let Some(value) = value.as_f64().filter(|_| name != "step") else { continue };
            match name.as_str() {
                "skipped_steps" => {
                    self.skipped_steps = self.skipped_steps.saturating_add(value as u64);
                    self.last_skipped = step as usize;
                }
                "loss_spikes" => {
                    self.loss_spikes = self.loss_spikes.saturating_add(value as u64);
                    self.last_spike = step as usize;
                }
                "tokens_seen" => self.tokens_seen = value as u64,
                "tokens_per_second" => self.speeds.push(value as f32),
                _ => {}
            }
            let key = (name, split.clone());
            if self.series.len() < 2 * NAMES || self.series.contains_key(&key) {
                self.series.entry(key).or_default().add(step, value);
            } else {
                self.left_out += 1;
            }
        }
        Ok(())
    }

    /// The curve of `name` in `split`.
    pub fn get(&self, name: &str, split: &str) -> Option<&Series> {
        self.series.get(&(name.to_owned(), split.to_owned()))
    }

    /// The names of what `split` has.
    pub fn names<'a>(&'a self, split: &'a str) -> impl Iterator<Item = &'a str> {
        self.series.keys().filter(move |(_, of)| of == split).map(|(name, _)| name.as_str())
    }

    /// The last value of a validation.
    pub fn last(&self, name: &str) -> Option<f64> {
        Some(self.get(name, "valid")?.ends()?.1.1)
    }

    /// The middle one of the speeds, in tokens a second.
    pub fn median_speed(&self) -> Option<f64> {
        let mut speeds = self.speeds.clone();
        if speeds.is_empty() {
            return None;
        }
        let middle = speeds.len() / 2;
        let (_, median, _) = speeds.select_nth_unstable_by(middle, f32::total_cmp);
        Some(f64::from(*median))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_lines_are_told_and_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.jsonl");
        let good = |step: usize| {
            let speed = step * 10;
            format!(
                "{{\"step\":{step},\"split\":\"train\",\"loss\":0.5,\"tokens_per_second\":{speed},\"skipped_steps\":2}}\n"
            )
        };
        let mut bytes =
            [good(1), "{\"step\":2,\n".into(), good(3), "{\"split\":\"train\"}\n".into()].concat().into_bytes();
        bytes.extend(b"\xff\xfe\n");
        bytes.extend(good(5).into_bytes());
        bytes.extend(b"[]\n{}\n{\"step\":7,\"spl");
        std::fs::write(&path, bytes).unwrap();
        let mut problems = Vec::new();
        let metrics = Metrics::read(&path, &mut problems);
        assert_eq!((metrics.count, metrics.step, metrics.skipped_steps, metrics.last_skipped), (3, 5, 6, 5));
        assert_eq!(metrics.median_speed(), Some(30.0));
        assert_eq!(metrics.get("loss", "train").unwrap().points().len(), 3);
        assert_eq!(problems.len(), 4, "{problems:#?}");
        assert!(problems[0].starts_with("metrics.jsonl:2: EOF"), "{problems:#?}");
        assert!(problems[1].starts_with("metrics.jsonl:4: it has no step"), "{problems:#?}");
        assert_eq!(problems[3], "metrics.jsonl: 3 more damaged lines are left out");
    }
}
