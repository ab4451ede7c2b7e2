//! JSON that begins with the hash of all that follows, so that any byte that changes is found before it is parsed.

const BEFORE: &[u8] = b"{\n  \"blake3\": \"";
const AFTER: &[u8] = b"\",";
const DIGITS: usize = 2 * blake3::OUT_LEN;

/// `object`, the text of a JSON object with members, with its hash as the first member.
pub(super) fn seal(object: &[u8]) -> Vec<u8> {
    let members = &object[1..];
    [BEFORE, digits(members).as_bytes(), AFTER, members].concat()
}

/// Whether `text` is as [`seal`] made it.
pub(super) fn is_sealed(text: &[u8]) -> bool {
    let rest = text.strip_prefix(BEFORE).and_then(|rest| rest.split_at_checked(DIGITS));
    rest.and_then(|(hash, rest)| Some((hash, rest.strip_prefix(AFTER)?)))
        .is_some_and(|(hash, members)| hash == digits(members).as_bytes())
}

fn digits(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_text_is_json_and_any_flipped_bit_or_cut_opens_it() {
        let sealed = seal(b"{\n  \"step\": 1\n}");
        let value: serde_json::Value = serde_json::from_slice(&sealed).unwrap();
        assert_eq!(value["step"], 1);
        assert!(is_sealed(&sealed));
        for position in 0..sealed.len() {
            assert!(!is_sealed(&sealed[..position]), "{position}");
            for bit in 0..8 {
                let mut flipped = sealed.clone();
                flipped[position] ^= 1 << bit;
                assert!(!is_sealed(&flipped), "bit {bit} of {position}");
            }
        }
        assert!(!is_sealed(&[&*sealed, b"\n"].concat()));
    }
}
