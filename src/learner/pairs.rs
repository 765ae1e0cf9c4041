//! Minimal pairs at every validation, where the configuration names some.

use super::step::Pretrainer;
use crate::config::Config;
use crate::corpus::Progress;
use crate::error::Result;
use crate::scoring::pairs::{Pair, accuracy, check, judge};
use crate::scoring::{Network, Scorer};
use crate::tokenizer::Tokenizer;
use burn::tensor::Device;
use electra_runs::readable_count;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The pairs of a run, and what was made of them last. Clones share it.
#[derive(Clone)]
pub(super) struct Pairs {
    pairs: Arc<[Pair]>,
    tokenizer: Tokenizer,
    longest: usize,
    device: Device,
    /// Set to the number of a signal by its handler.
    signal: Arc<AtomicUsize>,
    last: Arc<Mutex<Option<PairsScore>>>,
}

/// The shares of pairs that were judged rightly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PairsScore {
    pub discriminator: f64,
    pub generator: f64,
}

impl Pairs {
    /// `pairs` from `source` for networks of `config` on `device`; `progress` receives a line about them.
    ///
    /// # Errors
    /// Those of [`check`].
    pub(super) fn new(
        (source, pairs): (&str, Vec<Pair>),
        config: &Config,
        tokenizer: &Tokenizer,
        device: &Device,
        signal: Arc<AtomicUsize>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self> {
        let longest = config.model.max_position_embeddings;
        let most = check(&pairs, Path::new(source), (tokenizer, longest))?;
        let (count, trained) = (readable_count(pairs.len()), config.data.sequence_length);
        let beyond = match most > trained {
            true => format!("; some have up to {most} tokens, and training sees {trained}"),
            false => String::new(),
        };
        progress(Progress::Stage(&format!(
            "evaluation.pairs: {count} minimal pairs from {source}, judged at every validation{beyond}"
        )));
        let (tokenizer, device) = (tokenizer.clone(), device.clone());
        Ok(Self { pairs: pairs.into(), tokenizer, longest, device, signal, last: Arc::default() })
    }

    /// Judges the pairs with both networks of `model`, and keeps what comes of it; nothing where a signal stops the run.
    pub(super) fn evaluate(&self, model: &Pretrainer) -> Result<()> {
        let is_stopped = || self.signal.load(Ordering::Relaxed) != 0;
        let of = |network| {
            let scorer = Scorer::new(network, self.tokenizer.clone(), self.longest, self.device.clone());
            judge(&scorer, &self.pairs, &is_stopped).map(|groups| groups.map(|groups| accuracy(&groups)))
        };
        let discriminator = of(Network::Discriminator(model.pair.pretraining()))?;
        let generator = of(Network::Generator(model.pair.masked_lm()))?;
        let score =
            discriminator.zip(generator).map(|(discriminator, generator)| PairsScore { discriminator, generator });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = score;
        Ok(())
    }

    /// Takes what the last evaluation came to.
    pub(super) fn take(&self) -> Option<PairsScore> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
