//! A fine-tuning run: from a configuration to a model that answers, and the figures that it reaches.

use super::example::{Example, Input};
use super::feature::Feature;
use super::loader::{TaskSteps, TaskValidLoader};
use super::network::{Finetuner, Network};
use super::predictor::{Predictor, check_pairs, decode_all};
use super::ranking;
use super::read::{Loaded, Need};
use super::recipe::{self, resolve};
use super::recommendation;
use super::registry::Task;
use super::report::{FinetuneReport, card};
use super::tally::{TaskRecord, TaskTally};
use super::task::{Encoding, Metrics};
use crate::config::{FinetuneConfig, Kind, ModelConfig};
use crate::corpus::Progress;
use crate::data::Cursor;
use crate::device::{Adapter, Adapters};
use crate::error::{Error, Result};
use crate::files;
use crate::hub;
use crate::learner::{
    EarlyStopping, Faults, Found, Job, Length, Tally, VERSION, Validations, WarmupLinear, fit, layerwise, newest,
    optimizer, shared, used, verified, with_status,
};
use crate::tokenizer::{MOST, Tokenizer};
use burn::module::Module;
use burn::store::ModuleRecord;
use electra_runs::layout::{CONFIG, MODEL, RESULTS};
use electra_runs::{RunDirectory, RunFacts, RunState, Status};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// What a run needs beside its configuration.
pub struct FinetuneOptions<'a> {
    /// The run directory: new or empty, or that of the run to resume.
    pub output: PathBuf,
    /// Where to train.
    pub adapters: Adapters,
    /// Resume the run in `output` after its newest whole checkpoint.
    pub resume: bool,
    /// Set to its number by the handler of a signal: the run saves a checkpoint after the current step and stops.
    pub signal: Arc<AtomicUsize>,
    /// Show the dashboard on the terminal instead of lines.
    pub dashboard: bool,
    /// Is told what is being done.
    pub progress: &'a mut dyn FnMut(Progress),
}

/// The examples of a run and the task that they ask for.
struct Data {
    task: Task,
    train: Loaded<Example>,
    dev: Loaded<Example>,
    test: Option<Loaded<Example>>,
    fingerprint: String,
}

/// Fine-tunes as `config` says, writing `config.toml`, `metrics.jsonl`, `checkpoints/`, `results.json` and `model/` into
/// the run directory; or resumes the run that lies there.
///
/// # Errors
/// Wrong input (nothing is written then) or a run that failed on its way.
pub fn finetune(config: &FinetuneConfig, options: FinetuneOptions) -> Result<FinetuneReport> {
    let output = options.output.clone();
    let work = |begun: &mut bool| match kind(config)? {
        Kind::Recommendation => recommendation::run(config, options, begun),
        kind => run(kind, config, options, begun),
    };
    with_status(&output, work, |report| report.interrupted.clone())
}

fn kind(config: &FinetuneConfig) -> Result<Kind> {
    config.task.parse().map_err(|message: String| Error::config("task", message))
}

