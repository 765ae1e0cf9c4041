//! GPUs and the adapters that stand in for them.

use super::{Adapter, Link};
use crate::files;
use burn::tensor::Device;
use cubecl::config::cache::CacheConfig;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use std::path::PathBuf;

/// What an adapter `index` of `backend` is.
pub(super) fn adapter(backend: &str, index: usize, device: Device) -> Adapter {
    let identity = device.identity();
    let card = identity.as_ref().and_then(|identity| identity.physical.as_ref());
    // A device that is no card is the CPU or a software rasteriser.
    let is_gpu = card.is_some();
    let system =
        card.and_then(|card| card.pci_address).map(|address| PathBuf::from(format!("/sys/bus/pci/devices/{address}")));
    let driver = system.as_ref().and_then(|card| std::fs::read_link(card.join("driver")).ok());
    let memory = system.as_ref().and_then(|card| std::fs::read_to_string(card.join("mem_info_vram_total")).ok());
    let said = super::capabilities::client(&device).and_then(|client| client.properties().memory.max_memory());
    let name = identity.map_or_else(|| "unnamed".into(), |identity| identity.name);
    let description = match driver.as_ref().and_then(|driver| driver.file_name()) {
        Some(driver) => format!("{name}, driver {}", driver.to_string_lossy()),
        None if is_gpu => name,
        None => format!("{name} (software adapter)"),
    };
    Adapter {
        name: format!("{backend}:{index}"),
        description,
        is_gpu,
        memory: memory
            .and_then(|bytes| bytes.trim().parse().ok())
            .or(said.filter(|_| is_gpu))
            .or_else(|| electra_runs::memory().filter(|_| !is_gpu)),
        device,
        link: Link::default(),
    }
}

/// Keeps compiled kernels, and what was tuned about them, on disk for later runs. The first call counts, if no device was
/// opened before it.
pub(super) fn keep_kernels() {
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    // Another place stands in the user's cubecl.toml.
    let is_elsewhere = !matches!(config.environment.path, CacheConfig::Target);
    let kept = kernels();
    config.compilation.cache = is_elsewhere || kept.is_some();
    if let Some(path) = kept.filter(|_| !is_elsewhere) {
        config.environment.path = CacheConfig::Directory(path);
    }
    CubeClRuntimeConfig::try_set(config);
}

/// Where [`keep_kernels`] keeps them; nowhere, where the user has no cache.
pub(super) fn kernels() -> Option<PathBuf> {
    files::cache("ELECTRA_KERNEL_CACHE", "kernels").ok()
}
