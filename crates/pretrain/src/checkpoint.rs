//! Checkpoints of a training, from which it goes on to the bit.
//!
//! A [`Store`] is a folder with one folder `step-N` a checkpoint, N the steps done: `state.safetensors` with the tensors,
//! `state.json` with the caller's header and the hash of the tensors, and what the caller writes beside. A checkpoint has
//! its name only once all of it is on disk, and is read only after both hashes are found right.
//!
//! One process writes to a store at a time; any number may read it meanwhile.

mod error;
mod folders;
mod seal;
mod state;
mod store;
#[cfg(test)]
mod tests;

pub use self::error::{CheckpointError, Damage, Damaged};
pub use self::state::{NamedTensor, State};
pub use self::store::{Found, Store};
