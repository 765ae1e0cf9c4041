//! Beginning from checkpoints: domain-adaptive pretraining.

use super::config::read_config;
use super::import::{check_vocabulary, load_masked_lm, load_weights};
use crate::config::{Config, ModelConfig};
use crate::error::{Error, Result};
use crate::model::{ElectraForMaskedLm, ElectraPair};
use crate::tokenizer::Tokenizer;
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use electra_runs::counted;
use std::path::Path;

/// The pair that `config.init` names, by [`open_pair`]; nothing where it names none.
///
/// # Errors
/// Those of [`open_pair`]; [`Error::Config`] for a generator without a discriminator.
pub fn load_pair(
    config: &mut Config,
    device: &Device,
    note: &mut dyn FnMut(&str),
) -> Result<Option<(Tokenizer, ElectraPair)>> {
    let init = config.init.clone();
    match (init.discriminator, init.generator) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            Err(Error::config("init.generator", "it needs init.discriminator, whose embeddings it shares"))
        }
        (Some(discriminator), generator) => {
            open_pair(config, &discriminator, generator.as_deref(), device, note).map(Some)
        }
    }
}

/// A discriminator and a generator with their tokenizer; `config` takes over the architecture. Without a generator, one
/// is drawn afresh. `note` receives what people should know about the two.
///
/// # Errors
/// [`Error::Input`] for a checkpoint that is missing, damaged or lacks its head; [`Error::Config`] where generator and
/// discriminator do not share their embeddings, or the sequences do not fit.
pub fn open_pair(
    config: &mut Config,
    discriminator: &Path,
    generator: Option<&Path>,
    device: &Device,
    note: &mut dyn FnMut(&str),
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
        config.model.tie_word_embeddings = found.tie_word_embeddings;
    }
    config.validate()?;

    let tokenizer = Tokenizer::load(discriminator)?;
    check_vocabulary(discriminator, &tokenizer, &config.model)?;
    if let Some(generator) = generator.filter(|generator| has_tokenizer(generator)) {
        check_same(&tokenizer, &Tokenizer::load(generator)?, generator)?;
    }
    let fresh = ElectraPair::new(config, device);
    let (mut masked_lm, mut pretraining) = (fresh.masked_lm(), fresh.pretraining());
    let missing = load_weights(&mut pretraining, discriminator)?.missing;
    if let Some(name) = missing.first() {
        let message = format!("the weights lack {name}; expected those of an ElectraForPreTraining");
        return Err(Error::input(discriminator, message));
    }
    if let Some(generator) = generator {
        let missing = load_masked_lm(&mut masked_lm, &config.model, generator)?.missing;
        config.model.tie_word_embeddings = masked_lm.generator_predictions.weight.is_none();
        if let Some(name) = missing.first() {
            let message = format!("the weights lack {name}; expected those of an ElectraForMaskedLM");
            return Err(Error::input(generator, message));
        }
    }
    if generator.is_some() {
        let [ours, theirs] = [&pretraining.electra, &masked_lm.electra].map(|electra| electra.embeddings.word_table());
        let most: f32 = (ours - theirs).abs().max().into_data().iter::<f32>().fold(0.0, f32::max);
        if most > 0.0 {
            note(
                "warning: the word tables of generator and discriminator differ; that of the discriminator is used for both",
            );
        }
    }
    let without = silence(&mut masked_lm, &tokenizer, config.model.vocab_size);
    if without > 0 {
        note(&format!("the word table has {} without a token, which are never sampled", counted(without, "row")));
    }
    Ok((tokenizer, ElectraPair::from_networks(masked_lm, pretraining)))
}

/// A logit that no other is as low as.
const NEVER: f32 = -1e4;

/// Makes the generator never say a row of the word table that no token has; returns how many these are.
fn silence(masked_lm: &mut ElectraForMaskedLm, tokenizer: &Tokenizer, rows: usize) -> usize {
    let without: Vec<usize> = (0..rows).filter(|&id| tokenizer.token(id as u32).is_none()).collect();
    if !without.is_empty() {
        let head = &mut masked_lm.generator_predictions;
        let mut bias: Vec<f32> = head.bias.val().into_data().iter().collect();
        without.iter().for_each(|&id| bias[id] = NEVER);
        let bias = Tensor::from_data(TensorData::new(bias, [rows]), &head.bias.device());
        head.bias = Param::from_tensor(bias);
    }
    without.len()
}

fn has_tokenizer(directory: &Path) -> bool {
    ["tokenizer.json", "vocab.txt"].iter().any(|name| directory.join(name).is_file())
}

/// Checks that both networks read the same tokens in the same text.
fn check_same(ours: &Tokenizer, theirs: &Tokenizer, generator: &Path) -> Result<()> {
    let differing =
        (0..ours.vocab_size().max(theirs.vocab_size()) as u32).find(|&id| ours.token(id) != theirs.token(id));
    let name = |token: Option<String>| token.map_or_else(|| "nothing".into(), |token| format!("\"{token}\""));
    if let Some(id) = differing {
        let (found, expected) = (name(theirs.token(id)), name(ours.token(id)));
        let message =
            format!("its token {id} is {found}, the discriminator's {expected}; expected the same vocabulary");
        return Err(Error::input(generator, message));
    }
    match ours.splits_as(theirs) {
        true => Ok(()),
        false => Err(Error::input(
            generator,
            "it splits text otherwise than the discriminator (upper case, accents); expected the same",
        )),
    }
}
