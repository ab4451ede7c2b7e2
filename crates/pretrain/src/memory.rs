//! What becomes of memory that is freed.

/// Lets glibc's allocator keep freed blocks of every size for the next allocation.
///
/// By default it hands blocks above a few megabytes back to the kernel, and every training step frees gradients as
/// large as the model: to map and clear them anew takes half of a step of an embedding table. Other allocators stay as
/// they are.
#[cfg(all(feature = "program", target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "mallopt has no safe wrapper")]
pub(crate) fn keep_freed_blocks() {
    // SAFETY: mallopt takes its allocator's locks; with any value it sets two thresholds and touches no allocation.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

#[cfg(all(feature = "program", not(all(target_os = "linux", target_env = "gnu"))))]
pub(crate) fn keep_freed_blocks() {}

/// Hands what is free now back to the kernel, where `keep_freed_blocks` keeps it: the next stage allocates other sizes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "malloc_trim has no safe wrapper")]
pub(crate) fn release_freed_blocks() {
    // SAFETY: malloc_trim takes its allocator's locks and touches no allocation.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn release_freed_blocks() {}
