use unicode_segmentation::UnicodeSegmentation;

/// Calls `on_term` with the lower-cased words of a text: its Unicode words, and the parts of those that are identifiers.
///
/// `parse_http_request` gives itself, `parse`, `http`, `request`; `HttpClient2` gives itself, `http`, `client`, `2`.
pub(super) fn for_each_term(text: &str, mut on_term: impl FnMut(&str)) {
    let mut lower = String::new();
    for word in text.unicode_words() {
        lowercase(word, &mut lower);
        on_term(&lower);
        if is_identifier(word) {
            for part in parts(word) {
                lowercase(part, &mut lower);
                on_term(&lower);
            }
        }
    }
}

fn lowercase(word: &str, lower: &mut String) {
    lower.clear();
    if word.is_ascii() {
        lower.extend(word.bytes().map(|byte| char::from(byte.to_ascii_lowercase())));
    } else {
        lower.push_str(&word.to_lowercase());
    }
}

/// Whether a word has an inner underscore, a capital after its first letter that not all letters share, or letters beside digits.
fn is_identifier(word: &str) -> bool {
    let starts = boundaries(word).count();
    starts > 0 || word.contains('_')
}

fn parts(word: &str) -> impl Iterator<Item = &str> {
    let ends = boundaries(word).chain([word.len()]);
    let mut start = 0;
    ends.map(move |end| {
        let part = &word[start..end];
        start = end;
        part.trim_matches('_')
    })
    .filter(|part| !part.is_empty())
}

/// Where a new part starts: after underscores, at `aB`, at `ABc` before the `B`, and between letters and digits.
fn boundaries(word: &str) -> impl Iterator<Item = usize> {
    let mut before = None;
    word.char_indices().filter_map(move |(at, c)| {
        let cut = before.is_some_and(|b: char| {
            let next_is_lower = || word[at + c.len_utf8()..].chars().next().is_some_and(char::is_lowercase);
            (b == '_') != (c == '_')
                || b.is_lowercase() && c.is_uppercase()
                || b.is_uppercase() && c.is_uppercase() && next_is_lower()
                || b.is_numeric() != c.is_numeric() && b != '_' && c != '_'
        });
        before = Some(c);
        cut.then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        for_each_term(text, |term| terms.push(term.to_string()));
        terms
    }

    #[test]
    fn identifiers_are_split() {
        assert_eq!(terms("parse_http_request"), ["parse_http_request", "parse", "http", "request"]);
        assert_eq!(terms("HttpClient2"), ["httpclient2", "http", "client", "2"]);
        assert_eq!(terms("HTTPServer"), ["httpserver", "http", "server"]);
        assert_eq!(terms("__init__"), ["__init__", "init"]);
    }

    #[test]
    fn plain_words_are_lower_cased_and_whole() {
        assert_eq!(terms("The quick, BROWN fox!"), ["the", "quick", "brown", "fox"]);
        assert_eq!(terms("Éclair ÜBER"), ["éclair", "über"]);
        assert!(terms("  --- ").is_empty());
    }
}
