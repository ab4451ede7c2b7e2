//! Texts told apart by little.

/// 128 bits of the BLAKE3 hash of some texts: equal for equal texts only.
pub(super) fn digest(texts: &[&str]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_join_to_the_same_string_have_different_digests() {
        assert_ne!(digest(&["a", "bc"]), digest(&["ab", "c"]));
    }
}
