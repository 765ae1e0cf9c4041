//! What `--dry-run` expects a batch to take, beside what a device says that it takes. The only test of its program, so that
//! nothing else allocates there.

use crate::common::backends::backend;
use crate::common::small_config;
use burn::tensor::Device;
use electra_burn::Config;
use electra_burn::bench::Stream;
use electra_burn::config::Precision;
use electra_burn::device::select;
use electra_burn::kernels::StepContext;
use electra_burn::learner::{Estimate, Limits, Pretrainer};
use electra_burn::objective::forward;

/// `[hidden_size, num_attention_heads, sequence_length, batch_size]`
const SHAPES: [[usize; 4]; 4] = [[64, 4, 32, 8], [128, 4, 32, 8], [64, 8, 32, 8], [64, 4, 64, 16]];

fn config([hidden, heads, seq, batch]: [usize; 4], dropout: f64) -> Config {
    let mut config = small_config();
    config.model.hidden_size = hidden;
    config.model.num_attention_heads = heads;
    config.model.intermediate_size = 4 * hidden;
    config.model.max_position_embeddings = seq;
    config.model.hidden_dropout_prob = dropout;
    config.model.attention_probs_dropout_prob = dropout;
    config.generator.hidden_size = hidden / 4;
    config.generator.intermediate_size = hidden;
    config.data.sequence_length = seq;
    config.data.batch_size = batch;
    config
}

fn in_use(device: &Device) -> u64 {
    device.sync().expect("the device computes");
    device.memory_pool_usage().expect("a GPU counts its memory").bytes_in_use
}

#[test]
#[cfg(feature = "wgpu")]
fn estimates_are_near_what_a_device_uses() {
    if backend("wgpu").is_none() {
        return;
    }
    let adapter = select("wgpu").expect("it was there");
    for dropout in [0.0, 0.1] {
        for checkpointing in [false, true] {
            for shape in SHAPES {
                let mut config = config(shape, dropout);
                config.training.gradient_checkpointing = checkpointing;
                let model = Pretrainer::new(&config, &adapter.recording(&config.training));
                let step = Stream::new(&config, 0.0).step(0, &adapter.device);
                let before = in_use(&adapter.device);
                let outcome = forward(
                    &model.pair,
                    &step.batches[0],
                    step.counts,
                    &config.objective,
                    &StepContext::training(Precision::Auto, 1),
                );
                let used = in_use(&adapter.device) - before;
                drop(outcome);
                let limits = Limits { memory: None, largest_buffer: None, fused: false };
                let expected = Estimate::new(&config, limits).activations;
                let share = expected as f64 / used as f64;
                let case = format!("{shape:?}, dropout {dropout}, checkpointing {checkpointing}: {used} bytes");
                assert!((0.9..1.1).contains(&share), "{case}, {share:.3} of them expected");
            }
        }
    }
}
