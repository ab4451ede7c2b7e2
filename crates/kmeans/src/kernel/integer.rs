//! Products of rows and centroids in fixed point, for each instruction set that has them.

use bytemuck::Pod;

/// Instructions that multiply pairs of 16-bit numbers, one pair a lane, and add both products to the lane.
pub(super) trait Integers: Copy {
    /// Lanes of i32.
    type Vector: Pod;

    fn zero(self) -> Self::Vector;
    fn splat(self, word: i32) -> Self::Vector;
    fn add_products(self, sums: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn reduce_max(self, a: Self::Vector) -> i32;
}

/// What is compiled for each instruction set.
pub(super) trait WithIntegers {
    type Output;

    fn with<I: Integers>(self, integers: I) -> Self::Output;
}

/// Lanes of the best instruction set here.
pub(super) fn lanes() -> usize {
    dispatch(Lanes)
}

struct Lanes;

impl WithIntegers for Lanes {
    type Output = usize;

    fn with<I: Integers>(self, _: I) -> usize {
        size_of::<I::Vector>() / size_of::<i32>()
    }
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
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use pulp::x86::V3;
    use pulp::{i32x8, i32x16};

    use super::Integers;

    impl Integers for V3 {
        type Vector = i32x8;

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

    impl WithIntegers for Sums<'_> {
        type Output = (Vec<i32>, i32);

        /// Sums over the words of a row with each lane's centroid, and the largest.
        #[inline(always)]
        fn with<I: Integers>(self, integers: I) -> (Vec<i32>, i32) {
            let lanes = size_of::<I::Vector>() / size_of::<i32>();
            let mut sums = [integers.zero(); 2];
            for (&word, centroids) in self.row.iter().zip(self.centroids.chunks_exact(MOST_LANES)) {
                for (sums, centroids) in sums.iter_mut().zip(centroids.chunks_exact(lanes)) {
                    let centroids: &[I::Vector] = bytemuck::cast_slice(centroids);
                    *sums = integers.add_products(*sums, integers.splat(word), centroids[0]);
                }
            }
            let largest = integers.reduce_max(integers.max(sums[0], sums[1]));
            (bytemuck::cast_slice(&sums).to_vec(), largest)
        }
    }

    /// Two vectors of the widest instruction set.
    const MOST_LANES: usize = 32;

    fn expected(row: &[i32], centroids: &[i32], lanes: usize) -> Vec<i32> {
        let numbers = |word: i32| [i64::from(word as i16), i64::from((word >> 16) as i16)];
        let product = |(&a, &b): (&i32, &i32)| numbers(a)[0] * numbers(b)[0] + numbers(a)[1] * numbers(b)[1];
        let sum = |lane| row.iter().zip(centroids.iter().skip(lane).step_by(MOST_LANES)).map(product).sum::<i64>();
        (0..lanes).map(|lane| i32::try_from(sum(lane)).expect("31 bits")).collect()
    }

    proptest! {
        /// Integers are exact, so every instruction set has to give the same.
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
