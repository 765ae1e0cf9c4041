//! A run of the Learner, whatever it trains: from a model and its loaders to a trained model and its records.

use super::checkpoint::{Always, Checkpoints};
use super::dashboard::{Dashboard, Opening};
use super::failure::Failure;
use super::interval::{SharedInterval, locked};
use super::job::{Job, RecordOf};
use super::metrics::{Plot, SUMMARY, Summary, training_numbers};
use super::panics::{advice, caught_on, lost};
use super::parallel::Shares;
use super::record::{RecordLog, RunRecord};
use super::renderer::Renderer;
use super::samples::SampleLog;
use super::startup::Startup;
use super::statistics::Tally;
use super::strategy::{Ending, Windows};
use super::tensorboard::Board;
use super::trainee::{TallyOf, Trainee};
use super::validations::Validations;
use crate::config::Precision;
use crate::corpus::Progress;
use crate::data::{Cursor, HostRows, StepLoader, Steps};
use crate::device::{Adapter, Adapters, computes_on_host, kernel_cache};
use crate::error::{Error, Result};
use burn::optim::OptimizerRecord;
use burn::store::ModuleRecord;
use burn::train::{Interrupter, Learner, SupervisedTraining, TrainLoader, TrainingStrategy};
use electra_runs::layout::{CHECKPOINTS, METRICS, SAMPLES};
use electra_runs::{Health, Host, RunFacts, RunState, Status, cut, read_records, readable_count};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a run has come to.
pub(crate) struct Fitted<M: Trainee> {
    /// Without autodiff.
    pub model: M,
    /// All records, as they stand in `metrics.jsonl`.
    pub records: Vec<RecordOf<M>>,
    /// The validations among them.
    pub validations: Validations,
    /// Steps done.
    pub steps: usize,
    /// As they stand in `run.json`.
    pub facts: RunFacts,
    /// Time from the first step to the last validation; absent where nothing was left to do.
    pub elapsed: Option<Duration>,
    /// Who stopped the run before its last step.
    pub interrupted: Option<String>,
}

/// Runs `work`, which says when it begins to write to the run at `output`, and leaves its result there;
/// `interrupted` says who stopped it.
pub(crate) fn with_status<T>(
    output: &Path,
    work: impl FnOnce(&mut bool) -> Result<T>,
    interrupted: impl FnOnce(&T) -> Option<String>,
) -> Result<T> {
    let mut begun = false;
    let result = work(&mut begun);
    if begun {
        let (state, reason) = match &result {
            Ok(report) => match interrupted(report) {
                Some(reason) => (RunState::Interrupted, Some(reason)),
                None => (RunState::Finished, None),
            },
            Err(error) => (RunState::Failed, Some(error.to_string())),
        };
        // On a disk that is full the error itself matters more.
        _ = Status::write(state, reason.as_deref(), output);
    }
    result
}

/// An adapter with its memory, where that is known.
fn with_memory(adapter: &Adapter) -> String {
    let memory = adapter.memory.map(|bytes| format!(", {:.1} GiB", bytes as f64 / f64::from(1 << 30)));
    format!("{adapter}{}", memory.unwrap_or_default())
}

/// A loader of `steps` for each of `adapters`.
pub(crate) fn shared<M, S>(steps: &Arc<S>, adapters: &Adapters, cursor: &Cursor) -> Vec<TrainLoader<M>>
where
    M: Trainee<Batch = <S::Rows as HostRows>::Batch>,
    S: Steps,
{
    // Ids and masks need no gradients, so the batches live on the devices without autodiff.
    let devices: Vec<_> = adapters.iter().map(|adapter| adapter.device.clone()).collect();
    let loaders = StepLoader::shared(steps, &devices, cursor).into_iter();
    loaders.map(|loader| Arc::new(loader) as TrainLoader<M>).collect()
}

