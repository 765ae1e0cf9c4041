//! What the processor of this process can do.

/// Whether it multiplies pairs of bf16 and adds them to sums in single precision (AVX-512 BF16, by which flex's products in
/// bf16 are computed).
pub fn has_bf16_products() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    let has = false;
    has
}
