//! The labelled data of a run: read, described, and turned into features.

use super::example::Example;
use super::feature::Feature;
use super::ranking;
use super::read::{Loaded, Need};
use super::registry::Task;
use super::task::Encoding;
use crate::config::{FinetuneConfig, Kind};
use crate::error::{Error, Result};
use crate::files;
use crate::learner::Observers;
use crate::tokenizer::{MOST, Tokenizer};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The examples of a run and the task that they ask for.
pub(super) struct Data {
    pub task: Task,
    pub train: Loaded<Example>,
    pub dev: Loaded<Example>,
    pub test: Option<Loaded<Example>>,
    pub fingerprint: String,
}

impl Data {
    /// What `config` names.
    ///
    /// # Errors
    /// Files that cannot be read, or do not fit the task.
    pub fn read(kind: Kind, config: &FinetuneConfig) -> Result<Self> {
        let files = &config.data;
        let reading = &files.reading();
        let (mut task, train) = Task::prepare(kind, &files.train, reading)?;
        if let (Task::QuestionAnswering(task), Some(length)) = (&mut task, files.max_answer_length) {
            task.max_answer_length = length;
        }
        let dev = task.read(&files.dev, Need::Required, reading)?;
        let test = files.test.as_ref().map(|path| task.read(path, Need::Optional, reading)).transpose()?;
        let sources = |path: &PathBuf| match kind {
            Kind::Ranking => ranking::sources(path),
            _ => Ok(vec![path.clone()]),
        };
        let (of_train, of_dev) = (sources(&files.train)?, sources(&files.dev)?);
        let vocabulary = ["tokenizer.json", "vocab.txt"].map(|name| config.model.join(name));
        let tokenizer: Vec<PathBuf> = vocabulary.into_iter().find(|path| path.is_file()).into_iter().collect();
        let all: Vec<&Path> = of_train.iter().chain(&of_dev).chain(&tokenizer).map(PathBuf::as_path).collect();
        let fingerprint = fingerprint(&all)?;
        Ok(Self { task, train, dev, test, fingerprint })
    }

    /// Tells `observers` what was read.
    ///
    /// # Errors
    /// [`Error::Input`] for texts of which the encoder knows nearly nothing.
    pub fn report(&self, tokenizer: &Tokenizer, observers: &Observers) -> Result<()> {
        for (name, loaded) in [("train", Some(&self.train)), ("dev", Some(&self.dev)), ("test", self.test.as_ref())] {
            let Some(loaded) = loaded else { continue };
            observers.stage(&describe(name, "examples", loaded));
            if loaded.rows.iter().all(|example| example.gold.is_none()) {
                observers.stage(&format!("{name}: no example has a label, so that nothing is judged on it"));
            }
            let texts = loaded.rows.iter().flat_map(|example| example.input.texts());
            if let Some((share, remark)) = tokenizer.unknown_remark(texts)? {
                if share > MOST && name != "test" {
                    return Err(Error::input(&loaded.path, format!("{remark}; so there is nothing to learn")));
                }
                observers.stage(&format!("warning: {name}: {remark}"));
            }
        }
        Ok(())
    }
}

/// What was read of a file, in a line.
pub(super) fn describe<T>(name: &str, what: &str, loaded: &Loaded<T>) -> String {
    let skipped = match &loaded.skipped {
        skipped if skipped.count > 0 => {
            format!(", {} bad rows left out; the first: {}", skipped.count, skipped.first.first().map_or("", |m| m))
        }
        _ => String::new(),
    };
    let notes: String = loaded.notes.iter().map(|note| format!("\n  {note}")).collect();
    format!("{name}: {} {what} in {}{skipped}{notes}", loaded.rows.len(), loaded.path.display())
}

/// How many rows there are, by file.
pub(super) fn counts<T>(train: &Loaded<T>, dev: &Loaded<T>, test: Option<&Loaded<T>>) -> BTreeMap<String, usize> {
    let files = [("train", Some(train)), ("dev", Some(dev)), ("test", test)];
    files.into_iter().filter_map(|(name, loaded)| Some((name.to_owned(), loaded?.rows.len()))).collect()
}

/// A hash of what a run trains on.
pub(super) fn fingerprint(paths: &[&Path]) -> Result<String> {
    let mut hash = Sha256::new();
    for path in paths {
        hash.update(files::sha256(path).map_err(|error| Error::input(path, error.to_string()))?);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The features of `examples`; for training with `seed` only those that are trained on.
pub(super) fn features(task: &Task, examples: &[Example], how: Encoding, seed: Option<u64>) -> Result<Vec<Feature>> {
    let of = |(number, example): (usize, &Example)| {
        let features = task.features(&example.input, example.gold.as_ref(), number, how)?;
        Ok(match seed {
            Some(seed) => task.training_features(features, seed),
            None => features,
        })
    };
    let features: Vec<Vec<Feature>> = examples.par_iter().enumerate().map(of).collect::<Result<_>>()?;
    Ok(features.into_iter().flatten().collect())
}
