//! The networks of the tasks, as Hugging Face has them, and their losses.

use super::batch::{Targets, TaskBatch};
use super::tally::TaskStatistics;
use crate::config::{ModelConfig, Precision};
use crate::data::StepBatch;
use crate::device::chosen_precision;
use crate::error::Result;
use crate::hub;
use crate::kernels::{StepContext, lookup};
use crate::learner::{Observation, Trainable, inference_step, train_step};
use crate::model::{
    Electra, ElectraForQuestionAnswering, ElectraForSequenceClassification, ElectraForTokenClassification,
    ElectraModel, Init,
};
use crate::objective::StepPart;
use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};
use burn::train::{InferenceStep, TrainOutput, TrainStep};
use std::path::Path;

/// What stands above the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// Numbers for each text.
    Sequence(usize),
    /// Numbers for each token.
    Tokens(usize),
    /// The beginning and the end of an answer.
    Span,
}

/// How the numbers of a text become a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Cross-entropy of one class among several, or of one position.
    Softmax,
    /// Cross-entropy of each label for itself.
    Sigmoid,
    /// Squared difference.
    Squares,
}

/// An encoder with the head of a task.
#[derive(Module, Debug)]
pub enum Network {
    /// `ElectraForSequenceClassification`
    Sequence(ElectraForSequenceClassification),
    /// `ElectraForTokenClassification`
    Tokens(ElectraForTokenClassification),
    /// `ElectraForQuestionAnswering`
    Span(ElectraForQuestionAnswering),
}

/// What is added to the logits of padding, where no answer can be.
const NOWHERE: f64 = -10_000.0;

impl Network {
    /// A network with fresh weights, drawn from `seed`.
    pub fn new(head: Head, config: &ModelConfig, seed: u64, device: &Device) -> Self {
        Self::made(head, config, &mut Init::new(seed, config.initializer_range, config.layer_norm_eps, device))
    }

    /// A network whose weights are to be [loaded](Self::load).
    pub fn blank(head: Head, config: &ModelConfig, device: &Device) -> Self {
        Self::made(head, config, &mut Init::blank(config.layer_norm_eps, device))
    }

    fn made(head: Head, config: &ModelConfig, init: &mut Init) -> Self {
        match head {
            Head::Sequence(labels) => Self::Sequence(ElectraForSequenceClassification::new(config, labels, init)),
            Head::Tokens(labels) => Self::Tokens(ElectraForTokenClassification::new(config, labels, init)),
            Head::Span => Self::Span(ElectraForQuestionAnswering::new(config, init)),
        }
    }

    /// The encoder.
    pub fn electra(&self) -> &Electra {
        match self {
            Self::Sequence(network) => &network.electra,
            Self::Tokens(network) => &network.electra,
            Self::Span(network) => &network.electra,
        }
    }

    /// Takes over the encoder's weights of the checkpoint in `directory`, whatever its head; the names of those that it
    /// lacks.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) for a checkpoint that is missing, damaged or of another size.
    pub fn load_encoder(&mut self, directory: &Path) -> Result<Vec<String>> {
        let mut encoder = ElectraModel { electra: self.electra().clone() };
        let loaded = hub::load_weights(&mut encoder, directory)?;
        let electra = encoder.electra;
        match self {
            Self::Sequence(network) => network.electra = electra,
            Self::Tokens(network) => network.electra = electra,
            Self::Span(network) => network.electra = electra,
        }
        Ok(loaded.missing.into_iter().collect())
    }

    /// Takes over all weights of the checkpoint in `directory`; the names of those that it lacks.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) for a checkpoint that is missing, damaged or of another size.
    pub fn load(&mut self, directory: &Path) -> Result<Vec<String>> {
        let loaded = match self {
            Self::Sequence(network) => hub::load_weights(network, directory)?,
            Self::Tokens(network) => hub::load_weights(network, directory)?,
            Self::Span(network) => hub::load_weights(network, directory)?,
        };
        Ok(loaded.missing.into_iter().collect())
    }

    /// Writes the weights in Hugging Face's names; `path` must not exist.
    ///
    /// # Errors
    /// Those of writing.
    pub fn save(&self, path: &Path) -> Result<()> {
        match self {
            Self::Sequence(network) => hub::save_weights(network, path),
            Self::Tokens(network) => hub::save_weights(network, path),
            Self::Span(network) => hub::save_weights(network, path),
        }
    }

