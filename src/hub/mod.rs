//! Export in Hugging Face's layout: `config.json`, `model.safetensors`, the tokenizer and a model card.

mod card;
mod config;
mod names;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::learner::Report;
use crate::model::ElectraPair;
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, SafetensorsStore};
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
            Self::Discriminator => "discriminator",
            Self::Generator => "generator",
        }
    }
}

/// Writes `discriminator/` and `generator/` into `run`, each whole or not at all.
///
/// # Errors
/// [`Error::Io`] or [`Error::Training`] where a file cannot be written.
pub fn export(run: &Path, config: &Config, report: &Report) -> Result<()> {
    for network in Network::ALL {
        let target = run.join(network.name());
        let partial = tempfile::Builder::new().prefix(".export-").tempdir_in(run).map_err(Error::io(run))?;
        write(partial.path(), network, config, report)?;
        sync(partial.path())?;
        let partial = partial.keep();
        std::fs::rename(&partial, &target).map_err(Error::io(&target))?;
    }
    Ok(())
}

fn write(directory: &Path, network: Network, config: &Config, report: &Report) -> Result<()> {
    let file = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(Error::io(&path))
    };
    save_weights(&report.model.pair, network, &directory.join("model.safetensors"))?;
    file("config.json", format!("{:#}\n", config::hugging_face(config, network, report.tokenizer.special().pad)))?;
    report.tokenizer.save(directory, config.model.max_position_embeddings)?;
    file("README.md", card::card(config, network, report))
}

/// Writes the weights of one network with its copy of the embeddings, in PyTorch's layout and Hugging Face's names.
pub fn save_weights(pair: &ElectraPair, network: Network, path: &Path) -> Result<()> {
    let mut store = SafetensorsStore::from_file(path)
        .with_to_adapter(BurnToPyTorchAdapter)
        .with_regex(names::belongs_to(network))
        .clear_metadata()
        .metadata("format", "pt");
    for (ours, theirs) in names::export_rules(network) {
        store = store.with_key_remapping(ours, theirs);
    }
    pair.save_into(&mut store).map_err(|error| Error::Training(format!("{}: {error}", path.display())))
}

/// Flushes every file of `directory`, so that the rename that follows never shows a file without its contents.
fn sync(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory).map_err(Error::io(directory))? {
        let path = entry.map_err(Error::io(directory))?.path();
        std::fs::File::open(&path).and_then(|file| file.sync_all()).map_err(Error::io(&path))?;
    }
    Ok(())
}
