//! Sums of products of 16-bit numbers, for each instruction set that has them.

use bytemuck::Pod;

/// Instructions that multiply pairs of 16-bit numbers, one pair a lane, and add both products to the lane.
pub(super) trait Integers: Copy {
    /// Lanes of i32.
    type Vector: Pod;
    /// As many lanes of f32.
    type Floats: Pod;

    fn zero(self) -> Self::Vector;
    fn splat(self, word: i32) -> Self::Vector;
    fn add_products(self, sums: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// The lanes in which `sum * factor + offset` is at least the threshold, as bits.
    fn reaching(self, sums: Self::Vector, factor: f32, offset: f32, thresholds: Self::Floats) -> u32;
}

/// Lanes of a vector.
pub(super) const fn lanes<I: Integers>() -> usize {
    size_of::<I::Vector>() / size_of::<i32>()
}

/// What is compiled for each instruction set.
pub(super) trait WithIntegers {
    type Output;

    fn with<I: Integers>(self, integers: I) -> Self::Output;
}

/// Runs `op` with the best instruction set here.
pub(super) fn dispatch<O: WithIntegers>(op: O) -> O::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(vnni) = x86::Vnni::try_new() {
            return vnni.vectorize(Call(vnni, op));
        }
        if let Some(avx2) = pulp::x86::V3::try_new() {
            return avx2.vectorize(Call(avx2, op));
        }
    }
    op.with(Portable)
}

#[cfg(target_arch = "x86_64")]
struct Call<I, O>(I, O);

#[cfg(target_arch = "x86_64")]
impl<I: Integers, O: WithIntegers> pulp::NullaryFnOnce for Call<I, O> {
    type Output = O::Output;

    #[inline(always)]
    fn call(self) -> O::Output {
        self.1.with(self.0)
    }
}

