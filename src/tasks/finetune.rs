//! A fine-tuning run: from a configuration to a model that answers, and the figures that it reaches.

use super::data::{LabelledData, counts, features};
use super::example::Input;
use super::feature::Feature;
use super::loader::{TaskSteps, TaskValidLoader};
use super::network::{Finetuner, Network};
use super::predictor::{Predictor, check_pairs, decode_all};
use super::recipe::{self, resolve};
use super::recommendation;
use super::report::{FinetuneReport, card};
use super::resume::{at_checkpoint, best_kept, found, open};
use super::tally::{TaskRecord, TaskTally};
use super::task::{Encoding, Metrics};
use crate::config::{FinetuneConfig, Kind, ModelConfig, Precision, TrainingConfig};
use crate::data::Cursor;
use crate::device::Adapter;
use crate::error::{Error, Result};
use crate::files;
use crate::hub;
use crate::learner::{
    Begin, Course, EarlyStopping, Fitted, Found, Job, Judging, Length, RunGuard, RunOptions, VERSION, WarmupLinear,
    fit, layerwise, optimizer, shared, used,
};
use crate::tokenizer::Tokenizer;
use burn::module::Module;
use electra_runs::RunFacts;
use electra_runs::layout::{MODEL, RESULTS};
use std::path::Path;
use std::sync::Arc;

/// Fine-tunes as `config` says, writing `config.toml`, `metrics.jsonl`, `checkpoints/`, `results.json` and `model/` into
/// the run directory; or resumes the run that lies there.
///
/// # Errors
/// Wrong input (nothing is written then) or a run that failed on its way.
pub fn finetune(config: &FinetuneConfig, options: RunOptions) -> Result<FinetuneReport> {
    config.validate()?;
    let kind = config.task.parse().map_err(|message: String| Error::config("task", message))?;
    match kind {
        Kind::Recommendation => recommendation::run(config, options),
        kind => run(kind, config, options),
    }
}

fn run(kind: Kind, config: &FinetuneConfig, options: RunOptions) -> Result<FinetuneReport> {
    let RunOptions { output, adapters, observers, resume, .. } = &options;
    recipe::check_keys(kind, config)?;
    adapters.require_precision(config.training.precision)?;
    let plan = FinetunePlan::new(kind, config, &options)?;
    let directory = open(*resume, output, &plan.config)?;
    let (every, fingerprint) = (plan.training.checkpoint_every, &plan.data.fingerprint);
    let found = found(*resume, output, every, fingerprint, observers)?;
    let network = plan.network(adapters.main())?;
    let run = RunGuard::begin(directory, &plan.config.to_toml())?;
    let fitted = fit(plan.job(network, found, options.clone()));
    let report = fitted.and_then(|fitted| plan.report(fitted, &options));
    run.end(report, |report| report.interrupted.clone())
}

/// What a run does, checked before anything is written.
struct FinetunePlan {
    kind: Kind,
    /// With everything that was left open.
    config: FinetuneConfig,
    training: TrainingConfig,
    /// That of the encoder.
    model: ModelConfig,
    tokenizer: Tokenizer,
    data: Arc<LabelledData>,
    /// Features to train on.
    train: Arc<[Feature]>,
    dev: Arc<[Feature]>,
    /// Longest text in tokens.
    max_length: usize,
}

impl FinetunePlan {
    /// # Errors
    /// Whatever is wrong with the configuration, the encoder or the data.
    fn new(kind: Kind, config: &FinetuneConfig, options: &RunOptions) -> Result<Self> {
        let config = &FinetuneConfig { model: hub::place(&config.model, &["discriminator"])?, ..config.clone() };
        let mut model = hub::read_config(&config.model)?;
        if let Some(dropout) = config.dropout {
            (model.hidden_dropout_prob, model.attention_probs_dropout_prob) = (dropout, dropout);
        }
        let tokenizer = Tokenizer::load(&config.model)?;
        let data = LabelledData::read(kind, config)?;
        data.report(&tokenizer, &options.observers)?;
        let longest = hub::trained_length(&config.model)?;
        let config = &resolve(config, &data.task, &model, longest, data.train.rows.len())?;
        let max_length = recipe::max_length(config, data.task.kind(), longest);
        let how = Encoding { tokenizer: &tokenizer, max_length };
        let train = features(&data.task, &data.train.rows, how, Some(config.seed))?;
        let dev = features(&data.task, &data.dev.rows, how, None)?;
        for (path, features) in [(&data.train.path, &train), (&data.dev.path, &dev)] {
            check_pairs(features, &model).map_err(|message| Error::input(path, message))?;
        }
        if !dev.is_empty() && !dev.iter().any(|feature| feature.target.is_known()) {
            let message = "the training data have none of its labels, so that nothing can be chosen by it; expected the \
                           same labels";
            return Err(Error::input(&data.dev.path, message));
        }
        if train.is_empty() {
            return Err(Error::input(&config.data.train, "no row has a token to train on"));
        }
        let pass = TaskSteps::steps_a_pass(train.len(), config.data.batch_size, config.data.accumulation);
        let training = recipe::training(config, recipe::metric(config, &data.task), pass);
        training.check_length()?;
        let config = recipe::with_training(config, &training);
        recipe::check_metric(&config, &data.task, &data.dev.rows)?;
        let (data, train, dev) = (Arc::new(data), train.into(), dev.into());
        Ok(Self { kind, config, training, model, tokenizer, data, train, dev, max_length })
    }

