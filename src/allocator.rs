//! How the memory of freed tensors is kept for the next step.
//!
//! A training step allocates and frees the same large buffers over and over. glibc gives each back to the system at
//! once and clears it page by page when it is asked for again, which cost a third of a step on two CPU cores; kept, the
//! process holds on to its peak. A different allocator (mimalloc) gained less in the same measurement.

/// Lets the C library keep up to 2 GiB of freed memory.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_memory() {
    /// The largest size that glibc accepts here, half of a heap of its arenas.
    const MMAP_THRESHOLD: libc::c_int = 32 << 20;
    const TOP_PAD: libc::c_int = 256 << 20;
    // SAFETY: mallopt only sets parameters of the allocator; no other thread is running yet. A refusal leaves the
    // defaults, which are slower and nothing else.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_TOP_PAD, TOP_PAD);
        // What one thread frees, another allocates. With an arena for each thread the process would hold the peak of every arena.
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Other allocators keep freed memory by themselves, or have no such parameters.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_memory() {}
