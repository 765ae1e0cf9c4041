//! A run of recommendation: from sessions to a pair that says what comes next, and the figures that it reaches.

use super::super::data::{counts, describe};
use super::super::report::{FinetuneReport, card};
use super::super::resume::{at_checkpoint, best_kept, found, open};
use super::data::SessionData;
use super::recipe;
use super::recommender::{Recommender, Settings};
use crate::config::{Config, DataConfig, FinetuneConfig, Kind, MaskingUnit};
use crate::corpus::{Progress, Split, TokenStore};
use crate::data::{Cursor, Sequences, TrainSteps, ValidLoader};
use crate::device::Adapters;
use crate::error::{Error, Result};
use crate::files;
use crate::hub::{self, Trained};
use crate::learner::{
    Begin, Course, EarlyStopping, Fitted, Found, Job, Judging, Length, Pretrainer, RunGuard, RunOptions, VERSION,
    WarmupLinear, corpus_facts, fit, optimizer, record_of, shared, used,
};
use crate::objective::Tally;
use electra_runs::layout::{MODEL, RESULTS};
use electra_runs::{Outcome, RunFacts};
use std::path::Path;
use std::sync::Arc;

/// Items that the discriminator reranks, where that is found to be better.
const CANDIDATES: usize = 100;

/// Pretrains a pair on sessions as `config` says, writing what [`finetune`](super::super::finetune()) writes.
///
/// # Errors
/// Wrong input (nothing is written then) or a run that failed on its way.
pub(crate) fn run(config: &FinetuneConfig, options: RunOptions) -> Result<FinetuneReport> {
    let RunOptions { output, adapters, observers, resume, .. } = &options;
    let config = recipe::resolve(config)?;
    let data = SessionData::read(&config)?;
    for (name, loaded) in [("train", Some(&data.train)), ("dev", Some(&data.dev)), ("test", data.test.as_ref())] {
        let Some(loaded) = loaded else { continue };
        observers.stage(&describe(name, "sessions", loaded));
    }
    let vocab_size = data.tokenizer.vocab_size();
    // Sizes are checked before the store is built; its documents decide the steps.
    let width = recipe::pretraining(&config, vocab_size, 1)?.data.sequence_length.saturating_sub(2);
    let store = data.store(width, &mut |progress: Progress| observers.progress(progress))?;
    let pretraining = recipe::pretraining(&config, vocab_size, store.documents(Split::Train))?;
    adapters.require_precision(pretraining.training.precision)?;

    let directory = open(*resume, output, &config)?;
    let every = pretraining.training.checkpoint_every;
    let found: Option<Found<Tally>> = found(*resume, output, every, &data.fingerprint, observers)?;
    let run = RunGuard::begin(directory, &config.to_toml())?;
    let plan = RecommendationPlan { config, pretraining, data };
    let fitted = fit(plan.job(store, found, options.clone()));
    let report = fitted.and_then(|fitted| plan.report(fitted, &options));
    run.end(report, |report| report.interrupted.clone())
}

/// What a run does, checked before anything is written.
struct RecommendationPlan {
    config: FinetuneConfig,
    /// What that comes to for the pair.
    pretraining: Config,
    data: SessionData,
}

impl RecommendationPlan {
    /// The metric that the best checkpoint is chosen by.
    fn metric(&self) -> String {
        self.pretraining.training.keep_best.clone().unwrap_or_default()
    }

    /// What there is to do on the items in `store`, from `found` on where the run is resumed.
    fn job(&self, store: TokenStore, found: Option<Found<Tally>>, options: RunOptions) -> Job<Pretrainer> {
        let Self { config, pretraining: pair, data } = self;
        let adapters = &options.adapters;
        let facts = RunFacts {
            examples: counts(&data.train, &data.dev, data.test.as_ref()),
            corpus: Some(corpus_facts(&store)),
            ..RunFacts::new(VERSION, &config.task)
        };
        let start = found.as_ref().map_or(0, |found| found.state.step);
        let (length, cursor) = (Length::new(&pair.training, used(found.as_ref())), Cursor::default());
        let (steps, valid) = loaders(pair, data, store, adapters, &cursor);
        Job {
            begin: Begin {
                model: Pretrainer::new(pair, &adapters.main().recording(&pair.training)),
                optimizer: optimizer(&pair.optimizer),
                schedule: WarmupLinear::new(pair).timed(&length).at(start).into(),
                found,
            },
            loaders: (shared::<Pretrainer, _>(&steps, adapters, &cursor), Arc::new(valid)),
            course: Course {
                training: pair.training.clone(),
                length,
                cursor,
                sequences: Arc::new(move |step| steps.indices(step).into_iter().map(|(index, _)| index).collect()),
                batch_size: pair.data.batch_size,
                max_grad_norm: pair.optimizer.max_grad_norm,
                early_stopping: config.early_stopping.map(|patience| EarlyStopping { metric: self.metric(), patience }),
            },
            judging: Judging::records(Arc::new(record_of)),
            facts,
            seed: pair.seed,
            fingerprint: data.fingerprint.clone(),
            logging: pair.logging.clone(),
            options,
        }
    }

