//! A run of the Learner, whatever it trains: from a model and its loaders to a trained model and its records.

use super::checkpoint::{Always, Checkpoints};
use super::failure::Failure;
use super::interval::{Interval, SharedInterval};
use super::job::{Begin, Course, Job, Judging, RecordOf};
use super::metrics::{Summary, names_of_numbers};
use super::observer::{Observers, RunStart};
use super::options::RunOptions;
use super::panics::{Caught, advice, caught_on, lost};
use super::parallel::Replicas;
use super::record::{Recorder, RunRecord};
use super::samples::SampleLog;
use super::silent::Silent;
use super::strategy::{Ending, Windows};
use super::tensorboard::TensorBoard;
use super::trainable::{TallyOf, Trainable};
use super::validations::Validations;
use crate::config::Precision;
use crate::data::{Cursor, HostRows, StepLoader, Steps};
use crate::device::{Adapter, Adapters, computes_on_host, kernel_cache};
use crate::error::{Error, Result};
use burn::optim::OptimizerRecord;
use burn::store::ModuleRecord;
use burn::train::{Interrupter, Learner, SupervisedTraining, TrainLoader, TrainingStrategy, ValidLoader};
use electra_runs::layout::{CHECKPOINTS, METRICS, SAMPLES};
use electra_runs::{Health, Host, RunFacts, cut, read_records, readable_count};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What a run has come to.
pub(crate) struct Fitted<M: Trainable> {
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

/// A loader of `steps` for each of `adapters`.
pub(crate) fn shared<M, S>(steps: &Arc<S>, adapters: &Adapters, cursor: &Cursor) -> Vec<TrainLoader<M>>
where
    M: Trainable<Batch = <S::Rows as HostRows>::Batch>,
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
pub(crate) fn fit<M: Trainable>(mut job: Job<M>) -> Result<Fitted<M>> {
    let resumed = restore(&mut job.begin, &job.options.observers)?;
    let (step, output) = (resumed.step, job.options.output.clone());
    let metrics_path = output.join(METRICS);
    for path in [&metrics_path, &output.join(SAMPLES)] {
        cut(path, (step > 0).then_some(step))?;
    }
    let validations = if step > 0 { Validations::read(&metrics_path)? } else { Validations::default() };
    let enough = job.course.early_stopping.as_ref().is_some_and(|stopping| validations.are_enough(stopping));
    if enough || job.course.length.is_over(step) {
        let records = read_records(&metrics_path)?;
        let facts = RunFacts::read(&output)?.unwrap_or(job.facts);
        // Without dropout, as after a run: what is judged next is the model.
        let model = job.begin.model.valid();
        return Ok(Fitted { model, records, validations, steps: step, facts, elapsed: None, interrupted: None });
    }
    let adapters = job.options.adapters.clone();
    announce(&job)?;
    let facts = RunFacts { parameters: job.begin.model.num_params(), ..job.facts.clone() };
    let host = Host::this(rayon::current_num_threads());
    let devices = format!("{adapters}, {}", adapters.products(job.course.training.precision)?);
    let mut facts = facts.begin(&output, step, devices, host)?;

    if job.logging.tensorboard {
        job.options.observers = job.options.observers.with(TensorBoard::new());
    }
    let observers = job.options.observers.clone();
    let start = resumed.start_of(&job);
    if let Err(error) = observers.try_each(|observer| observer.on_start(&start)) {
        observers.each(|observer| observer.on_end());
        return Err(error);
    }
    let advise = advice_of(&job);
    let begun = Instant::now();
    let trained = train(job, resumed, validations.clone());
    observers.each(|observer| observer.on_end());
    let elapsed = begun.elapsed();
    let noted = facts.end(&output, elapsed);
    let (model, ending) = trained?.finished(advise)?;
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

/// Where a run stands when this process takes it up.
struct Resumed<M: Trainable> {
    step: usize,
    /// The metrics since the last record.
    interval: Interval<TallyOf<M>>,
    /// When the checkpoint was written.
    written: Option<SystemTime>,
}

/// Loads the checkpoint that the run resumes from, if there is one.
fn restore<M: Trainable>(begin: &mut Begin<M>, observers: &Observers) -> Result<Resumed<M>> {
    let Some(found) = begin.found.take() else {
        return Ok(Resumed { step: 0, interval: Interval::default(), written: None });
    };
    let step = found.state.step;
    observers.stage(&format!("resuming after step {step}, from {}", found.path.display()));
    let path = found.path.join("model.bpk");
    let damaged = |error: &dyn std::fmt::Display| Error::input(&found.path, error.to_string());
    let record = ModuleRecord::load(&path).map_err(|error| damaged(&error))?;
    begin.model = begin.model.clone().try_load_record(record).map_err(|error| damaged(&error))?;
    let record = OptimizerRecord::load(found.path.join("optimizer.bpk")).map_err(|error| damaged(&error))?;
    begin.optimizer = begin.optimizer.clone().load_record(record);
    let written = std::fs::metadata(&path).and_then(|file| file.modified()).ok();
    Ok(Resumed { step, interval: found.interval, written })
}

/// Reports what is trained, on what, and for how long.
fn announce<M: Trainable>(job: &Job<M>) -> Result<()> {
    let (adapters, length) = (&job.options.adapters, &job.course.length);
    let asked = job.course.training.precision;
    let format = adapters.products(asked)?;
    let reason = if asked == Precision::BF16 && format.contains("f32") {
        ", since this processor has none in bf16 (AVX-512 BF16)"
    } else {
        ""
    };
    let time = length.budget.map_or_else(String::new, |budget| {
        let left = Duration::from_secs(budget.saturating_sub(length.elapsed()).as_secs_f64().ceil() as u64);
        format!(" for {}", humantime::format_duration(left))
    });
    let parameters = readable_count(job.begin.model.num_params());
    job.options.observers.stage(&format!("training {parameters} parameters on {adapters}, {format}{reason}{time}"));
    if compiles(adapters)
        && let Some(path) = kernel_cache()
    {
        let path = path.display();
        let message = format!("its kernels are compiled and tuned first, and kept in {path} for later runs");
        job.options.observers.stage(&message);
    }
    Ok(())
}

/// Whether a device of this process compiles its kernels; a worker compiles and tunes for itself.
fn compiles(adapters: &Adapters) -> bool {
    let compiles = |adapter: &Adapter| !computes_on_host(&adapter.device) && !adapter.link.is_remote();
    kernel_cache().is_some() && adapters.iter().any(compiles)
}

/// An adapter with its memory, where that is known.
fn with_memory(adapter: &Adapter) -> String {
    let memory = adapter.memory.map(|bytes| format!(", {:.1} GiB", bytes as f64 / f64::from(1 << 30)));
    format!("{adapter}{}", memory.unwrap_or_default())
}

impl<M: Trainable> Resumed<M> {
    /// What observers receive when training begins.
    fn start_of(&self, job: &Job<M>) -> RunStart {
        let adapters = &job.options.adapters;
        RunStart {
            run: job.options.output.clone(),
            devices: adapters.iter().map(with_memory).collect(),
            step: self.step,
            tokens: self.interval.tokens_seen,
            length: job.course.length.clone(),
            compiles: compiles(adapters),
            checkpoint: self.written,
            numbers: names_of_numbers::<TallyOf<M>>(),
        }
    }
}

/// What turns a device's message into one that says what to do about it.
fn advice_of<M: Trainable>(job: &Job<M>) -> impl Fn(&str) -> String + use<M> {
    let (adapters, batch_size) = (job.options.adapters.clone(), job.course.batch_size);
    let accumulation = job.course.training.accumulation;
    move |message| match lost(&adapters) {
        Some(reason) => format!(
            "{reason}; the last checkpoint is whole: --resume continues from it, with --device for those that are left"
        ),
        None => advice(message, batch_size, accumulation),
    }
}

/// How training ended.
struct Trained<M> {
    caught: Caught<M>,
    failure: Failure,
    ending: Arc<Mutex<Ending>>,
}

impl<M> Trained<M> {
    /// The model, or the first error.
    fn finished(self, advise: impl Fn(&str) -> String) -> Result<(M, Ending)> {
        if let Some(panic) = self.caught.panic {
            return Err(Error::Training(advise(&panic)));
        }
        let Some(model) = self.caught.value else { return Err(Error::Training("it ended without a reason".into())) };
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let mut ending = std::mem::take(&mut *self.ending.lock().unwrap_or_else(PoisonError::into_inner));
        match ending.error.take() {
            Some(Error::Training(message)) => Err(Error::Training(advise(&message))),
            Some(error @ Error::Backend(_)) => Err(Error::Training(advise(&error.to_string()))),
            Some(error) => Err(error),
            None => Ok((model, ending)),
        }
    }
}

/// Has Burn's Learner train.
///
/// # Errors
/// [`Error::Io`] where a file of the run cannot be opened. Everything later stands in what is returned.
fn train<M: Trainable>(job: Job<M>, resumed: Resumed<M>, validations: Validations) -> Result<Trained<M>> {
    let Job { begin, course, loaders, judging, seed, fingerprint, options, .. } = job;
    let RunOptions { output, adapters, observers, panics, .. } = options.clone();
    let (start, interval) = (resumed.step, SharedInterval::new(Mutex::new(resumed.interval)));
    let interrupter = Interrupter::new();
    let failure = Failure::new(interrupter.clone());
    let path = output.join(METRICS);
    let health: Health = match start {
        0 => Health::default(),
        _ => read_records::<RecordOf<M>>(&path)?.iter().filter_map(RunRecord::validation).collect(),
    };
    let recorder = Arc::new(Recorder::open(&path, validations.clone(), observers.clone(), failure.clone())?);
    let Judging { make_record, make_sample, evaluate } = judging;
    let samples = make_sample.map(|make| SampleLog::create(&output, make)).transpose()?;
    let kept = (seed, course.training.clone());
    let checkpoints = Checkpoints::new(output.join(CHECKPOINTS), start, kept, fingerprint, interval.clone())?
        .reporting_to(observers, validations.clone());
    let summaries = (
        Summary::train(
            course.training.log_every,
            course.length.clone(),
            interval,
            make_record.clone(),
            recorder.clone(),
        ),
        Summary::valid(course.length.clone(), make_record, recorder, health),
    );
    let ending = Arc::new(Mutex::new(Ending::default()));
    let windows = Windows {
        replicas: replicas(&adapters, &loaders.0, &course),
        read_every: if computes_on_host(&adapters.main().device) { 1 } else { course.training.log_every },
        course,
        options,
        start,
        checkpoints,
        validations,
        samples,
        evaluate,
        failure: failure.clone(),
        ending: ending.clone(),
    };
    let caught = caught_on(&adapters, panics, move || learn(begin, loaders, summaries, windows, interrupter));
    Ok(Trained { caught, failure, ending })
}

/// The devices, with autodiff, and the loaders of their replicas.
fn replicas<M: Trainable>(adapters: &Adapters, loaders: &[TrainLoader<M>], course: &Course) -> Replicas<M> {
    let of = |(adapter, loader): (&Adapter, &TrainLoader<M>)| (adapter.recording(&course.training), loader.clone());
    Replicas { devices: adapters.iter().zip(loaders).map(of).collect(), adapters: adapters.clone() }
}

/// Launches Burn's Learner; the trained model.
fn learn<M: Trainable>(
    begin: Begin<M>,
    (train, valid): (Vec<TrainLoader<M>>, ValidLoader<M>),
    (of_training, of_validation): (Summary<TallyOf<M>>, Summary<TallyOf<M>>),
    windows: Windows<M>,
    interrupter: Interrupter,
) -> M {
    let (place, [model, optimizer, scheduler]) = (windows.options.output.clone(), windows.checkpoints.parts());
    SupervisedTraining::new(place, train[0].clone(), valid)
        .renderer(Box::new(Silent))
        .with_interrupter(interrupter)
        .with_metric_logger(Silent)
        .with_application_logger(None)
        .with_custom_checkpointers(model, optimizer, scheduler)
        .with_checkpointing_strategy(Always)
        .metric_train(of_training)
        .metric_valid(of_validation)
        .with_training_strategy(TrainingStrategy::Custom(Arc::new(windows)))
        .launch(Learner::new(begin.model, begin.optimizer, begin.schedule))
        .model
}
