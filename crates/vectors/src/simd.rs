//! Loops compiled for the widest vectors of the machine, without `unsafe`: pulp picks the instruction set at run time, and LLVM
//! vectorises what is inlined into its closure. What softmax and GELU need as such loops.
//!
//! ```
//! use vectors::simd::{exp, lanes_max, lanes_sum, vectorised};
//!
//! let logits: Vec<f32> = (0..100).map(|i| (i % 7) as f32).collect();
//! let log_sum = vectorised(
//!     #[inline(always)]
//!     || {
//!         let most = lanes_max(&logits);
//!         most + lanes_sum(&logits, &logits, |logit, _| exp(logit - most)).ln()
//!     },
//! );
//! let exact = logits.iter().map(|&logit| f64::from(logit).exp()).sum::<f64>().ln();
//! assert!((f64::from(log_sum) - exact).abs() < 1e-5);
//! ```

use std::sync::OnceLock;

/// Runs `body` compiled for the machine's vectors. `body` and all it calls must be `#[inline(always)]` to profit.
#[inline(always)]
pub fn vectorised<R>(body: impl FnOnce() -> R) -> R {
    static ARCH: OnceLock<pulp::Arch> = OnceLock::new();
    ARCH.get_or_init(pulp::Arch::new).dispatch(body)
}

/// `e^x` to a relative 2e-7; 0 below −87.3, and finite above 88.
///
/// Cephes' expf: range reduction by ln 2 and a polynomial of degree 5.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let clamped = x.clamp(-87.3, 88.0);
    // Adding 1.5·2²³ rounds to the nearest integer, which the last bits then hold: a cast would keep loops from being vectorised.
    let magic = 12_582_912.0_f32;
    let shifted = clamped * std::f32::consts::LOG2_E + magic;
    let n = shifted - magic;
    let r = clamped - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = p * r + c;
    }
    let y = p * r * r + r + 1.0;
    let scale = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < -87.3 { 0.0 } else { y * scale }
}

/// The natural logarithm of a positive normal number, to 3e-7 of the larger of 1 and itself.
///
/// Cephes' logf: the exponent apart, a polynomial of degree 8 between √½ and √2.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    let bits = x.to_bits();
    let exponent = (bits >> 23) as i32 - 126;
    // In [½, 1).
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    let is_low = m < std::f32::consts::FRAC_1_SQRT_2;
    let exponent = (exponent - i32::from(is_low)) as f32;
    let m = if is_low { m + m - 1.0 } else { m - 1.0 };
    let z = m * m;
    let mut p = 7.037_683_6e-2;
    for c in [
        -0.115_146_1,
        0.116_769_987,
        -0.124_201_41,
        0.142_493_23,
        -0.166_680_58,
        0.200_007_15,
        -0.249_999_94,
        0.333_333_3,
    ] {
        p = p * m + c;
    }
    let y = p * m * z - exponent * 2.121_944_4e-4 - 0.5 * z;
    m + y + exponent * 0.693_359_4
}

/// The error function to an absolute 3e-7: the rational function of Eigen's `erf`, exact to ±1 beyond 4.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let z = x * x;
    let mut p = -2.726_142_3e-10;
    for c in [2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906_3e-4, -2.954_6e-3, -1.609_603_3e-2] {
        p = p * z + c;
    }
    let mut q = -1.456_607_2e-5;
    for c in [-2.133_740_6e-4, -1.682_827e-3, -7.373_329_2e-3, -1.426_473_9e-2] {
        q = q * z + c;
    }
    x * p / q
}

/// Sum of `f(v, w)` in sixteen partial sums, which is what lets it be vectorised.
#[inline(always)]
pub fn lanes_sum(v: &[f32], w: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let (vs, ws) = (v.chunks_exact(16), w.chunks_exact(16));
    let rest: f32 = vs.remainder().iter().zip(ws.remainder()).map(|(&v, &w)| f(v, w)).sum();
    for (v, w) in vs.zip(ws) {
        for ((lane, &v), &w) in lanes.iter_mut().zip(v).zip(w) {
            *lane += f(v, w);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Largest value, in sixteen partial maxima. A comparison, unlike `f32::max`, is one instruction.
#[inline(always)]
pub fn lanes_max(v: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let chunks = v.chunks_exact(16);
    let mut max = f32::NEG_INFINITY;
    for &v in chunks.remainder() {
        max = if v > max { v } else { max };
    }
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane = if v > *lane { v } else { *lane };
        }
    }
    for lane in lanes {
        max = if lane > max { lane } else { max };
    }
    max
}

#[cfg(test)]
#[allow(clippy::excessive_precision, reason = "golden values are written as they were printed")]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_to_the_libraries() {
        for step in -8700..8700 {
            let x = step as f32 * 0.01;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "{x}");
        }
        assert_eq!(exp(-1e9), 0.0);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn ln_is_close_to_the_libraries() {
        for step in -8700..8700 {
            let x = (f64::from(step) * 0.01).exp() as f32;
            let exact = f64::from(x).ln();
            assert!((f64::from(ln(x)) - exact).abs() < 3e-7 * exact.abs().max(1.0), "{x}");
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn lanes_reduce_rows_of_any_length() {
        for count in [1, 15, 16, 17, 40] {
            let row: Vec<f32> = (0..count).map(|i| ((i * 7 % count) as f32) - 3.0).collect();
            assert_eq!(lanes_max(&row), count as f32 - 4.0);
            assert_eq!(lanes_sum(&row, &row, |v, _| v), row.iter().sum::<f32>());
        }
    }

    /// Values of mpmath's erf.
    #[test]
    fn erf_matches_known_values() {
        let known = [
            (0.0, 0.0),
            (0.1, 0.112_462_916),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (2.0, 0.995_322_3),
            (3.0, 0.999_977_9),
        ];
        for (x, value) in known {
            assert!((erf(x) - value).abs() < 3e-7, "{x}: {} {value}", erf(x));
            assert!((erf(-x) + value).abs() < 3e-7);
        }
        assert!((erf(9.0) - 1.0).abs() < 3e-7);
    }
}
