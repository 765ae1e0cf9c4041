//! Minimal pairs at every validation, where the configuration names some.

use super::step::Pretrainer;
use crate::config::Config;
use crate::error::Result;
use crate::scoring::pairs::{Pair, accuracy, judge};
use crate::scoring::{Network, Scorer};
use crate::tokenizer::Tokenizer;
use burn::tensor::Device;
use std::sync::{Arc, Mutex, PoisonError};

/// The pairs of a run, and what was made of them last. Clones share it.
#[derive(Clone)]
pub(super) struct Pairs {
    pairs: Arc<[Pair]>,
    tokenizer: Tokenizer,
    longest: usize,
    device: Device,
    last: Arc<Mutex<Option<PairsScore>>>,
}

/// The shares of pairs that were judged rightly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PairsScore {
    pub discriminator: f64,
    pub generator: f64,
}

impl Pairs {
    /// `pairs` for networks of `config` on `device`.
    pub fn new(pairs: Vec<Pair>, config: &Config, tokenizer: &Tokenizer, device: &Device) -> Self {
        let longest = config.model.max_position_embeddings;
        let (tokenizer, device) = (tokenizer.clone(), device.clone());
        Self { pairs: pairs.into(), tokenizer, longest, device, last: Arc::default() }
    }

    /// Judges the pairs with both networks of `model`, and keeps what comes of it.
    pub fn evaluate(&self, model: &Pretrainer) -> Result<()> {
        let of = |network| {
            let scorer = Scorer::new(network, self.tokenizer.clone(), self.longest, self.device.clone());
            judge(&scorer, &self.pairs, &mut |_| ()).map(|groups| accuracy(&groups))
        };
        let discriminator = of(Network::Discriminator(model.pair.pretraining()))?;
        let generator = of(Network::Generator(model.pair.masked_lm()))?;
        let score = PairsScore { discriminator, generator };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(score);
        Ok(())
    }

    /// Takes what the last evaluation came to.
    pub fn take(&self) -> Option<PairsScore> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
