//! Going on from checkpoints: domain-adaptive pretraining.

use super::config::read_config;
use super::import::load_weights;
use crate::config::{Config, ModelConfig};
use crate::error::{Error, Result};
use crate::model::ElectraPair;
use crate::tokenizer::Tokenizer;
use burn::tensor::Device;
use std::path::Path;

/// The pair that `config.init` names, by [`open_pair`]; nothing where it names none.
///
/// # Errors
/// Those of [`open_pair`]; [`Error::Config`] for a generator without a discriminator.
pub fn load_pair(config: &mut Config, device: &Device) -> Result<Option<(Tokenizer, ElectraPair)>> {
    let init = config.init.clone();
    match (init.discriminator, init.generator) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            Err(Error::config("init.generator", "it needs init.discriminator, whose embeddings it shares"))
        }
        (Some(discriminator), generator) => open_pair(config, &discriminator, generator.as_deref(), device).map(Some),
    }
}

/// A discriminator and a generator with their tokenizer; `config` takes over the architecture. Without a generator, one
/// is drawn afresh.
///
/// # Errors
/// [`Error::Input`] for a checkpoint that is missing, damaged or lacks its head; [`Error::Config`] where generator and
/// discriminator do not share their embeddings, or the sequences do not fit.
pub fn open_pair(
    config: &mut Config,
    discriminator: &Path,
    generator: Option<&Path>,
    device: &Device,
) -> Result<(Tokenizer, ElectraPair)> {
    config.model = read_config(discriminator)?;
    if let Some(generator) = generator {
        let found = read_config(generator)?;
        let sizes = |m: &ModelConfig| (m.vocab_size, m.embedding_size);
        if sizes(&found) != sizes(&config.model) {
            let (theirs, ours) = (sizes(&found), sizes(&config.model));
            let message = format!("its vocabulary and embedding size are {theirs:?}, the discriminator's {ours:?}");
            return Err(Error::config("init.generator", message));
        }
        config.generator.hidden_size = found.hidden_size;
        config.generator.num_hidden_layers = found.num_hidden_layers;
        config.generator.num_attention_heads = found.num_attention_heads;
        config.generator.intermediate_size = found.intermediate_size;
    }
    config.validate()?;

    let tokenizer = Tokenizer::load(discriminator)?;
    if tokenizer.vocab_size() > config.model.vocab_size {
        let (words, rows) = (tokenizer.vocab_size(), config.model.vocab_size);
        return Err(Error::input(
            discriminator,
            format!("the tokenizer has {words} tokens, the word table {rows} rows"),
        ));
    }
    let fresh = ElectraPair::new(config, device);
    let (mut masked_lm, mut pretraining) = (fresh.masked_lm(), fresh.pretraining());
    let missing = load_weights(&mut pretraining, discriminator)?.missing;
    if let Some(name) = missing.first() {
        let message = format!("the weights lack {name}; expected those of an ElectraForPreTraining");
        return Err(Error::input(discriminator, message));
    }
    if let Some(generator) = generator {
        let missing = load_weights(&mut masked_lm, generator)?.missing;
        if let Some(name) = missing.first() {
            let message = format!("the weights lack {name}; expected those of an ElectraForMaskedLM");
            return Err(Error::input(generator, message));
        }
    }
    Ok((tokenizer, ElectraPair::from_networks(masked_lm, pretraining)))
}
