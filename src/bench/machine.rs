//! What the machine can do, and what the process has used of it.

use crate::config::Precision;
use crate::device::{Adapter, computes_on_host, largest_buffer, precisions};
use crate::kernels::{StepContext, linear};
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Distribution, ExecutionError, FloatDType, Tensor};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Rows and columns of the matrices whose product is the measure on the CPU.
const SIZE: usize = 1024;

/// The same on a GPU, at most: a product of this size fills any card.
const LARGEST_SIZE: usize = 8192;

/// How long a measurement lasts at least.
const LENGTH: Duration = Duration::from_millis(500);

/// What a device reaches in products of a format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Peak {
    /// As `training.precision` calls it.
    pub format: String,
    /// Rows and columns of the matrices.
    pub size: usize,
    /// Operations a second in 10^9, two for a multiplication with its addition.
    pub gflops: f64,
}

/// What `adapter` reaches in products of each of its formats, widest first.
///
/// # Errors
/// The device's.
pub fn matrix_peaks(adapter: &Adapter) -> Result<Vec<Peak>, ExecutionError> {
    let formats = precisions(adapter).into_iter();
    formats.map(|precision| matrix_peak(&adapter.device, precision)).collect()
}

/// What `device` reaches in products with operands of `precision`: the fastest of many products one by one on the CPU,
/// the mean of many in a row on a GPU, at the largest size that it does in a tenth of a second.
///
/// # Errors
/// The device's.
pub(super) fn matrix_peak(device: &Device, precision: Precision) -> Result<Peak, ExecutionError> {
    let operand = |size: usize| {
        let x = Tensor::<2>::random([size, size], Distribution::Default, device);
        match precision {
            Precision::Auto | Precision::F32 | Precision::TF32 => x,
            Precision::F16 => x.cast(FloatDType::F16),
            Precision::BF16 => x.cast(FloatDType::BF16),
        }
    };
    let flops = |size: usize| 2.0 * (size as f64).powi(3);
    let peak =
        |size: usize, seconds: f64| Peak { format: precision.name().into(), size, gflops: flops(size) / seconds / 1e9 };
    if computes_on_host(device) {
        // Through a dense layer, since products in bf16 have a kernel of their own; its bias is a thousandth of the work.
        let square = || Tensor::<2>::random([SIZE, SIZE], Distribution::Default, device);
        let bias = Some(Param::from_tensor(Tensor::zeros([SIZE], device)));
        let (x, layer) = (square(), Linear { weight: Param::from_tensor(square()), bias });
        let context = StepContext::inference(precision);
        let begun = Instant::now();
        let mut fastest = f64::INFINITY;
        while begun.elapsed() < LENGTH {
            let started = Instant::now();
            let product = linear(&layer, x.clone(), &context);
            device.sync()?;
            fastest = fastest.min(started.elapsed().as_secs_f64());
            drop(product);
        }
        return Ok(peak(SIZE, fastest));
    }
    let limit = largest_buffer(device).unwrap_or(u64::MAX);
    let mut size = SIZE / 2;
    loop {
        let (a, b) = (operand(size), operand(size));
        let seconds = in_a_row(device, || a.clone().matmul(b.clone()))?;
        let next = 2 * size;
        if seconds > 0.1 || next > LARGEST_SIZE || (4 * next * next) as u64 > limit {
            return Ok(peak(size, seconds));
        }
        size = next;
    }
}

/// Bytes a second that `device` reads and writes where it does nothing else, in 10^9; absent on the CPU, whose caches would
/// be measured.
///
/// # Errors
/// The device's.
pub fn copy_peak(device: &Device) -> Result<Option<f64>, ExecutionError> {
    if computes_on_host(device) {
        return Ok(None);
    }
    let bytes = largest_buffer(device).unwrap_or(u64::MAX).min(1 << 28);
    let numbers = (bytes / 4) as usize;
    let x = Tensor::<1>::zeros([numbers], device);
    let seconds = in_a_row(device, || x.clone() + 1.0)?;
    Ok(Some(2.0 * bytes as f64 / seconds / 1e9))
}

/// Seconds of one `work`, of as many in a row as last half a second. Each is handed to the device while its result is
/// still wanted: Burn's fusion would leave it out, or make one kernel of many.
fn in_a_row<const D: usize>(device: &Device, work: impl Fn() -> Tensor<D>) -> Result<f64, ExecutionError> {
    let times = |count: usize| {
        device.sync()?;
        let started = Instant::now();
        for _ in 0..count {
            let result = work();
            device.flush()?;
            drop(result);
        }
        device.sync().map(|()| started.elapsed().as_secs_f64())
    };
    // The first compiles and tunes, the second says how long one takes.
    times(1)?;
    let once = times(1)?;
    let count = (LENGTH.as_secs_f64() / once.max(1e-6)).clamp(1.0, 200.0) as usize;
    Ok(times(count)? / count as f64)
}

/// The most memory that this process has had at a time, in MiB; absent where the system does not report it.
pub fn peak_rss_mib() -> Option<f64> {
    kib("VmHWM:").map(|kib| kib / 1024.0)
}

#[cfg(target_os = "linux")]
fn kib(key: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn kib(_key: &str) -> Option<f64> {
    None
}
