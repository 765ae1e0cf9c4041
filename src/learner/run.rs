//! A pretraining run from a configuration to two exported models.

use super::estimate::{Limits, check_fits};
use super::fit::{fit, shared, with_status};
use super::found::{newest, used};
use super::job::{Faults, Job};
use super::length::Length;
use super::metrics::MakeRecord;
use super::optimizer::{optimizer, schedule};
use super::pairs::Pairs;
use super::prepare::{corpus_facts, loaders, prepare};
use super::record::record_of;
use super::samples::sampler;
use super::step::Pretrainer;
use crate::config::Config;
use crate::corpus::Progress;
use crate::data::Cursor;
use crate::device::Adapters;
use crate::error::{Error, Result};
use crate::files;
use crate::hub::Trained;
use crate::model::ElectraPair;
use crate::objective::Tally;
use crate::scoring;
use crate::tokenizer::Tokenizer;
use burn::module::Module;
use electra_runs::layout::{CONFIG, METRICS, TOKENIZER};
use electra_runs::{Outcome, Record, RunDirectory, RunFacts, RunState, Status, read_records};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// Of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a run needs beside its configuration.
pub struct RunOptions<'a> {
    /// The run directory: new or empty, or that of the run to resume.
    pub output: PathBuf,
    /// Where to train.
    pub adapters: Adapters,
    /// The tokenizer and the pair to begin from; otherwise both are made afresh.
    pub initial: Option<(Tokenizer, ElectraPair)>,
    /// Resume the run in `output` after its newest whole checkpoint.
    pub resume: bool,
    /// Set to its number by the handler of a signal: the run saves a checkpoint after the current step and stops.
    pub signal: Arc<AtomicUsize>,
    /// For tests: what goes wrong on purpose.
    pub faults: Faults,
    /// Show the dashboard on the terminal instead of lines.
    pub dashboard: bool,
    /// Is told what is being done before training begins.
    pub progress: &'a mut dyn FnMut(Progress),
}

/// A run that has ended.
pub struct Report {
    /// The trained networks, without autodiff.
    pub model: Pretrainer,
    /// The tokenizer that was trained on the corpus.
    pub tokenizer: Tokenizer,
    /// Its steps and records.
    pub outcome: Outcome,
    /// Time from the first step to the last validation, where it is known.
    pub elapsed: Option<Duration>,
    /// Why the run stopped before its last step, where it was asked to.
    pub interrupted: Option<String>,
}

impl Report {
    /// The trained pair of a run with `config`, to be exported.
    pub fn trained<'a>(&'a self, config: &'a Config) -> Trained<'a> {
        Trained { config, pair: &self.model.pair, tokenizer: &self.tokenizer, outcome: &self.outcome }
    }
}

/// Pretrains as `config` says, writing `config.toml`, `tokenizer/`, `metrics.jsonl` and `checkpoints/` into the run
/// directory; or resumes the run that lies there.
///
/// # Errors
/// Wrong input (nothing is written then) or a run that failed on its way.
pub fn pretrain(config: &Config, options: RunOptions) -> Result<Report> {
    let output = options.output.clone();
    with_status(&output, |begun| train(config, options, begun), |report| report.interrupted.clone())
}

