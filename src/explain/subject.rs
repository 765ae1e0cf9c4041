//! What is explained: a discriminator or a fine-tuned model, behind one face.

use super::gradients::read;
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::hub;
use crate::kernels::StepContext;
use crate::model::{Electra, ElectraForPreTraining};
use crate::tasks::{Feature, Input, Kind, Predictor, Recommender, TaskBatch, outputs_of};
use crate::tokenizer::Tokenizer;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::path::Path;
use std::sync::Arc;

/// A network with what is needed to feed it, on a device that records gradients; its weights ask for none.
pub(super) enum Subject {
    Discriminator(Box<Discriminator>),
    Task(Arc<Predictor>),
}

/// A discriminator with its pretraining head.
pub(super) struct Discriminator {
    model: ElectraForPreTraining,
    tokenizer: Tokenizer,
    config: ModelConfig,
    device: Device,
}

impl Subject {
    pub(super) fn open(directory: &Path, kind: Option<Kind>, device: &Device) -> Result<Self> {
        let directory = &hub::place(directory, &["model", "discriminator"])?;
        if Recommender::is_at(directory) {
            let message = "a model that recommends items; expected a discriminator or a model for texts";
            return Err(Error::input(directory, message));
        }
        if kind.is_some() || Predictor::is_at(directory)? {
            return Ok(Self::Task(Arc::new(Predictor::open_as(directory, kind, device)?)));
        }
        // Dropout works wherever a device records gradients.
        let config = hub::read_config(directory)?.without_dropout();
        let tokenizer = Tokenizer::load(directory)?;
        let make = ElectraForPreTraining::new;
        let model = hub::open(directory, &config, &tokenizer, device, "ElectraForPreTraining", make)?.no_grad();
        Ok(Self::Discriminator(Box::new(Discriminator { model, tokenizer, config, device: device.clone() })))
    }

    pub(super) fn electra(&self) -> &Electra {
        match self {
            Self::Discriminator(discriminator) => &discriminator.model.electra,
            Self::Task(predictor) => predictor.network.electra(),
        }
    }

    pub(super) fn tokenizer(&self) -> &Tokenizer {
        match self {
            Self::Discriminator(discriminator) => &discriminator.tokenizer,
            Self::Task(predictor) => &predictor.tokenizer,
        }
    }

    pub(super) fn device(&self) -> &Device {
        match self {
            Self::Discriminator(discriminator) => &discriminator.device,
            Self::Task(predictor) => &predictor.device,
        }
    }

    /// An input in the one form that its task knows it by.
    pub(super) fn normal(&self, input: &Input) -> Input {
        match (self, input) {
            (Self::Task(predictor), Input::Text(text)) if predictor.task.kind() == Kind::TokenClassification => {
                Input::Words(text.split_whitespace().map(str::to_owned).collect())
            }
            _ => input.clone(),
        }
    }

    /// What the network reads of an input, the rest cut off or in further features.
    pub(super) fn features(&self, input: &Input) -> Result<Vec<Feature>> {
        match self {
            Self::Task(predictor) => predictor.features(std::slice::from_ref(input)),
            Self::Discriminator(discriminator) => {
                let Input::Text(text) = input else {
                    return Err(Error::Usage("a discriminator reads one text; there are two".into()));
                };
                let longest = discriminator.config.max_position_embeddings;
                Ok(vec![Feature::of_texts(&discriminator.tokenizer, text, None, longest, 0)?])
            }
        }
    }

    /// `[lines, width]`: a line a text, or one a position that is asked about.
    pub(super) fn logits(&self, batch: &TaskBatch) -> Tensor<2> {
        match self {
            Self::Discriminator(discriminator) => {
                let model = &discriminator.model;
                let context = StepContext::default();
                model.logits(model.electra.forward(batch.inputs.clone(), &context), &context)
            }
            Self::Task(predictor) => predictor.network.logits(batch, &StepContext::default()),
        }
    }

    /// The logits of each of `features`.
    pub(super) fn logits_of(&self, features: &[Feature]) -> Result<Vec<Vec<f32>>> {
        outputs_of(features, self.tokenizer().special().pad, self.device(), |batch| self.logits(batch))
    }

    /// The word embeddings of a feature, `[tokens, embedding_size]`.
    pub(super) fn words(&self, feature: &Feature) -> Result<Vec<f32>> {
        let ids: Vec<i32> = feature.ids.iter().map(|&id| id as i32).collect();
        let shape = [1, ids.len()];
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, shape), self.device());
        read(self.electra().embeddings.word_embeddings.forward(ids))
    }
}
