//! What a training does on a device is what it does on the processor, and in chunks what it does in one piece. One program, as GPU backends
//! take minutes to compile into each.

#![cfg(any(feature = "cpu", feature = "wgpu"))]

#[macro_use]
#[path = "../common/device.rs"]
mod device;

mod chunks;
#[cfg(all(feature = "cpu", feature = "wgpu"))]
mod encoders;

/// Read by trainings, which take turns among themselves, and written by whoever records a tape without one: in burn 0.21 one thread's
/// backward pass frees another's steps (tracel-ai/burn#5573).
static TAPE: std::sync::RwLock<()> = std::sync::RwLock::new(());
