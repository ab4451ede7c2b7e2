//! Sums of products of 16-bit numbers, for each instruction set that has them.

use bytemuck::Pod;

/// Instructions that multiply pairs of 16-bit numbers, one pair a lane, and add both products to the lane.
///
/// A value of such a type exists only where the processor has the instructions. No closure in code that uses it may hold a
/// vector: a closure is a function of the baseline instruction set, and where it is not inlined every vector operation in it
/// becomes a call.
pub trait IntegerSimd: Copy {
    /// Lanes of i32.
    type Vector: Pod;
    /// As many lanes of f32.
    type Floats: Pod;

    /// Zeros.
    fn zero(self) -> Self::Vector;

    /// One word, two numbers, in every lane.
    fn splat(self, word: i32) -> Self::Vector;

    /// `sums`, and in each lane the products of its two pairs of numbers. Wraps around where a lane leaves 32 bits.
    fn add_products(self, sums: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// The larger of each lane.
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// The largest of all lanes.
    fn reduce_max(self, a: Self::Vector) -> i32;

    /// The lanes in which `sum * factor + offset` is at least the threshold, as bits; none where that is NaN.
    fn reaching(self, sums: Self::Vector, factor: f32, offset: f32, thresholds: Self::Floats) -> u32;
}

/// What is compiled for each instruction set; its method is to be `#[inline(always)]`.
///
/// # Examples
/// ```
/// use vectors::fixed_point::{IntegerSimd, WithIntegerSimd, dispatch, dot};
///
/// struct Dot<'a>(&'a [i32], &'a [i32]);
///
/// impl WithIntegerSimd for Dot<'_> {
///     type Output = i32;
///
///     #[inline(always)]
///     fn with<I: IntegerSimd>(self, simd: I) -> i32 {
///         dot(simd, self.0, self.1)
///     }
/// }
///
/// // 3 · 5 + 2 · 7
/// assert_eq!(dispatch(Dot(&[3 | 2 << 16], &[5 | 7 << 16])), 29);
/// ```
pub trait WithIntegerSimd {
    /// What it gives.
    type Output;

    /// Does it with these instructions.
    fn with<I: IntegerSimd>(self, simd: I) -> Self::Output;
}

/// Lanes of a vector.
#[must_use]
pub const fn lanes<I: IntegerSimd>() -> usize {
    size_of::<I::Vector>() / size_of::<i32>()
}

/// The instruction set that [`dispatch`] chooses here; `None` where it has none of its own, and products of f32 are faster.
///
/// # Examples
/// ```
/// assert!(vectors::fixed_point::instruction_set().is_none_or(|name| name.starts_with("AVX")));
/// ```
#[must_use]
pub fn instruction_set() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        if x86::Vnni::try_new().is_some() {
            return Some("AVX-512 VNNI");
        }
        if pulp::x86::V3::try_new().is_some() {
            return Some("AVX2");
        }
    }
    None
}