    fn metric(&self) -> &str {
        recipe::metric(&self.config, &self.data.task)
    }

    /// The network that training begins with.
    fn network(&self, adapter: &Adapter) -> Result<Finetuner> {
        let Self { config, data, model, .. } = self;
        let device = adapter.device.clone().autodiff();
        let mut network = Network::new(data.task.head(), model, config.seed, &device);
        if !config.from_scratch
            && let Some(missing) = network.load_encoder(&config.model)?.first()
        {
            return Err(Error::input(
                &config.model,
                format!("the weights lack {missing}; expected those of an ELECTRA"),
            ));
        }
        if let Some(bias) = data.task.initial_bias(&data.train.rows) {
            network.set_bias(&bias);
        }
        let training = &config.training;
        Ok(Finetuner::new(network, data.task.loss(), training.precision, training.loss_scale.unwrap_or(1.0)))
    }

    /// What there is to do, with `network`, from `found` on where the run is resumed.
    fn job(&self, network: Finetuner, found: Option<Found<TaskTally>>, options: RunOptions) -> Job<Finetuner> {
        let Self { config, training, model, data, .. } = self;
        let (adapters, cursor, pad) = (&options.adapters, Cursor::default(), self.tokenizer.special().pad);
        let sizes = (config.data.batch_size, config.data.accumulation);
        let steps =
            TaskSteps::new(self.train.clone(), sizes, pad, config.seed).deterministic(config.training.deterministic);
        let steps = Arc::new(steps);
        let device = adapters.main().device.clone();
        let valid = TaskValidLoader::new(self.dev.clone(), config.data.batch_size, pad, device, cursor.clone());
        let rate = recipe::learning_rate(config, model);
        let warmup = config.schedule.warmup_steps.unwrap_or(training.steps / 10).clamp(1, training.steps);
        let start = found.as_ref().map_or(0, |found| found.state.step);
        let schedule = WarmupLinear::of(rate, warmup, training.steps).at(start);
        let patience = |patience| EarlyStopping { metric: self.metric().to_owned(), patience };
        Job {
            loaders: (shared::<Finetuner, _>(&steps, adapters, &cursor), Arc::new(valid)),
            course: Course {
                training: training.clone(),
                length: Length::new(training, used(found.as_ref())),
                cursor,
                sequences: Arc::new(move |step| steps.numbers(step).concat()),
                batch_size: config.data.batch_size,
                max_grad_norm: config.optimizer.max_grad_norm,
                early_stopping: config.early_stopping.map(patience),
            },
            begin: Begin {
                model: network.train(),
                optimizer: optimizer(&config.adamw(rate)),
                schedule: layerwise(&schedule, recipe::layerwise_decay(config, model), model.num_hidden_layers),
                found,
            },
            judging: Judging::records(make_record(data.clone(), self.dev.clone())),
            facts: RunFacts {
                examples: counts(&data.train, &data.dev, data.test.as_ref()),
                ..RunFacts::new(VERSION, self.kind.name())
            },
            seed: config.seed,
            fingerprint: data.fingerprint.clone(),
            logging: config.logging.clone(),
            options,
        }
    }

    /// What the run came to; judges and writes the best model where it was not stopped before its end.
    fn report(self, fitted: Fitted<Finetuner>, options: &RunOptions) -> Result<FinetuneReport> {
        let mut report = FinetuneReport {
            steps: fitted.steps,
            total_steps: self.training.steps,
            elapsed: fitted.elapsed,
            interrupted: fitted.interrupted,
            device: options.adapters.to_string(),
            metric: self.metric().to_owned(),
            facts: fitted.facts,
            ..FinetuneReport::default()
        };
        if report.interrupted.is_some() {
            return Ok(report);
        }
        let every = self.training.checkpoint_every;
        let (step, value) = best_kept(&fitted.validations, &report.metric, fitted.steps, every);
        (report.best_step, report.best_value) = (Some(step), value);
        let model = match step == fitted.steps {
            true => fitted.model,
            false => at_checkpoint(fitted.model, &options.output, step)?,
        };
        let pairs = match &self.data.train.rows.first().map(|example| &example.input) {
            Some(Input::Pair(..)) => Some(true),
            Some(Input::Text(_)) => Some(false),
            _ => None,
        };
        let predictor = Predictor {
            precision: Precision::Auto,
            task: self.data.task.clone(),
            note: None,
            pairs,
            network: model.network,
            config: self.model,
            tokenizer: self.tokenizer,
            max_length: self.max_length,
            device: options.adapters.main().device.clone(),
        };
        judge(&mut report, predictor, &self.data, &self.config, &options.output)?;
        Ok(report)
    }
}

type MakeRecord = Arc<dyn Fn(usize, &str, &TaskTally) -> TaskRecord + Send + Sync>;

/// Records with the task's metrics on `dev`.
fn make_record(data: Arc<LabelledData>, dev: Arc<[Feature]>) -> MakeRecord {
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

/// Evaluates the best model and writes it, with `results.json`, into the run.
fn judge(
    report: &mut FinetuneReport,
    mut predictor: Predictor,
    data: &LabelledData,
    config: &FinetuneConfig,
    output: &Path,
) -> Result<()> {
    let (_, predictions) = predictor.evaluate(&data.dev.rows)?;
    predictor.task.tune(&data.dev.rows, &predictions);
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
