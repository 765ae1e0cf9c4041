//! A pretraining run from a configuration to two exported models.

use super::checkpoint::{self, Always, Checkpoints};
use super::directory::RunDirectory;
use super::interval::{SharedInterval, locked};
use super::metrics::{Number, Plot, Summary};
use super::optimizer::{WarmupLinear, optimizer};
use super::panics::{advice, caught};
use super::prepare::{loaders, prepare};
use super::record::{self, Failure, Record, RecordLog, read_records};
use super::renderer::Lines;
use super::runs::{RunState, Status};
use super::step::Pretrainer;
use super::strategy::{Ending, Windows, windows};
use crate::config::Config;
use crate::corpus::{Progress, Split};
use crate::data::Cursor;
use crate::device::{Adapter, computes_on_host, require_precision};
use crate::error::{Error, Result};
use crate::files;
use crate::model::ElectraPair;
use crate::tokenizer::Tokenizer;
use burn::module::Module;
use burn::optim::OptimizerRecord;
use burn::store::ModuleRecord;
use burn::train::renderer::MetricsRenderer;
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn::train::{Interrupter, Learner, SupervisedTraining, TrainingStrategy};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a run needs beside its configuration.
pub struct RunOptions<'a> {
    /// The run directory: new or empty, or that of the run to go on with.
    pub output: PathBuf,
    /// Where to train.
    pub adapter: Adapter,
    /// The tokenizer and the pair to go on from; otherwise both are made afresh.
    pub initial: Option<(Tokenizer, ElectraPair)>,
    /// Go on with the run in `output` behind its newest whole checkpoint.
    pub resume: bool,
    /// Set to its number by the handler of a signal: the run saves a checkpoint behind the current step and stops.
    pub signal: Arc<AtomicUsize>,
    /// For tests: what goes wrong on purpose.
    pub faults: Faults,
    /// Show the dashboard on the terminal instead of lines.
    pub dashboard: bool,
    /// Is told what is being done before training begins.
    pub progress: &'a mut dyn FnMut(Progress),
}

/// Faults that tests put into a run; by default none.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Steps, from 1, whose gradients become NaN.
    pub poisoned_steps: Vec<usize>,
}

/// What a run has come to.
pub struct Report {
    /// The trained networks, without autodiff.
    pub model: Pretrainer,
    /// The tokenizer that was trained on the corpus.
    pub tokenizer: Tokenizer,
    /// All records, as they stand in `metrics.jsonl`.
    pub records: Vec<Record>,
    /// Steps done.
    pub steps: usize,
    /// Time from the first step to the last validation, where it is known.
    pub elapsed: Option<Duration>,
    /// Why the run stopped before its last step, where somebody asked for it.
    pub interrupted: Option<String>,
    /// Name and description of the device, where it is known.
    pub device: Option<String>,
    /// Training documents and tokens, where they are known.
    pub corpus: Option<(usize, usize)>,
}

impl Report {
    /// The last validation.
    pub fn last_validation(&self) -> Option<&Record> {
        self.records.iter().rfind(|record| record.split == "valid")
    }

    /// The validation before the first step.
    pub fn first_validation(&self) -> Option<&Record> {
        self.records.iter().find(|record| record.split == "valid")
    }
}

/// Pretrains as `config` says, writing `config.toml`, `tokenizer/`, `metrics.jsonl` and `checkpoints/` into the run
/// directory; or goes on with the run that lies there.
///
/// # Errors
/// Wrong input (nothing is written then) or a run that failed on its way.
pub fn pretrain(config: &Config, options: RunOptions) -> Result<Report> {
    let output = options.output.clone();
    let mut begun = false;
    let result = train(config, options, &mut begun);
    if begun {
        let (state, reason) = match &result {
            Ok(Report { interrupted: Some(reason), .. }) => (RunState::Interrupted, Some(reason.clone())),
            Ok(_) => (RunState::Finished, None),
            Err(error) => (RunState::Failed, Some(error.to_string())),
        };
        // On a disk that is full the error itself matters more.
        _ = Status::write(state, reason.as_deref(), &output);
    }
    result
}

