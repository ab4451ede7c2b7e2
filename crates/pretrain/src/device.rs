//! Which burn backend a run computes on.

#[cfg(feature = "cpu")]
use std::any::TypeId;

use burn::backend::Autodiff;
use burn::prelude::DeviceOps;
use burn::tensor::DType;
use burn::tensor::backend::{AutodiffBackend, Backend, DTypeUsage, DeviceId};
use embed::Precision;

use crate::error::{PretrainError, Result};

/// What burn's backends number the kind of discrete GPUs as.
const DISCRETE: u16 = 0;

/// A device that this build may or may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum DeviceKind {
    /// The processor (feature `cpu`).
    #[default]
    Cpu,
    /// Any GPU that wgpu drives: Vulkan, Metal, DirectX (feature `wgpu`).
    Wgpu,
    /// An NVIDIA GPU (feature `cuda`).
    Cuda,
    /// LibTorch on the processor (feature `tch`).
    Tch,
}

/// Work that runs on whichever backend is picked at run time.
pub trait BackendTask {
    /// What the work gives.
    type Output;

    /// Does the work on `device`.
    ///
    /// # Errors
    /// Whatever the work gives.
    fn run<B: AutodiffBackend>(self, device: B::Device) -> Result<Self::Output>;
}

impl DeviceKind {
    /// Runs `task` on this device.
    ///
    /// # Errors
    /// [`PretrainError::NoDevice`] if this build lacks the device's feature; else what the task gives.
    pub fn run<T: BackendTask>(self, task: T) -> Result<T::Output> {
        match self {
            #[cfg(feature = "cpu")]
            Self::Cpu => task.run::<Autodiff<burn::backend::Flex>>(Default::default()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => task.run::<Autodiff<burn::backend::Wgpu>>(Default::default()),
            #[cfg(feature = "cuda")]
            Self::Cuda => task.run::<Autodiff<burn::backend::Cuda>>(Default::default()),
            #[cfg(feature = "tch")]
            Self::Tch => task.run::<Autodiff<burn::backend::LibTorch>>(burn::backend::libtorch::LibTorchDevice::Cpu),
            #[allow(unreachable_patterns, reason = "with every feature on, no device is missing")]
            missing => Err(PretrainError::NoDevice { device: missing.name() }),
        }
    }

    /// Every device, in this build or not.
    pub const ALL: [Self; 4] = [Self::Cpu, Self::Wgpu, Self::Cuda, Self::Tch];

    /// The device's name, which is also its feature's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
            Self::Tch => "tch",
        }
    }
}

/// The device of a name.
///
/// ```
/// use pretrain::DeviceKind;
///
/// assert_eq!("wgpu".parse::<DeviceKind>()?, DeviceKind::Wgpu);
/// assert!("tpu".parse::<DeviceKind>().is_err());
/// # Ok::<(), pretrain::PretrainError>(())
/// ```
impl std::str::FromStr for DeviceKind {
    type Err = PretrainError;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|device| device.name() == name);
        known.ok_or_else(|| PretrainError::UnknownDevice { name: name.to_owned() })
    }
}

/// Whether a backend computes in this process's memory, by burn's flex.
pub(crate) fn on_processor<B: Backend>() -> bool {
    #[cfg(feature = "cpu")]
    return TypeId::of::<B::FloatTensorPrimitive>() == TypeId::of::<burn_flex::FlexTensor>();
    #[cfg(not(feature = "cpu"))]
    false
}

/// Refuses a precision that `device` does not multiply in.
pub(crate) fn require_precision<B: Backend>(device: &B::Device, precision: Precision) -> Result<()> {
    if precision == Precision::F32 {
        return Ok(());
    }
    if !B::dtype_usage(device, DType::BF16).is_superset(DTypeUsage::general()) {
        return Err(PretrainError::Precision { device: B::name(device) });
    }
    Ok(())
}

/// `more` devices of the kind of `device`: those of the next numbers, or if it is the default one without a number, as wgpu's is, the discrete
/// GPUs from 1 on. On the processor, which is one, itself again and again.
pub(crate) fn beside<B: Backend>(device: &B::Device, more: usize) -> Result<Vec<B::Device>> {
    if more == 0 || on_processor::<B>() {
        return Ok(vec![device.clone(); more]);
    }
    let DeviceId { type_id, index_id } = device.to_id();
    for (kind, first) in [(type_id, usize::from(index_id) + 1), (DISCRETE, 1)] {
        let numbered: Vec<B::Device> =
            (first..first + more).map(|index| DeviceOps::from_id(DeviceId::new(kind, index as u16))).collect();
        let are_others = numbered.iter().all(|other| other != device);
        if are_others && B::device_count(kind) >= first + more {
            return Ok(numbered);
        }
    }
    Err(PretrainError::Devices { wanted: more + 1, device: format!("{device:?}") })
}
