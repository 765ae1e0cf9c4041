//! What GPUs need: gradients that are parallel, logits in chunks, and what a step hands to the device.

use crate::common::backends::{Backend, CPU};
use crate::common::{device, random_batch, small_config};
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn::train::{ItemLazy, Learner};
use electra_burn::data::{HostBatch, HostRows, Purpose, Rng, Samples, StepBatch, SumOrder};
use electra_burn::device::watch;
use electra_burn::kernels::{StepContext, lookup, masked_lm};
use electra_burn::learner::{Pretrainer, WarmupLinear, optimizer, update};

crate::on_every_backend!(
    lookups_are_those_of_select,
    chunks_of_logits_are_the_whole,
    deterministic_steps_repeat,
    orders_change_no_step,
    a_step_adds_no_rows_one_by_one,
);

fn numbers(rng: &mut Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| rng.truncated_normal()).collect()
}

fn floats(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-9f32, |largest, value| largest.max(value.abs()));
    for (at, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance * largest, "{what}[{at}]: {f}, expected {e}");
    }
}

/// Rows and gradient of a lookup, as `by` does it, of ids of which half are the same and some are asked for once.
fn looked_up(device: &Device, by: fn(Tensor<2>, Tensor<1, Int>, SumOrder) -> Tensor<2>) -> [Vec<f32>; 2] {
    let (rows, width, n) = (50, 12, 333);
    let mut rng = Rng::new(4, Purpose::Init, 0, 0);
    let table = TensorData::new(numbers(&mut rng, rows * width), [rows, width]);
    let weights = TensorData::new(numbers(&mut rng, n * width), [n, width]);
    let ids: Vec<usize> = (0..n).map(|at| if at % 2 == 0 { 7 } else { rng.below(45) }).collect();
    let order = SumOrder::new(ids.iter().copied(), device);
    let ids: Vec<i32> = ids.into_iter().map(|id| id as i32).collect();
    let ids = Tensor::from_data(TensorData::new(ids, [n]), device);
    let table = Tensor::<2>::from_data(table, &device.clone().autodiff()).require_grad();
    let output = by(table.clone(), ids, order);
    let values = floats(output.clone().inner());
    let gradients = (output * Tensor::from_data(weights, device)).sum().backward();
    [values, floats(table.grad(&gradients).unwrap())]
}

/// The word table, hidden states at picked positions, and everything else that is looked up.
fn lookups_are_those_of_select(backend: &Backend) {
    let expected = looked_up(&device(CPU), |table, ids, _| table.select(0, ids));
    let ordered = looked_up(&backend.device, |table, ids, order| lookup(table, ids, Some(&order)));
    let unordered = looked_up(&backend.device, |table, ids, _| lookup(table, ids, None));
    for found in [ordered, unordered] {
        assert_eq!(found[0], expected[0], "rows are copies");
        assert_close(&found[1], &expected[1], 1e-6, "gradient");
    }
}

/// Loss, gradients, samples and hits with chunks of at most `most` bytes.
fn at_vocabulary(device: &Device, most: usize) -> (Vec<Vec<f32>>, Vec<i64>) {
    let (picked, width, words) = (20, 6, 101);
    let mut rng = Rng::new(6, Purpose::Init, 0, 0);
    let recording = device.clone().autodiff();
    let mut tensor = |shape: [usize; 2]| {
        let data = TensorData::new(numbers(&mut rng, shape[0] * shape[1]), shape);
        Tensor::<2>::from_data(data, &recording).require_grad()
    };
    let (hidden, table, bias) = (tensor([picked, width]), tensor([words, width]), tensor([1, words]));
    let targets: Vec<i32> = (0..picked as i32).map(|at| at * 5).collect();
    let at: Vec<f32> = (0..picked).map(|at| (at as f32 + 0.5) / picked as f32).collect();
    let samples = Samples::Quantiles(Tensor::from_data(TensorData::new(at, [picked]), device));
    let targets = Tensor::from_data(TensorData::new(targets, [picked]), device);
    let flat = bias.clone().reshape([words]);
    let found = masked_lm(hidden.clone(), table.clone(), flat, targets, &samples, (1.0, most), &StepContext::default());
    let mut numbers =
        vec![found.loss.clone().inner().into_data().iter().collect(), found.correct.into_data().iter().collect()];
    let gradients = (found.loss * 0.25).backward();
    numbers.extend([hidden, table, bias].map(|of| floats(of.grad(&gradients).unwrap())));
    (numbers, found.samples.into_data().iter().collect())
}