/// [`pretrain`]; `begun` says whether the run directory was written to.
fn train(config: &Config, options: RunOptions, begun: &mut bool) -> Result<Report> {
    let RunOptions { output, adapter, initial, resume, signal, faults, dashboard, progress } = options;
    require_precision(&adapter, config.training.precision)?;
    let directory = if resume { RunDirectory::open(&output)? } else { RunDirectory::create(&output)? };
    let checkpoints = output.join("checkpoints");
    let found = match resume {
        true => checkpoint::newest(&checkpoints, &mut |message| progress(Progress::Stage(message)))?,
        false => None,
    };
    let start = found.as_ref().map_or(0, |found| found.state.step);
    let tokenizer_path = output.join("tokenizer");
    let (tokenizer, pair) = initial.unzip();
    let tokenizer = match tokenizer {
        None if found.is_some() && config.init.discriminator.is_some() => Some(Tokenizer::load(&tokenizer_path)?),
        tokenizer => tokenizer,
    };
    let (tokenizer, store) = prepare(config, tokenizer, progress)?;
    let fingerprint = store.fingerprint()?;
    if let Some(found) = found.as_ref().filter(|found| found.state.store != fingerprint) {
        let message =
            format!("its store is another than that of {}; a run goes on with its own text", found.path.display());
        return Err(Error::config("data.corpus", message));
    }
    let corpus = (store.documents(Split::Train), store.range(Split::Train).len());

    let device = adapter.device.clone().autodiff();
    let device = if config.training.gradient_checkpointing { device.gradient_checkpointing() } else { device };
    let cursor = Cursor::default();
    let loaders = loaders(config, &tokenizer, store, &adapter, &cursor)?;
    files::write_file(&output.join("config.toml"), config.to_toml().as_bytes())?;
    let directory = directory.keep();
    *begun = true;
    Status::write(RunState::Running, None, &output)?;
    if !tokenizer_path.exists() {
        files::write_whole(&tokenizer_path, |path| tokenizer.save(path, config.model.max_position_embeddings))?;
    }

    let (mut model, mut optimizer) = match pair {
        Some(pair) => (Pretrainer::from_pair(pair.train(), config), optimizer(&config.optimizer)),
        None => (Pretrainer::new(config, &device), optimizer(&config.optimizer)),
    };
    let interval = SharedInterval::default();
    if let Some(found) = found {
        progress(Progress::Stage(&format!("going on behind step {start}, from {}", found.path.display())));
        let model_path = found.path.join("model.bpk");
        let damaged = |error: &dyn std::fmt::Display| Error::input(&found.path, error.to_string());
        let record = ModuleRecord::load(&model_path).map_err(|error| damaged(&error))?;
        model = model.try_load_record(record).map_err(|error| damaged(&error))?;
        let record = OptimizerRecord::load(found.path.join("optimizer.bpk")).map_err(|error| damaged(&error))?;
        optimizer = optimizer.load_record(record);
        *locked(&interval) = found.interval;
    }
    let metrics_path = output.join("metrics.jsonl");
    record::cut(&metrics_path, (start > 0).then_some(start))?;
    let windows = windows(&config.training, start);
    if windows.is_empty() {
        return Ok(Report {
            model,
            tokenizer,
            records: read_records(&metrics_path)?,
            steps: start,
            elapsed: None,
            interrupted: None,
            device: Some(describe(&adapter)),
            corpus: Some(corpus),
        });
    }
    let parameters = readable_count(model.num_params());
    progress(Progress::Stage(&format!("training {parameters} parameters on {}", describe(&adapter))));

    let interrupter = Interrupter::new();
    let failure = Failure::default();
    let log = RecordLog::create(&metrics_path, Summary::NAME, interrupter.clone(), failure.clone())
        .map_err(Error::io(&metrics_path))?;
    let renderer: Box<dyn MetricsRenderer> = if dashboard {
        Box::new(TuiMetricsRendererWrapper::new(interrupter.clone(), None))
    } else {
        Box::new(Lines::new(std::io::stdout()))
    };
    let ending = Arc::new(Mutex::new(Ending::default()));
    let checkpoints = Checkpoints::new(checkpoints, start, config, fingerprint, interval.clone())?;
    let [model_part, optimizer_part, scheduler_part] = checkpoints.parts();
    let total = config.training.steps;
    let mut training = SupervisedTraining::new(&output, Arc::new(loaders.0.clone()), Arc::new(loaders.1))
        .num_epochs(windows.len())
        .renderer(renderer)
        .with_interrupter(interrupter)
        .with_metric_logger(log)
        .with_application_logger(None)
        .with_custom_checkpointers(model_part, optimizer_part, scheduler_part)
        .with_checkpointing_strategy(Always)
        .metric_train(Summary::train(config.training.log_every, total, interval))
        .metric_valid(Summary::valid(total));
    for number in Number::BOTH {
        training = training.metric_train_numeric(Plot::new(number)).metric_valid_numeric(Plot::new(number));
    }
    for number in Number::TRAIN {
        training = training.metric_train_numeric(Plot::new(number));
    }
    let strategy = Windows {
        device,
        windows,
        cursor,
        seed: config.seed,
        device_is_random: config.model.hidden_dropout_prob > 0.0 || config.model.attention_probs_dropout_prob > 0.0,
        max_grad_norm: config.optimizer.max_grad_norm,
        max_bad_steps: config.training.max_bad_steps,
        read_every: if computes_on_host(&adapter.device) { 1 } else { config.training.log_every },
        start,
        checkpoints,
        signal,
        faults,
        report: output.join("bad-step.json"),
        host: loaders.0.clone(),
        ending: ending.clone(),
    };
    let started = Instant::now();
    let learner = Learner::new(model, optimizer, WarmupLinear::new(config).at(start));
    let training = training.with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy)));
    let caught = caught(|| training.launch(learner));
    let advise = |message: &str| advice(message, config.data.batch_size, config.training.accumulation);
    if let Some(panic) = caught.panic {
        return Err(Error::Training(advise(&panic)));
    }
    let Some(result) = caught.value else { return Err(Error::Training("it ended without a reason".into())) };
    let elapsed = started.elapsed();
    // Closes the dashboard, so that what follows is printed on the usual screen.
    drop(result.renderer);
    drop(directory);

    if let Some(error) = failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(Error::io(&metrics_path)(error));
    }
    let ending = ending.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(error) = ending.error {
        return Err(Error::Training(advise(&error)));
    }
    Ok(Report {
        model: result.model,
        tokenizer,
        records: read_records(&metrics_path)?,
        steps: ending.steps,
        elapsed: Some(elapsed),
        interrupted: ending.interrupted,
        device: Some(describe(&adapter)),
        corpus: Some(corpus),
    })
}

fn describe(adapter: &Adapter) -> String {
    format!("{} ({})", adapter.name, adapter.description)
}

/// A number with thousands separated: `13,483,008`.
pub fn readable_count(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_readable() {
        assert_eq!([5, 999, 1000, 13_483_008].map(readable_count), ["5", "999", "1,000", "13,483,008"]);
    }
}
