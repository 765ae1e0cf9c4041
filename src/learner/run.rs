//! A pretraining run from a configuration to two exported models.

use super::estimate::{Limits, check_fits};
use super::fit::{fit, shared};
use super::found::{Found, newest, used};
use super::guard::RunGuard;
use super::job::{Begin, Course, Job, Judging};
use super::length::Length;
use super::metrics::MakeRecord;
use super::optimizer::{optimizer, schedule};
use super::options::RunOptions;
use super::pairs::Pairs;
use super::prepare::{corpus_facts, loaders, prepare};
use super::record::record_of;
use super::samples::sampler;
use super::step::Pretrainer;
use crate::config::Config;
use crate::corpus::Progress;
use crate::data::{Cursor, TrainSteps, ValidLoader};
use crate::device::Adapters;
use crate::error::{Error, Result};
use crate::files;
use crate::hub::{Trained, export};
use crate::model::ElectraPair;
use crate::objective::Tally;
use crate::scoring;
use crate::tokenizer::Tokenizer;
use burn::module::Module;
use electra_runs::layout::{METRICS, TOKENIZER};
use electra_runs::{Outcome, Record, RunDirectory, RunFacts, read_records};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

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
    /// What it was run with, complete.
    pub config: Config,
}

impl Report {
    /// Writes both networks below `directory`, usually the run's own, in Hugging Face's layout. For a run that was resumed after an
    /// export there is [`hub::export_again`](crate::hub::export_again).
    ///
    /// # Errors
    /// Those of [`hub::export`](crate::hub::export()).
    pub fn export(&self, directory: impl AsRef<Path>) -> Result<()> {
        export(directory.as_ref(), self.trained())
    }

    /// The trained pair, to be exported.
    pub fn trained(&self) -> Trained<'_> {
        Trained { config: &self.config, pair: &self.model.pair, tokenizer: &self.tokenizer, outcome: &self.outcome }
    }
}

/// Pretrains as `config` says, writing `config.toml`, `tokenizer/`, `metrics.jsonl` and `checkpoints/` into the run
/// directory; or resumes the run that lies there.
///
/// # Errors
/// Wrong input (nothing is written then) or a run that failed on its way.
pub fn pretrain(config: &Config, options: RunOptions) -> Result<Report> {
    pretrain_from(config, None, options)
}

/// [`pretrain`], beginning from a tokenizer and a pair of networks (see [`load_pair`](crate::hub::load_pair)) where there are
/// some.
///
/// # Errors
/// Those of [`pretrain`].
pub fn pretrain_from(
    config: &Config,
    initial: Option<(Tokenizer, ElectraPair)>,
    options: RunOptions,
) -> Result<Report> {
    let RunOptions { output, adapters, .. } = &options;
    let config = &config.clone().resolve();
    config.validate()?;
    adapters.require_precision(config.training.precision)?;
    let count = adapters.iter().len();
    adapters.iter().try_for_each(|adapter| check_fits(config, &adapter.name, Limits::of(adapter), count))?;
    if let Some(name) = &config.evaluation.pairs {
        scoring::pairs::named(name)?;
    }
    let directory = if options.resume { RunDirectory::open(output)? } else { RunDirectory::create(output)? };
    let found = found(config, initial.is_none(), &options)?;
    let (tokenizer, pair) = initial.unzip();
    let data = PretrainingData::prepare(config, tokenizer, found.as_ref(), &options)?;
    let tokenizer = data.tokenizer.clone();

    let run = RunGuard::begin(directory, &config.to_toml())?;
    let saved = save_tokenizer(&tokenizer, config, &output.join(TOKENIZER));
    let fitted = saved.and_then(|()| fit(data.job(config, pair, found, options)));
    let fitted = run.end(fitted, |fitted| fitted.interrupted.clone())?;
    Ok(Report {
        model: fitted.model,
        tokenizer,
        outcome: Outcome { steps: fitted.steps, records: fitted.records, facts: fitted.facts },
        elapsed: fitted.elapsed,
        interrupted: fitted.interrupted,
        config: config.clone(),
    })
}

