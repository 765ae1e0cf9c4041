//! Every fused kernel beside its portable form on the flex backend, at the shapes of preset small with 16 x 128 tokens:
//! forwards and back.
//!
//! `cargo bench --profile dev --bench kernels`

use burn::module::Param;
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::optim::Optimizer;
use burn::tensor::{Device, Distribution, Int, Tensor};
use electra_burn::config::Precision;
use electra_burn::data::Samples;
use electra_burn::kernels::{
    AdamW, AttentionMask, Dropout, StepContext, attention, linear_gelu, masked_lm, residual_norm, set_portable,
};
use std::time::{Duration, Instant};

const TOKENS: [usize; 2] = [16, 128];
const HIDDEN: usize = 256;
const INTERMEDIATE: usize = 1024;
const HEADS: usize = 4;
const PICKED: usize = 16 * 19;
const EMBEDDING: usize = 128;
const WORDS: usize = 30_522;

fn device() -> Device {
    Device::flex().autodiff()
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device()).require_grad()
}

fn ids(count: usize) -> Tensor<1, Int> {
    Tensor::arange(0..count as i64, &device().inner())
}

/// Median seconds of `work` over about a second, after one that is not counted.
fn median(work: &mut impl FnMut()) -> f64 {
    work();
    let begun = Instant::now();
    let mut seconds = Vec::new();
    while seconds.len() < 5 || begun.elapsed() < Duration::from_secs(1) {
        let started = Instant::now();
        work();
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Of a step of training.
fn context() -> StepContext {
    StepContext::training(Precision::Auto, 1)
}

/// Times `work` in both forms.
fn both(name: &str, mut work: impl FnMut()) {
    let fused = median(&mut work);
    set_portable(true);
    let portable = median(&mut work);
    set_portable(false);
    println!(
        "{name:<14} fused {:>8.3} ms  portable {:>8.3} ms  {:.2} times",
        1e3 * fused,
        1e3 * portable,
        portable / fused
    );
}

fn main() {
    let dropout = Dropout::new(0.1);
    let [batch, seq] = TOKENS;

    let weight = Param::from_tensor(random([HIDDEN, INTERMEDIATE]));
    let layer = Linear { weight, bias: Some(Param::from_tensor(random([INTERMEDIATE]))) };
    let x = random([batch, seq, HIDDEN]);
    both("linear_gelu", || drop(linear_gelu(&layer, x.clone(), &context()).sum().backward()));

    let [query, key, value] = [(); 3].map(|()| random([batch, seq, HIDDEN]));
    both("attention", || {
        let (mask, context) = (AttentionMask::Full, context());
        let output = attention(query.clone(), key.clone(), value.clone(), HEADS, &mask, &dropout, &context);
        drop(output.sum().backward());
    });

    let layer_norm: LayerNorm = LayerNormConfig::new(HIDDEN).with_epsilon(1e-12).init(&device());
    let residual = random([batch, seq, HIDDEN]);
    both("residual_norm", || {
        drop(residual_norm(&layer_norm, 1e-12, &dropout, x.clone(), residual.clone(), &context()).sum().backward());
    });

    let (hidden, table, bias) = (random([PICKED, EMBEDDING]), random([WORDS, EMBEDDING]), random([WORDS]));
    let quantiles = Tensor::random([PICKED], Distribution::Default, &device().inner());
    let samples = Samples::Quantiles(quantiles);
    both("masked_lm", || {
        let words =
            masked_lm(hidden.clone(), table.clone(), bias.clone(), ids(PICKED), &samples, (1.0, 1 << 30), &context());
        drop(words.loss.backward());
    });

    let adamw = AdamW::new(0.9, 0.999, 1e-6, 0.01);
    let gradient = random([WORDS, EMBEDDING]).inner();
    let mut state = Some(adamw.step(1e-4, gradient.clone(), gradient.clone(), None));
    both("adamw", || {
        state = state.take().map(|(weights, moments)| adamw.step(1e-4, weights, gradient.clone(), moments));
    });
}
