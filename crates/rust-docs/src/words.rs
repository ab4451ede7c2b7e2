//! Identifiers and code as plain words.

/// Appends the words of an identifier: `read_to_end` is `read to end`, `HTTPServer` is `HTTP Server`.
pub(crate) fn push_words(identifier: &str, out: &mut String) {
    let identifier = identifier.strip_prefix("r#").unwrap_or(identifier);
    for part in identifier.split(['_', '-']).filter(|part| !part.is_empty()) {
        let chars: Vec<(usize, char)> = part.char_indices().collect();
        let mut start = 0;
        for i in 1..chars.len() {
            if starts_word(&chars[start..], i - start) {
                push_spaced(&part[chars[start].0..chars[i].0], out);
                start = i;
            }
        }
        push_spaced(&part[chars[start].0..], out);
    }
}

fn push_spaced(word: &str, out: &mut String) {
    if !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
    out.push_str(word);
}

/// The words of an identifier.
pub(crate) fn words(identifier: &str) -> String {
    let mut out = String::new();
    push_words(identifier, &mut out);
    out
}

/// A last capital after one or two letters starts none, as in `NaN`.
fn starts_word(chars: &[(usize, char)], i: usize) -> bool {
    if i + 1 == chars.len() && i <= 2 {
        return false;
    }
    let next_is_lower = chars.get(i + 1).is_some_and(|(_, next)| next.is_lowercase());
    let (before, here) = (chars[i - 1].1, chars[i].1);
    here.is_uppercase() && (before.is_lowercase() || (before.is_uppercase() && next_is_lower))
}

/// A code span as plain words, if it is a name or a literal; `None` if it is an expression.
///
/// Generics and arguments go, and of a path the last two segments stay, the last alone after modules.
pub(crate) fn code_words(code: &str) -> Option<String> {
    const LONGEST: usize = 48;
    let code = code.trim();
    let operators = ['=', ';', '{', '}', '|', '+', '%', '^', '@', '\\', '~', '$', '/'];
    if code.len() > LONGEST || code.contains(operators) || code.contains("->") || code.contains("..") {
        return None;
    }
    let bare = without_brackets(code);
    let mut out = String::new();
    for word in bare.split_whitespace() {
        push_words_of_path(word, &mut out);
    }
    let count = out.split_whitespace().count();
    let names = bare.split_whitespace().count();
    (count > 0 && names <= 3 && out.chars().any(char::is_alphanumeric)).then_some(out)
}

/// The words of all names in an expression.
pub(crate) fn expression_words(code: &str) -> String {
    let mut out = String::new();
    code.split(|c: char| !c.is_alphanumeric() && c != '_').for_each(|name| push_words(name, &mut out));
    out
}

/// The code without what stands in angle brackets or, after a name, in parentheses.
fn without_brackets(code: &str) -> String {
    let mut out = String::new();
    let (mut angle, mut round) = (0usize, 0usize);
    for c in code.chars() {
        match c {
            '<' => angle += 1,
            '>' => angle = angle.saturating_sub(1),
            '(' => round += 1,
            ')' => round = round.saturating_sub(1),
            _ if angle == 0 && round == 0 => out.push(c),
            _ => {}
        }
    }
    if out.trim().is_empty() {
        return code.replace(['<', '>', '(', ')', ','], " ");
    }
    out
}

fn push_words_of_path(path: &str, out: &mut String) {
    let path = path.trim_matches(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
    let segments: Vec<&str> = path.split("::").filter(|segment| !segment.is_empty()).collect();
    let start = match segments.as_slice() {
        [.., owner, _] if owner.starts_with(char::is_uppercase) => segments.len() - 2,
        _ => segments.len().saturating_sub(1),
    };
    for segment in &segments[start..] {
        for name in segment.split(|c: char| !c.is_alphanumeric() && !"_-.'".contains(c)) {
            if name.contains(char::is_alphabetic) {
                push_words(name, out);
            } else if name.contains(char::is_numeric) {
                push_spaced(name, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_split_at_underscores_and_capitals() {
        let cases = [
            ("read_to_end", "read to end"),
            ("BufReader", "Buf Reader"),
            ("HTTPServer", "HTTP Server"),
            ("MAX_LEN", "MAX LEN"),
            ("f32x4", "f32x4"),
            ("Vec3D", "Vec3D"),
            ("r#type", "type"),
            ("__m256", "m256"),
            ("_", ""),
            ("IsNaN", "Is NaN"),
            ("BufferA", "Buffer A"),
            ("burn-core", "burn core"),
        ];
        for (identifier, expected) in cases {
            assert_eq!(words(identifier), expected);
        }
    }

    #[test]
    fn code_spans_that_are_names_become_words() {
        let cases = [
            ("Vec<T>", "Vec"),
            ("&mut self", "mut self"),
            ("std::io::Read", "Read"),
            ("Iterator::next()", "Iterator next"),
            ("Some(x)", "Some"),
            ("#[derive]", "derive"),
            ("'static", "static"),
            ("\"utf-8\"", "utf 8"),
            ("1.5", "1.5"),
            ("-1", "-1"),
            ("()", ""),
            ("println!", "println"),
            ("self.len()", "self.len"),
        ];
        for (code, expected) in cases {
            assert_eq!(code_words(code).unwrap_or_default(), expected, "{code}");
        }
    }

    #[test]
    fn expressions_are_no_words() {
        for code in ["a + b", "x == y", "|x| x", "fn f() -> u8", "==", "0..n", "let a b c d"] {
            assert_eq!(code_words(code), None, "{code}");
        }
    }
}