/// No instructions of its own.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Integers for Portable {
    type Vector = [i32; 8];
    type Floats = [f32; 8];

    #[inline(always)]
    fn zero(self) -> [i32; 8] {
        [0; 8]
    }

    #[inline(always)]
    fn splat(self, word: i32) -> [i32; 8] {
        [word; 8]
    }

    #[inline(always)]
    fn add_products(self, sums: [i32; 8], a: [i32; 8], b: [i32; 8]) -> [i32; 8] {
        let halves = |word: i32| [i32::from(word as i16), word >> 16];
        std::array::from_fn(|lane| {
            let ([a, c], [b, d]) = (halves(a[lane]), halves(b[lane]));
            sums[lane] + a * b + c * d
        })
    }

    #[inline(always)]
    fn reaching(self, sums: [i32; 8], factor: f32, offset: f32, thresholds: [f32; 8]) -> u32 {
        let reaches = |lane: usize| u32::from(sums[lane] as f32 * factor + offset >= thresholds[lane]) << lane;
        (0..8).map(reaches).sum()
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use pulp::x86::V3;
    use pulp::{f32x8, f32x16, i32x8, i32x16};

    use super::Integers;

    impl Integers for V3 {
        type Vector = i32x8;
        type Floats = f32x8;

        #[inline(always)]
        fn zero(self) -> i32x8 {
            self.splat_i32x8(0)
        }

        #[inline(always)]
        fn splat(self, word: i32) -> i32x8 {
            self.splat_i32x8(word)
        }

        #[inline(always)]
        fn add_products(self, sums: i32x8, a: i32x8, b: i32x8) -> i32x8 {
            let products = self.avx2._mm256_madd_epi16(pulp::cast(a), pulp::cast(b));
            self.wrapping_add_i32x8(sums, pulp::cast(products))
        }

        #[inline(always)]
        fn reaching(self, sums: i32x8, factor: f32, offset: f32, thresholds: f32x8) -> u32 {
            let sums = self.avx._mm256_cvtepi32_ps(pulp::cast(sums));
            let (factor, offset) = (self.avx._mm256_set1_ps(factor), self.avx._mm256_set1_ps(offset));
            let bounds = self.fma._mm256_fmadd_ps(sums, factor, offset);
            let reaches = self.avx._mm256_cmp_ps::<{ std::arch::x86_64::_CMP_GE_OQ }>(bounds, pulp::cast(thresholds));
            self.avx._mm256_movemask_ps(reaches) as u32
        }
    }

    pulp::simd_type! {
        /// AVX-512 with the instructions for neural networks, which multiply and add at once.
        pub(super) struct Vnni {
            pub(super) avx512f: "avx512f",
            pub(super) avx512bw: "avx512bw",
            pub(super) avx512dq: "avx512dq",
            pub(super) avx512vl: "avx512vl",
            pub(super) avx512vnni: "avx512vnni",
        }
    }

    impl Integers for Vnni {
        type Vector = i32x16;
        type Floats = f32x16;

        #[inline(always)]
        fn zero(self) -> i32x16 {
            self.splat(0)
        }

        #[inline(always)]
        fn splat(self, word: i32) -> i32x16 {
            pulp::cast(self.avx512f._mm512_set1_epi32(word))
        }

        #[inline(always)]
        #[allow(unsafe_code, reason = "pulp has no wrapper for this instruction")]
        fn add_products(self, sums: i32x16, a: i32x16, b: i32x16) -> i32x16 {
            let (sums, a, b) = (pulp::cast(sums), pulp::cast(a), pulp::cast(b));
            // SAFETY: `self` exists only where the processor has AVX-512 VNNI.
            pulp::cast(unsafe { std::arch::x86_64::_mm512_dpwssd_epi32(sums, a, b) })
        }

        #[inline(always)]
        fn reaching(self, sums: i32x16, factor: f32, offset: f32, thresholds: f32x16) -> u32 {
            let sums = self.avx512f._mm512_cvtepi32_ps(pulp::cast(sums));
            let (factor, offset) = (self.avx512f._mm512_set1_ps(factor), self.avx512f._mm512_set1_ps(offset));
            let bounds = self.avx512f._mm512_fmadd_ps(sums, factor, offset);
            let thresholds = pulp::cast(thresholds);
            self.avx512f._mm512_cmp_ps_mask::<{ std::arch::x86_64::_CMP_GE_OQ }>(bounds, thresholds).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Sums<'a> {
        row: &'a [i32],
        others: &'a [i32],
        threshold: f32,
    }

    impl WithIntegers for Sums<'_> {
        type Output = Vec<(i32, bool)>;

        #[inline(always)]
        fn with<I: Integers>(self, integers: I) -> Vec<(i32, bool)> {
            let lanes = lanes::<I>();
            let thresholds = vec![self.threshold; lanes];
            let mut all = Vec::new();
            for first in (0..MOST_LANES).step_by(lanes) {
                let mut sums = integers.zero();
                for (&word, others) in self.row.iter().zip(self.others.chunks_exact(MOST_LANES)) {
                    let others = bytemuck::pod_read_unaligned(bytemuck::cast_slice(&others[first..first + lanes]));
                    sums = integers.add_products(sums, integers.splat(word), others);
                }
                let thresholds = bytemuck::pod_read_unaligned(bytemuck::cast_slice(&thresholds));
                let bits = integers.reaching(sums, 0.5, -3.0, thresholds);
                let sums: &[i32] = bytemuck::cast_slice(std::slice::from_ref(&sums));
                all.extend((0..lanes).map(|lane| (sums[lane], bits >> lane & 1 == 1)));
            }
            all
        }
    }

    const MOST_LANES: usize = 16;

    proptest! {
        /// Integers are exact, so every instruction set has to give the same.
        #[test]
        fn every_instruction_set_gives_the_same(words in 1_usize..20, seed in any::<u32>()) {
            // Numbers of up to 5,000 in size: sums of 40 products stay in 31 bits.
            let word = |at: usize| {
                let mixed = (at as u32 + 1).wrapping_mul(2_654_435_761).wrapping_add(seed).wrapping_mul(0x9e37_79b1);
                let number = |bits: u32| (bits % 10_001) as i32 - 5_000;
                number(mixed >> 16) & 0xffff | number(mixed & 0xffff) << 16
            };
            let row: Vec<i32> = (0..words).map(word).collect();
            let others: Vec<i32> = (words..words * (1 + MOST_LANES)).map(word).collect();
            let numbers = |word: i32| [i64::from(word as i16), i64::from((word >> 16) as i16)];
            let expected = |lane: usize| {
                let others = others.iter().skip(lane).step_by(MOST_LANES);
                let product = |(&a, &b): (&i32, &i32)| numbers(a)[0] * numbers(b)[0] + numbers(a)[1] * numbers(b)[1];
                let sum = i32::try_from(row.iter().zip(others).map(product).sum::<i64>()).expect("31 bits");
                (sum, (sum as f32).mul_add(0.5, -3.0) >= 1000.0)
            };
            let expected: Vec<(i32, bool)> = (0..MOST_LANES).map(expected).collect();
            let sums = || Sums { row: &row, others: &others, threshold: 1000.0 };
            prop_assert_eq!(&sums().with(Portable), &expected);
            prop_assert_eq!(&dispatch(sums()), &expected);
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = pulp::x86::V3::try_new() {
                prop_assert_eq!(&avx2.vectorize(Call(avx2, sums())), &expected);
            }
        }
    }
}
