//! Names <-> Burn devices: what is compiled in, which adapters exist, and which one a run uses.
//!
//! The only module that names backends. `auto` takes the first real GPU among what is compiled in and never a software
//! adapter, else flex, else ndarray.

mod adapters;
mod capabilities;
#[cfg(gpu)]
mod gpu;
mod launches;
mod link;
mod precision;
#[cfg(feature = "remote")]
pub mod remote;

pub use adapters::Adapters;
pub use capabilities::{Capabilities, capabilities, has_float_atomics, largest_buffer};
pub use launches::{Kernel, Launches, watch};
pub use link::Link;
pub use precision::{chosen_precision, precision_on, precisions, require_precision};

use crate::config::TrainingConfig;
use crate::error::{Error, Result};
use burn::backend::DispatchDevice;
use burn::tensor::{Device, DeviceType};

/// The backends that this program knows, in the order in which `auto` prefers them; each is a cargo feature too.
const KNOWN: [&str; 8] = ["cuda", "metal", "rocm", "vulkan", "webgpu", "wgpu", "flex", "ndarray"];

/// Those that compute in the memory of this process.
const CPU_BACKENDS: [&str; 2] = ["flex", "ndarray"];

/// A device that can be trained on.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// What `--device` takes, for example `wgpu:1`.
    pub name: String,
    /// What the hardware calls itself.
    pub description: String,
    /// Whether it is a GPU rather than the CPU or a software adapter.
    pub is_gpu: bool,
    /// Its memory in bytes, where the system reports it.
    pub memory: Option<u64>,
    /// The device itself, without autodiff.
    pub device: Device,
    /// Whether it can still be reached.
    pub link: Link,
}

impl Adapter {
    /// The device as training wants it: recording gradients.
    pub fn recording(&self, training: &TrainingConfig) -> Device {
        let device = self.device.clone().autodiff();
        if training.gradient_checkpointing { device.gradient_checkpointing() } else { device }
    }
}

impl std::fmt::Display for Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.description)
    }
}

/// The names of the backends that are compiled in.
pub fn compiled() -> Vec<&'static str> {
    KNOWN.into_iter().filter(|name| device_type(name).is_some()).collect()
}

/// The names of the others; each is a cargo feature too.
pub fn absent() -> Vec<&'static str> {
    KNOWN.into_iter().filter(|name| device_type(name).is_none()).collect()
}

/// Every device that can be reached with what is compiled in, in the order in which `auto` prefers them.
pub fn adapters() -> Vec<Adapter> {
    compiled().into_iter().flat_map(backend_adapters).collect()
}

/// The device that `name` stands for: `auto`, `NAME` or `NAME:INDEX`.
///
/// # Errors
/// [`Error::Device`] that lists what can be used, and names the cargo feature for a backend that is not compiled in.
pub fn select(name: &str) -> Result<Adapter> {
    if name == "auto" {
        return Ok(auto()?.0);
    }
    let (backend, index) = match name.split_once(':') {
        None => (name, 0),
        Some((backend, index)) => {
            let index = index.parse().map_err(|_| {
                Error::Device(format!("device \"{name}\": \"{index}\" is not an index; expected {backend}:0, say"))
            })?;
            (backend, index)
        }
    };
    if !KNOWN.contains(&backend) {
        return Err(Error::Device(format!("there is no device \"{name}\"; {}", choices())));
    }
    if device_type(backend).is_none() {
        return Err(Error::Device(format!(
            "device \"{name}\" is not compiled in: add `--features {backend}` to the cargo command; {}",
            choices()
        )));
    }
    let mut found = backend_adapters(backend);
    if index >= found.len() {
        return Err(Error::Device(format!(
            "device \"{name}\": {} {backend} device(s) found on this machine; {}",
            found.len(),
            choices()
        )));
    }
    let found = found.swap_remove(index);
    match capabilities(&found.device).filter(|said| said.compiler == "SPIR-V" && found.description.contains("llvmpipe"))
    {
        Some(_) => Err(Error::Device(format!(
            "{found} crashes on matrix products in SPIR-V, which this build compiles for Vulkan; build without the feature \
             `vulkan` (`--features wgpu` has WGSL), or take another device"
        ))),
        None => Ok(found),
    }
}

