//! Layering: preset < file < environment < `--set`, merged as TOML tables before anything is typed.

use super::misspelt::improved;
use super::{Config, NONE, preset};
use crate::error::{Error, Result};
use crate::files;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Name of the preset below it; by default `demo` without a corpus and `tiny` with one.
    pub preset: Option<String>,
    /// Text files that replace `data.corpus`.
    pub corpus: Vec<PathBuf>,
    /// `key.path=value`, in order; the value is TOML, or a plain string where it is not.
    pub set: Vec<String>,
    /// Environment variables: `ELECTRA_TRAINING__STEPS=10` sets `training.steps`.
    pub environment: Vec<(String, String)>,
    /// The file is one that a run has written: it is complete but for keys that a later version has added, which have the
    /// paper's values, and it alone says how long the run is.
    pub is_written: bool,
}

/// Merges the layers of `source`, types them, fills in what depends on other keys and validates the result.
///
/// # Errors
/// [`Error::Syntax`] for a layer that does not parse, an unknown key or a wrong type; [`Error::Config`] with every
/// impossible value at once.
pub fn load(source: &Source) -> Result<Config> {
    let file = source.file.as_deref().map(read).transpose()?;
    if let (Some(path), Some(table)) = (&source.file, &file)
        && table.contains_key("task")
    {
        return Err(Error::input(path, "these are settings of fine-tuning; expected those of pretraining"));
    }
    let has_corpus = !source.corpus.is_empty() || file.as_ref().is_some_and(names_corpus);
    let base = match source.is_written {
        true => "small",
        false => source.preset.as_deref().unwrap_or(default_preset(has_corpus)),
    };
    let mut table = preset(base)?;
    if source.is_written || limits_time(source, file.as_ref()) {
        // Those of the preset would end the run before its time.
        remove_steps(&mut table);
    }
    if let (Some(path), Some(layer)) = (&source.file, file) {
        merge(&mut table, layer);
        typed(&table, &path.display().to_string())?;
    }
    for (name, text) in &source.environment {
        if let Some(path) = environment_path(name) {
            set(&mut table, &path, text, name)?;
            typed(&table, name)?;
        }
    }
    for assignment in &source.set {
        let name = format!("--set {assignment}");
        let (key, text) = assignment
            .split_once('=')
            .ok_or_else(|| Error::Syntax { source_name: name.clone(), message: "expected key.path=value".into() })?;
        set(&mut table, key.trim(), text.trim(), &name)?;
        typed(&table, &name)?;
    }
    let mut config = typed(&table, base)?;
    if !source.corpus.is_empty() {
        config.data.corpus.clone_from(&source.corpus);
    }
    let config = config.resolve();
    config.validate()?;
    Ok(config)
}

impl Config {
    /// The preset `name`: `tiny` for a text of one's own and a CPU, `demo` for the corpus that is compiled in, or another one. What
    /// follows from other keys, for example the warm-up, is left open until a run begins.
    ///
    /// # Errors
    /// [`Error::Config`] for a name that no preset has.
    pub fn preset(name: &str) -> Result<Self> {
        typed(&preset(name)?, name)
    }
}

/// The preset `base` with `layers` above it, each a table with the name that a message blames, filled in and validated.
///
/// # Errors
/// Those of [`load`].
pub fn layered(base: &str, layers: impl IntoIterator<Item = (Table, &'static str)>) -> Result<Config> {
    let mut table = preset(base)?;
    for (layer, name) in layers {
        merge(&mut table, layer);
        typed(&table, name)?;
    }
    let config = typed(&table, base)?.resolve();
    config.validate()?;
    Ok(config)
}

/// The preset that a run starts from where none is named.
pub fn default_preset(has_corpus: bool) -> &'static str {
    if has_corpus { "tiny" } else { "demo" }
}