/// The checkpoint to resume from; `afresh` says that there are no networks to begin from otherwise.
fn found(config: &Config, afresh: bool, options: &RunOptions) -> Result<Option<Found<Tally>>> {
    let (output, observers) = (&options.output, &options.observers);
    let found = match options.resume {
        true => newest(output, config.training.checkpoint_every, &mut |message| observers.stage(message))?,
        false => None,
    };
    let Some(checkpoint) = &found else {
        if afresh && config.init.discriminator.is_some() {
            let message =
                "the run began from this pair, which is not there to begin from again; expected it to be loaded";
            return Err(Error::config("init.discriminator", message));
        }
        return Ok(None);
    };
    let (done, asked) = (checkpoint.state.step, config.training.steps);
    if done > asked {
        let message = format!("{asked}, but {done} steps of the run are done; expected {done} or more");
        return Err(Error::config("training.steps", message));
    }
    let length = Length::new(&config.training, used(found.as_ref()));
    if length.share_of_time().is_some_and(|share| share >= 1.0) && !is_validated(output, done)? {
        let (asked, used) = (length.budget.unwrap_or_default(), length.elapsed());
        let message =
            format!("{} s, but {:.0} s of the run are used; expected more", asked.as_secs(), used.as_secs_f64());
        return Err(Error::config("training.time_budget", message));
    }
    Ok(found)
}

fn save_tokenizer(tokenizer: &Tokenizer, config: &Config, path: &Path) -> Result<()> {
    match path.exists() {
        true => Ok(()),
        false => files::write_whole(path, |path| tokenizer.save(path, config.model.max_position_embeddings)),
    }
}

/// What a run trains on and is judged by.
struct PretrainingData {
    tokenizer: Tokenizer,
    fingerprint: String,
    facts: RunFacts,
    pairs: Option<Pairs>,
    steps: Arc<TrainSteps>,
    valid: ValidLoader,
    cursor: Cursor,
}

impl PretrainingData {
    /// The text of `config`, for `tokenizer` where there is one, or else that of the run to resume.
    fn prepare(
        config: &Config,
        tokenizer: Option<Tokenizer>,
        found: Option<&Found<Tally>>,
        options: &RunOptions,
    ) -> Result<Self> {
        let RunOptions { output, adapters, observers, signal, .. } = options;
        let tokenizer = match tokenizer {
            None if found.is_some() && config.init.discriminator.is_some() => {
                Some(Tokenizer::load(&output.join(TOKENIZER))?)
            }
            tokenizer => tokenizer,
        };
        let progress = &mut |progress: Progress| observers.progress(progress);
        let (tokenizer, store) = prepare(config, tokenizer, progress)?;
        let fingerprint = store.fingerprint()?;
        if let Some(found) = found.filter(|found| found.state.store != fingerprint) {
            let message =
                format!("its store is another than that of {}; a run keeps its own text", found.path.display());
            return Err(Error::config("data.corpus", message));
        }
        let device = &adapters.main().device;
        let pairs = match config.evaluation.pairs.as_deref() {
            Some(name) => {
                let pairs = (name, scoring::pairs::named(name)?);
                Some(Pairs::new(pairs, config, &tokenizer, device, signal.clone(), progress)?)
            }
            None => None,
        };
        let facts = RunFacts { corpus: Some(corpus_facts(&store)), ..RunFacts::new(VERSION, "pretraining") };
        let cursor = Cursor::default();
        let (steps, valid) = loaders(config, &tokenizer, store, adapters, &cursor)?;
        Ok(Self { tokenizer, fingerprint, facts, pairs, steps, valid, cursor })
    }

    /// What there is to do, beginning from `pair` or `found` where there is one.
    fn job(
        self,
        config: &Config,
        pair: Option<ElectraPair>,
        found: Option<Found<Tally>>,
        options: RunOptions,
    ) -> Job<Pretrainer> {
        let Self { tokenizer, fingerprint, facts, pairs, steps, valid, cursor } = self;
        let adapters: &Adapters = &options.adapters;
        let length = Length::new(&config.training, used(found.as_ref()));
        let start = found.as_ref().map_or(0, |found| found.state.step);
        let model = match pair {
            Some(pair) => Pretrainer::from_pair(pair.train(), config),
            None => Pretrainer::new(config, &adapters.main().recording(&config.training)),
        };
        Job {
            begin: Begin {
                model,
                optimizer: optimizer(&config.optimizer),
                schedule: schedule(config, &length, start),
                found,
            },
            judging: Judging {
                make_record: record_with(pairs.clone()),
                make_sample: sampler(config, &tokenizer, &valid, &adapters.main().device),
                evaluate: pairs.map(|pairs| Box::new(move |model: &Pretrainer| pairs.evaluate(model)) as _),
            },
            loaders: (shared::<Pretrainer, _>(&steps, adapters, &cursor), Arc::new(valid)),
            course: Course {
                training: config.training.clone(),
                length,
                cursor,
                sequences: Arc::new(move |step| steps.indices(step).into_iter().map(|(index, _)| index).collect()),
                batch_size: config.data.batch_size,
                max_grad_norm: config.optimizer.max_grad_norm,
                early_stopping: None,
            },
            facts,
            seed: config.seed,
            fingerprint,
            logging: config.logging.clone(),
            options,
        }
    }
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
