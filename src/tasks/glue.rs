//! The GLUE benchmark (Wang et al., 2018): its tasks in a table, a run over those whose files are there, and predictions
//! in the form in which it takes them.

use super::example::{Input, Prediction};
use super::predictor::Predictor;
use super::read::{Columns, LabelledTable, Need, Reading, Shape, TEXT, TableRow};
use super::seeds::{Spread, finetune_seeds, spread};
use super::task::Metrics;
use crate::config::{FinetuneConfig, Kind};
use crate::error::{Error, Result};
use crate::files;
use crate::learner::RunOptions;
use electra_runs::layout::{CONFIG, RESULTS};
use serde_json::{Value as Json, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use toml::Value;

/// A task of the benchmark.
#[derive(Debug, PartialEq)]
pub struct GlueTask {
    /// Its name, and its folder's.
    pub name: &'static str,
    kind: Kind,
    /// Passes over the training data (paper, appendix B).
    epochs: f64,
    /// What it is judged by: the mean of these.
    metrics: &'static [&'static str],
    sets: Sets,
}

/// The dev and test sets of a task: what stands after "dev" and "test" in the names of the files, and their names in the
/// table and in a submission.
type Sets = &'static [(&'static str, &'static str)];

const fn task(name: &'static str, metrics: &'static [&'static str], sets: Sets) -> GlueTask {
    GlueTask { name, kind: Kind::Classification, epochs: 3.0, metrics, sets }
}

/// Left out of the average, as in the paper: nothing can be learned from its training set.
const WNLI: &str = "WNLI";

/// F1 of the pairs that mean the same, whose label is 1.
const F1: &str = "f1[1]";

/// The diagnostic set, which the model of this task answers.
const DIAGNOSTIC: (&str, &str) = ("AX", "MNLI");

/// In the order of the paper's table.
static TASKS: [GlueTask; 9] = [
    task("CoLA", &["matthews"], &[("", "CoLA")]),
    task("SST-2", &["accuracy"], &[("", "SST-2")]),
    task("MRPC", &["accuracy", F1], &[("", "MRPC")]),
    GlueTask { kind: Kind::Regression, epochs: 10.0, ..task("STS-B", &["pearson", "spearman"], &[("", "STS-B")]) },
    task("QQP", &["accuracy", F1], &[("", "QQP")]),
    task("MNLI", &["accuracy"], &[("_matched", "MNLI-m"), ("_mismatched", "MNLI-mm")]),
    task("QNLI", &["accuracy"], &[("", "QNLI")]),
    GlueTask { epochs: 10.0, ..task("RTE", &["accuracy"], &[("", "RTE")]) },
    task(WNLI, &["accuracy"], &[("", WNLI)]),
];

/// A task whose folder was found.
#[derive(Debug, PartialEq)]
pub struct GlueFolder {
    /// The task.
    pub task: &'static GlueTask,
    /// Where its files lie.
    pub path: PathBuf,
}

/// Names that differ in case and hyphens only are the same.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The tasks whose folders lie in `data`, or of these the ones that `wanted` names.
///
/// # Errors
/// [`Error::Usage`] for a name that is none of the benchmark's; [`Error::Input`] where there is no folder, or none of a
/// task that is wanted, or where one lacks a file.
pub fn glue_folders(data: &Path, wanted: &[String]) -> Result<Vec<GlueFolder>> {
    let names = || TASKS.iter().map(|task| task.name).collect::<Vec<_>>().join(", ");
    if let Some(unknown) = wanted.iter().find(|name| !TASKS.iter().any(|task| plain(task.name) == plain(name))) {
        return Err(Error::Usage(format!("--tasks: \"{unknown}\" is no task of GLUE; expected some of {}", names())));
    }
    let entries = std::fs::read_dir(data).map_err(|error| Error::input(data, format!("cannot be read: {error}")))?;
    let mut directories: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    directories.sort();
    let is = |path: &Path, task: &GlueTask| {
        path.file_name().is_some_and(|name| plain(&name.to_string_lossy()) == plain(task.name))
    };
    let mut found = Vec::new();
    for task in &TASKS {
        let asked = wanted.iter().any(|name| plain(name) == plain(task.name));
        if !wanted.is_empty() && !asked {
            continue;
        }
        match directories.iter().find(|path| is(path, task)) {
            Some(path) => found.push(GlueFolder { task, path: path.clone() }),
            None if asked => return Err(Error::input(data, format!("there is no folder {} here", task.name))),
            None => {}
        }
    }
    if found.is_empty() {
        let message =
            format!("there is no task of GLUE here; expected folders with train.tsv and dev.tsv: {}", names());
        return Err(Error::input(data, message));
    }
    for folder in &found {
        let mut needed = vec!["train.tsv".to_owned()];
        needed.extend(folder.task.sets.iter().map(|(suffix, _)| format!("dev{suffix}.tsv")));
        if let Some(missing) = needed.iter().find(|name| !folder.path.join(name).is_file()) {
            return Err(Error::input(&folder.path, format!("there is no {missing} here")));
        }
    }
    Ok(found)
}

/// What was reached on one dev set.
#[derive(Debug, Clone, PartialEq)]
pub struct GlueRow {
    /// The set, as a submission names it.
    pub name: &'static str,
    /// The task's metrics over the seeds.
    pub metrics: Vec<(&'static str, Spread)>,
    /// Their mean over the seeds: the score.
    pub score: Spread,
}

/// What was reached on the tasks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GlueReport {
    /// By task, one row for each of its dev sets.
    pub tasks: Vec<(&'static str, Vec<GlueRow>)>,
    /// Files with predictions for test sets.
    pub submission: Vec<PathBuf>,
    /// Who stopped the run before its end.
    pub interrupted: Option<String>,
}

impl GlueReport {
    /// Mean of the tasks' median scores, WNLI left out; absent where there is no other.
    pub fn average(&self) -> Option<f64> {
        let counted = self.tasks.iter().filter(|(name, _)| *name != WNLI);
        let scores: Vec<f64> = counted.map(|(_, rows)| mean(rows.iter().map(|row| row.score.median))).collect();
        (!scores.is_empty()).then(|| mean(scores.into_iter()))
    }

    /// The sets that a submission must answer and this one does not.
    pub fn missing(&self) -> Vec<&'static str> {
        let all = TASKS.iter().flat_map(|task| task.sets.iter().map(|(_, set)| *set)).chain([DIAGNOSTIC.0]);
        let is_there = |set: &str| self.submission.iter().any(|path| path.file_stem().is_some_and(|stem| stem == set));
        all.filter(|set| !is_there(set)).collect()
    }

    /// What `results.json` holds.
    pub fn to_json(&self) -> Json {
        let of = |s: &Spread| json!({"median": s.median, "least": s.least, "most": s.most});
        let row = |row: &GlueRow| {
            let mut json = json!({"score": of(&row.score)});
            row.metrics.iter().for_each(|(name, spread)| json[*name] = of(spread));
            (row.name.to_owned(), json)
        };
        let rows: serde_json::Map<String, Json> =
            self.tasks.iter().flat_map(|(_, rows)| rows.iter().map(row)).collect();
        json!({"average": self.average(), "dev": rows})
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// Fine-tunes the encoder on each of `folders` with `seeds` seeds, as the recipe, `flags` and `--set` say (see
/// [`FinetuneConfig::load`]), in a directory below that of `options`; writes `results.json`, and the best models'
/// predictions for test sets to `submission/`.
///
/// # Errors
/// Those of [`finetune_seeds`].
pub fn glue(
    folders: &[GlueFolder],
    flags: &[(String, Value)],
    set: &[String],
    seeds: usize,
    options: RunOptions,
) -> Result<GlueReport> {
    let RunOptions { output, adapters, observers, resume, .. } = &options;
    if !resume && std::fs::read_dir(output).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::output(output, "the directory is not empty; expected a new one, or --resume"));
    }
    if output.join(CONFIG).exists() {
        let message = "this is a single run; expected a new directory, or that of a run of the benchmark";
        return Err(Error::output(output, message));
    }
    // Before anything is trained, so that a table without its columns is found at once.
    let configs: Vec<FinetuneConfig> =
        folders.iter().map(|folder| configure(folder, flags, set)).collect::<Result<_>>()?;
    let mut report = GlueReport::default();
    for (folder, config) in folders.iter().zip(&configs) {
        let GlueTask { name, metrics, sets, .. } = folder.task;
        observers.stage(&format!("\n{name}: {}", folder.path.display()));
        let directory = output.join(name);
        let of_task = RunOptions { output: directory.clone(), ..options.clone() };
        let seeds = finetune_seeds(config, seeds, of_task)?;
        if let Some(reason) = seeds.runs.iter().find_map(|(_, report)| report.interrupted.clone()) {
            report.interrupted = Some(reason);
            return Ok(report);
        }
        // The second dev set stands in for a test set: see `configure`.
        let reached = |second: bool| -> Vec<&Metrics> {
            seeds.runs.iter().map(|(_, report)| if second { report.judged() } else { &report.dev }).collect()
        };
        let rows = sets.iter().enumerate().filter_map(|(at, (_, set))| row(set, metrics, &reached(at > 0)));
        report.tasks.push((name, rows.collect()));
        files::write_file(&output.join(RESULTS), format!("{:#}\n", report.to_json()).as_bytes())?;
        let predictor = Predictor::open(&directory.join("model"), &adapters.main().device)?;
        for (suffix, set) in *sets {
            let test = folder.path.join(format!("test{suffix}.tsv"));
            if test.is_file() {
                report.submission.push(submit(&predictor, &test, &output.join("submission"), set)?);
            }
        }
        if let Some(test) = diagnostic(folder).filter(|_| *name == DIAGNOSTIC.1) {
            report.submission.push(submit(&predictor, &test, &output.join("submission"), DIAGNOSTIC.0)?);
        }
    }
    let missing = report.missing();
    if !report.submission.is_empty() && !missing.is_empty() {
        observers.stage(&format!("a submission also needs the predictions for {}", missing.join(", ")));
    }
    Ok(report)
}

/// The diagnostic set beside the folder of a task, as it is handed out or under the name of its predictions.
fn diagnostic(folder: &GlueFolder) -> Option<PathBuf> {
    let data = folder.path.parent()?;
    let names = ["diagnostic/diagnostic.tsv", "AX/AX.tsv", "AX/test.tsv", "ax/test.tsv", "diagnostic.tsv", "AX.tsv"];
    names.into_iter().map(|name| data.join(name)).find(|path| path.is_file())
}

fn row(name: &'static str, metrics: &[&'static str], reached: &[&Metrics]) -> Option<GlueRow> {
    let of = |metric: &str| spread(reached.iter().map(|all| all.get(metric).copied()));
    let score = |all: &&Metrics| {
        let values: Vec<f64> = metrics.iter().map(|metric| all.get(*metric).copied()).collect::<Option<_>>()?;
        Some(mean(values.into_iter()))
    };
    Some(GlueRow {
        name,
        metrics: metrics.iter().map(|metric| Some((*metric, of(metric)?))).collect::<Option<_>>()?,
        score: spread(reached.iter().map(score))?,
    })
}

