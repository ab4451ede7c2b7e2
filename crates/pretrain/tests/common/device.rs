//! What the tests on devices share.

#[allow(dead_code, reason = "each test file uses its part")]
/// Numbers in `-1..1` that repeat nowhere: Weyl's sequence through a sine.
pub(crate) fn noise(index: usize, seed: usize) -> f32 {
    let scattered = ((index + 1) as f64 * 0.618_033_988_749_895 + seed as f64 * 0.414_213_562).fract();
    ((scattered * 43_758.545_3).sin() * 9_631.7).fract() as f32
}

macro_rules! on_backend {
    ($module:ident, $backend:ty, [$($test:ident),* $(,)?]) => {
        mod $module {
            $(#[test]
            fn $test() {
                super::$test::<$backend>(&Default::default());
            })*
        }
    };
}

macro_rules! on_every_backend {
    ($tests:tt) => {
        #[cfg(feature = "cpu")]
        on_backend!(flex, burn::backend::Flex, $tests);
        #[cfg(feature = "wgpu")]
        on_backend!(wgpu, burn::backend::Wgpu, $tests);
    };
}
