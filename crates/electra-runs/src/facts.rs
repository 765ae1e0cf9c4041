//! What a run knows of itself beside configuration and metrics: `run.json`, for reports and model cards.

use crate::error::{Error, Result};
use crate::files;
use crate::format::readable_duration;
use crate::host::Host;
use crate::layout::FACTS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `run.json`. What is not known is absent; the names are an interface: other programs read them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFacts {
    /// Of this program, when the run began.
    pub version: String,
    /// `pretraining`, or the task of fine-tuning.
    pub task: String,
    /// Parameters of everything that is trained.
    pub parameters: usize,
    /// The text of pretraining.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corpus: Option<CorpusFacts>,
    /// Examples or sessions of fine-tuning, by file: `train`, `dev`, `test`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub examples: BTreeMap<String, usize>,
    /// The processes that have worked on it, in their order.
    pub sessions: Vec<Session>,
}

/// The text of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CorpusFacts {
    /// Documents that are trained on.
    pub documents: usize,
    /// Tokens in them, without special ones.
    pub tokens: usize,
    /// Documents that are held out.
    pub held_out_documents: usize,
    /// Tokens in them.
    pub held_out_tokens: usize,
    /// Tokens of the vocabulary.
    pub vocab_size: usize,
    /// Share of the tokens that are `[UNK]`.
    pub unknown_share: f64,
    /// Documents that occurred before.
    pub duplicates: usize,
}

/// What one process did of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// When training began, in seconds since 1970.
    pub began: u64,
    /// The steps that were done then.
    pub step: usize,
    /// Name and description of the devices.
    pub device: String,
    /// Seconds of training; absent while it lasts, and of a process that was killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// The computer.
    pub host: Host,
}

impl RunFacts {
    /// Of a run of `task` that has not begun, by `version` of the program.
    pub fn new(version: &str, task: &str) -> Self {
        Self { version: version.to_owned(), task: task.to_owned(), ..Self::default() }
    }

    /// Those of the run at `run`; absent where it has none, as runs of earlier versions.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is damaged.
    pub fn read(run: &Path) -> Result<Option<Self>> {
        let path = run.join(FACTS);
        match files::read_text(&path, files::SMALL) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::input(&path, error.to_string())),
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| Error::input(&path, error.to_string())),
        }
    }

    /// Writes down that a process begins after `step` steps, on `device` of `host`, beside what the run has already.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), and [`Error::Io`].
    pub fn begin(self, run: &Path, step: usize, device: String, host: Host) -> Result<Self> {
        let mut facts = RunFacts::read(run)?.unwrap_or(self);
        facts.sessions.push(Session {
            began: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            step,
            device,
            seconds: None,
            host,
        });
        facts.write(run)?;
        Ok(facts)
    }

    /// Writes down how long this process has trained.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn end(&mut self, run: &Path, elapsed: Duration) -> Result<()> {
        if let Some(session) = self.sessions.last_mut() {
            session.seconds = Some((elapsed.as_secs_f64() * 1e3).round() / 1e3);
        }
        self.write(run)
    }

    fn write(&self, run: &Path) -> Result<()> {
        let path = run.join(FACTS);
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::io(&path)(error.into()))?;
        files::write_file(&path, format!("{text}\n").as_bytes())
    }

    /// The devices, each once, in the order in which they came.
    pub fn devices(&self) -> Vec<&str> {
        let mut devices: Vec<&str> = Vec::new();
        for session in &self.sessions {
            if !devices.contains(&session.device.as_str()) {
                devices.push(&session.device);
            }
        }
        devices
    }

    /// How long was trained, as people say it; absent where no process has come to its end.
    pub fn time(&self) -> Option<String> {
        let known: Vec<f64> = self.sessions.iter().filter_map(|session| session.seconds).collect();
        let time = readable_duration(Duration::try_from_secs_f64(known.iter().sum()).ok()?);
        match known.len() {
            0 => None,
            count if count < self.sessions.len() => Some(format!("at least {time}")),
            _ => Some(time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_began_with_stays_and_sessions_are_added() {
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path();
        assert_eq!(RunFacts::read(run).unwrap(), None);
        let begin = |facts: RunFacts, step| facts.begin(run, step, "cpu".into(), Host::this(2));
        let mut first = begin(RunFacts { parameters: 7, ..RunFacts::new("1", "pretraining") }, 0).unwrap();
        assert_eq!(first.time(), None);
        first.end(run, Duration::from_millis(61_500)).unwrap();
        assert_eq!(RunFacts::read(run).unwrap().as_ref(), Some(&first));
        assert_eq!(first.time().as_deref(), Some("1m 01s"));

        let second = begin(RunFacts { parameters: 8, ..RunFacts::new("1", "other") }, 5).unwrap();
        assert_eq!((second.parameters, second.task.as_str()), (7, "pretraining"));
        assert_eq!(second.sessions.iter().map(|session| session.step).collect::<Vec<_>>(), [0, 5]);
        assert_eq!(second.time().as_deref(), Some("at least 1m 01s"));
        assert_eq!(second.devices().len(), 1, "{:?}", second.devices());

        std::fs::write(run.join(FACTS), "{").unwrap();
        let error = RunFacts::read(run).unwrap_err();
        assert!(error.to_string().contains("run.json: "), "{error}");
        let begun = begin(RunFacts::new("1", "pretraining"), 0);
        assert!(begun.is_err() && std::fs::read(run.join(FACTS)).unwrap() == b"{", "what is damaged is not replaced");
    }
}
