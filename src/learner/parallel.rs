//! The first half of a step, forwards and back, on one device or shared by several (Burn's `MultiDevicesTrainStep`: a
//! thread for each device, which fetches the weights, computes its share of the step, and hands its gradients back).

use super::observation::Observation;
use super::step::on_its_threads;
use super::trainable::Trainable;
use crate::data::StepBatch;
use crate::device::Adapters;
use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::optim::GradientsAccumulator;
use burn::tensor::Device;
use burn::train::train::{MultiDeviceStepError, MultiDevicesTrainStep, WorkerFailure};
use burn::train::{Learner, TrainLoader, TrainOutput};

/// The devices of a run, each with autodiff and the loader of its share. The weights and the optimizer live on the first.
pub(super) struct Replicas<M: Trainable> {
    pub devices: Vec<(Device, TrainLoader<M>)>,
    /// The same, as messages call them.
    pub adapters: Adapters,
}

/// Burn's threads, where there are several devices.
pub(super) struct Threads<M: Trainable>(Option<MultiDevicesTrainStep<M>>);

/// Gradients of a step with what it leaves for the metrics.
type Output<M> = TrainOutput<Observation<<M as Trainable>::Statistics>>;

/// What goes through a window.
pub(super) struct ReplicaSteps<'a, M: Trainable> {
    replicas: &'a Replicas<M>,
    threads: &'a Threads<M>,
    loaders: Vec<Box<dyn DataLoaderIterator<StepBatch<M::Batch>> + 'a>>,
}

impl<M: Trainable> Replicas<M> {
    /// Starts what the steps need.
    pub(super) fn threads(&self) -> Threads<M> {
        let devices: Vec<_> = self.devices.iter().map(|(device, _)| device.clone()).collect();
        Threads((devices.len() > 1).then(|| MultiDevicesTrainStep::new(&devices)))
    }

    /// The steps of the window that the loaders serve.
    pub(super) fn pass<'a>(&'a self, threads: &'a Threads<M>) -> ReplicaSteps<'a, M> {
        let loaders = self.devices.iter().map(|(_, loader)| loader.iter()).collect();
        ReplicaSteps { replicas: self, threads, loaders }
    }

    /// Where the weights are.
    pub(super) fn main(&self) -> &Device {
        &self.devices[0].0
    }

    /// Steps of the window.
    pub(super) fn steps(&self) -> usize {
        self.devices[0].1.num_items()
    }

    /// Adds up the outputs of a step, in the order of the devices whichever was first, so that a sum does not depend on
    /// that.
    fn merged(&self, model: &M, mut outputs: Vec<Output<M>>) -> Option<Output<M>> {
        let main = self.main().clone().inner();
        outputs.sort_by_key(|output| output.item.rank);
        let mut outputs = outputs.into_iter();
        let TrainOutput { grads, mut item } = outputs.next()?;
        let mut sum = GradientsAccumulator::new();
        sum.accumulate(model, grads);
        for output in outputs {
            sum.accumulate(model, output.grads.to_device(&main, model));
            item.add_share(output.item, &main);
        }
        Some(TrainOutput { grads: sum.grads(), item })
    }
}

impl<M: Trainable> ReplicaSteps<'_, M> {
    /// The next step; absent after the last.
    pub(super) fn next(&mut self, learner: &mut Learner<M>) -> Option<Result<Output<M>, String>> {
        if let Some(reason) = self.replicas.adapters.broken() {
            return Some(Err(reason));
        }
        let Some(threads) = &self.threads.0 else {
            let input = self.loaders[0].next()?;
            let main = self.replicas.main();
            let step = |input| on_its_threads(main, learner, |learner| learner.train_step(input));
            return Some(input.map(step).map_err(|error| error.to_string()));
        };
        let model = learner.model();
        match threads.step(&mut self.loaders, &model) {
            Ok((outputs, _)) => {
                self.replicas.merged(&model, outputs.into_iter().map(|output| output.output).collect()).map(Ok)
            }
            Err(MultiDeviceStepError::Dataset(error)) => Some(Err(error.to_string())),
            Err(MultiDeviceStepError::Workers(failures)) => {
                let name = |rank: usize| self.replicas.adapters.iter().nth(rank).map_or("", |adapter| &adapter.name);
                let tell = |failure: &WorkerFailure| format!("{}: {}", name(failure.device_id), failure.message);
                Some(Err(failures.iter().map(tell).collect::<Vec<_>>().join("; ")))
            }
        }
    }

    /// How far the window is.
    pub(super) fn progress(&self) -> Progress {
        self.loaders[0].progress()
    }
}
