//! Which format of matrix products a device computes in.

use super::capabilities::capabilities;
use super::{Adapter, computes_on_host, is_flex};
use crate::config::Precision;
use crate::error::{Error, Result};
use burn::tensor::{Device, FloatDType};
use electra_matmul::has_bf16;

/// The format that `precision` stands for on `adapter`. On a processor without products in bf16 it stands for `f32`.
///
/// # Errors
/// [`Error::Config`] that names the key where the adapter does not have it.
pub fn require_precision(adapter: &Adapter, precision: Precision) -> Result<Precision> {
    precision_on(adapter, precision).map_err(|message| Error::config("training.precision", message))
}

/// [`require_precision`] for what no key of a configuration asks for.
///
/// # Errors
/// What the adapter has instead.
pub fn precision_on(adapter: &Adapter, precision: Precision) -> std::result::Result<Precision, String> {
    let formats = precisions(adapter);
    let precision = chosen_precision(&adapter.device, precision);
    if precision == Precision::Auto {
        return Ok(formats[0]);
    }
    if formats.contains(&precision) {
        return Ok(precision);
    }
    let reason = match computes_on_host(&adapter.device) {
        true if formats.len() > 1 => "the CPU has products in f32 and bf16 alone",
        true => "the CPU has products in f32 alone",
        false if precision == Precision::F32 => "its products of single precision may be in tf32",
        false => "the adapter does not have that format",
    };
    let formats: Vec<String> = formats.iter().map(|format| format!("\"{format}\"")).collect();
    Err(format!("{precision} on {adapter}: {reason}; expected {}", formats.join(" or ")))
}

/// What a step computes in on `device` where `precision` is asked for. On flex `auto` is bf16 where the processor has such
/// products, which are nearly twice as fast as those in single precision and as good for the loss (`docs/experiments.md`,
/// section 13); the portable kernels follow, so that both forms can be compared. On a processor without them bf16 is f32.
pub fn chosen_precision(device: &Device, precision: Precision) -> Precision {
    match precision {
        Precision::Auto if is_flex(device) && has_bf16() => Precision::BF16,
        Precision::BF16 if is_flex(device) && !has_bf16() => Precision::F32,
        precision => precision,
    }
}

/// The formats of `training.precision` that `adapter` can train in, widest first: one at least. Where a device has matrix
/// units for TF32, Burn chooses by time whether a product of single precision goes there, so such a device has no `f32`.
pub fn precisions(adapter: &Adapter) -> Vec<Precision> {
    let device = &adapter.device;
    let products = capabilities(device).map_or_else(Vec::new, |capabilities| capabilities.products);
    let rounds = products.iter().any(|(name, _)| *name == Precision::TF32.name());
    let on_gpu = !computes_on_host(device);
    let has = |precision: &Precision| match precision {
        Precision::Auto => false,
        Precision::F32 => !rounds,
        Precision::TF32 => rounds,
        Precision::F16 => on_gpu && device.supports_dtype(FloatDType::F16),
        Precision::BF16 if on_gpu => device.supports_dtype(FloatDType::BF16),
        Precision::BF16 => is_flex(device) && has_bf16(),
    };
    Precision::ALL.into_iter().filter(has).collect()
}
