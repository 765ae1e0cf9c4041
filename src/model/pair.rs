//! The generator-discriminator pair with the embedding block that both share.

use super::structure::structure;
use super::{
    DiscriminatorHead, Electra, ElectraForMaskedLm, ElectraForPreTraining, Embeddings, Encoder, GeneratorHead, Init,
    Inputs,
};
use crate::config::{Config, ObjectiveConfig, PositionInit};
use crate::data::{Samples, SumOrder};
use crate::kernels::{MaskedLm, StepContext, lookup};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

/// Everything that pretraining learns. The embeddings belong to the pair and are held once, so that the gradients of
/// all their uses add up in one place; copies are made at export only.
#[derive(Module, Debug)]
pub struct ElectraPair {
    /// Shared by both networks, and tied to the generator's output.
    pub embeddings: Embeddings,
    /// The small network that proposes tokens.
    pub generator: Encoder,
    /// Its head.
    pub generator_head: GeneratorHead,
    /// The network that one keeps.
    pub discriminator: Encoder,
    /// Its head.
    pub discriminator_head: DiscriminatorHead,
    /// The head with which its encoder predicts words, in the objectives that ask for it.
    pub encoder_head: Option<GeneratorHead>,
}

impl ElectraPair {
    /// A pair with fresh weights on `device`, drawn from `config.seed`.
    pub fn new(config: &Config, device: &Device) -> Self {
        let (model, generator) = (&config.model, &config.generator_model());
        let init = Init::new(config.seed, model.initializer_range, model.layer_norm_eps, device);
        let mut init = init.with_positions(config.init.positions);
        let init = &mut init;
        let mut pair = Self {
            embeddings: Embeddings::new(model, init),
            generator: Encoder::new(generator, init),
            generator_head: GeneratorHead::new(generator, init),
            discriminator: Encoder::new(model, init),
            discriminator_head: DiscriminatorHead::new(model, init),
            encoder_head: config.objective.kind.predicts_words().then(|| GeneratorHead::new(model, init)),
        };
        if config.init.positions == PositionInit::Structured {
            structure(&mut pair.embeddings, &mut pair.discriminator, model);
        }
        pair
    }

    /// The pair of two networks; the embeddings are those of the discriminator, the generator's are dropped.
    pub fn from_networks(generator: ElectraForMaskedLm, discriminator: ElectraForPreTraining) -> Self {
        Self {
            embeddings: discriminator.electra.embeddings,
            generator: generator.electra.encoder,
            generator_head: generator.generator_predictions,
            discriminator: discriminator.electra.encoder,
            discriminator_head: discriminator.discriminator_predictions,
            encoder_head: None,
        }
    }

    /// The generator with its own copy of the embeddings.
    pub fn masked_lm(&self) -> ElectraForMaskedLm {
        ElectraForMaskedLm {
            electra: Electra { embeddings: self.embeddings.clone(), encoder: self.generator.clone() },
            generator_predictions: self.generator_head.clone(),
        }
    }

    /// The discriminator with its own copy of the embeddings.
    pub fn pretraining(&self) -> ElectraForPreTraining {
        ElectraForPreTraining {
            electra: Electra { embeddings: self.embeddings.clone(), encoder: self.discriminator.clone() },
            discriminator_predictions: self.discriminator_head.clone(),
        }
    }

    /// The generator's loss and samples at the picked positions, `picked` `[picked]` as `row * seq + position`, whose original
    /// ids are `targets` `[picked]`; `order` is that of `picked`, if any.
    pub fn generate(
        &self,
        inputs: Inputs,
        (picked, order): (Tensor<1, Int>, Option<&SumOrder>),
        targets: Tensor<1, Int>,
        samples: &Samples,
        config: &ObjectiveConfig,
        context: &StepContext,
    ) -> MaskedLm {
        let embeddings = self.embeddings.forward(&inputs, context);
        let hidden = self.generator.forward(embeddings, inputs.attention_mask, inputs.padding, context);
        let picked = lookup(hidden.flatten(0, 1), picked, order);
        self.generator_head.predict(picked, self.embeddings.word_table(), targets, samples, config, context)
    }

    /// The discriminator's logits, `[batch, seq]`, positive where a token looks replaced.
    pub fn discriminate(&self, inputs: Inputs, context: &StepContext) -> Tensor<2> {
        self.discriminator_head.forward(self.encode(inputs, context), context)
    }

    /// The last hidden states of the discriminator, `[batch, seq, hidden]`.
    pub fn encode(&self, inputs: Inputs, context: &StepContext) -> Tensor<3> {
        let embeddings = self.embeddings.forward(&inputs, context);
        self.discriminator.forward(embeddings, inputs.attention_mask, inputs.padding, context)
    }
}
