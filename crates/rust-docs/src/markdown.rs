//! The text of a doc comment without its code: as much Markdown as doc comments have.

use crate::words::{code_words, expression_words};

/// A piece of text between blank lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    /// Still with its inline markup.
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Paragraph,
    Heading,
    ListItem,
}

/// The paragraphs, headings and list items; code blocks, tables and link definitions are gone.
pub(crate) fn blocks(doc: &str) -> Vec<Block> {
    let mut reader = Reader::default();
    doc.lines().for_each(|line| reader.line(line));
    reader.flush();
    reader.blocks
}

#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    open: String,
    in_list: bool,
    after_blank: bool,
    fence: Option<&'static str>,
    /// What ends the comment or table that is open.
    html_end: Option<&'static str>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        // A quotation's mark, and that of doxygen's comments behind a member.
        let text = line.trim().trim_start_matches(['>', ' ']).trim_start_matches("< ");
        let indented = line.len() - line.trim_start().len() >= 4;
        let starts = self.open.is_empty() || self.after_blank;
        if self.skips(text) {
            return;
        }
        if let Some(fence) = ["```", "~~~"].into_iter().find(|fence| text.starts_with(fence)) {
            self.flush();
            self.fence = Some(fence);
        } else if text.is_empty() {
            self.flush();
            self.after_blank = true;
        } else if indented && starts && !self.in_list {
        } else if let Some(heading) = heading(text) {
            self.flush();
            self.push(Kind::Heading, heading);
        } else if is_rule(text) {
            self.close_heading(text);
        } else if text.starts_with('|') || is_link_definition(text) {
            self.flush();
        } else if let Some(item) = list_item(text) {
            self.flush();
            self.in_list = true;
            self.open.push_str(item);
        } else {
            self.text(text, indented);
        }
    }

    /// Whether the line lies in a fenced block, a comment or an HTML table; opens and closes the latter two.
    fn skips(&mut self, text: &str) -> bool {
        const HTML: [(&str, &str); 3] = [("<!--", "-->"), ("<table", "</table>"), ("<pre", "</pre>")];
        if let Some(fence) = self.fence {
            if text.starts_with(fence) {
                self.fence = None;
            }
            return true;
        }
        let opened = HTML.iter().find(|(start, _)| text.starts_with(start)).map(|&(_, end)| end);
        self.html_end = self.html_end.or(opened);
        let skips = self.html_end.is_some();
        if self.html_end.is_some_and(|end| text.contains(end)) {
            self.html_end = None;
        }
        skips
    }

    fn text(&mut self, text: &str, indented: bool) {
        if self.after_blank && !indented {
            self.in_list = false;
        }
        self.after_blank = false;
        if !self.open.is_empty() {
            self.open.push(' ');
        }
        self.open.push_str(text);
    }

    /// A line of `=` or `-` makes the paragraph above it a heading.
    fn close_heading(&mut self, text: &str) {
        let heading = std::mem::take(&mut self.open);
        if !heading.is_empty() && text.starts_with(['=', '-']) {
            self.push(Kind::Heading, &heading);
        } else {
            self.open = heading;
            self.flush();
        }
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.open);
        if !text.is_empty() {
            self.push(if self.in_list { Kind::ListItem } else { Kind::Paragraph }, &text);
        }
    }

    fn push(&mut self, kind: Kind, text: &str) {
        if kind == Kind::Heading {
            self.in_list = false;
        }
        self.blocks.push(Block { kind, text: text.to_owned() });
    }
}

fn heading(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches('#');
    let level = text.len() - rest.len();
    ((1..=6).contains(&level) && (rest.is_empty() || rest.starts_with(' '))).then(|| rest.trim_matches(['#', ' ']))
}

fn is_rule(text: &str) -> bool {
    ['=', '-', '*', '_'].iter().any(|&mark| text.len() >= 3 && text.chars().all(|c| c == mark))
}

fn is_link_definition(text: &str) -> bool {
    text.starts_with('[') && text.split_once("]:").is_some_and(|(name, _)| !name[1..].contains(['[', ']']))
}

fn list_item(text: &str) -> Option<&str> {
    let bullet = ["- ", "* ", "+ "].iter().find_map(|mark| text.strip_prefix(mark));
    bullet.map(str::trim_start).or_else(|| {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let marked = rest.len() < text.len() && text.len() - rest.len() <= 3;
        marked.then(|| rest.strip_prefix(". ").or_else(|| rest.strip_prefix(") ")))?.map(str::trim_start)
    })
}

