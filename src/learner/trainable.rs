//! What the Learner trains: a network with its loss, and what its steps leave for the metrics. Pretraining a pair is one
//! such thing, fine-tuning an encoder with a head another.

use super::observation::Observation;
use super::statistics::Statistics;
use crate::config::Precision;
use crate::data::StepBatch;
use burn::train::{InferenceStep, LearnerModel, TrainStep};

/// A network with its loss. One item of its loaders is one optimizer step.
pub trait Trainable:
    LearnerModel
    + TrainStep<Input = StepBatch<Self::Batch>, Output = Observation<Self::Statistics>>
    + InferenceStep<Input = StepBatch<Self::Batch>, Output = Observation<Self::Statistics>>
{
    /// One batch on a device.
    type Batch: Send + 'static;
    /// What a batch leaves for the metrics, on the device.
    type Statistics: Statistics;

    /// What the loss is multiplied by while gradients are computed.
    fn loss_scale(&self) -> f64;

    /// Format of the operands of products on the device where the network lies.
    fn precision(&self) -> Precision;
}

/// The sums of what `M` leaves.
pub(super) type TallyOf<M> = <<M as Trainable>::Statistics as Statistics>::Tally;
