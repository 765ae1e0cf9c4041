//! What may be different when a run is resumed.

use super::{Config, FinetuneConfig};
use crate::error::{Error, Problem, Result};
use electra_runs::settings;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::Table;

/// Keys of the length of a run, its intervals, what it keeps and what it writes.
const FREE: [&str; 14] = [
    "training.steps",
    "training.time_budget",
    "training.log_every",
    "training.validate_every",
    "training.checkpoint_every",
    "training.keep_checkpoints",
    "training.keep_every",
    "training.keep_best",
    "training.max_bad_steps",
    "training.gradient_checkpointing",
    "training.precision",
    "objective.max_logits_mib",
    "evaluation.pairs",
    "logging.tensorboard",
];

impl Config {
    /// Checks that a run with this configuration can be resumed with `new`. Where the corpus lies is free: what counts is the
    /// store made of it.
    ///
    /// # Errors
    /// [`Error::Config`] with every change that it cannot be resumed with.
    pub fn check_changes(&self, new: &Self) -> Result<()> {
        check(self, new, &["data.corpus"])
    }
}

impl FinetuneConfig {
    /// Checks that a run with this configuration can be resumed with `new`. Where model and data lie is free: a run knows them by
    /// their contents.
    ///
    /// # Errors
    /// [`Error::Config`] with every change that it cannot be resumed with.
    pub fn check_changes(&self, new: &Self) -> Result<()> {
        check(self, new, &["model", "data.train", "data.dev", "data.test", "early_stopping", "metric"])
    }
}

fn check<C: Serialize>(saved: &C, new: &C, free: &[&str]) -> Result<()> {
    let (saved, new) = (values(saved), values(new));
    let value = |of: &BTreeMap<String, String>, key: &str| of.get(key).cloned().unwrap_or_else(|| "nothing".into());
    let problem = |key: &String| Problem {
        key: key.clone(),
        message: format!(
            "the run has {}, not {}; this cannot change when a run is resumed, nor with --restart: expected a new run for it",
            value(&saved, key),
            value(&new, key)
        ),
    };
    let keys: BTreeSet<&String> = saved.keys().chain(new.keys()).collect();
    let is_free = |key: &str| FREE.contains(&key) || free.contains(&key);
    // A run by the clock has no steps of warm-up, until it gets steps in place of its time.
    let is_free = |key: &str| is_free(key) || (key == "schedule.warmup_steps" && !saved.contains_key(key));
    let changed = keys.into_iter().filter(|key| !is_free(key) && saved.get(*key) != new.get(*key));
    let problems: Vec<Problem> = changed.map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(Error::Config(problems)) }
}

/// The values of all keys, as TOML writes them.
fn values<C: Serialize>(config: &C) -> BTreeMap<String, String> {
    let table = Table::try_from(config).expect("a configuration holds only what TOML can express");
    settings(&table).into_iter().map(|(key, value)| (key, value.to_string())).collect()
}