/// Inline markup taken off: links as their text, code spans as plain words, tags and addresses gone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plain {
    /// One line, with single spaces.
    pub(crate) text: String,
    /// Whether there was a formula or a code span that is an expression, of which the names alone are left.
    pub(crate) lossy: bool,
}

/// The text of a block without its inline markup.
pub(crate) fn plain(text: &str) -> Plain {
    let mut inline = Inline::default();
    inline.read(text);
    let text = collapse(&inline.out);
    Plain { lossy: inline.lossy || text.contains("$$") || text.contains('\\'), text }
}

/// White space as single spaces, none before punctuation; names with `_` or `::` as words.
fn collapse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() && !matches!(word, "." | "," | ";" | ":" | ")" | "),") {
            out.push(' ');
        }
        match word.contains("::") || word.contains('_') {
            true => push_name(word, &mut out),
            false => out.push_str(word),
        }
    }
    out
}

/// A name outside of code spans, between its punctuation.
fn push_name(word: &str, out: &mut String) {
    let outer = |c: char| !c.is_alphanumeric() && c != '_';
    let name = word.trim_start_matches(outer);
    let (before, name) = (&word[..word.len() - name.len()], name.trim_end_matches(outer));
    let after = &word[before.len() + name.len()..];
    out.push_str(before);
    out.push_str(&code_words(name).unwrap_or_else(|| expression_words(name)));
    out.push_str(after.trim_start_matches("()"));
}

#[derive(Default)]
struct Inline {
    out: String,
    lossy: bool,
}

impl Inline {
    fn read(&mut self, text: &str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let used = match c {
                '`' => self.code(rest),
                '[' => self.link(rest),
                '!' if rest.starts_with("![") => 1 + self.image(&rest[1..]),
                '<' => self.tag(rest),
                '&' => self.entity(rest),
                'h' if rest.starts_with("https://") || rest.starts_with("http://") => address_len(rest),
                '\\' => self.escape(rest),
                '*' | '_' => self.emphasis(rest, c),
                _ => self.keep(c),
            };
            rest = &rest[used..];
        }
    }

    fn keep(&mut self, c: char) -> usize {
        self.out.push(c);
        c.len_utf8()
    }

    fn code(&mut self, rest: &str) -> usize {
        let ticks = rest.len() - rest.trim_start_matches('`').len();
        let fence = &rest[..ticks];
        let Some(end) = rest[ticks..].find(fence) else { return ticks };
        let code = &rest[ticks..ticks + end];
        let words = code_words(code);
        self.lossy |= words.is_none();
        self.out.push_str(&words.unwrap_or_else(|| expression_words(code)));
        2 * ticks + end
    }

    /// `[text](address)`, `[text][name]` and `[text]` are the text; a footnote's mark is nothing; `[0, 1]` is no link.
    fn link(&mut self, rest: &str) -> usize {
        let Some(end) = closing(rest, '[', ']') else { return self.keep('[') };
        let text = &rest[1..end];
        let target = target_len(&rest[end + 1..]);
        if target == 0 && text.contains(',') {
            return self.keep('[');
        }
        if !text.starts_with('^') {
            self.read(text);
        }
        end + 1 + target
    }

    fn image(&mut self, rest: &str) -> usize {
        let Some(end) = closing(rest, '[', ']') else { return self.keep('[') };
        end + 1 + target_len(&rest[end + 1..])
    }

    fn tag(&mut self, rest: &str) -> usize {
        let opens = rest[1..].starts_with(|c: char| c.is_alphabetic() || c == '/' || c == '!');
        match rest.find('>').filter(|_| opens) {
            Some(end) => {
                self.out.push(' ');
                end + 1
            }
            None => self.keep('<'),
        }
    }

    fn entity(&mut self, rest: &str) -> usize {
        let entities = [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&nbsp;", ' '), ("&quot;", '"')];
        match entities.into_iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, c)) => {
                self.out.push(c);
                name.len()
            }
            None => self.keep('&'),
        }
    }

    fn escape(&mut self, rest: &str) -> usize {
        match rest.chars().nth(1) {
            Some(c) if c.is_ascii_punctuation() => 1 + self.keep(c),
            _ => self.keep('\\'),
        }
    }

    /// A star between spaces and an underscore inside a word are no markup.
    fn emphasis(&mut self, rest: &str, mark: char) -> usize {
        let run = rest.len() - rest.trim_start_matches(mark).len();
        let (before, after) = (self.out.chars().next_back(), rest[run..].chars().next());
        let kept = match mark {
            '*' => [before, after].iter().all(|c| c.is_none_or(char::is_whitespace)),
            _ => [before, after].iter().all(|c| c.is_some_and(char::is_alphanumeric)),
        };
        if kept {
            self.out.push_str(&rest[..run]);
        }
        run
    }
}

