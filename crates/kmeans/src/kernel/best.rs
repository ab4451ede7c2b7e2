/// Label and product of a row's nearest centroid so far.
pub(super) type Best = (u32, f32);

/// Before the first centroid.
pub(super) const NONE_YET: Best = (0, f32::NEG_INFINITY);