/// Runs `op` with the best instruction set here: AVX-512 VNNI, AVX2, or none of its own.
pub fn dispatch<O: WithIntegerSimd>(op: O) -> O::Output {
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
impl<I: IntegerSimd, O: WithIntegerSimd> pulp::NullaryFnOnce for Call<I, O> {
    type Output = O::Output;

    #[inline(always)]
    fn call(self) -> O::Output {
        self.1.with(self.0)
    }
}

/// No instructions of its own.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl IntegerSimd for Portable {
    type Vector = [i32; 8];
    type Floats = [f32; 8];

    #[inline(always)]
    fn zero(self) -> Self::Vector {
        [0; 8]
    }

    #[inline(always)]
    fn splat(self, word: i32) -> Self::Vector {
        [word; 8]
    }

    #[inline(always)]
    fn add_products(self, mut sums: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        let [a, b]: [&[i16]; 2] = [bytemuck::cast_slice(&a), bytemuck::cast_slice(&b)];
        for (lane, sum) in sums.iter_mut().enumerate() {
            let product = |number: usize| i32::from(a[number]) * i32::from(b[number]);
            *sum += product(2 * lane) + product(2 * lane + 1);
        }
        sums
    }

    #[inline(always)]
    fn max(self, mut a: Self::Vector, b: Self::Vector) -> Self::Vector {
        for (a, b) in a.iter_mut().zip(b) {
            *a = b.max(*a);
        }
        a
    }

    #[inline(always)]
    fn reduce_max(self, a: Self::Vector) -> i32 {
        a.into_iter().fold(i32::MIN, i32::max)
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

    use super::IntegerSimd;

    impl IntegerSimd for V3 {
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
        fn max(self, a: i32x8, b: i32x8) -> i32x8 {
            self.max_i32x8(a, b)
        }

        #[inline(always)]
        fn reduce_max(self, a: i32x8) -> i32 {
            let [low, high]: [pulp::i32x4; 2] = pulp::cast(a);
            let four = self.sse4_1._mm_max_epi32(pulp::cast(low), pulp::cast(high));
            let two = self.sse4_1._mm_max_epi32(four, self.sse2._mm_shuffle_epi32::<0b00_00_11_10>(four));
            let one = self.sse4_1._mm_max_epi32(two, self.sse2._mm_shuffle_epi32::<0b00_00_00_01>(two));
            self.sse2._mm_cvtsi128_si32(one)
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
        pub struct Vnni {
            pub avx512f: "avx512f",
            pub avx512bw: "avx512bw",
            pub avx512dq: "avx512dq",
            pub avx512vl: "avx512vl",
            pub avx512vnni: "avx512vnni",
        }
    }

    impl IntegerSimd for Vnni {
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
        fn max(self, a: i32x16, b: i32x16) -> i32x16 {
            pulp::cast(self.avx512f._mm512_max_epi32(pulp::cast(a), pulp::cast(b)))
        }

        #[inline(always)]
        fn reduce_max(self, a: i32x16) -> i32 {
            self.avx512f._mm512_reduce_max_epi32(pulp::cast(a))
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
        centroids: &'a [i32],
    }

    impl WithIntegerSimd for Sums<'_> {
        type Output = (Vec<i32>, i32);

        /// Sums over the words of a row with each lane's centroid, and the largest; which of them reach a threshold is checked.
        #[inline(always)]
        fn with<I: IntegerSimd>(self, simd: I) -> (Vec<i32>, i32) {
            let lanes = size_of::<I::Vector>() / size_of::<i32>();
            let mut sums = [simd.zero(); 2];
            for (&word, centroids) in self.row.iter().zip(self.centroids.chunks_exact(MOST_LANES)) {
                for (sums, centroids) in sums.iter_mut().zip(centroids.chunks_exact(lanes)) {
                    let centroids: &[I::Vector] = bytemuck::cast_slice(centroids);
                    *sums = simd.add_products(*sums, simd.splat(word), centroids[0]);
                }
            }
            let largest = simd.reduce_max(simd.max(sums[0], sums[1]));
            let thresholds = vec![THRESHOLD; lanes];
            let thresholds: I::Floats = bytemuck::pod_read_unaligned(bytemuck::cast_slice(&thresholds));
            let reaching = simd.reaching(sums[0], 0.5, -3.0, thresholds);
            let sums: Vec<i32> = bytemuck::cast_slice(&sums).to_vec();
            let expected =
                (0..lanes).map(|lane| u32::from((sums[lane] as f32).mul_add(0.5, -3.0) >= THRESHOLD) << lane);
            assert_eq!(reaching, expected.sum::<u32>());
            (sums, largest)
        }
    }

    const THRESHOLD: f32 = 1000.0;

    /// Two vectors of the widest instruction set.
    const MOST_LANES: usize = 32;

    fn expected(row: &[i32], centroids: &[i32], lanes: usize) -> Vec<i32> {
        let numbers = |word: i32| [i64::from(word as i16), i64::from((word >> 16) as i16)];
        let product = |(&a, &b): (&i32, &i32)| numbers(a)[0] * numbers(b)[0] + numbers(a)[1] * numbers(b)[1];
        let sum = |lane| row.iter().zip(centroids.iter().skip(lane).step_by(MOST_LANES)).map(product).sum::<i64>();
        (0..lanes).map(|lane| i32::try_from(sum(lane)).expect("31 bits")).collect()
    }

    proptest! {
        /// IntegerSimd are exact, so every instruction set has to give the same.
        #[test]
        fn every_instruction_set_gives_the_same_sums(
            words in 1_usize..20, seed in any::<u32>(),
        ) {
            // Numbers of up to 5,000 in size: sums of 40 products stay in 31 bits.
            let word = |at: usize| {
                let mixed = (at as u32 + 1).wrapping_mul(2_654_435_761).wrapping_add(seed).wrapping_mul(0x9e37_79b1);
                let number = |bits: u32| (bits % 10_001) as i32 - 5_000;
                number(mixed >> 16) & 0xffff | number(mixed & 0xffff) << 16
            };
            let row: Vec<i32> = (0..words).map(word).collect();
            let centroids: Vec<i32> = (words..words * (1 + MOST_LANES)).map(word).collect();
            let check = |(sums, largest): (Vec<i32>, i32)| {
                prop_assert_eq!(&sums, &expected(&row, &centroids, sums.len()));
                prop_assert_eq!(Some(&largest), sums.iter().max());
                Ok(())
            };
            let sums = || Sums { row: &row, centroids: &centroids };
            check(sums().with(Portable))?;
            check(dispatch(sums()))?;
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = pulp::x86::V3::try_new() {
                check(avx2.vectorize(Call(avx2, sums())))?;
            }
        }
    }
}