/// Trains what is left of a run.
///
/// # Errors
/// A checkpoint that does not fit the model, or a run that failed on its way.
pub(crate) fn fit<M: Trainee>(job: Job<M>) -> Result<Fitted<M>> {
    let Job { directory, output, adapters, mut model, mut optimizer, training, progress, .. } = job;
    let interval = SharedInterval::default();
    let start = job.found.as_ref().map_or(0, |found| found.state.step);
    let mut written = None;
    if let Some(found) = job.found {
        written = std::fs::metadata(found.path.join("model.bpk")).and_then(|file| file.modified()).ok();
        progress(Progress::Stage(&format!("resuming after step {start}, from {}", found.path.display())));
        let model_path = found.path.join("model.bpk");
        let damaged = |error: &dyn std::fmt::Display| Error::input(&found.path, error.to_string());
        let record = ModuleRecord::load(&model_path).map_err(|error| damaged(&error))?;
        model = model.try_load_record(record).map_err(|error| damaged(&error))?;
        let record = OptimizerRecord::load(found.path.join("optimizer.bpk")).map_err(|error| damaged(&error))?;
        optimizer = optimizer.load_record(record);
        *locked(&interval) = found.interval;
    }
    let metrics_path = output.join(METRICS);
    for path in [&metrics_path, &output.join(SAMPLES)] {
        cut(path, (start > 0).then_some(start))?;
    }
    let validations = if start > 0 { Validations::read(&metrics_path)? } else { Validations::default() };
    let enough = job.early_stopping.as_ref().is_some_and(|stopping| validations.are_enough(stopping));
    let length = job.length;
    if enough || length.is_over(start) {
        let records = read_records(&metrics_path)?;
        let facts = RunFacts::read(output)?.unwrap_or(job.facts);
        // Without dropout, as after a run: what is judged next is the model.
        let model = model.valid();
        return Ok(Fitted { model, records, validations, steps: start, facts, elapsed: None, interrupted: None });
    }
    let parameters = model.num_params();
    let format = match adapters.require_precision(training.precision)? {
        Precision::F32 => String::new(),
        format => format!(", matrix products in {format}"),
    };
    let time = length.budget.map_or_else(String::new, |budget| {
        let left = Duration::from_secs(budget.saturating_sub(length.elapsed()).as_secs_f64().ceil() as u64);
        format!(" for {}", humantime::format_duration(left))
    });
    let parameters_read = readable_count(parameters);
    progress(Progress::Stage(&format!("training {parameters_read} parameters on {adapters}{format}{time}")));
    let host = Host::this(rayon::current_num_threads());
    let mut facts = RunFacts { parameters, ..job.facts }.begin(output, start, adapters.to_string(), host)?;

    // A worker compiles and tunes for itself.
    let compiles = |adapter: &Adapter| !computes_on_host(&adapter.device) && !adapter.link.is_remote();
    let kernels = kernel_cache().filter(|_| adapters.iter().any(compiles));
    if let Some(path) = &kernels {
        let path = path.display();
        progress(Progress::Stage(&format!(
            "its kernels are compiled and tuned first, and kept in {path} for later runs"
        )));
    }
    let opening = Opening {
        run: output.display().to_string(),
        devices: adapters.iter().map(with_memory).collect(),
        start,
        tokens: locked(&interval).tokens_seen,
        length: length.clone(),
        compiles: kernels.is_some(),
        checkpoint: written,
    };
    // Held here, outside of the threads that train: however they end, the terminal is given back.
    let mut dashboard = match job.dashboard.then(|| Dashboard::open(opening, job.signal.clone())).transpose() {
        Ok(dashboard) => dashboard,
        Err(error) => {
            progress(Progress::Stage(&format!("there is no dashboard, since the terminal cannot be used: {error}")));
            None
        }
    };
    let watch = dashboard.as_ref().map(Dashboard::watch).unwrap_or_default();
    // The dashboard says so itself.
    let startup = kernels.filter(|_| dashboard.is_none()).map(|_| Startup::begin(|line| eprintln!("{line}")));

    let interrupter = Interrupter::new();
    let failure = Failure::new(interrupter.clone());
    let board =
        job.logging.tensorboard.then(|| Board::create(output, start, failure.clone())).transpose()?.map(Arc::new);
    let log = RecordLog::create(&metrics_path, SUMMARY, failure.clone(), board.clone(), validations.clone())?;
    let renderer = Box::new(Renderer::new(std::io::stdout(), watch.clone()));
    let samples = job.make_sample.map(|make| SampleLog::create(output, make)).transpose()?;
    let ending = Arc::new(Mutex::new(Ending::default()));
    let kept = (job.seed, training.clone());
    let checkpoints = Checkpoints::new(output.join(CHECKPOINTS), start, kept, job.fingerprint, interval.clone())?
        .reporting_to(watch.clone(), validations.clone());
    let [model_part, optimizer_part, scheduler_part] = checkpoints.parts();
    let (train, valid) = job.loaders;
    let of = |(adapter, loader): (&Adapter, &TrainLoader<M>)| (adapter.recording(training), loader.clone());
    let shares = Shares { devices: adapters.iter().zip(&train).map(of).collect(), adapters: adapters.clone() };
    let records: Vec<RecordOf<M>> = if start > 0 { read_records(&metrics_path)? } else { Vec::new() };
    let health: Health = records.iter().filter_map(RunRecord::validation).collect();
    let (make, schedule) = (job.make_record, job.schedule);
    let (log_every, place, train) = (training.log_every, output.to_owned(), train[0].clone());
    let strategy = Windows {
        shares,
        training: training.clone(),
        length: length.clone(),
        cursor: job.cursor,
        max_grad_norm: job.max_grad_norm,
        read_every: if computes_on_host(&adapters.main().device) { 1 } else { training.log_every },
        start,
        checkpoints,
        board,
        early_stopping: job.early_stopping,
        validations: validations.clone(),
        startup: Mutex::new(startup),
        watch,
        samples,
        evaluate: job.evaluate,
        signal: job.signal,
        faults: job.faults,
        output: output.to_owned(),
        sequences: job.sequences,
        ending: ending.clone(),
    };
    let started = Instant::now();
    let caught = caught_on(adapters, move || {
        let mut supervised = SupervisedTraining::new(place, train, valid)
            .renderer(renderer)
            .with_interrupter(interrupter)
            .with_metric_logger(log)
            .with_application_logger(None)
            .with_custom_checkpointers(model_part, optimizer_part, scheduler_part)
            .with_checkpointing_strategy(Always)
            .metric_train(Summary::train(log_every, length.clone(), interval, make.clone()))
            .metric_valid(Summary::valid(length, make, health));
        for number in TallyOf::<M>::numbers() {
            supervised = supervised.metric_train_numeric(Plot::new(number)).metric_valid_numeric(Plot::new(number));
        }
        for number in &training_numbers() {
            supervised = supervised.metric_train_numeric(Plot::new(number));
        }
        let strategy = TrainingStrategy::Custom(Arc::new(strategy));
        supervised.with_training_strategy(strategy).launch(Learner::new(model, optimizer, schedule)).model
    });
    // What follows is printed on the usual screen.
    if let Some(mut dashboard) = dashboard.take() {
        dashboard.close();
        dashboard.told().iter().for_each(|told| progress(Progress::Stage(told)));
    }
    let elapsed = started.elapsed();
    let noted = facts.end(output, elapsed);
    let advise = |message: &str| match lost(adapters) {
        Some(reason) => format!(
            "{reason}; the last checkpoint is whole: --resume continues from it, with --device for those that are left"
        ),
        None => advice(message, job.batch_size, training.accumulation),
    };
    if let Some(panic) = caught.panic {
        return Err(Error::Training(advise(&panic)));
    }
    let Some(model) = caught.value else { return Err(Error::Training("it ended without a reason".into())) };
    drop(directory);

    if let Some(error) = failure.take() {
        return Err(error);
    }
    let ending = ending.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(error) = ending.error {
        return Err(Error::Training(advise(&error)));
    }
    noted?;
    Ok(Fitted {
        model,
        records: read_records(&metrics_path)?,
        validations,
        steps: ending.steps,
        facts,
        elapsed: Some(elapsed),
        interrupted: ending.interrupted,
    })
}
