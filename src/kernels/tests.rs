//! Every fused kernel against its portable form, in value and gradient, over random shapes.

use super::*;
use crate::config::Precision;
use crate::data::{Purpose, Rng, Samples};
use burn::module::{Module, Param};
use burn::nn::{Embedding, LayerNorm, LayerNormConfig, Linear};
use burn::optim::{AdamWState, Optimizer};
use burn::tensor::{Device, Distribution, Gradients, Int, Tensor, TensorData};
use electra_matmul::has_bf16;
use proptest::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Largest difference, in units of the largest number of the tensor. Both forms round in single precision, in different
/// orders.
const TOLERANCE: f32 = 1e-5;

/// The same where operands are rounded to bf16, which keeps 8 bits. Both forms round those of the way forwards, only the
/// fused ones the gradients too, and a sum of roundings is larger than one.
const BF16_TOLERANCE: f32 = 5.0 / 256.0;

/// What counts as zero: what is left where numbers near 1 cancel each other.
const NOISE: f32 = 2e-6;

/// Random numbers for a test: `numbers(seed)` gives the same ones each time.
struct Numbers(Rng, Device);

impl Numbers {
    fn new(seed: u64) -> Self {
        Self(Rng::new(seed, Purpose::Init, 0, 0), device())
    }

    /// With gradients.
    fn tensor<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| 1.5 * self.0.truncated_normal()).collect();
        Tensor::from_data(TensorData::new(values, shape), &self.1).require_grad()
    }

    fn linear(&mut self, d_input: usize, d_output: usize) -> Linear {
        let weight = Param::from_tensor(self.tensor([d_input, d_output]));
        Linear { weight, bias: Some(Param::from_tensor(self.tensor([d_output]))) }
    }

    fn layer_norm(&mut self, width: usize) -> LayerNorm {
        let mut layer_norm = LayerNormConfig::new(width).with_epsilon(EPSILON).init(&device());
        layer_norm.gamma = Param::from_tensor(self.tensor([width]));
        layer_norm.beta = Some(Param::from_tensor(self.tensor([width])));
        layer_norm
    }

    fn ids<const D: usize>(&mut self, shape: [usize; D], below: usize) -> Tensor<D, Int> {
        let ids: Vec<i32> = (0..shape.iter().product()).map(|_| self.0.below(below) as i32).collect();
        Tensor::from_data(TensorData::new(ids, shape), &device().inner())
    }
}

const EPSILON: f64 = 1e-12;

