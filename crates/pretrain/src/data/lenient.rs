//! What Python reads and writes as JSON, and JSON is not.

/// The line with null for `NaN` and infinities and U+FFFD for every lone surrogate, and the number of those; `None` if it
/// has neither.
///
/// Python's `json` writes and reads them all; UTF-8 has no lone surrogate.
pub(super) fn as_json(line: &str) -> Option<(String, usize)> {
    let mut scan = Scan { line, json: String::new(), copied: 0, surrogates: 0 };
    let (mut at, mut in_string) = (0, false);
    while let Some(&byte) = line.as_bytes().get(at) {
        at = match byte {
            b'"' => {
                in_string = !in_string;
                at + 1
            }
            b'\\' if in_string => scan.escape(at),
            b'N' | b'I' | b'-' if !in_string => scan.number(at),
            _ => at + 1,
        };
    }
    scan.finish()
}

struct Scan<'a> {
    line: &'a str,
    json: String,
    /// How far `line` is in `json`.
    copied: usize,
    surrogates: usize,
}

impl Scan<'_> {
    fn replace(&mut self, at: usize, length: usize, by: &str) {
        self.json += &self.line[self.copied..at];
        self.json += by;
        self.copied = at + length;
    }

    /// Goes past what may be a number that JSON has not.
    fn number(&mut self, at: usize) -> usize {
        let rest = &self.line[at..];
        match ["NaN", "Infinity", "-Infinity"].into_iter().find(|name| rest.starts_with(name)) {
            Some(name) => {
                self.replace(at, name.len(), "null");
                self.copied
            }
            None => at + 1,
        }
    }

    /// Goes past an escape, or two that are one character.
    fn escape(&mut self, at: usize) -> usize {
        const UNIT: usize = r"\ud800".len();
        match self.code_unit(at) {
            None => at + 2,
            Some(0xd800..0xdc00) if matches!(self.code_unit(at + UNIT), Some(0xdc00..0xe000)) => at + 2 * UNIT,
            Some(0xd800..0xe000) => {
                self.replace(at, UNIT, "\u{fffd}");
                self.surrogates += 1;
                self.copied
            }
            Some(_) => at + UNIT,
        }
    }

    fn code_unit(&self, at: usize) -> Option<u16> {
        let digits = self.line.get(at..at + 6)?.strip_prefix("\\u")?;
        // A sign is no hexadecimal digit, but part of a number.
        u16::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
    }

    fn finish(mut self) -> Option<(String, usize)> {
        let changed = self.copied > 0;
        self.json += &self.line[self.copied..];
        changed.then_some((self.json, self.surrogates))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_has_not_are_null_outside_of_strings() {
        for (line, json) in [
            (r#"{"a": NaN}"#, r#"{"a": null}"#),
            (r#"{"a":-Infinity,"b":[Infinity,-1]}"#, r#"{"a":null,"b":[null,-1]}"#),
            (r#"{"NaN\"": "NaN \\", "é": NaN}"#, r#"{"NaN\"": "NaN \\", "é": null}"#),
        ] {
            assert_eq!(as_json(line), Some((json.to_owned(), 0)));
        }
    }

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_are_not() {
        // What Python's json.loads has for each, with errors="replace" for what UTF-8 cannot hold.
        for (line, json, surrogates) in [
            (r#"{"a": "x\ud800y"}"#, "{\"a\": \"x\u{fffd}y\"}", 1),
            (r#"{"a": "\udc00\uD83D\uDE00\ud800"}"#, "{\"a\": \"\u{fffd}\\uD83D\\uDE00\u{fffd}\"}", 2),
            (r#"{"a": "\ud800\u0041 \\ud800"}"#, "{\"a\": \"\u{fffd}\\u0041 \\\\ud800\"}", 1),
        ] {
            assert_eq!(as_json(line), Some((json.to_owned(), surrogates)));
        }
    }

    #[test]
    fn what_is_json_or_broken_otherwise_is_left_alone() {
        for line in [
            r#"{"a": "\ud83d\ude00 NaN"}"#,
            r#"{"a": 1"#,
            r#"{"a": "\u+800"}"#,
            r#"{"a": "\"#,
            r#"{"a": "\ué"}"#,
            "",
            "-",
        ] {
            assert_eq!(as_json(line), None, "{line}");
        }
    }
}