fn run(kind: Kind, config: &FinetuneConfig, options: FinetuneOptions, begun: &mut bool) -> Result<FinetuneReport> {
    let FinetuneOptions { output, adapters, resume, signal, dashboard, progress } = options;
    recipe::check_keys(kind, config)?;
    adapters.require_precision(config.training.precision)?;
    let config = &FinetuneConfig { model: hub::place(&config.model, &["discriminator"])?, ..config.clone() };
    let mut model = hub::read_config(&config.model)?;
    if let Some(dropout) = config.dropout {
        (model.hidden_dropout_prob, model.attention_probs_dropout_prob) = (dropout, dropout);
    }
    let tokenizer = Tokenizer::load(&config.model)?;
    let data = read(kind, config)?;
    for (name, loaded) in [("train", Some(&data.train)), ("dev", Some(&data.dev)), ("test", data.test.as_ref())] {
        let Some(loaded) = loaded else { continue };
        progress(Progress::Stage(&describe(name, "examples", loaded)));
        if loaded.rows.iter().all(|example| example.gold.is_none()) {
            progress(Progress::Stage(&format!("{name}: no example has a label, so that nothing is judged on it")));
        }
        let texts = loaded.rows.iter().flat_map(|example| example.input.texts());
        if let Some((share, remark)) = tokenizer.unknown_remark(texts)? {
            if share > MOST && name != "test" {
                return Err(Error::input(&loaded.path, format!("{remark}; so there is nothing to learn")));
            }
            progress(Progress::Stage(&format!("warning: {name}: {remark}")));
        }
    }
    let longest = hub::trained_length(&config.model)?;
    let config = &resolve(config, &data.task, &model, longest, data.train.rows.len())?;
    let max_length = recipe::max_length(config, data.task.kind(), longest);
    let how = Encoding { tokenizer: &tokenizer, max_length };
    let train = features(&data.task, &data.train.rows, how, Some(config.seed))?;
    let dev = features(&data.task, &data.dev.rows, how, None)?;
    for (path, features) in [(&config.data.train, &train), (&config.data.dev, &dev)] {
        check_pairs(features, &model).map_err(|message| Error::input(path, message))?;
    }
    if !dev.is_empty() && !dev.iter().any(|feature| feature.target.is_known()) {
        let message =
            "the training data have none of its labels, so that nothing can be chosen by it; expected the same labels";
        return Err(Error::input(&config.data.dev, message));
    }
    if train.is_empty() {
        return Err(Error::input(&config.data.train, "no row has a token to train on"));
    }
    let pass = TaskSteps::steps_a_pass(train.len(), config.data.batch_size, config.data.accumulation);
    let training = &recipe::training(config, recipe::metric(config, &data.task), pass);
    training.check_length()?;
    let config = &recipe::with_training(config, training);
    recipe::check_metric(config, &data.task, &data.dev.rows)?;

    let directory = if resume { open(&output, config)? } else { RunDirectory::create(&output)? };
    let found: Option<Found<TaskTally>> =
        found(resume, &output, training.checkpoint_every, &data.fingerprint, progress)?;
    let start = found.as_ref().map_or(0, |found| found.state.step);
    let network = network(config, &data, &model, adapters.main())?;
    files::write_file(&output.join(CONFIG), config.to_toml().as_bytes())?;
    let directory = directory.keep();
    *begun = true;
    Status::write(RunState::Running, None, &output)?;

    let cursor = Cursor::default();
    let pad = tokenizer.special().pad;
    let sizes = (config.data.batch_size, config.data.accumulation);
    let device = &adapters.main().device;
    let steps = TaskSteps::new(train.into(), sizes, pad, config.seed).deterministic(config.training.deterministic);
    let steps = Arc::new(steps);
    let dev: Arc<[Feature]> = dev.into();
    let dev_loader = TaskValidLoader::new(dev.clone(), config.data.batch_size, pad, device.clone(), cursor.clone());
    let rate = recipe::learning_rate(config, &model);
    let warmup = config.schedule.warmup_steps.unwrap_or(training.steps / 10).clamp(1, training.steps);
    let schedule = WarmupLinear::of(rate, warmup, training.steps).at(start);
    let data = Arc::new(data);
    let fitted = fit(Job {
        directory,
        output: &output,
        adapters: &adapters,
        model: network.train(),
        optimizer: optimizer(&config.adamw(rate)),
        length: Length::new(training, used(found.as_ref())),
        schedule: layerwise(&schedule, recipe::layerwise_decay(config, &model), model.num_hidden_layers),
        facts: RunFacts {
            examples: counts(&data.train, &data.dev, data.test.as_ref()),
            ..RunFacts::new(VERSION, kind.name())
        },
        found,
        fingerprint: data.fingerprint.clone(),
        loaders: (shared::<Finetuner, _>(&steps, &adapters, &cursor), Arc::new(dev_loader)),
        sequences: Arc::new(move |step| steps.numbers(step).concat()),
        cursor,
        make_record: make_record(data.clone(), dev),
        make_sample: None,
        evaluate: None,
        seed: config.seed,
        max_grad_norm: config.optimizer.max_grad_norm,
        batch_size: config.data.batch_size,
        training,
        early_stopping: config
            .early_stopping
            .map(|patience| EarlyStopping { metric: recipe::metric(config, &data.task).to_owned(), patience }),
        logging: &config.logging,
        signal,
        faults: Faults::default(),
        dashboard,
        progress,
    })?;
    let mut report = FinetuneReport {
        steps: fitted.steps,
        total_steps: training.steps,
        elapsed: fitted.elapsed,
        interrupted: fitted.interrupted,
        device: adapters.to_string(),
        metric: recipe::metric(config, &data.task).to_owned(),
        facts: fitted.facts,
        ..FinetuneReport::default()
    };
    if report.interrupted.is_none() {
        let (step, value) = best_kept(&fitted.validations, &report.metric, fitted.steps, training.checkpoint_every);
        report.best_value = value;
        let model_of_step = match step == fitted.steps {
            true => fitted.model,
            false => at_checkpoint(fitted.model, &output, step)?,
        };
        let network = model_of_step.network;
        let task = data.task.clone();
        let pairs = match &data.train.rows.first().map(|example| &example.input) {
            Some(Input::Pair(..)) => Some(true),
            Some(Input::Text(_)) => Some(false),
            _ => None,
        };
        let predictor = Predictor {
            task,
            note: None,
            pairs,
            network,
            config: model,
            tokenizer,
            max_length,
            device: device.clone(),
        };
        judge(&mut report, predictor, step, &data, config, &output)?;
    }
    Ok(report)
}

/// The directory of the run to resume, if it can be resumed with `config`.
pub(super) fn open(output: &Path, config: &FinetuneConfig) -> Result<RunDirectory> {
    let directory = RunDirectory::open(output)?;
    FinetuneConfig::load(Some(output.join(CONFIG)), &[], &[])?.check_changes(config)?;
    Ok(directory)
}

