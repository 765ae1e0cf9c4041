//! The numbers that steps leave for the metrics: on the device, and as sums on the host.

use super::record::RunRecord;
use burn::tensor::{Device, Tensor};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Instant;

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

    /// The numbers of training and validation that observers receive.
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

/// A number of every step and validation, to be plotted.
#[derive(Debug)]
pub struct Number<T> {
    /// Its name in plots and events.
    pub name: &'static str,
    /// The value of a step at a learning rate, and the count that it is a mean over: with 0 it is no number.
    pub value: fn(&StepResult<T>, f64) -> (f64, usize),
}

/// What is known of a step on the host.
#[derive(Debug, Clone)]
pub struct StepResult<T> {
    /// The step, from 1; in a validation the steps done so far.
    pub step: usize,
    /// Sums and scores.
    pub tally: T,
    /// Norm of all gradients together before clipping; absent in a validation.
    pub grad_norm: Option<f64>,
    /// Where loss or gradients were not finite, so that nothing was updated: the norms of the gradients by block.
    pub bad: Option<BTreeMap<String, f64>>,
    /// When the step began and when its results had been read. Steps that are read together share their time evenly.
    pub time: (Instant, Instant),
}
