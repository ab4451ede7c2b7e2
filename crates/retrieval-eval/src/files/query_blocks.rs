//! Text of results cut where a query begins.

use memchr::{memchr, memrchr};

/// Where the last query of a text begins, of which more may follow; 0 where nothing shows that it is not the only one.
pub(crate) fn last_query(text: &[u8]) -> usize {
    // What follows the last line end may be a part of a line.
    let Some(end) = memrchr(b'\n', text) else { return 0 };
    let mut start = line_start(text, end);
    let mut last = query(text, start);
    // Without this, a query of many batches would be walked through once a batch.
    if query(text, 0) == last {
        return 0;
    }
    while start > 0 {
        let before = line_start(text, start - 1);
        let name = query(text, before);
        if last.is_empty() {
            last = name;
        } else if !name.is_empty() && name != last {
            return start;
        }
        start = before;
    }
    0
}

/// A text in parts of whole queries, each of about `size` bytes.
pub(crate) fn parts(text: &[u8], size: usize) -> Vec<&[u8]> {
    let (mut parts, mut start) = (Vec::new(), 0);
    while start < text.len() {
        let end = next_query(text, start + size);
        parts.push(&text[start..end]);
        start = end;
    }
    parts
}

/// Where the first query begins after the line that has `place` in it; the end of the text if none does.
fn next_query(text: &[u8], place: usize) -> usize {
    if place >= text.len() {
        return text.len();
    }
    let mut start = line_start(text, place);
    let mut before = query(text, start);
    loop {
        start = match memchr(b'\n', &text[start..]) {
            Some(end) if start + end + 1 < text.len() => start + end + 1,
            _ => return text.len(),
        };
        let name = query(text, start);
        if before.is_empty() {
            before = name;
        } else if !name.is_empty() && name != before {
            return start;
        }
    }
}

/// Where the line begins that has `place` in it.
fn line_start(text: &[u8], place: usize) -> usize {
    memrchr(b'\n', &text[..place]).map_or(0, |end| end + 1)
}

/// The first column of the line that starts at `start`; empty for a blank line.
fn query(text: &[u8], start: usize) -> &[u8] {
    let line = &text[start..];
    let blank = line.iter().take_while(|&&byte| byte != b'\n' && byte.is_ascii_whitespace()).count();
    let line = &line[blank..];
    &line[..line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_before_its_last_query_and_where_queries_begin() {
        let text = b"a 1\na 2\n\nb 1\nb 2\n \n\nc 1\nc 2\nc";
        assert_eq!(last_query(text), 17);
        assert_eq!(last_query(&text[..22]), 8);
        assert_eq!(last_query(&text[..20]), 8);
        assert_eq!(last_query(&text[..9]), 0);
        assert_eq!(last_query(b"a"), 0);
        assert_eq!(last_query(b""), 0);
        let cut: Vec<usize> = parts(text, 1).iter().map(|part| part.len()).collect();
        assert_eq!(cut, [9, 11, 9]);
        assert_eq!(parts(text, 100), [text]);
        assert!(parts(b"", 5).is_empty());
    }

    #[test]
    fn a_query_is_not_mistaken_for_one_that_it_begins_with() {
        assert_eq!(last_query(b"q1 1\nq10 2\n"), 5);
        assert_eq!(parts(b"q10 1\nq1 2\n", 1).len(), 2);
    }
}
