//! Names of runs and measures as text, Markdown and LaTeX take them.

/// On one line: control characters become spaces.
pub(super) fn text(cell: &str) -> String {
    cell.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// Literal inside a cell of a Markdown table.
pub(super) fn markdown(cell: &str) -> String {
    let mut escaped = String::with_capacity(cell.len());
    for char in text(cell).chars() {
        if r"\`*_[]<>|~&$".contains(char) {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

/// Literal inside a cell of a LaTeX `tabular`.
pub(super) fn latex(cell: &str) -> String {
    let mut escaped = String::with_capacity(cell.len());
    for char in text(cell).chars() {
        match char {
            '\\' => escaped.push_str(r"\textbackslash{}"),
            '~' => escaped.push_str(r"\textasciitilde{}"),
            '^' => escaped.push_str(r"\textasciicircum{}"),
            '`' => escaped.push_str(r"\textasciigrave{}"),
            '<' => escaped.push_str(r"\textless{}"),
            '>' => escaped.push_str(r"\textgreater{}"),
            '|' => escaped.push_str(r"\textbar{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', char]),
            // After the `\\` of the row above, these would be its arguments.
            '[' | '*' if escaped.is_empty() => escaped.extend(['{', char, '}']),
            // `--` would become a dash and `''` a quotation mark.
            '-' | '\'' if escaped.ends_with(char) => escaped.extend(['{', '}', char]),
            _ => escaped.push(char),
        }
    }
    escaped
}

/// A number in LaTeX, with a minus instead of a hyphen.
pub(super) fn latex_number(cell: &str) -> String {
    latex(cell).replace('-', "$-$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_shows_every_character_as_it_is() {
        assert_eq!(markdown("a|b_c*"), r"a\|b\_c\*");
        assert_eq!(markdown("<i>\n`\\|"), r"\<i\> \`\\\|");
        assert_eq!(markdown("nDCG@10"), "nDCG@10");
    }

    #[test]
    fn latex_shows_every_character_as_it_is() {
        assert_eq!(latex("R&D_100%"), r"R\&D\_100\%");
        assert_eq!(latex(r"a\b^{2}~"), r"a\textbackslash{}b\textasciicircum{}\{2\}\textasciitilde{}");
        assert_eq!(latex("[base] a--b"), "{[}base] a-{}-b");
        assert_eq!(latex_number("-0.1 [-0.2, 0.0]"), "$-$0.1 [$-$0.2, 0.0]");
    }
}
