//! A pretraining run from a configuration to two exported models.

use super::checkpoint::{Checkpoints, KeepNewest};
use super::metrics::{Number, Plot, Summary};
use super::optimizer::{WarmupLinear, optimizer};
use super::record::{Failure, Record, RecordLog};
use super::renderer::Lines;
use super::step::Pretrainer;
use super::strategy::{Ending, Windows, windows};
use crate::config::Config;
use crate::corpus::read::{Corpus, ReadOptions};
use crate::corpus::{self, BuildOptions, Progress, Split, TokenStore, Vocabulary};
use crate::data::{Cursor, Sequences, TrainLoader, ValidLoader};
use crate::device::Adapter;
use crate::error::{Error, Result};
use crate::model::ElectraPair;
use crate::tokenizer::Tokenizer;
use burn::module::Module;
use burn::train::renderer::MetricsRenderer;
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn::train::{Interrupter, Learner, SupervisedTraining, TrainingStrategy};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a run needs beside its configuration.
pub struct RunOptions<'a> {
    /// The run directory, which must not exist or be empty.
    pub output: PathBuf,
    /// Where to train.
    pub adapter: Adapter,
    /// The tokenizer and the pair to go on from; otherwise both are made afresh.
    pub initial: Option<(Tokenizer, ElectraPair)>,
    /// Show the dashboard on the terminal instead of lines.
    pub dashboard: bool,
    /// Is told what is being done before training begins.
    pub progress: &'a mut dyn FnMut(Progress),
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
/// directory.
///
/// # Errors
/// Wrong input (nothing is written then) or a run that failed on its way.
pub fn pretrain(config: &Config, options: RunOptions) -> Result<Report> {
    let RunOptions { output, adapter, initial, dashboard, progress } = options;
    let directory = RunDirectory::create(&output)?;
    let (tokenizer, pair) = initial.unzip();
    let (tokenizer, store) = prepare(config, tokenizer, progress)?;
    let corpus = (store.documents(Split::Train), store.range(Split::Train).len());

    let device = adapter.device.clone().autodiff();
    let cursor = Cursor::default();
    let loaders = loaders(config, &tokenizer, store, &adapter, &cursor)?;
    let config_path = output.join("config.toml");
    std::fs::write(&config_path, config.to_toml()).map_err(Error::io(&config_path))?;
    directory.keep();
    let tokenizer_path = output.join("tokenizer");
    std::fs::create_dir(&tokenizer_path).map_err(Error::io(&tokenizer_path))?;
    tokenizer.save(&tokenizer_path, config.model.max_position_embeddings)?;

    let model = match pair {
        Some(pair) => Pretrainer::from_pair(pair.train(), config),
        None => Pretrainer::new(config, &device),
    };
    let parameters = readable_count(model.num_params());
    progress(Progress::Stage(&format!("training {parameters} parameters on {}", describe(&adapter))));

    let interrupter = Interrupter::new();
    let metrics_path = output.join("metrics.jsonl");
    let failure = Failure::default();
    let log = RecordLog::create(&metrics_path, Summary::NAME, interrupter.clone(), failure.clone())
        .map_err(Error::io(&metrics_path))?;
    let renderer: Box<dyn MetricsRenderer> = if dashboard {
        Box::new(TuiMetricsRendererWrapper::new(interrupter.clone(), None))
    } else {
        Box::new(Lines::new(std::io::stdout()))
    };
    let ending = Arc::new(Mutex::new(Ending::default()));
    let windows = windows(&config.training);
    let [model_part, optimizer_part, scheduler_part] =
        Checkpoints::new(output.join("checkpoints"), config.seed).parts();
    let total = config.training.steps;
    let mut training = SupervisedTraining::new(&output, Arc::new(loaders.0), Arc::new(loaders.1))
        .num_epochs(windows.len())
        .renderer(renderer)
        .with_interrupter(interrupter)
        .with_metric_logger(log)
        .with_application_logger(None)
        .with_custom_checkpointers(model_part, optimizer_part, scheduler_part)
        .with_checkpointing_strategy(KeepNewest::new(config.training.keep_checkpoints))
        .metric_train(Summary::train(config.training.log_every, total))
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
        ending: ending.clone(),
    };
    let started = Instant::now();
    let result = training.with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy))).launch(Learner::new(
        model,
        optimizer(&config.optimizer),
        WarmupLinear::new(config),
    ));
    let elapsed = started.elapsed();
    // Closes the dashboard, so that what follows is printed on the usual screen.
    drop(result.renderer);

    if let Some(error) = failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(Error::io(&metrics_path)(error));
    }
    let ending = ending.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(error) = ending.error {
        return Err(Error::Training(error));
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

/// Opens the store of the corpus, which is built first where it is not in the cache.
fn prepare(
    config: &Config,
    tokenizer: Option<Tokenizer>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Tokenizer, Arc<TokenStore>)> {
    let paths = &config.data.corpus;
    let store = match paths.as_slice() {
        [store] if TokenStore::is_at(store) => {
            progress(Progress::Stage(&format!("verifying the store {}", store.display())));
            TokenStore::open(store)?
        }
        _ => {
            let corpus = if paths.is_empty() {
                Corpus::from_texts("the corpus that is compiled in", corpus::embedded())
            } else {
                Corpus::open(paths, ReadOptions::from(&config.corpus))?
            };
            let vocabulary = match &tokenizer {
                Some(tokenizer) => Vocabulary::Given(tokenizer),
                None => Vocabulary::Train { vocab_size: config.model.vocab_size, config: &config.tokenizer },
            };
            let options = BuildOptions {
                validation_share: config.data.validation_share,
                drop_duplicates: config.corpus.drop_duplicates,
                ..BuildOptions::default()
            };
            corpus::cached(&corpus, vocabulary, &options, progress)?
        }
    };
    let stored = store.tokenizer()?;
    if let Some(tokenizer) = &tokenizer
        && tokenizer.to_json()? != stored.to_json()?
    {
        let message = "its tokenizer is not the checkpoint's; build a store with that one";
        return Err(Error::input(store.directory(), message));
    }
    if tokenizer.is_none() && stored.vocab_size() != config.model.vocab_size {
        let (found, expected) = (stored.vocab_size(), config.model.vocab_size);
        return Err(Error::config(
            "model.vocab_size",
            format!("{expected}, but the store's tokenizer has {found} tokens"),
        ));
    }
    let split = |split| (readable_count(store.range(split).len()), readable_count(store.documents(split)));
    let ((train, train_documents), (valid, valid_documents)) = (split(Split::Train), split(Split::Valid));
    progress(Progress::Stage(&format!(
        "{train} training tokens in {train_documents} documents, {valid} held-out tokens in {valid_documents}; \
         {:.2} % unknown, {} duplicate documents",
        100.0 * store.manifest().unknown_share(),
        store.manifest().duplicates.found,
    )));
    Ok((tokenizer.unwrap_or(stored), Arc::new(store)))
}

/// The loaders of both splits.
fn loaders(
    config: &Config,
    tokenizer: &Tokenizer,
    store: Arc<TokenStore>,
    adapter: &Adapter,
    cursor: &Cursor,
) -> Result<(TrainLoader, ValidLoader)> {
    let (length, kinds) = (config.data.sequence_length, tokenizer.kinds());
    let sequences = |split, key: &str, what: &str| {
        let tokens = store.range(split);
        let sequences = Sequences::new(store.clone(), split, config, kinds.clone());
        if tokens.len() < length - 2 {
            return Err(Error::config(
                key,
                format!(
                    "the {what} documents hold {} tokens in {} documents, fewer than the {} that one sequence needs",
                    tokens.len(),
                    store.documents(split),
                    length - 2
                ),
            ));
        }
        Ok(sequences)
    };
    let train = sequences(Split::Train, "data.sequence_length", "training")?;
    let valid = sequences(Split::Valid, "data.validation_share", "held-out")?;
    let device = &adapter.device;
    Ok((
        TrainLoader::new(train, config, &kinds, device.clone(), cursor.clone()),
        ValidLoader::new(valid, config, &kinds, device.clone(), cursor.clone()),
    ))
}

fn describe(adapter: &Adapter) -> String {
    format!("{} ({})", adapter.name, adapter.description)
}

pub(super) fn read_records(path: &Path) -> Result<Vec<Record>> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let record = |line: &str| {
        serde_json::from_str(line).map_err(|error| Error::Training(format!("{}: {error}", path.display())))
    };
    text.lines().map(record).collect()
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

/// A run directory that vanishes again if nothing was written into it.
struct RunDirectory {
    created: Option<PathBuf>,
}

impl RunDirectory {
    /// Makes `path` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Output`] where it holds something already, or cannot be made or written to.
    fn create(path: &Path) -> Result<Self> {
        match std::fs::read_dir(path) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(Error::output(
                        path,
                        "the output directory is not empty; expected a new one, so that no run is overwritten",
                    ));
                }
                writable(path)?;
                Ok(Self { created: None })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                std::fs::create_dir_all(path)
                    .map_err(|error| Error::output(path, format!("the output directory cannot be made: {error}")))?;
                Ok(Self { created: Some(path.to_owned()) })
            }
            Err(error) => Err(Error::output(path, format!("the output directory cannot be used: {error}"))),
        }
    }

    /// From here on the directory stays.
    fn keep(mut self) {
        self.created = None;
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        if let Some(path) = &self.created {
            // Only an empty directory can be removed this way; one that is not stays, which is what is wanted.
            _ = std::fs::remove_dir(path);
        }
    }
}

fn writable(path: &Path) -> Result<()> {
    tempfile::tempfile_in(path)
        .map(drop)
        .map_err(|error| Error::output(path, format!("the output directory cannot be written to: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_readable() {
        assert_eq!([5, 999, 1000, 13_483_008].map(readable_count), ["5", "999", "1,000", "13,483,008"]);
    }
}
