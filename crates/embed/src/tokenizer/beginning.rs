//! The beginning of a long text, which decides its first tokens.

use tokenizers::{PreTokenizerWrapper, Tokenizer};

/// Bytes of a text that are taken for a token at first: more than all but few texts have.
const BYTES: usize = 12;

/// Tokens that a beginning has to have past those that are asked for: whatever its end changes is among them.
pub(super) const MARGIN: usize = 16;

/// Whether the tokens of a text are those of its words, each by itself: what follows a white space changes nothing before it.
pub(super) fn is_by_words(tokenizer: &Tokenizer) -> bool {
    let added = tokenizer.get_added_tokens_decoder();
    let within_words = added.values().all(|token| !token.content.contains(char::is_whitespace));
    within_words && tokenizer.get_pre_tokenizer().is_some_and(splits_words)
}

fn splits_words(pre_tokenizer: &PreTokenizerWrapper) -> bool {
    match pre_tokenizer {
        PreTokenizerWrapper::BertPreTokenizer(_)
        | PreTokenizerWrapper::Whitespace(_)
        | PreTokenizerWrapper::WhitespaceSplit(_) => true,
        PreTokenizerWrapper::ByteLevel(bytes) => bytes.use_regex,
        PreTokenizerWrapper::Metaspace(metaspace) => metaspace.get_split(),
        PreTokenizerWrapper::Sequence(steps) => steps.as_ref().iter().any(splits_words),
        _ => false,
    }
}

/// Beginnings of `text` that end with a word, each twice as long as the one before, from one on that is likely to have `tokens` tokens; none where
/// that is all of the text.
pub(super) fn beginnings(text: &str, tokens: usize) -> impl Iterator<Item = &str> {
    let first = tokens.saturating_add(MARGIN).saturating_mul(BYTES);
    let lengths = std::iter::successors(Some(first), |length| length.checked_mul(2));
    lengths.map_while(|length| end_of_word(text, length).map(|end| &text[..end]))
}

/// Where the first word ends that does so at `from` or later, if another follows.
fn end_of_word(text: &str, from: usize) -> Option<usize> {
    let from = (from..text.len()).find(|&place| text.is_char_boundary(place))?;
    let within = text[..from].chars().next_back().is_some_and(|last| !last.is_whitespace());
    let start = match within {
        true => from,
        false => from + text[from..].find(|c: char| !c.is_whitespace())?,
    };
    let end = start + text[start..].find(char::is_whitespace)?;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_ends_with_a_word_and_all_of_a_text_is_none() {
        assert_eq!(end_of_word("one two three", 0), Some(3));
        assert_eq!(end_of_word("one two three", 3), Some(3));
        assert_eq!(end_of_word("one  two three", 4), Some(8));
        assert_eq!(end_of_word("one two three", 8), None);
        assert_eq!(end_of_word("é\u{a0}bé c", 1), Some(2));
        assert_eq!(end_of_word("é\u{a0}bé c", 3), Some(7));
        assert_eq!(beginnings("one two", 1).count(), 0);
        let long = "word ".repeat(1000);
        let lengths: Vec<usize> = beginnings(&long, 4).map(str::len).collect();
        assert_eq!(lengths, [244, 484, 964, 1924, 3844]);
    }
}
