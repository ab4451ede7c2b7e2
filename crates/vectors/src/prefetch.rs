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
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        let line = (64 / size_of::<T>().max(1)).max(1);
        for values in values.chunks(line) {
            #[allow(unsafe_code, reason = "the instruction has no safe name")]
            // SAFETY: it reads nothing and fails at no address; this one is a value's.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().cast());
            }
        }
    }
}
