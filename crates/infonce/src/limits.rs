//! The ranges of settings, which their errors name too.

pub(crate) const MIN_TEMPERATURE: f32 = 1e-6;
pub(crate) const MOST_HARDNESS: f32 = 1e6;