/// [`pretrain`]; `begun` says whether the run directory was written to.
fn train(config: &Config, options: RunOptions, begun: &mut bool) -> Result<Report> {
    let RunOptions { output, adapters, initial, resume, signal, faults, dashboard, progress } = options;
    adapters.require_precision(config.training.precision)?;
    let count = adapters.iter().len();
    adapters.iter().try_for_each(|adapter| check_fits(config, &adapter.name, Limits::of(adapter), count))?;
    let pairs = match config.evaluation.pairs.as_deref() {
        Some(name) => Some((name, scoring::pairs::named(name)?)),
        None => None,
    };
    let directory = if resume { RunDirectory::open(&output)? } else { RunDirectory::create(&output)? };
    let every = config.training.checkpoint_every;
    let found = match resume {
        true => newest(&output, every, &mut |message| progress(Progress::Stage(message)))?,
        false => None,
    };
    if let Some(found) = found.as_ref().filter(|found| found.state.step > config.training.steps) {
        let (done, asked) = (found.state.step, config.training.steps);
        let message = format!("{asked}, but {done} steps of the run are done; expected {done} or more");
        return Err(Error::config("training.steps", message));
    }
    if found.is_none() && initial.is_none() && config.init.discriminator.is_some() {
        let message = "the run began from this pair, which is not there to begin from again; expected it to be loaded";
        return Err(Error::config("init.discriminator", message));
    }
    let start = found.as_ref().map_or(0, |found| found.state.step);
    let length = Length::new(&config.training, used(found.as_ref()));
    if found.is_some() && length.share_of_time().is_some_and(|share| share >= 1.0) && !is_validated(&output, start)? {
        let (asked, used) = (length.budget.unwrap_or_default(), length.elapsed());
        let message =
            format!("{} s, but {:.0} s of the run are used; expected more", asked.as_secs(), used.as_secs_f64());
        return Err(Error::config("training.time_budget", message));
    }
    let tokenizer_path = output.join(TOKENIZER);
    let (tokenizer, pair) = initial.unzip();
    let tokenizer = match tokenizer {
        None if found.is_some() && config.init.discriminator.is_some() => Some(Tokenizer::load(&tokenizer_path)?),
        tokenizer => tokenizer,
    };
    let (tokenizer, store) = prepare(config, tokenizer, progress)?;
    let fingerprint = store.fingerprint()?;
    if let Some(found) = found.as_ref().filter(|found| found.state.store != fingerprint) {
        let message = format!("its store is another than that of {}; a run keeps its own text", found.path.display());
        return Err(Error::config("data.corpus", message));
    }
    let pairs = match pairs {
        Some(pairs) => Some(Pairs::new(pairs, config, &tokenizer, &adapters.main().device, signal.clone(), progress)?),
        None => None,
    };
    let facts = RunFacts { corpus: Some(corpus_facts(&store)), ..RunFacts::new(VERSION, "pretraining") };

    let cursor = Cursor::default();
    let (steps, valid) = loaders(config, &tokenizer, store, &adapters, &cursor)?;
    files::write_file(&output.join(CONFIG), config.to_toml().as_bytes())?;
    let directory = directory.keep();
    *begun = true;
    Status::write(RunState::Running, None, &output)?;
    if !tokenizer_path.exists() {
        files::write_whole(&tokenizer_path, |path| tokenizer.save(path, config.model.max_position_embeddings))?;
    }

    let model = match pair {
        Some(pair) => Pretrainer::from_pair(pair.train(), config),
        None => Pretrainer::new(config, &adapters.main().recording(&config.training)),
    };
    let make_sample = sampler(config, &tokenizer, &valid, &adapters.main().device);
    let job = Job {
        directory,
        output: &output,
        adapters: &adapters,
        model,
        optimizer: optimizer(&config.optimizer),
        schedule: schedule(config, &length, start),
        length,
        facts,
        found,
        fingerprint,
        loaders: (shared::<Pretrainer, _>(&steps, &adapters, &cursor), Arc::new(valid)),
        sequences: Arc::new(move |step| steps.indices(step).into_iter().map(|(index, _)| index).collect()),
        cursor,
        make_record: record_with(pairs.clone()),
        make_sample,
        evaluate: pairs.map(|pairs| Box::new(move |model: &Pretrainer| pairs.evaluate(model)) as _),
        seed: config.seed,
        max_grad_norm: config.optimizer.max_grad_norm,
        batch_size: config.data.batch_size,
        training: &config.training,
        early_stopping: None,
        logging: &config.logging,
        signal,
        faults,
        dashboard,
        progress,
    };
    let fitted = fit(job)?;
    Ok(Report {
        model: fitted.model,
        tokenizer,
        outcome: Outcome { steps: fitted.steps, records: fitted.records, facts: fitted.facts },
        elapsed: fitted.elapsed,
        interrupted: fitted.interrupted,
    })
}

/// Whether the records of the run at `output` have a validation at `step`.
fn is_validated(output: &Path, step: usize) -> Result<bool> {
    let records: Vec<Record> = read_records(&output.join(METRICS))?;
    Ok(records.iter().any(|record| record.step == step && record.split == "valid"))
}

/// Makes records, those of validations with what `pairs` came to.
fn record_with(pairs: Option<Pairs>) -> MakeRecord<Tally> {
    Arc::new(move |step, split, tally| {
        let score = pairs.as_ref().filter(|_| split == "valid").and_then(Pairs::take);
        let (discriminator, generator) = (score.map(|score| score.discriminator), score.map(|score| score.generator));
        Record { pairs_discriminator: discriminator, pairs_generator: generator, ..record_of(step, split, tally) }
    })
}
