//! What the machine can do, and what the process has used of it.

use burn::tensor::{Device, Distribution, ExecutionError, Tensor};
use std::time::{Duration, Instant};

/// Rows and columns of the matrices whose product is the measure.
const SIZE: usize = 1024;

/// Operations a second in the fastest of many products of 1024 x 1024 matrices, two for a multiplication with its
/// addition.
///
/// # Errors
/// The device's.
pub fn matrix_peak(device: &Device) -> Result<f64, ExecutionError> {
    let random = || Tensor::<2>::random([SIZE, SIZE], Distribution::Default, device);
    let (a, b) = (random(), random());
    let begun = Instant::now();
    let mut fastest = f64::INFINITY;
    while begun.elapsed() < Duration::from_millis(500) {
        device.sync()?;
        let started = Instant::now();
        let product = a.clone().matmul(b.clone());
        device.sync()?;
        fastest = fastest.min(started.elapsed().as_secs_f64());
        drop(product);
    }
    Ok(2.0 * (SIZE as f64).powi(3) / fastest)
}

/// The most memory that this process has had at a time, in MiB; absent where the system does not tell.
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
