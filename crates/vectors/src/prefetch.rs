/// Asks for values that are read soon. Rows are read a few at a time in many short runs, which the processor does not
/// foresee by itself. Changes no result; does nothing where there is no such instruction.
///
/// # Examples
/// ```
/// vectors::prefetch(&[1.0_f32; 768]);
/// ```
#[inline(always)]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    ask::<T, { std::arch::x86_64::_MM_HINT_T0 }>(values);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// The same for values that are read a little later: into the second cache, where they leave what is in use in the first.
#[cfg(feature = "matrix")]
#[inline(always)]
pub(crate) fn prefetch_second<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    ask::<T, { std::arch::x86_64::_MM_HINT_T1 }>(values);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn ask<T, const HINT: i32>(values: &[T]) {
    let line = (64 / size_of::<T>().max(1)).max(1);
    for values in values.chunks(line) {
        #[allow(unsafe_code, reason = "the instruction has no safe name")]
        // SAFETY: it reads nothing and fails at no address; this one is a value's.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<HINT>(values.as_ptr().cast());
        }
    }
}
