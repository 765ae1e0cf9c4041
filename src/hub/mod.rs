//! Hugging Face's layout, out and in: `config.json`, `model.safetensors`, the tokenizer and a model card.

mod card;
mod config;
mod convert;
mod import;
mod inspect;
mod names;
mod pair;
mod place;

pub use config::{architecture_json, length, read_config, read_json, trained_length};
pub use convert::{Imported, import};
pub use import::{TensorsUsed, check_vocabulary, load_weights, open, open_masked_lm};
pub use inspect::{Inspection, inspect};
pub use pair::{load_pair, open_pair};
pub use place::place;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::{replace_whole, write_whole};
use crate::model::ElectraPair;
use crate::tokenizer::Tokenizer;
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, SafetensorsStore};
use electra_runs::Outcome;
use electra_runs::layout::{DISCRIMINATOR, GENERATOR};
use std::path::Path;

/// One of the two networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Exported as `ElectraForPreTraining`.
    Discriminator,
    /// Exported as `ElectraForMaskedLM`.
    Generator,
}

impl Network {
    /// Both, the one that one keeps first.
    pub const ALL: [Self; 2] = [Self::Discriminator, Self::Generator];

    /// The directory in a run, and the module's name in the pair.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discriminator => DISCRIMINATOR,
            Self::Generator => GENERATOR,
        }
    }
}

/// A trained pair, and what belongs to it.
#[derive(Clone, Copy)]
pub struct Trained<'a> {
    /// The configuration that it was trained with.
    pub config: &'a Config,
    /// Both networks, without autodiff.
    pub pair: &'a ElectraPair,
    /// The tokenizer of both.
    pub tokenizer: &'a Tokenizer,
    /// The run, for the model card.
    pub outcome: &'a Outcome,
}

/// Writes `discriminator/` and `generator/` into `directory`, each whole or not at all.
///
/// # Errors
/// [`Error::Output`] where they exist; [`Error::Io`] where a file cannot be written.
pub fn export(directory: &Path, trained: Trained) -> Result<()> {
    for network in Network::ALL {
        write_whole(&directory.join(network.name()), |target| write(target, network, trained))?;
    }
    Ok(())
}

/// [`export`], replacing what an earlier part of the same run has exported.
///
/// # Errors
/// Those of [`export`], but for directories that exist.
pub fn export_again(directory: &Path, trained: Trained) -> Result<()> {
    for network in Network::ALL {
        replace_whole(&directory.join(network.name()), |target| write(target, network, trained))?;
    }
    Ok(())
}

fn write(directory: &Path, network: Network, trained: Trained) -> Result<()> {
    let Trained { config, pair, tokenizer, outcome } = trained;
    let file = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(Error::io(&path))
    };
    let weights = directory.join("model.safetensors");
    match network {
        Network::Discriminator => save_weights(&pair.pretraining(), &weights)?,
        Network::Generator => save_weights(&pair.masked_lm(), &weights)?,
    }
    file(
        "config.json",
        format!("{:#}\n", config::hugging_face(config, network, tokenizer.special().pad, outcome.steps)),
    )?;
    tokenizer.save(directory, config.model.max_position_embeddings)?;
    file("README.md", card::card(config, network, outcome))
}

/// Writes the weights of a network in PyTorch's layout and Hugging Face's names; `path` must not exist.
pub fn save_weights<M: ModuleSnapshot>(network: &M, path: &Path) -> Result<()> {
    // Burn writes with the permissions of the file that it replaces; those of a new file are the user's own choice.
    std::fs::File::create_new(path).map_err(Error::io(path))?;
    let store = SafetensorsStore::from_file(path)
        .with_to_adapter(BurnToPyTorchAdapter)
        .overwrite(true)
        .clear_metadata()
        .metadata("format", "pt");
    let mut store = names::export_rules().fold(store, |store, (ours, theirs)| store.with_key_remapping(ours, theirs));
    network.save_into(&mut store).map_err(|error| Error::io(path)(std::io::Error::other(error.to_string())))
}
