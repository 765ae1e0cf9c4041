//! The same numbers on every backend.

use crate::common::backends::Backend;
use crate::common::backends::CPU;
use crate::common::{device, random_batch, small_config};
use burn::tensor::{Device, Int, Tensor};
use burn::train::{ItemLazy, Learner};
use electra_burn::config::Precision;
use electra_burn::data::HostRows;
use electra_burn::data::StepBatch;
use electra_burn::kernels::StepContext;
use electra_burn::learner::{WarmupLinear, optimizer, update};
use electra_burn::model::{ElectraPair, Inputs, Padding};
use electra_burn::objective::forward;
use electra_burn::tasks::{Feature, Finetuner, Head, Loss, Network, Target, TaskHostBatch as TaskRows};

crate::on_every_backend!(a_forward_pass_agrees, fine_tuning_agrees);

/// Logits of both networks and the loss on `device`, from the same seed and the same batch.
fn forward_pass(device: &Device) -> (Vec<f32>, Vec<i64>) {
    let mut config = small_config();
    // Large weights, so that the softmaxes and GELUs are not in their linear range.
    config.model.initializer_range = 0.3;
    let pair = ElectraPair::new(&config, device);
    let host = random_batch(4, 12, true);
    let batch = host.to_device(device);
    // Everything is compared, what is computed at padding too.
    let inputs = |ids: &Tensor<2, Int>| Inputs {
        padding: Padding::Compute,
        ..Inputs::new(ids.clone(), batch.attention_mask.clone())
    };
    let context = StepContext::default();
    let generator = pair.masked_lm();
    let logits = generator.logits(generator.electra.forward(inputs(&batch.masked_ids), &context), &context);
    let outcome = forward(&pair, &batch, host.counts, &config.objective, &context);
    let scores = pair.discriminate(inputs(&outcome.corrupted_ids), &context);
    let floats = [logits.into_data(), scores.into_data(), outcome.loss.into_data()];
    (floats.iter().flat_map(|data| data.iter::<f32>()).collect(), outcome.corrupted_ids.into_data().iter().collect())
}

fn a_forward_pass_agrees(backend: &Backend) {
    let (found, corrupted) = forward_pass(&backend.device);
    let (expected, expected_corrupted) = forward_pass(&device(CPU));
    assert_eq!(corrupted, expected_corrupted, "the same uniform numbers give the same samples");
    assert_eq!(found.len(), expected.len());
    for (at, (f, e)) in found.iter().zip(&expected).enumerate() {
        // Relative above 1: the loss is near 40, where single precision has steps of 4e-6.
        assert!((f - e).abs() <= backend.tolerance.outputs * e.abs().max(1.0), "[{at}]: {f}, {CPU} has {e}");
    }
}

/// The losses of three optimizer steps with a head of each kind.
fn fine_tuning(device: &Device) -> Vec<f64> {
    let config = small_config();
    let heads = [(Head::Sequence(3), Loss::Softmax), (Head::Tokens(3), Loss::Softmax), (Head::Span, Loss::Softmax)];
    let mut losses = Vec::new();
    for (head, loss) in heads {
        let features: Vec<Feature> = (0..4usize).map(|row| feature(head, row)).collect();
        let network = Network::new(head, &config.model, 7, &device.clone().autodiff());
        let model = Finetuner::new(network, loss, Precision::F32, 1.0);
        let mut learner = Learner::new(model, optimizer(&config.optimizer), WarmupLinear::of(1e-2, 1, 10));
        for step in 1..=3 {
            let batch = TaskRows::new(&features, &[0, 1, 2, 3], 0).to_device(device);
            let observation = update(&mut learner, StepBatch::new(step, 0, vec![batch]), 1.0).unwrap().sync().unwrap();
            let tally = &observation.seen().tally;
            losses.push(tally.loss_sum / tally.count as f64);
        }
    }
    losses
}

fn feature(head: Head, row: usize) -> Feature {
    let length = 12 - row;
    let word = |at: usize| 5 + ((row * 11 + at * 7) % 35) as u32;
    let ids: Vec<u32> = std::iter::once(2).chain((2..length).map(word)).chain([3]).collect();
    let positions = vec![1, 3, 4];
    let (target, positions) = match head {
        Head::Sequence(labels) => (Target::Class(row % labels), None),
        Head::Tokens(labels) => (Target::Classes((0..3).map(|at| (row + at) % labels).collect()), Some(positions)),
        Head::Span => (Target::Span(row, row + 2), None),
    };
    Feature { second: ids.len(), ids, target, example: row, positions, spans: Vec::new() }
}

fn fine_tuning_agrees(backend: &Backend) {
    let (found, expected) = (fine_tuning(&backend.device), fine_tuning(&device(CPU)));
    assert_eq!(found.len(), 9);
    for (at, (f, e)) in found.iter().zip(&expected).enumerate() {
        assert!((f - e).abs() <= backend.tolerance.trajectory * e.abs().max(1.0), "[{at}]: {f}, {CPU} has {e}");
    }
    assert!(expected.chunks(3).all(|losses| losses[2] < losses[0]), "it learns: {expected:?}");
}
