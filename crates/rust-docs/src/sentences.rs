//! Where sentences end.

/// Where a sentence ends inside the text, outside of code spans: at a full stop before a space, unless it is that of an abbreviation or the
/// next word begins with a small letter. The text's own end is not among them.
pub(crate) fn sentence_ends(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.match_indices(". ").map(|(at, _)| at + 1).filter(|&end| {
        let (sentence, next) = (&text[..end], text[end..].trim_start());
        let is_abbreviation = ["e.g.", "i.e.", "etc.", "vs.", "cf."].iter().any(|short| sentence.ends_with(short));
        let in_code = sentence.matches('`').count() % 2 == 1;
        !is_abbreviation && !in_code && !next.starts_with(char::is_lowercase)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(text: &str) -> Vec<&str> {
        let ends: Vec<usize> = sentence_ends(text).chain([text.len()]).collect();
        let starts = [0].into_iter().chain(ends.iter().copied());
        starts.zip(&ends).map(|(start, &end)| text[start..end].trim_start()).collect()
    }

    #[test]
    fn a_full_stop_before_a_capital_ends_a_sentence() {
        assert_eq!(sentences("Reads a line. Blocks. 3 are left."), ["Reads a line.", "Blocks.", "3 are left."]);
        assert_eq!(sentences("no stop at all"), ["no stop at all"]);
    }

    #[test]
    fn abbreviations_code_and_small_letters_do_not_end_one() {
        for whole in
            ["Sizes, e.g. A4 or i.e. A5.", "Calls `a. B` once.", "Of approx. ten lines.", "Version 1.2 is out."]
        {
            assert_eq!(sentences(whole), [whole]);
        }
    }
}
