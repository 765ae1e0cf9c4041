//! What a GPU, or an adapter that stands in for one, says of itself.

use burn::tensor::Device;

/// What a device can do. CPU backends and devices of other hosts do not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// What its kernels are compiled to, for example `SPIR-V`.
    pub compiler: &'static str,
    /// The largest buffer in bytes that a kernel can read or write.
    pub largest_buffer: u64,
    /// Whether kernels can add to a single-precision number in memory while others do: `scatter` is parallel then.
    pub float_atomics: bool,
    /// Formats of the operands of matrix products, each with whether the device has matrix units for it.
    pub products: Vec<(&'static str, bool)>,
    /// What the device needs at run time and this machine lacks, with what to do about it.
    pub missing: Option<String>,
}

/// What `device` says, where it says anything.
#[cfg(not(gpu))]
pub fn capabilities(_device: &Device) -> Option<Capabilities> {
    None
}

#[cfg(gpu)]
pub use gpu::capabilities;

#[cfg(gpu)]
pub(super) use gpu::client;

#[cfg(gpu)]
mod gpu {
    use super::Capabilities;
    use burn::backend::DispatchDevice;
    use burn::tensor::Device;
    use cubecl::client::Client;
    use cubecl::features::AtomicUsage;
    use cubecl::ir::{DeviceProperties, ElemType, FloatKind, Type};

    /// The formats that products are asked about, by the names that `training.precision` has.
    const FORMATS: [(&str, FloatKind); 4] =
        [("f32", FloatKind::F32), ("tf32", FloatKind::TF32), ("f16", FloatKind::F16), ("bf16", FloatKind::BF16)];

    /// What launches kernels on `device`, with gradients or without; absent on the CPU and on other hosts.
    pub(crate) fn client(device: &Device) -> Option<Client> {
        match device.clone().inner().as_dispatch() {
            DispatchDevice::Cube(device) => Some(device.client()),
            _ => None,
        }
    }

    /// What `device` says, where it says anything.
    pub fn capabilities(device: &Device) -> Option<Capabilities> {
        let client = client(device)?;
        let properties = client.properties();
        let (compiler, needs_libdevice) = match client.name() {
            "wgpu<spirv>" => ("SPIR-V", false),
            "wgpu<msl>" => ("MSL", false),
            "wgpu<wgsl>" => ("WGSL", false),
            "cuda" => ("PTX", true),
            "hip" => ("AMDGPU", false),
            other => (other, false),
        };
        let products = FORMATS.into_iter().filter_map(|(name, kind)| {
            let has_units = has_units(properties, kind);
            (has_units || kind != FloatKind::TF32 && properties.supports_type(ElemType::Float(kind)))
                .then_some((name, has_units))
        });
        Some(Capabilities {
            compiler,
            largest_buffer: properties.memory.max_page_size,
            float_atomics: adds(properties),
            products: products.collect(),
            missing: needs_libdevice.then(missing_libdevice).flatten(),
        })
    }

    /// Whether kernels can add to single-precision numbers while others do.
    fn adds(properties: &DeviceProperties) -> bool {
        properties.atomic_type_usage(Type::atomic(ElemType::Float(FloatKind::F32))).contains(AtomicUsage::Add)
    }

    fn has_units(properties: &DeviceProperties, kind: FloatKind) -> bool {
        let matmul = &properties.features.matmul;
        let kind = ElemType::Float(kind);
        let by_plane = matmul.cmma.iter().chain(&matmul.mma).any(|config| config.a_type == kind);
        by_plane || matmul.cube_mma.iter().any(|config| config.a_type == kind)
    }

    /// The bitcode that CUDA's kernels take `exp`, `erf` and the like from, where it is looked for and is not.
    fn missing_libdevice() -> Option<String> {
        const FILE: &str = "nvvm/libdevice/libdevice.10.bc";
        const ROOTS: [&str; 4] = ["/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda", "/usr"];
        let asked = std::env::var_os("CUDA_PATH").map(std::path::PathBuf::from);
        let roots = match &asked {
            Some(root) => vec![root.clone()],
            None => ROOTS.map(std::path::PathBuf::from).to_vec(),
        };
        if roots.iter().any(|root| root.join(FILE).is_file()) {
            return None;
        }
        let looked = roots.iter().map(|root| root.display().to_string()).collect::<Vec<_>>().join(", ");
        Some(format!(
            "libdevice.10.bc is missing, so kernels with exp or erf will not compile: looked for {FILE} below {looked}; \
             set CUDA_PATH to a folder that has it (a CUDA toolkit; the Python package triton carries the file too)"
        ))
    }
}

/// Whether `scatter` and the gradient of `gather` are parallel on `device`: true on the CPU, where they are loops, and on
/// devices of other hosts, which do not say.
pub fn has_float_atomics(device: &Device) -> bool {
    capabilities(device).is_none_or(|capabilities| capabilities.float_atomics)
}

/// The largest buffer in bytes that a kernel on `device` can read or write, where there is such a limit.
pub fn largest_buffer(device: &Device) -> Option<u64> {
    capabilities(device).map(|capabilities| capabilities.largest_buffer)
}