/// The configuration of a task's runs. A second dev set stands in for a test set: neither chooses anything.
fn configure(folder: &GlueFolder, flags: &[(String, Value)], set: &[String]) -> Result<FinetuneConfig> {
    let GlueTask { kind, epochs, metrics, sets, .. } = folder.task;
    let file = |name: &str| Value::String(folder.path.join(name).to_string_lossy().into_owned());
    let dev = |at: usize| sets.get(at).map(|(suffix, _)| file(&format!("dev{suffix}.tsv")));
    // CoLA's files have no header, but four columns: source, label, star and sentence.
    let names = LabelledTable::open(&folder.path.join("train.tsv"), &Reading::default())?.names;
    let is_headless = Shape::of(&names).is_none();
    if is_headless && names.len() != 4 {
        let message =
            "expected a header with the texts' columns, or four columns without one: source, label, star and sentence";
        return Err(Error::Input { path: folder.path.join("train.tsv"), line: Some(1), message: message.into() });
    }
    let column = |number: &str| Value::String(number.into());
    let all = [
        ("task", Some(Value::String(kind.name().into()))),
        ("epochs", Some(Value::Float(*epochs))),
        ("metric", metrics.first().map(|name| Value::String((*name).into()))),
        ("data.train", Some(file("train.tsv"))),
        ("data.dev", dev(0)),
        ("data.test", dev(1)),
        ("data.text_columns", is_headless.then(|| Value::Array(vec![column("4")]))),
        ("data.label_column", is_headless.then(|| column("2"))),
        // A few rows of QQP are broken; they are reported.
        ("data.skip_bad_rows", Some(Value::Boolean(true))),
    ];
    let own = all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    FinetuneConfig::load(None, &own.chain(flags.iter().cloned()).collect::<Vec<_>>(), set)
}

