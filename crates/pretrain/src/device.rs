//! Which burn backend a run computes on.

use burn::backend::Autodiff;
use burn::tensor::backend::AutodiffBackend;

use crate::error::{PretrainError, Result};

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