    /// The class in `transformers`.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Sequence(_) => "ElectraForSequenceClassification",
            Self::Tokens(_) => "ElectraForTokenClassification",
            Self::Span(_) => "ElectraForQuestionAnswering",
        }
    }

    /// Makes `values` the biases of the head on texts, so that training need not begin far from the mean of its targets.
    pub fn set_bias(&mut self, values: &[f32]) {
        if let Self::Sequence(network) = self
            && let Some(bias) = network.classifier.out_proj.bias.take()
        {
            let device = bias.val().device();
            network.classifier.out_proj.bias = Some(bias.map(|_| Tensor::from_floats(values, &device)));
        }
    }

    /// Logits: `[batch, labels]` of texts, `[positions, labels]` of tokens, `[batch, 2 * seq]` of answers, beginnings
    /// before ends.
    pub fn logits(&self, batch: &TaskBatch, context: &StepContext) -> Tensor<2> {
        let inputs = batch.inputs.clone();
        match self {
            Self::Sequence(network) => network.logits(network.electra.forward_first(inputs, context), context),
            Self::Tokens(network) => {
                let hidden = network.electra.forward(inputs, context);
                let [rows, seq, width] = hidden.dims();
                let hidden = hidden.reshape([rows * seq, width]);
                let hidden = match &batch.positions {
                    Some(positions) => lookup(hidden, positions.clone(), batch.positions_order.as_ref()),
                    None => hidden,
                };
                network.logits(hidden.unsqueeze::<3>(), context).squeeze_dim::<2>(0)
            }
            Self::Span(network) => {
                let logits = network.logits(network.electra.forward(inputs, context), context).swap_dims(1, 2);
                let [rows, _, seq] = logits.dims();
                let logits = match &batch.inputs.attention_mask {
                    Some(mask) => logits + ((mask.clone() - 1.0) * -NOWHERE).unsqueeze_dim::<3>(1),
                    None => logits,
                };
                logits.reshape([rows, 2 * seq])
            }
        }
    }
}

/// A network in training for a task.
#[derive(Module, Debug)]
pub struct Finetuner {
    /// The network.
    pub network: Network,
    #[module(skip)]
    loss: Loss,
    #[module(skip)]
    precision: Precision,
    #[module(skip)]
    loss_scale: f64,
}

impl Finetuner {
    /// Trains `network`; `loss_scale` is what the loss is multiplied by while gradients are computed.
    pub fn new(network: Network, loss: Loss, precision: Precision, loss_scale: f64) -> Self {
        Self { network, loss, precision, loss_scale }
    }

    /// Logits, and the [loss](Self::loss).
    fn forward(&self, batch: &TaskBatch, context: &StepContext) -> (Tensor<2>, Tensor<1>) {
        let logits = self.network.logits(batch, context);
        let loss = self.loss(&logits, batch);
        (logits, loss)
    }

    /// The sum of the loss over what `batch` counts, `[1]`.
    fn loss(&self, logits: &Tensor<2>, batch: &TaskBatch) -> Tensor<1> {
        match (&batch.targets, self.loss) {
            (Targets::Classes { classes, known }, _) => {
                let losses = cross_entropies(logits.clone(), classes.clone());
                match known {
                    Some(known) => (losses * (**known).clone()).sum(),
                    None => losses.sum(),
                }
            }
            (Targets::Values(values), Loss::Squares) => (logits.clone() - values.clone()).square().sum(),
            (Targets::Values(values), _) => {
                let logits = logits.clone();
                let losses = logits.clone().clamp_min(0.0) - logits.clone() * values.clone();
                (losses + logits.abs().neg().exp().log1p()).sum()
            }
            (Targets::Spans([first, last]), _) => {
                let [rows, both] = logits.dims();
                let logits = logits.clone().reshape([rows, 2, both / 2]);
                let side = |side: usize| logits.clone().narrow(1, side, 1).squeeze_dim::<2>(1);
                let sum = |at: usize, places: &Tensor<1, Int>| cross_entropies(side(at), places.clone()).sum();
                (sum(0, first) + sum(1, last)) * 0.5
            }
            (Targets::Absent, _) => Tensor::zeros([1], &logits.device()),
        }
    }

    fn statistics(&self, loss: Tensor<1>, logits: Option<Tensor<2>>, batch: &TaskBatch) -> TaskStatistics {
        TaskStatistics::new(loss.inner(), logits.map(Tensor::inner), batch)
    }
}

/// The cross-entropies of `logits` `[rows, classes]` and `classes` `[rows]`, `[rows]`.
fn cross_entropies(logits: Tensor<2>, classes: Tensor<1, Int>) -> Tensor<1> {
    log_softmax(logits, 1).gather(1, classes.unsqueeze_dim::<2>(1)).squeeze_dim::<1>(1).neg()
}

impl Trainable for Finetuner {
    type Batch = TaskBatch;
    type Statistics = TaskStatistics;

    fn loss_scale(&self) -> f64 {
        self.loss_scale
    }

    fn precision(&self) -> Precision {
        chosen_precision(&self.devices()[0], self.precision)
    }
}

impl TrainStep for Finetuner {
    type Input = StepBatch<TaskBatch>;
    type Output = Observation<TaskStatistics>;

    fn step(&self, input: StepBatch<TaskBatch>) -> TrainOutput<Observation<TaskStatistics>> {
        let count = input.counts.picked.max(1) as f64;
        let forward = |batch: &TaskBatch, context: &StepContext, _: &mut dyn FnMut(StepPart)| {
            let loss = self.forward(batch, context).1;
            (loss.clone() / count, self.statistics(loss, None, batch))
        };
        train_step(self, input, forward, &mut |_| ())
    }
}

impl InferenceStep for Finetuner {
    type Input = StepBatch<TaskBatch>;
    type Output = Observation<TaskStatistics>;

    fn step(&self, input: StepBatch<TaskBatch>) -> Observation<TaskStatistics> {
        inference_step(self, &input, |batch, context| {
            let (logits, loss) = self.forward(batch, context);
            self.statistics(loss, Some(logits), batch)
        })
    }
}