/// Writes what the model says about a test set to `SET.tsv`.
fn submit(predictor: &Predictor, test: &Path, directory: &Path, set: &str) -> Result<PathBuf> {
    let (numbers, inputs): (Vec<String>, Vec<Input>) = read_test(test)?.into_iter().unzip();
    let predictions = predictor.predict(&inputs)?;
    let mut table = String::from("index\tprediction\n");
    for (number, prediction) in numbers.iter().zip(&predictions) {
        let said = match prediction {
            // Similarities lie between 0 and 5.
            Prediction::Value { score } => format!("{:.3}", score.clamp(0.0, 5.0)),
            other => {
                let label = other.class().and_then(|class| predictor.task.labels().get(class));
                label.cloned().unwrap_or_default()
            }
        };
        _ = writeln!(table, "{number}\t{said}");
    }
    std::fs::create_dir_all(directory).map_err(Error::io(directory))?;
    let path = directory.join(format!("{set}.tsv"));
    files::write_file(&path, table.as_bytes())?;
    Ok(path)
}

/// The rows of a test set with their numbers; all of them, since each must be answered.
fn read_test(path: &Path) -> Result<Vec<(String, Input)>> {
    const NUMBER: &[&str] = &["index", "id"];
    let table = LabelledTable::open(path, &Reading::default())?;
    let wanted = Columns::new().text(NUMBER, Need::Required);
    let (wanted, pair) = match Shape::of(&table.names) {
        Some(Shape::Text) => (wanted.text(TEXT, Need::Optional), false),
        Some(Shape::Pair(first, second)) => {
            (wanted.text(&[first], Need::Optional).text(&[second], Need::Optional), true)
        }
        _ => {
            let message = format!("there is no column of texts; the columns are: {}", table.names.join(", "));
            return Err(Error::Input { path: path.to_owned(), line: Some(1), message });
        }
    };
    let row = |record: TableRow| {
        let text = |column| record.text(column).unwrap_or_default().to_owned();
        (text(0), if pair { Input::Pair(text(1), text(2)) } else { Input::Text(text(1)) })
    };
    Ok(table.read(&wanted, false)?.rows.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_metrics_and_two_sets_make_one_score() {
        let seed = |accuracy: f64, f1: f64| Metrics::from([("accuracy".into(), accuracy), (F1.into(), f1)]);
        let seeds = [seed(0.5, 0.7), seed(0.9, 0.7), seed(0.7, 0.5)];
        let of_mrpc = row("MRPC", &["accuracy", F1], &seeds.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(of_mrpc.metrics[0], ("accuracy", Spread { median: 0.7, least: 0.5, most: 0.9 }));
        assert!((of_mrpc.score.median - 0.6).abs() < 1e-12 && (of_mrpc.score.most - 0.8).abs() < 1e-12, "{of_mrpc:?}");

        let row =
            |name, median| GlueRow { name, metrics: Vec::new(), score: Spread { median, least: median, most: median } };
        let tasks = vec![
            ("MNLI", vec![row("MNLI-m", 0.8), row("MNLI-mm", 0.6)]),
            ("RTE", vec![row("RTE", 0.5)]),
            ("WNLI", vec![row("WNLI", 0.1)]),
        ];
        let report = GlueReport { tasks, ..GlueReport::default() };
        assert!((report.average().unwrap() - 0.6).abs() < 1e-12);
    }
}