fn device() -> Device {
    Device::flex().autodiff()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

/// The output, and what `inputs` says of the gradients of its sum weighted by fixed numbers.
fn derive<const D: usize>(output: Tensor<D>, inputs: impl FnOnce(&Gradients) -> Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    let weights = Numbers::new(99).tensor(output.dims()).inner();
    let gradients = (output.clone() * weights).sum().backward();
    let mut all = vec![values(output)];
    all.extend(inputs(&gradients));
    all
}

fn gradient<const D: usize>(gradients: &Gradients, tensor: &Tensor<D>) -> Vec<f32> {
    values(tensor.grad(gradients).expect("the tensor has a gradient"))
}

fn of_linear(gradients: &Gradients, layer: &Linear) -> [Vec<f32>; 2] {
    [gradient(gradients, &layer.weight.val()), gradient(gradients, &layer.bias.as_ref().expect("it has a bias").val())]
}

fn of_norm(gradients: &Gradients, layer: &LayerNorm) -> [Vec<f32>; 2] {
    [gradient(gradients, &layer.gamma.val()), gradient(gradients, &layer.beta.as_ref().expect("it has a beta").val())]
}

/// The switch belongs to the process: what turns it, and what needs the fused form, runs alone.
fn alone() -> MutexGuard<'static, ()> {
    static SWITCH: Mutex<()> = Mutex::new(());
    SWITCH.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` in both forms and holds the results against each other.
fn agree(work: impl Fn() -> Vec<Vec<f32>>) -> Result<(), TestCaseError> {
    agree_to(TOLERANCE, work)
}

fn agree_to(tolerance: f32, work: impl Fn() -> Vec<Vec<f32>>) -> Result<(), TestCaseError> {
    let _alone = alone();
    let fused = work();
    set_portable(true);
    let portable = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&work));
    set_portable(false);
    let portable = portable.map_err(|_| TestCaseError::fail("the portable form panicked"))?;
    prop_assert_eq!(fused.len(), portable.len());
    for (number, (fused, portable)) in fused.iter().zip(&portable).enumerate() {
        prop_assert_eq!(fused.len(), portable.len(), "length of tensor {}", number);
        let largest = portable.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for (at, (fused, portable)) in fused.iter().zip(portable).enumerate() {
            let difference = (fused - portable).abs();
            prop_assert!(
                difference <= (tolerance * largest).max(NOISE),
                "tensor {} at {}: {}, portable {}, largest {}",
                number,
                at,
                fused,
                portable,
                largest
            );
        }
    }
    Ok(())
}

fn dropout(probability: f64) -> Dropout {
    Dropout::new(probability)
}

/// Of a step of training; every test draws one mask at most.
fn context() -> StepContext {
    StepContext::training(Precision::Auto, 17)
}

fn in_bf16() -> StepContext {
    StepContext::training(Precision::BF16, 17)
}

/// A dense layer with its gradients.
fn dense([rows, inner, width]: [usize; 3], gelu: bool, seed: u64, context: &StepContext) -> Vec<Vec<f32>> {
    let mut numbers = Numbers::new(seed);
    let (layer, x) = (numbers.linear(inner, width), numbers.tensor([rows, 2, inner]));
    let output = if gelu { linear_gelu(&layer, x.clone(), context) } else { linear(&layer, x.clone(), context) };
    derive(output, |gradients| {
        let [weight, bias] = of_linear(gradients, &layer);
        vec![gradient(gradients, &x), weight, bias]
    })
}

/// Attention with its gradients.
fn attended([batch, seq, heads, width]: [usize; 4], drop: bool, seed: u64, context: &StepContext) -> Vec<Vec<f32>> {
    let mut numbers = Numbers::new(seed);
    let [query, key, value] = [(); 3].map(|()| numbers.tensor([batch, seq, heads * width]));
    let dropout = dropout(if drop { 0.2 } else { 0.0 });
    let mask = AttentionMask::Full;
    let output = attention(query.clone(), key.clone(), value.clone(), heads, &mask, &dropout, context);
    derive(output, |gradients| [query, key, value].iter().map(|x| gradient(gradients, x)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn linear_layers(rows in 1usize..90, inner in 1usize..70, width in 1usize..70, gelu: bool, seed: u64) {
        agree(|| dense([rows, inner, width], gelu, seed, &context()))?;
    }

    /// In pieces, with what lies between the layers computed twice, against both layers one after the other.
    #[test]
    fn feed_forward_blocks(
        rows in 1usize..1100, hidden in 1usize..20, inner in 1usize..20, checkpointing: bool, seed: u64,
    ) {
        agree(|| {
            let mut numbers = Numbers::new(seed);
            if checkpointing {
                numbers.1 = device().gradient_checkpointing();
            }
            let (up, down) = (numbers.linear(hidden, inner), numbers.linear(inner, hidden));
            let x = numbers.tensor([rows, hidden]);
            // Sums of a thousand rows: in units of their length.
            let output = feed_forward(&up, &down, x.clone(), &context()) / rows as f32;
            derive(output, |gradients| {
                let [up, down] = [&up, &down].map(|layer| of_linear(gradients, layer));
                [vec![gradient(gradients, &x)], up.to_vec(), down.to_vec()].concat()
            })
        })?;
    }

    #[test]
    fn attention_of_any_length(
        batch in 1usize..4, seq in 1usize..150, heads in 1usize..4, width in 1usize..20, drop: bool, seed: u64,
    ) {
        agree(|| attended([batch, seq, heads, width], drop, seed, &context()))?;
    }

    #[test]
    fn attention_with_its_projections(
        batch in 1usize..4, seq in 1usize..70, heads in 1usize..4, width in 8usize..16, inner in 8usize..24, drop: bool,
        seed: u64,
    ) {
        // Products of products: what the first round, the next make larger, above all of few numbers.
        agree_to(10.0 * TOLERANCE, || {
            let mut numbers = Numbers::new(seed);
            let layers = [(); 3].map(|()| numbers.linear(inner, heads * width));
            // Scores of a size at which rounding of the two forms does not choose another key.
            let x = numbers.tensor([batch, seq, inner]) * 0.1;
            let x = x.detach().require_grad();
            let dropout = dropout(if drop { 0.2 } else { 0.0 });
            let output =
                self_attention(layers.each_ref(), x.clone(), heads, &AttentionMask::Full, &dropout, &context());
            derive(output, |gradients| {
                let mut all = vec![gradient(gradients, &x)];
                layers.iter().for_each(|layer| all.extend(of_linear(gradients, layer)));
                // The bias of the keys shifts all scores of a query alike: its gradient is 0 but for rounding.
                all.remove(4);
                all
            })
        })?;
    }

    #[test]
    fn products_in_bf16(rows in 1usize..90, inner in 1usize..70, width in 1usize..70, gelu: bool, seed: u64) {
        agree_to(BF16_TOLERANCE, || dense([rows, inner, width], gelu, seed, &in_bf16()))?;
    }

    #[test]
    fn attention_in_bf16(
        batch in 1usize..4, seq in 1usize..150, heads in 1usize..4, width in 8usize..20, drop: bool, seed: u64,
    ) {
        agree_to(BF16_TOLERANCE, || attended([batch, seq, heads, width], drop, seed, &in_bf16()))?;
    }

    // Of few numbers some rows are nearly equal, and what they are divided by makes any rounding large.
    #[test]
    fn residuals_and_norms(rows in 1usize..100, width in 16usize..90, drop: bool, residual: bool, seed: u64) {
        agree(|| {
            let mut numbers = Numbers::new(seed);
            let (layer, x, other) = (numbers.layer_norm(width), numbers.tensor([rows, width]), numbers.tensor([rows, width]));
            let dropout = dropout(if drop { 0.2 } else { 0.0 });
            let output = match residual {
                true => residual_norm(&layer, EPSILON, &dropout, x.clone(), other.clone(), &context()),
                false => layer_norm(&layer, EPSILON, x.clone(), &context()),
            };
            derive(output, |gradients| {
                let mut all = of_norm(gradients, &layer).to_vec();
                all.push(gradient(gradients, &x));
                if residual {
                    all.push(gradient(gradients, &other));
                }
                all
            })
        })?;
    }

    #[test]
    fn embeddings(
        batch in 1usize..5, seq in 1usize..40, width in 16usize..40, typed: bool, padded: bool, drop: bool, seed: u64,
    ) {
        agree(|| {
            let mut numbers = Numbers::new(seed);
            let mut table = |rows| Embedding { weight: Param::from_tensor(numbers.tensor([rows, width])) };
            let (words, positions, token_types) = (table(30), table(40), table(2));
            let layer_norm = numbers.layer_norm(width);
            let ids = numbers.ids([batch, seq], 30);
            let types = typed.then(|| numbers.ids([batch, seq], 2));
            let mask = padded.then(|| numbers.ids([batch, seq], 2).float());
            let tables = Tables {
                words: &words, positions: &positions, token_types: &token_types, layer_norm: &layer_norm,
                layer_norm_eps: EPSILON,
            };
            let dropout = dropout(if drop { 0.2 } else { 0.0 });
            let output = embed(tables, &dropout, &ids, types.as_ref(), mask.as_ref(), None, &context());
            derive(output, |gradients| {
                let mut all = of_norm(gradients, &layer_norm).to_vec();
                all.extend([&words, &positions, &token_types].map(|table| gradient(gradients, &table.weight.val())));
                all
            })
        })?;
    }

    #[test]
    fn words_at_masked_positions(picked in 1usize..50, words in 2usize..700, hot: bool, given: bool, seed: u64) {
        agree(|| {
            let mut numbers = Numbers::new(seed);
            let (hidden, table, bias) = (numbers.tensor([picked, 6]), numbers.tensor([words, 6]), numbers.tensor([words]));
            let targets = numbers.ids([picked], words);
            let samples = match given {
                true => Samples::Ids(numbers.ids([picked], words)),
                false => Samples::Quantiles(Tensor::random([picked], Distribution::Default, &device().inner())),
            };
            let temperature = if hot { 1.7 } else { 1.0 };
            let found = masked_lm(hidden.clone(), table.clone(), bias.clone(), targets, &samples, (temperature, 1 << 30), &context());
            let (samples, correct) = (found.samples.float(), found.correct);
            let mut all = derive(found.loss, |gradients| {
                vec![gradient(gradients, &hidden), gradient(gradients, &table), gradient(gradients, &bias)]
            });
            all.push(values(correct));
            if given {
                all.push(values(samples));
            }
            all
        })?;
    }

    #[test]
    fn updates_and_norms(rows in 1usize..200, width in 1usize..200, seed: u64) {
        agree(|| {
            let mut numbers = Numbers::new(seed);
            let adamw = AdamW::new(0.9, 0.999, 1e-6, 0.1);
            let mut weights: Tensor<2> = numbers.tensor([rows, width]).inner();
            let mut state: Option<AdamWState<2>> = None;
            let mut all = Vec::new();
            for step in 1..4 {
                let gradient = numbers.tensor([rows, width]).inner();
                all.push(values(square_sum(&gradient)));
                (weights, state) = adamw.step(0.01 * f64::from(step), weights, gradient, state);
            }
            let momentum = state.expect("there is a state after a step").momentum;
            all.extend([weights, momentum.moment_1, momentum.moment_2].map(values));
            all.push(vec![momentum.time as f32]);
            all
        })?;
    }
}

/// Leaving padding out gives what masking it gives.
#[test]
fn sequences_laid_end_to_end_are_those_that_are_padded() {
    let _alone = alone();
    let (heads, width) = (2, 8);
    let lengths = [5usize, 130, 1, 64];
    let total: usize = lengths.iter().sum();
    let mut numbers = Numbers::new(3);
    let [query, key, value] = [(); 3].map(|()| numbers.tensor([1, total, heads * width]));
    let none = Dropout::new(0.0);
    let mask = AttentionMask::Lengths(Arc::from(lengths));
    let packed = attention(query.clone(), key.clone(), value.clone(), heads, &mask, &none, &context());
    let found = derive(packed, |gradients| [&query, &key, &value].map(|x| gradient(gradients, x)).to_vec());
    let mut first = 0;
    for length in lengths {
        let part = |x: &Tensor<3>| x.clone().narrow(1, first, length);
        let apart = attention(part(&query), part(&key), part(&value), heads, &AttentionMask::Full, &none, &context());
        // The weights of the sum are those of the packed output.
        let weights = Numbers::new(99).tensor([1, total, heads * width]).detach();
        let gradients = (apart.clone() * part(&weights)).sum().backward();
        let expected = [
            values(apart),
            values(part(&query.grad(&gradients).map(Tensor::from_inner).unwrap())),
            values(part(&key.grad(&gradients).map(Tensor::from_inner).unwrap())),
            values(part(&value.grad(&gradients).map(Tensor::from_inner).unwrap())),
        ];
        let range = first * heads * width..(first + length) * heads * width;
        for (found, expected) in found.iter().zip(expected) {
            for (found, expected) in found[range.clone()].iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{found}, alone {expected}");
            }
        }
        first += length;
    }
}

/// Samples of the fused form are the quantiles of its own distribution.
#[test]
fn samples_follow_their_quantiles() {
    let _alone = alone();
    let words = 1000;
    let device = device();
    // Logits that are their bias: word `i` has weight `i + 1`.
    let bias: Vec<f32> = (0..words).map(|i| (i as f32 + 1.0).ln()).collect();
    let picked = 500;
    let at: Vec<f32> = (0..picked).map(|i| (i as f32 + 0.5) / picked as f32).collect();
    let plain = device.clone().inner();
    let found = masked_lm(
        Tensor::zeros([picked, 4], &device),
        Tensor::zeros([words, 4], &device),
        Tensor::from_data(TensorData::new(bias, [words]), &device),
        Tensor::zeros([picked], &plain),
        &Samples::Quantiles(Tensor::from_data(TensorData::new(at.clone(), [picked]), &plain)),
        (1.0, 1 << 30),
        &context(),
    );
    let samples: Vec<i64> = found.samples.into_data().iter().collect();
    for (sample, at) in samples.into_iter().zip(at) {
        // The sum of weights up to `n` is n (n + 1) / 2.
        let total = (words * (words + 1)) as f64 / 2.0;
        let expected = ((0.25 + 2.0 * f64::from(at) * total).sqrt() - 0.5).floor();
        assert!((sample as f64 - expected).abs() <= 1.0, "{at}: {sample}, expected {expected}");
    }
}

/// A number that is no number stays visible: a step with it must be recognised as bad.
#[test]
fn nan_is_not_lost() {
    let _alone = alone();
    let device = device();
    let with_nan = |shape: [usize; 3]| {
        let mut values = vec![0.5; shape.iter().product()];
        values[3] = f32::NAN;
        Tensor::<3>::from_data(TensorData::new(values, shape), &device)
    };
    let none = Dropout::new(0.0);
    let x = with_nan([1, 4, 8]);
    let has_nan = |x: Tensor<3>| values(x).iter().any(|value| value.is_nan());
    assert!(has_nan(attention(x.clone(), x.clone(), x.clone(), 2, &AttentionMask::Full, &none, &context())));
    let mut numbers = Numbers::new(1);
    assert!(has_nan(linear_gelu(&numbers.linear(8, 8).fork(&device), x.clone(), &context())));
    assert!(has_nan(layer_norm(&numbers.layer_norm(8), EPSILON, x, &context())));
}

/// An update whose condition does not hold leaves everything as it was, whatever the gradient.
#[test]
fn updates_on_a_condition() {
    let _alone = alone();
    set_portable(true);
    let adamw = AdamW::new(0.9, 0.999, 1e-6, 0.1);
    let mut numbers = Numbers::new(5);
    let [weights, gradient] = [(); 2].map(|()| numbers.tensor([3, 4]).inner());
    let nan = gradient.clone() * f32::NAN;
    let condition = |holds: bool| Tensor::from_data([holds], &device().inner());
    let (first, state) = adamw.step(0.1, weights.clone(), gradient.clone(), None);
    let (same, held) = conditionally(condition(true), || adamw.step(0.1, weights, gradient, None));
    let (left, kept) = conditionally(condition(false), || adamw.step(0.1, first.clone(), nan.clone(), state.clone()));
    let (fresh, zeros) = conditionally(condition(false), || adamw.step(0.1, first.clone(), nan, None));
    set_portable(false);
    let moments = |state: Option<AdamWState<2>>| {
        let momentum = state.expect("there is a state after a step").momentum;
        [momentum.moment_1, momentum.moment_2].map(values)
    };
    let before = moments(state);
    assert_eq!((values(same), moments(held)), (values(first.clone()), before.clone()));
    assert_eq!((values(left), moments(kept)), (values(first.clone()), before));
    assert_eq!((values(fresh), moments(zeros)), (values(first), [vec![0.0; 12], vec![0.0; 12]]));
}

/// Half precision rounds the operands of products and nothing else: results are near those of single precision, and
/// gradients arrive in single precision.
#[test]
fn products_in_half_precision() {
    let _alone = alone();
    let work = |precision| {
        let context = StepContext::training(precision, 17);
        let mut numbers = Numbers::new(8);
        let (layer, x) = (numbers.linear(24, 16), numbers.tensor([2, 9, 24]));
        let none = Dropout::new(0.0);
        // Small enough for softmaxes that do not magnify what rounding does.
        let hidden = linear_gelu(&layer, x.clone() * 0.1, &context);
        let hidden = attention(hidden.clone(), hidden.clone(), hidden, 2, &AttentionMask::Full, &none, &context);
        let (table, bias) = (numbers.tensor([50, 16]), numbers.tensor([50]));
        let targets = numbers.ids([18], 50);
        let samples = Samples::Ids(targets.clone());
        let hidden = hidden.reshape([18, 16]) * 0.1;
        let words = masked_lm(hidden, table.clone(), bias, targets, &samples, (1.0, 1 << 30), &context);
        derive(words.loss, |gradients| {
            let [weight, bias] = of_linear(gradients, &layer);
            vec![weight, bias, gradient(gradients, &x), gradient(gradients, &table)]
        })
    };
    let expected = work(Precision::Auto);
    for (precision, tolerance) in [(Precision::F16, 1e-2), (Precision::BF16, 8e-2)] {
        let found = work(precision);
        if precision == Precision::F16 || has_bf16() {
            assert_ne!(found, expected, "something is rounded");
        }
        for (found, expected) in found.iter().zip(&expected) {
            let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < tolerance * largest, "{precision:?}: {found}, not {expected}");
            }
        }
    }
    assert_eq!(work(Precision::Auto), expected, "nothing of a precision is left behind");
}
