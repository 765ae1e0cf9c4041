//! What the Learner trains: a network with its loss, and what its steps leave for the metrics. Pretraining a pair is one
//! such thing, fine-tuning an encoder with a head another.

use super::observation::{Observation, Seen};
use super::record::RunRecord;
use crate::data::StepBatch;
use burn::tensor::{Device, Tensor};
use burn::train::{InferenceStep, LearnerModel, TrainStep};
use std::fmt::Debug;

/// A network with its loss. One item of its loaders is one optimizer step.
pub trait Trainee:
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
}

/// The sums of what `M` leaves.
pub type TallyOf<M> = <<M as Trainee>::Statistics as Statistics>::Tally;

/// The numbers of one or more batches while they are on the device.
pub trait Statistics: Send + 'static {
    /// The same on the host.
    type Tally: Tally;

    /// Adds those of another batch.
    fn merge(&mut self, other: Self);

    /// The numbers, each a vector, to be read by the caller and handed to [`tally`](Self::tally).
    fn take(&mut self) -> Vec<Tensor<1>>;

    /// Moves the numbers to `device`.
    fn to_device(self, device: &Device) -> Self;

    /// How many numbers they are.
    fn count(&self) -> usize;

    /// What [`take`](Self::take) gave, read.
    fn tally(&self, values: &[f32]) -> Self::Tally;
}

/// Sums on the host, over any number of batches: every metric follows from them.
pub trait Tally: Debug + Clone + Default + PartialEq + Send + Sync + 'static {
    /// What it becomes in `metrics.jsonl`.
    type Record: RunRecord;

    /// What the loss is called in a message.
    const LOSS: &'static str;

    /// The numbers that the dashboard plots, of training and validation.
    fn numbers() -> &'static [Number<Self>];

    /// Adds the sums of `other`.
    fn merge(&mut self, other: &Self);

    /// The mean loss whose jumps are reported.
    fn loss(&self) -> f64;

    /// Real tokens.
    fn tokens(&self) -> usize;

    /// The sums, and lists of scores by name: what a checkpoint keeps of an open interval.
    fn to_parts(&self) -> (Vec<f64>, Vec<(&'static str, &[f32])>);

    /// What [`to_parts`](Self::to_parts) gave; absent where a part is missing.
    fn from_parts(sums: &[f64], list: impl Fn(&str) -> Option<Vec<f32>>) -> Option<Self>;
}

/// A number that the dashboard plots.
#[derive(Debug)]
pub struct Number<T> {
    /// Its name there.
    pub name: &'static str,
    /// Which way it should go.
    pub higher_is_better: bool,
    /// The value of a step at a learning rate, and the count that it is a mean over, so that means over steps are exact.
    pub value: fn(&Seen<T>, f64) -> (f64, usize),
}