/// Checks that `file` is the configuration of a run of fine-tuning, or else of pretraining, as `fine_tuning` says.
///
/// # Errors
/// [`Error::Input`] for a run of the other kind; those of reading it.
pub fn check_kind(file: &Path, fine_tuning: bool) -> Result<()> {
    let (kind, command) = match is_fine_tuning(file)? {
        found if found == fine_tuning => return Ok(()),
        true => ("fine-tuning", "finetune"),
        false => ("pretraining", "pretrain"),
    };
    Err(Error::input(file, format!("this is a run of {kind}; expected `electra {command} --resume`")))
}

/// Whether `file` is a configuration of fine-tuning.
///
/// # Errors
/// Those of reading it.
pub fn is_fine_tuning(file: &Path) -> Result<bool> {
    Ok(read(file)?.contains_key("task"))
}

pub(super) fn read(path: &Path) -> Result<Table> {
    let text = files::read_text(path, files::SMALL).map_err(|e| Error::input(path, e.to_string()))?;
    text.parse().map_err(|e: toml::de::Error| Error::Syntax {
        source_name: path.display().to_string(),
        message: e.to_string().trim_end().to_owned(),
    })
}

/// The key that an environment variable sets: a section and a key, so that unrelated variables with the same prefix do no harm.
fn environment_path(name: &str) -> Option<String> {
    let key = name.strip_prefix("ELECTRA_").filter(|key| key.contains("__") || *key == "SEED")?;
    Some(key.to_lowercase().replace("__", "."))
}

/// Whether the layers above the preset have a time budget; the last that names it decides.
fn limits_time(source: &Source, file: Option<&Table>) -> bool {
    let in_file = file.and_then(|file| file.get("training")?.get("time_budget")?.as_str());
    let is_named = |path: &str| path.trim() == "training.time_budget";
    let in_environment =
        source.environment.iter().filter(|(name, _)| environment_path(name).is_some_and(|path| is_named(&path)));
    let set = source.set.iter().filter_map(|text| text.split_once('=')).filter(|(path, _)| is_named(path));
    let values = in_file
        .into_iter()
        .chain(in_environment.map(|(_, text)| text.as_str()))
        .chain(set.map(|(_, text)| text.trim()));
    values.last().is_some_and(|value| value != NONE)
}

fn remove_steps(table: &mut Table) {
    if let Some(training) = table.get_mut("training").and_then(Value::as_table_mut) {
        training.remove("steps");
    }
}

fn names_corpus(table: &Table) -> bool {
    let corpus = table.get("data").and_then(|data| data.get("corpus")).and_then(Value::as_array);
    corpus.is_some_and(|paths| !paths.is_empty())
}

/// Types the merged table; an error is blamed on the layer that was merged last.
fn typed(table: &Table, source_name: &str) -> Result<Config> {
    Config::deserialize(table.clone())
        .map_err(|e| Error::Syntax { source_name: source_name.to_owned(), message: improved::<Config>(&e.to_string()) })
}

fn merge(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => _ = below.insert(key, value),
        }
    }
}

/// Sets a key to a value in TOML, or to a plain string where it is none.
pub(super) fn set(table: &mut Table, path: &str, text: &str, source_name: &str) -> Result<()> {
    let value = format!("value = {text}")
        .parse::<Table>()
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()));
    insert(table, path, value, source_name)
}

/// Sets a key, making the sections that it is in.
pub(super) fn insert(table: &mut Table, path: &str, value: Value, source_name: &str) -> Result<()> {
    let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
    let mut at = table;
    for parent in parents.split('.').filter(|p| !p.is_empty()) {
        let below = at.entry(parent).or_insert_with(|| Value::Table(Table::new()));
        at = below.as_table_mut().ok_or_else(|| Error::Syntax {
            source_name: source_name.to_owned(),
            message: format!("`{parent}` is a value, not a section, so it has no key `{key}`"),
        })?;
    }
    at.insert(key.to_owned(), value);
    Ok(())
}
