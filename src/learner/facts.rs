//! What a run knows of itself beside configuration and metrics: `run.json`, for reports and model cards.

use super::metrics::readable;
use crate::corpus::{Split, TokenStore};
use crate::device::{Adapters, Host};
use crate::error::{Error, Result};
use crate::files;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Name of the file in the run directory.
const NAME: &str = "run.json";

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
    /// Of a run of `task` that has not begun.
    pub(crate) fn new(task: &str) -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), task: task.to_owned(), ..Self::default() }
    }

    /// Those of the run at `run`; absent where it has none, as runs of earlier versions.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is damaged.
    pub fn read(run: &Path) -> Result<Option<Self>> {
        let path = run.join(NAME);
        match files::read_text(&path, files::SMALL) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::input(&path, error.to_string())),
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| Error::input(&path, error.to_string())),
        }
    }

    /// Writes down that a process goes on behind `step` steps, beside what the run has already.
    pub(super) fn begin(self, run: &Path, step: usize, adapters: &Adapters) -> Result<Self> {
        let mut facts = RunFacts::read(run)?.unwrap_or(self);
        facts.sessions.push(Session {
            began: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            step,
            device: adapters.to_string(),
            seconds: None,
            host: Host::this(),
        });
        facts.write(run)?;
        Ok(facts)
    }

    /// Writes down how long this process has trained.
    pub(super) fn end(&mut self, run: &Path, elapsed: Duration) -> Result<()> {
        if let Some(session) = self.sessions.last_mut() {
            session.seconds = Some((elapsed.as_secs_f64() * 1e3).round() / 1e3);
        }
        self.write(run)
    }

    fn write(&self, run: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::Training(error.to_string()))?;
        files::write_file(&run.join(NAME), format!("{text}\n").as_bytes())
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
        let time = readable(Duration::try_from_secs_f64(known.iter().sum()).ok()?);
        match known.len() {
            0 => None,
            count if count < self.sessions.len() => Some(format!("at least {time}")),
            _ => Some(time),
        }
    }
}

impl CorpusFacts {
    /// Those of `store`.
    pub(crate) fn of(store: &TokenStore) -> Self {
        let manifest = store.manifest();
        Self {
            documents: store.documents(Split::Train),
            tokens: store.range(Split::Train).len(),
            held_out_documents: store.documents(Split::Valid),
            held_out_tokens: store.range(Split::Valid).len(),
            vocab_size: manifest.vocab_size,
            unknown_share: manifest.unknown_share(),
            duplicates: manifest.duplicates.found,
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
        let adapters = Adapters::select("flex", None).unwrap();
        let mut first = RunFacts { parameters: 7, ..RunFacts::new("pretraining") }.begin(run, 0, &adapters).unwrap();
        assert_eq!(first.time(), None);
        first.end(run, Duration::from_millis(61_500)).unwrap();
        assert_eq!(RunFacts::read(run).unwrap().as_ref(), Some(&first));
        assert_eq!(first.time().as_deref(), Some("1m 01s"));

        let second = RunFacts { parameters: 8, ..RunFacts::new("other") }.begin(run, 5, &adapters).unwrap();
        assert_eq!((second.parameters, second.task.as_str()), (7, "pretraining"));
        assert_eq!(second.sessions.iter().map(|session| session.step).collect::<Vec<_>>(), [0, 5]);
        assert_eq!(second.time().as_deref(), Some("at least 1m 01s"));
        assert_eq!(second.devices().len(), 1, "{:?}", second.devices());

        std::fs::write(run.join(NAME), "{").unwrap();
        let error = RunFacts::read(run).unwrap_err();
        assert!(error.to_string().contains("run.json: "), "{error}");
        let begun = RunFacts::new("pretraining").begin(run, 0, &adapters);
        assert!(begun.is_err() && std::fs::read(run.join(NAME)).unwrap() == b"{", "what is damaged is not replaced");
    }
}
