//! Opens what scores sentences.

use super::Checkpoint;
use crate::error::{Error, Result};
use crate::hub::{place, read_json};
use crate::model::ElectraForPreTraining;
use crate::scoring::{Network, Scorer};
use burn::store::ModuleSnapshot;
use burn::tensor::Device;
use std::path::Path;

impl Scorer {
    /// Opens a directory in Hugging Face's layout that holds a generator or a discriminator.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is missing or damaged, and for a network of another kind.
    pub fn open(directory: &Path, device: &Device) -> Result<Self> {
        let directory = &place(directory, &["discriminator"])?;
        let json = read_json(directory)?;
        let class = json["architectures"][0].as_str().unwrap_or_default();
        match class {
            "ElectraForMaskedLM" => Ok(Checkpoint::masked_lm(directory, device)?.scorer(Network::Generator)),
            "ElectraForPreTraining" => {
                let checkpoint = Checkpoint::open(directory, device, class, ElectraForPreTraining::new)?;
                Ok(checkpoint.scorer(Network::Discriminator))
            }
            _ => {
                let message = format!(
                    "`architectures` names {class:?}; expected ElectraForMaskedLM, a generator, or ElectraForPreTraining, a \
                     discriminator"
                );
                Err(Error::input(directory.join("config.json"), message))
            }
        }
    }
}

impl<M: ModuleSnapshot> Checkpoint<M> {
    fn scorer(self, network: impl FnOnce(M) -> Network) -> Scorer {
        let Self { model, config, tokenizer, device } = self;
        Scorer::new(network(model), tokenizer, config.max_position_embeddings, device)
    }
}