fn chunks_of_logits_are_the_whole(backend: &Backend) {
    let row = 4 * 101;
    let (whole, samples) = at_vocabulary(&backend.device, 20 * row);
    let (expected, expected_samples) = at_vocabulary(&device(CPU), usize::MAX);
    for rows in [1, 7] {
        let (found, found_samples) = at_vocabulary(&backend.device, rows * row);
        for (number, (found, whole)) in found.iter().zip(&whole).enumerate() {
            assert_close(found, whole, 1e-6, &format!("{rows} rows at a time, tensor {number}"));
        }
        assert_eq!(found_samples, samples, "{rows} rows at a time");
    }
    for (number, (whole, expected)) in whole.iter().zip(&expected).enumerate() {
        assert_close(whole, expected, backend.tolerance.gradients, &format!("tensor {number}"));
    }
    assert_eq!(samples, expected_samples);
}

/// The losses and the norms of the gradients of three steps, without dropout, with orders if `ordered`.
fn steps(device: &Device, deterministic: bool) -> Vec<f64> {
    let mut config = small_config();
    config.model = config.model.without_dropout();
    let model = Pretrainer::new(&config, &device.clone().autodiff());
    let mut learner = Learner::new(model, optimizer(&config.optimizer), WarmupLinear::of(1e-2, 1, 10));
    let mut numbers = Vec::new();
    for step in 1..=3 {
        let batch = HostBatch { deterministic, ..random_batch(16, 12, true) };
        let seen = update(&mut learner, StepBatch::new(step, 0, vec![batch.to_device(device)]), 1.0).unwrap();
        let seen = seen.sync().unwrap();
        numbers.extend([seen.seen().tally.mlm_loss(), seen.seen().tally.disc_loss()]);
        numbers.extend(seen.seen().grad_norm);
    }
    numbers
}

fn deterministic_steps_repeat(backend: &Backend) {
    let first = steps(&backend.device, true);
    assert_eq!(first.len(), 9);
    assert_eq!(steps(&backend.device, true), first);
}

fn orders_change_no_step(backend: &Backend) {
    let (ordered, unordered) = (steps(&backend.device, true), steps(&backend.device, false));
    for (at, (f, e)) in ordered.iter().zip(&unordered).enumerate() {
        assert!((f - e).abs() <= backend.tolerance.trajectory * e.abs().max(1.0), "[{at}]: {f}, without an order {e}");
    }
}

/// By name: no kernel whose threads add row after row.
fn a_step_adds_no_rows_one_by_one(backend: &Backend) {
    let config = small_config();
    let device = &backend.device;
    let model = Pretrainer::new(&config, &device.clone().autodiff());
    let mut learner = Learner::new(model, optimizer(&config.optimizer), WarmupLinear::of(1e-2, 1, 10));
    let mut step = |number: usize, deterministic: bool| {
        let batch = HostBatch { deterministic, ..random_batch(4, 12, true) };
        update(&mut learner, StepBatch::new(number, 0, vec![batch.to_device(device)]), 1.0)
    };
    step(1, false).unwrap();
    for deterministic in [false, true] {
        let (_, launches) = watch(device, false, || step(2, deterministic)).unwrap();
        let names: Vec<&str> = launches.by_name.iter().map(|kernel| kernel.name.as_str()).collect();
        assert!(!names.iter().any(|name| name.contains("SelectAssign")), "{names:?}");
        // CPU backends launch nothing.
        let on_gpu = !electra_burn::device::computes_on_host(device);
        assert_eq!(launches.kernels > 100, on_gpu, "{} kernels", launches.kernels);
        assert_eq!(names.iter().any(|name| name.contains("ScatterAddAtomic")), on_gpu, "{names:?}");
    }
    // The gradient of `select` is such a kernel, and this is its name.
    let rows = Tensor::<2>::ones([6, 4], &device.clone().autodiff()).require_grad();
    let ids = Tensor::<1, Int>::from_data(TensorData::new(vec![1i32, 1, 5], [3]), device);
    let (_, launches) = watch(device, false, || Ok(rows.select(0, ids).sum().backward())).unwrap();
    let named = launches.by_name.iter().any(|kernel| kernel.name.contains("SelectAssign"));
    assert_eq!(named, !electra_burn::device::computes_on_host(device), "{:?}", launches.by_name);
}