    /// What the run came to; judges and writes the best pair where it was not stopped before its end.
    fn report(&self, fitted: Fitted<Pretrainer>, options: &RunOptions) -> Result<FinetuneReport> {
        let Self { config, pretraining: pair, data } = self;
        let mut report = FinetuneReport {
            steps: fitted.steps,
            total_steps: pair.training.steps,
            elapsed: fitted.elapsed,
            interrupted: fitted.interrupted,
            device: options.adapters.to_string(),
            metric: self.metric(),
            facts: fitted.facts,
            ..FinetuneReport::default()
        };
        if report.interrupted.is_some() {
            return Ok(report);
        }
        let every = pair.training.checkpoint_every;
        let (step, value) = best_kept(&fitted.validations, &report.metric, fitted.steps, every);
        (report.best_step, report.best_value) = (Some(step), value);
        let mut records = fitted.records;
        let model = match step == fitted.steps {
            true => fitted.model,
            false => {
                records.retain(|record| record.step <= step);
                at_checkpoint(fitted.model, &options.output, step)?
            }
        };
        let outcome = Outcome { steps: step, records, facts: report.facts.clone() };
        let trained = Trained { config: pair, pair: &model.pair, tokenizer: &data.tokenizer, outcome: &outcome };
        let settings = Settings {
            max_length: pair.data.sequence_length,
            candidates: config.candidates.unwrap_or(CANDIDATES),
            picked: picked(&pair.data),
        };
        let device = &options.adapters.main().device;
        let mut recommender = Recommender::new(data.tokenizer.clone(), &model.pair, settings, device);
        if config.candidates.is_none() {
            let [alone, refined] = recommender.choose(&data.dev)?;
            let message = format!("dev ndcg@10: {alone:.4} by the generator, {refined:.4} with the discriminator");
            options.observers.stage(&message);
        }
        judge(&mut report, &recommender, trained, data, config, &options.output)?;
        Ok(report)
    }
}

/// The steps of training, and the loader of validations; a validation asks for the next item of every session and for nothing else.
fn loaders(
    pair: &Config,
    data: &SessionData,
    store: TokenStore,
    adapters: &Adapters,
    cursor: &Cursor,
) -> (Arc<TrainSteps>, ValidLoader) {
    let (store, kinds) = (Arc::new(store), data.tokenizer.kinds());
    let asked = Config { data: DataConfig { masking: MaskingUnit::Last, ..pair.data.clone() }, ..pair.clone() };
    let sequences = |split, config| Sequences::new(store.clone(), split, config, kinds.clone());
    let (train, valid) = (sequences(Split::Train, pair), sequences(Split::Valid, &asked));
    (
        Arc::new(TrainSteps::new(train, pair, &kinds)),
        ValidLoader::new(valid, &asked, &kinds, adapters.main().device.clone(), cursor.clone()),
    )
}

/// How often the last item of a sequence is picked.
fn picked(config: &DataConfig) -> f64 {
    match config.masking {
        MaskingUnit::Last => 1.0,
        _ => config.mask_probability,
    }
}

/// Evaluates the best model and writes it, with `results.json`, into the run.
fn judge(
    report: &mut FinetuneReport,
    recommender: &Recommender,
    trained: Trained,
    data: &SessionData,
    config: &FinetuneConfig,
    output: &Path,
) -> Result<()> {
    report.dev = recommender.evaluate(&data.dev)?.0;
    if let Some(best) = trained.outcome.last_validation() {
        // What the checkpoint was chosen by, so that seeds can be compared by it.
        let json = serde_json::to_value(best).map_err(Error::internal)?;
        report.dev.extend(json[&report.metric].as_f64().map(|value| (report.metric.clone(), value)));
    }
    report.test = data.test.as_ref().map(|test| recommender.evaluate(test)).transpose()?.map(|(metrics, _)| metrics);
    let judged = data.test.as_ref().unwrap_or(&data.dev);
    report.baseline = Some(("the most frequent items".to_owned(), recommender.popularity(judged)));
    files::replace_whole(&output.join(MODEL), |target| {
        hub::export(target, trained)?;
        recommender.save_settings(target)?;
        let path = target.join("README.md");
        std::fs::write(&path, card(config, Kind::Recommendation, report)).map_err(Error::io(&path))
    })?;
    Ok(files::write_file(&output.join(RESULTS), format!("{:#}\n", report.to_json()).as_bytes())?)
}
