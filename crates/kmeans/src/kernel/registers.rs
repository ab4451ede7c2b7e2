use pulp::{Arch, Simd, WithSimd};

/// The vector registers of an instruction set.
#[derive(Clone, Copy)]
pub(super) struct Registers {
    pub(super) lanes: usize,
    /// Whether there are 32 of them, not 16.
    pub(super) many: bool,
}

impl Registers {
    #[inline(always)]
    pub(super) fn of<S: Simd>() -> Self {
        Self { lanes: S::F32_LANES, many: S::REGISTER_COUNT >= 32 }
    }

    /// Those of the instruction set that [`Arch`] chooses here.
    pub(super) fn here() -> Self {
        Arch::new().dispatch(OfChosen)
    }
}

struct OfChosen;

impl WithSimd for OfChosen {
    type Output = Registers;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Registers {
        Registers::of::<S>()
    }
}
