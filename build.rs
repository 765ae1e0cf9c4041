//! Sets `cfg(gpu)` where a backend for GPUs is compiled in.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(gpu)");
    let backends = ["WGPU", "VULKAN", "METAL", "WEBGPU", "CUDA", "ROCM"];
    if backends.iter().any(|name| std::env::var_os(format!("CARGO_FEATURE_{name}")).is_some()) {
        println!("cargo::rustc-cfg=gpu");
    }
}