/// The device that `auto` stands for, and why.
///
/// # Errors
/// [`Error::Device`] where nothing that may be taken is compiled in.
pub fn auto() -> Result<(Adapter, &'static str)> {
    let mut all = adapters();
    let has_software = all.iter().any(|adapter| !adapter.is_gpu && !is_cpu_backend(adapter));
    let only_cpu = compiled().iter().all(|name| CPU_BACKENDS.contains(name));
    let (best, reason) = match all.iter().position(|adapter| adapter.is_gpu) {
        Some(best) => (Some(best), "the first GPU among what is compiled in"),
        None => {
            let reason = match (only_cpu, has_software) {
                (true, _) => "no backend for GPUs is compiled in",
                (_, true) => "there is no GPU here, and a software adapter is slower than the CPU backends",
                _ => "there is no GPU here",
            };
            (all.iter().position(is_cpu_backend), reason)
        }
    };
    best.map(|best| (all.swap_remove(best), reason)).ok_or_else(|| {
        Error::Device(format!("{reason}, nor is one for the CPU compiled in; build with `--features flex`"))
    })
}

/// Where the kernels of GPUs, and what was tuned about them, are kept between runs; absent in a build without GPUs, and where the user has no cache.
pub fn kernel_cache() -> Option<std::path::PathBuf> {
    #[cfg(gpu)]
    return gpu::kernels();
    #[cfg(not(gpu))]
    None
}

/// Whether a device is the flex backend, with gradients or without.
pub fn is_flex(device: &Device) -> bool {
    match device.clone().inner().as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => true,
        _ => false,
    }
}

/// Whether a device is a CPU backend, so that its tensors are plain memory of this process.
pub fn computes_on_host(device: &Device) -> bool {
    match device.clone().inner().as_dispatch() {
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => true,
        _ => is_flex(device),
    }
}

fn choices() -> String {
    let names: Vec<_> = adapters().into_iter().map(|a| a.name).collect();
    let (names, absent) = (names.join(", "), absent().join(", "));
    format!("available here: auto, {names}; with a cargo feature of the same name: {absent}")
}

fn is_cpu_backend(adapter: &Adapter) -> bool {
    CPU_BACKENDS.contains(&adapter.name.as_str())
}

fn device_type(name: &str) -> Option<DeviceType> {
    match name {
        #[cfg(feature = "cuda")]
        "cuda" => Some(DeviceType::Cuda),
        #[cfg(feature = "metal")]
        "metal" => Some(DeviceType::Metal),
        #[cfg(feature = "rocm")]
        "rocm" => Some(DeviceType::Rocm),
        #[cfg(feature = "vulkan")]
        "vulkan" => Some(DeviceType::Vulkan),
        #[cfg(feature = "webgpu")]
        "webgpu" => Some(DeviceType::WebGpu),
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(DeviceType::Wgpu),
        #[cfg(feature = "flex")]
        "flex" => Some(DeviceType::Flex),
        #[cfg(feature = "ndarray")]
        "ndarray" => Some(DeviceType::NdArray),
        _ => None,
    }
}

fn backend_adapters(backend: &str) -> Vec<Adapter> {
    let Some(device_type) = device_type(backend) else { return Vec::new() };
    #[cfg(gpu)]
    if !CPU_BACKENDS.contains(&backend) {
        gpu::keep_kernels();
    }
    let devices = Device::enumerate(device_type).into_iter();
    match backend {
        "flex" | "ndarray" => devices
            .take(1)
            .map(|device| Adapter {
                name: backend.into(),
                description: match rayon::current_num_threads() {
                    1 => "CPU, 1 thread".to_owned(),
                    threads => format!("CPU, {threads} threads"),
                },
                is_gpu: false,
                memory: electra_runs::memory(),
                device,
                link: Link::default(),
            })
            .collect(),
        #[cfg(gpu)]
        _ => devices.enumerate().map(|(index, device)| gpu::adapter(backend, index, device)).collect(),
        #[cfg(not(gpu))]
        _ => Vec::new(),
    }
}