/// The newest checkpoint of the run at `output`, none for a run that is not resumed. `every` is the number of steps between
/// two checkpoints, `fingerprint` that of the run's data.
pub(super) fn found<T: Tally>(
    resume: bool,
    output: &Path,
    every: usize,
    fingerprint: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<Found<T>>> {
    if !resume {
        return Ok(None);
    }
    let found = newest(output, every, &mut |message| progress(Progress::Stage(message)))?;
    if let Some(found) = found.as_ref().filter(|found: &&Found<T>| found.state.store != fingerprint) {
        let message = format!("the data are others than those of {}; a run keeps its own", found.path.display());
        return Err(Error::config("data.train", message));
    }
    Ok(found)
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

fn read(kind: Kind, config: &FinetuneConfig) -> Result<Data> {
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
    Ok(Data { task, train, dev, test, fingerprint })
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
fn features(task: &Task, examples: &[Example], how: Encoding, seed: Option<u64>) -> Result<Vec<Feature>> {
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

/// The network that training begins with.
fn network(config: &FinetuneConfig, data: &Data, model: &ModelConfig, adapter: &Adapter) -> Result<Finetuner> {
    let device = adapter.device.clone().autodiff();
    let mut network = Network::new(data.task.head(), model, config.seed, &device);
    if !config.from_scratch
        && let Some(missing) = network.load_encoder(&config.model)?.first()
    {
        return Err(Error::input(&config.model, format!("the weights lack {missing}; expected those of an ELECTRA")));
    }
    if let Some(bias) = data.task.initial_bias(&data.train.rows) {
        network.set_bias(&bias);
    }
    let training = &config.training;
    Ok(Finetuner::new(network, data.task.loss(), training.precision, training.loss_scale.unwrap_or(1.0)))
}

type MakeRecord = Arc<dyn Fn(usize, &str, &TaskTally) -> TaskRecord + Send + Sync>;

/// Records with the task's metrics on `dev`.
fn make_record(data: Arc<Data>, dev: Arc<[Feature]>) -> MakeRecord {
    Arc::new(move |step, split, tally| {
        let metrics = match split {
            "valid" => {
                let inputs: Vec<_> = data.dev.rows.iter().map(|example| &example.input).collect();
                let predictions = decode_all(&data.task, &inputs, &dev, &tally.by_feature(dev.len()));
                let mut task = data.task.clone();
                task.tune(&data.dev.rows, &predictions);
                task.metrics(&data.dev.rows, &predictions)
            }
            _ => Metrics::new(),
        };
        let loss = tally.loss_sum / tally.count as f64;
        TaskRecord { step, split: split.to_owned(), loss, training: Default::default(), metrics }
    })
}

/// The step of the best of `validations` by `metric` of a run of `last` steps, and its value. Before the first step there is nothing to
/// keep, and between checkpoints, `every` steps apart, neither.
pub(super) fn best_kept(validations: &Validations, metric: &str, last: usize, every: usize) -> (usize, Option<f64>) {
    let is_kept = |step: usize| step > 0 && (step.is_multiple_of(every.max(1)) || step == last);
    validations.best(metric, is_kept).map_or((last, None), |best| (best.step, Some(best.value)))
}

/// The model as it was at `step`, without autodiff.
///
/// # Errors
/// [`Error::Input`] for a checkpoint that is missing or damaged.
pub(super) fn at_checkpoint<M: Module>(model: M, run: &Path, step: usize) -> Result<M> {
    let path = verified(run, step)?.join("model.bpk");
    let damaged = |error: &dyn std::fmt::Display| Error::input(&path, error.to_string());
    let record = ModuleRecord::load(&path).map_err(|error| damaged(&error))?;
    model.try_load_record(record).map_err(|error| damaged(&error))
}

/// Evaluates the best model and writes it, with `results.json`, into the run.
fn judge(
    report: &mut FinetuneReport,
    mut predictor: Predictor,
    step: usize,
    data: &Data,
    config: &FinetuneConfig,
    output: &Path,
) -> Result<()> {
    let (_, predictions) = predictor.evaluate(&data.dev.rows)?;
    predictor.task.tune(&data.dev.rows, &predictions);
    report.best_step = Some(step);
    report.dev = predictor.task.metrics(&data.dev.rows, &predictions);
    if let Some(test) = data.test.as_ref().filter(|test| test.rows.iter().any(|example| example.gold.is_some())) {
        report.test = Some(predictor.evaluate(&test.rows)?.0);
    }
    let judged = data.test.as_ref().filter(|_| report.test.is_some()).unwrap_or(&data.dev);
    let (name, predictions) = predictor.task.baseline(&data.train.rows, &judged.rows);
    report.baseline = Some((name.to_owned(), predictor.task.metrics(&judged.rows, &predictions)));
    predictor.save(&output.join(MODEL), &card(config, predictor.task.kind(), report))?;
    Ok(files::write_file(&output.join(RESULTS), format!("{:#}\n", report.to_json()).as_bytes())?)
}
