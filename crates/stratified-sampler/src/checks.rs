//! What every sampler checks.

use crate::SamplerError;
use crate::permutation::LARGEST;

/// Returns the number of pairs as the permutations need it.
pub(crate) fn number_of_pairs(pairs: usize) -> Result<u32, SamplerError> {
    match u32::try_from(pairs) {
        Ok(0) => Err(SamplerError::NoPairs),
        Ok(number) if number <= LARGEST => Ok(number),
        _ => Err(SamplerError::TooManyPairs { pairs, most: LARGEST as usize }),
    }
}

/// Refuses the index of a batch that an epoch of `len` batches does not have.
pub(crate) fn check_index(index: usize, len: usize) -> Result<(), SamplerError> {
    if index < len { Ok(()) } else { Err(SamplerError::PastTheEnd { index, len }) }
}
