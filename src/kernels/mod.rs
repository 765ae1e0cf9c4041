//! Operations of a training step as fused kernels for the CPU, each in one file with its portable form.
//!
//! | operation | who uses it | what is fused on the flex backend |
//! |---|---|---|
//! | [`linear`], [`linear_gelu`] | attention, encoder layers, heads | product, bias, GELU |
//! | [`feed_forward`] | encoder layers | both layers and GELU; what goes into GELU is kept alone, with gradient checkpointing nothing |
//! | [`self_attention`] | attention | the projections to query, key and value, then [`attention`] |
//! | [`attention`] | [`self_attention`] | scores, softmax, dropout, weighted sum; nothing of size `seq x seq` is kept |
//! | [`residual_norm`], [`layer_norm`] | attention, encoder layers, the generator's head | dropout, residual, LayerNorm |
//! | [`embed`] | embeddings | three tables, LayerNorm, dropout |
//! | [`masked_lm`] | objective | logits of the picked positions, cross-entropy, samples, accuracy |
//! | [`AdamW`] | learner | both moments and the update |
//! | [`square_sum`] | learner | the norm of the gradients |
//! | [`Dropout`] | model | masks from a counter, on all cores |
//!
//! [`lookup`] takes rows of a table by number, with a gradient that is parallel on GPUs; it has no fused form.
//!
//! Every other backend takes the portable form, made of Burn's operations, and so does flex after [`set_portable`]; it can
//! have its matrix products in half precision; the fused form has those in bf16. Both forms draw the same masks and the same samples; tests hold their values and
//! gradients against each other. A [`StepContext`] says which form, which precision and which masks.

#![cfg_attr(not(feature = "flex"), allow(dead_code, unused_variables, reason = "what only the fused forms need"))]

mod adamw;
mod attention;
mod context;
mod dropout;
mod embed;
mod feed_forward;
mod gelu;
#[cfg(feature = "flex")]
mod host;
mod linear;
mod lookup;
mod masked_lm;
mod math;
#[cfg(feature = "flex")]
mod normalize;
mod precision;
mod residual_norm;
#[cfg(feature = "flex")]
mod rows;
mod sample;
mod self_attention;
mod square_sum;
#[cfg(all(test, feature = "flex"))]
mod tests;

pub use adamw::{AdamW, conditionally};
pub use attention::{AttentionMask, attention, attention_weights};
pub use context::StepContext;
pub use dropout::Dropout;
pub use embed::{Tables, embed, embed_words};
pub use feed_forward::feed_forward;
pub use gelu::gelu;
pub use linear::{linear, linear_gelu};
pub use lookup::lookup;
pub use masked_lm::{MaskedLm, masked_lm};
pub use residual_norm::{layer_norm, residual_norm};
pub use sample::sample;
pub use self_attention::self_attention;
pub use square_sum::square_sum;

use crate::device::is_flex;
use burn::tensor::Device;
use std::sync::atomic::{AtomicBool, Ordering};

static PORTABLE: AtomicBool = AtomicBool::new(false);

/// Turns the fused kernels off, or on again, for every [`StepContext`] that is made from here on and for the optimizer.
pub fn set_portable(portable: bool) {
    PORTABLE.store(portable, Ordering::Relaxed);
}

/// Whether the fused kernels are turned off.
pub fn is_portable() -> bool {
    PORTABLE.load(Ordering::Relaxed)
}

/// Whether operations on `device` take their fused form.
pub fn are_fused(device: &Device) -> bool {
    !is_portable() && is_flex(device)
}

/// The operands of a fused operation as an array; leaves the function with `None` where one of them is not a
/// single-precision tensor of the flex backend.
#[cfg(feature = "flex")]
macro_rules! operands {
    ($($tensor:expr),+ $(,)?) => {
        [$($crate::kernels::host::Operand::of($tensor)?),+]
    };
}
#[cfg(feature = "flex")]
use operands;
