//! A report of a run, from what it has left on disk: one HTML file that needs nothing else, and its pictures as files.
//!
//! Of a damaged run the report has what can be read, and says what is missing.

mod chart;
mod draw;
mod facts;
mod html;
mod page;
mod png;
mod samples;

use crate::error::{Error, Result};
use crate::files;
use electra_runs::layout::{CONFIG, METRICS, RESULTS, SAMPLES, STATUS};
use electra_runs::{Links, Metrics, RunFacts, RunState, Status, counted, discover};
use serde_json::Value;
use std::path::{Path, PathBuf};
use toml::Table;

/// What was read of the directory of a run.
pub struct RunReport {
    /// The run.
    path: PathBuf,
    state: RunState,
    reason: Option<String>,
    config: Table,
    /// The configuration as it stands there.
    config_text: String,
    facts: RunFacts,
    metrics: Metrics,
    samples: samples::Samples,
    /// `results.json` of fine-tuning, where the run has come to it.
    results: Option<Value>,
    /// What could not be read.
    problems: Vec<String>,
}

impl RunReport {
    /// Reads the run at `path`.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no run.
    pub fn read(path: &Path) -> Result<Self> {
        let is_run = [CONFIG, METRICS, STATUS].iter().any(|name| path.join(name).is_file());
        if !is_run {
            return Err(Error::input(path, format!("there is no run here; expected {}", expected(path))));
        }
        let mut problems = Vec::new();
        let config_text = text(&path.join(CONFIG), true, &mut problems).unwrap_or_default();
        let config: Table = config_text.parse().unwrap_or_else(|error: toml::de::Error| {
            problems.push(format!("{CONFIG}: {}", error.to_string().trim_end().replace('\n', " ")));
            Table::new()
        });
        let facts = RunFacts::read(path).unwrap_or_else(|error| {
            problems.push(error.to_string());
            None
        });
        let metrics = records(&path.join(METRICS), &mut problems);
        let samples = samples::Samples::read(&path.join(SAMPLES), &mut problems);
        let results = json(&path.join(RESULTS), &mut problems);
        let Status { state, reason } = Status::read(path);
        let facts = facts.unwrap_or_default();
        let path = path.to_owned();
        Ok(Self { path, state, reason, config, config_text, facts, metrics, samples, results, problems })
    }

    /// Writes the report to `output`, replacing an older one.
    ///
    /// # Errors
    /// [`Error::Output`] where it cannot be written.
    pub fn write(&self, output: &Path) -> Result<()> {
        let page = page::page(self)?;
        let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let unusable = |error: String| Error::output(output, format!("the report cannot be written: {error}"));
        std::fs::create_dir_all(parent).map_err(|error| unusable(error.to_string()))?;
        if output.is_dir() {
            return Err(unusable("it is a directory; expected a file".into()));
        }
        files::write_file(output, page.as_bytes()).map_err(|error| unusable(error.to_string()))
    }

    /// Writes every picture of the report as SVG and PNG into `directory`, replacing older ones; their paths.
    ///
    /// # Errors
    /// [`Error::Output`] where they cannot be written.
    pub fn write_figures(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        let unusable =
            |path: &Path, error: std::io::Error| Error::output(path, format!("the figures cannot be written: {error}"));
        std::fs::create_dir_all(directory).map_err(|error| unusable(directory, error))?;
        let mut paths = Vec::new();
        for chart in chart::charts(&self.metrics) {
            let path = directory.join(&chart.name);
            for (path, bytes) in [
                (path.with_extension("svg"), draw::svg(&chart)?.into_bytes()),
                (path.with_extension("png"), draw::png(&chart)?),
            ] {
                std::fs::write(&path, bytes).map_err(|error| unusable(&path, error))?;
                paths.push(path);
            }
        }
        Ok(paths)
    }

    /// What could not be read of the run.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// What the run is called: its directory.
    fn name(&self) -> String {
        let whole = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        whole.file_name().map_or_else(|| self.path.display().to_string(), |name| name.to_string_lossy().into_owned())
    }

    /// The task of fine-tuning; absent for pretraining.
    fn task(&self) -> Option<&str> {
        self.config.get("task").and_then(toml::Value::as_str)
    }

    /// The value of a key of the configuration.
    fn value(&self, key: &str) -> Option<&toml::Value> {
        let mut parts = key.split('.');
        let first = self.config.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    fn number(&self, key: &str) -> Option<usize> {
        self.value(key)?.as_integer().and_then(|number| usize::try_from(number).ok())
    }
}

/// What should have been there, with the runs that are below, as those of several seeds are.
fn expected(path: &Path) -> String {
    let runs = discover(path, Links::All);
    let first = runs.first().map(|run| run.found.clone());
    match first {
        Some(first) if runs.len() > 1 => {
            format!("one of the {} runs below it, for example {}", runs.len(), first.display())
        }
        Some(first) => format!("the one below it, {}", first.display()),
        None => "a directory with config.toml".into(),
    }
}

/// The records in the file at `path`; what is wrong with it goes to `problems`.
fn records(path: &Path, problems: &mut Vec<String>) -> Metrics {
    let (metrics, read) = Metrics::read(path);
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            problems.push(format!("{METRICS}: there is none yet, so there are no curves"));
        }
        Err(error) => problems.push(format!("{METRICS}: {error}; what follows is left out")),
        Ok(()) => {}
    }
    if metrics.left_out() > 0 {
        problems
            .push(format!("{METRICS}: it has too many names of metrics; {} values are left out", metrics.left_out()));
    }
    problems
        .extend(metrics.damage.iter().map(|(line, what)| format!("{METRICS}:{line}: {what}; the line is left out")));
    let more = metrics.damaged as usize - metrics.damage.len();
    if more > 0 {
        let verb = if more == 1 { "is" } else { "are" };
        problems.push(format!("{METRICS}: {} {verb} left out", counted(more, "more damaged line")));
    }
    metrics
}

/// The contents of a file; absent, which is a problem if it is `required`, where there is none.
fn text(path: &Path, required: bool, problems: &mut Vec<String>) -> Option<String> {
    match files::read(path, files::SMALL) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => None,
        Err(error) => {
            problems.push(format!("{}: {error}", file_name(path)));
            None
        }
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) => {
                problems.push(format!(
                    "{}: it is not UTF-8, from byte {}",
                    file_name(path),
                    error.utf8_error().valid_up_to()
                ));
                Some(String::from_utf8_lossy(error.as_bytes()).into_owned())
            }
        },
    }
}

fn json(path: &Path, problems: &mut Vec<String>) -> Option<Value> {
    let text = text(path, false, problems)?;
    serde_json::from_str(&text).map_err(|error| problems.push(format!("{}: {error}", file_name(path)))).ok()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_lines_are_named_and_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(METRICS);
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
        let metrics = records(&path, &mut problems);
        let skipped = metrics.skipped_steps;
        assert_eq!((metrics.records, metrics.step, skipped.times, skipped.last), (3, 5, 6, 5));
        assert_eq!(metrics.median_speed(), Some(30.0));
        assert_eq!(metrics.get("loss", "train").unwrap().points().len(), 3);
        assert_eq!(problems.len(), 4, "{problems:#?}");
        assert!(problems[0].starts_with("metrics.jsonl:2: EOF"), "{problems:#?}");
        assert!(problems[1].starts_with("metrics.jsonl:4: it has no step"), "{problems:#?}");
        assert_eq!(problems[3], "metrics.jsonl: 3 more damaged lines are left out");
    }
}