/// Where the bracket that opens the text is closed, code spans and nested brackets apart.
fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let (mut depth, mut in_code) = (0usize, false);
    for (i, c) in text.char_indices() {
        match c {
            '`' => in_code = !in_code,
            _ if in_code => {}
            _ if c == open => depth += 1,
            _ if c == close => {
                depth -= 1;
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

/// The length of a link's `(address)` or `[name]`.
fn target_len(rest: &str) -> usize {
    let end = match rest.chars().next() {
        Some('(') => closing(rest, '(', ')'),
        Some('[') => closing(rest, '[', ']'),
        _ => None,
    };
    end.map_or(0, |end| end + 1)
}

fn address_len(rest: &str) -> usize {
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '>' | ')' | ']')).unwrap_or(rest.len());
    rest[..end].trim_end_matches(['.', ',', ';', ':']).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(doc: &str) -> Vec<(Kind, String)> {
        blocks(doc).into_iter().map(|block| (block.kind, block.text)).collect()
    }

    #[test]
    fn lines_join_to_paragraphs_and_headings_stand_alone() {
        let doc = "> First line\n> second line.\n\n# Errors\nIt may fail.\n\nUnderlined\n----------\nText";
        let expected = [
            (Kind::Paragraph, "First line second line."),
            (Kind::Heading, "Errors"),
            (Kind::Paragraph, "It may fail."),
            (Kind::Heading, "Underlined"),
            (Kind::Paragraph, "Text"),
        ];
        assert_eq!(kinds(doc), expected.map(|(kind, text)| (kind, text.to_owned())));
    }

    #[test]
    fn code_tables_comments_and_link_definitions_are_gone() {
        let doc = "Before.\n```rust\nlet x = 1;\n```\n\n    indented code\n\n| a | b |\n|---|---|\n<!-- a\ncomment -->\n<table>\n<td>x</td>\n</table>\n\
             [link]: https://example.com\nAfter.\n~~~\nlet y = 2;";
        assert_eq!(kinds(doc), [(Kind::Paragraph, "Before.".to_owned()), (Kind::Paragraph, "After.".to_owned())]);
    }

    #[test]
    fn list_items_are_told_from_paragraphs() {
        let doc = "Either:\n- one\n  and more\n* two\n1. three\n\nEnd.";
        let expected = [
            (Kind::Paragraph, "Either:"),
            (Kind::ListItem, "one and more"),
            (Kind::ListItem, "two"),
            (Kind::ListItem, "three"),
            (Kind::Paragraph, "End."),
        ];
        assert_eq!(kinds(doc), expected.map(|(kind, text)| (kind, text.to_owned())));
    }

    #[test]
    fn inline_markup_is_taken_off() {
        let cases = [
            ("Returns a [`Vec<T>`](std::vec::Vec) of [items][Item].", "Returns a Vec of items."),
            ("A *very* **bold** _word_ and (snake_case), 2 * 3", "A very bold word and (snake case), 2 * 3"),
            ("Made by [fmt::Write::write_str()].", "Made by Write write str."),
            ("See <https://example.com/x> or https://example.com/y.", "See or."),
            ("An ![image](a.png) and a note[^1].", "An and a note."),
            ("Half-open [0, 1) or closed [0, 1]", "Half-open [0, 1) or closed [0, 1]"),
            ("a &lt; b, line<br>break, \\*star", "a < b, line break, *star"),
            ("Several `Vec`s", "Several Vecs"),
        ];
        for (text, expected) in cases {
            assert_eq!(plain(text), Plain { text: expected.to_owned(), lossy: false }, "{text}");
        }
    }

    #[test]
    fn expressions_and_formulas_are_lossy() {
        assert!(plain("Returns `a + b`.").lossy);
        assert!(plain("Computes $$x^2$$.").lossy);
        assert!(!plain("Returns `a`.").lossy);
    }
}
