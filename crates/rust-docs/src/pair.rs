use std::fmt::Write;

use crate::DocItem;
use crate::markdown::{Kind, blocks, plain};
use crate::sentences::sentence_ends;
use crate::words::words;

/// A documented item as a query and the passage that answers it.
///
/// ```
/// use rust_docs::{DocItem, ItemKind, TextPair};
///
/// let item = DocItem {
///     kind: ItemKind::Method,
///     path: vec!["BufReader".into(), "read_line".into()],
///     signature: "buf String -> Result usize".into(),
///     doc: "Reads *one* line up to its end.\n\nBlocks until there is one.\n```\nreader.read_line(&mut buf)?;\n```".into(),
/// };
/// let pair = TextPair::of("my-net", &item)?;
/// assert_eq!(pair.query, "Reads one line up to its end.");
/// assert_eq!(
///     pair.passage,
///     "method my net Buf Reader read line: buf String -> Result usize. Blocks until there is one."
/// );
/// # Ok::<(), rust_docs::Unfit>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPair {
    /// The first paragraph of the documentation without code; of a long one the first sentences.
    pub query: String,
    /// Kind, package, path and signature in plain words, then the rest of the documentation without code; 256 words at most.
    pub passage: String,
}

/// Why an item gives no pair.
///
/// ```
/// use rust_docs::{DocItem, ItemKind, TextPair, Unfit};
///
/// let (path, signature, doc) = (vec!["open".into()], String::new(), "Opens it.".into());
/// let item = DocItem { kind: ItemKind::Function, path, signature, doc };
/// assert_eq!(TextPair::of("my-net", &item), Err(Unfit::Short));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// Its documentation does not begin with a paragraph of text.
    #[error("the documentation does not begin with a paragraph")]
    NoParagraph,
    /// Its first paragraph makes no sense without its code.
    #[error("the first paragraph makes no sense without its code")]
    Code,
    /// Its first paragraph has fewer than four words, or only points elsewhere.
    #[error("the first paragraph has fewer than four words or only points elsewhere")]
    Short,
    /// Its passage repeats the query.
    #[error("the passage repeats the query")]
    Verbatim,
}

impl TextPair {
    /// The pair of an item of `package`.
    ///
    /// # Errors
    /// An [`Unfit`] if query or passage would be of no use.
    pub fn of(package: &str, item: &DocItem) -> Result<Self, Unfit> {
        let blocks = blocks(&item.doc);
        let start = blocks.iter().position(|block| block.kind != Kind::Heading).ok_or(Unfit::NoParagraph)?;
        if blocks[start].kind != Kind::Paragraph {
            return Err(Unfit::NoParagraph);
        }
        let (query, more) = query(&blocks[start].text)?;
        let mut passage = String::with_capacity(256);
        let _ = write!(passage, "{} {}", item.kind, words(package));
        item.path.iter().for_each(|name| {
            passage.push(' ');
            passage.push_str(&words(name));
        });
        if !item.signature.is_empty() {
            let _ = write!(passage, ": {}", item.signature);
        }
        passage.push('.');
        let rest = blocks[start + 1..].iter().filter(|block| block.kind != Kind::Heading);
        let rest = rest.map(|block| without_lead_in(plain(&block.text).text));
        push_rest(more.into_iter().chain(rest), &mut passage);
        if passage.to_lowercase().contains(query.trim_end_matches('.').to_lowercase().as_str()) {
            return Err(Unfit::Verbatim);
        }
        Ok(Self { query, passage })
    }
}

/// The query and, of a long paragraph or one that ends in code, the sentences that are not for it.
fn query(text: &str) -> Result<(String, Option<String>), Unfit> {
    const FEWEST_WORDS: usize = 4;
    let (text, with_code) = without_code(text).ok_or(Unfit::Code)?;
    let mut query = without_lead_in(text);
    if query.is_empty() || is_call(&query) {
        return Err(Unfit::Code);
    }
    let words = query.split(' ').filter(|word| word.contains(char::is_alphanumeric)).count();
    if words < FEWEST_WORDS || points_elsewhere(&query, words) {
        return Err(Unfit::Short);
    }
    let mut more = query.split_off(query_len(&query));
    more.push(' ');
    more.push_str(&plain(with_code).text);
    Ok((query, Some(more.trim().to_owned()).filter(|more| !more.is_empty())))
}

/// The plain text of the sentences before the first with code that cannot be told in words, and the others as they are.
fn without_code(text: &str) -> Option<(String, &str)> {
    let mut ends: Vec<usize> = sentence_ends(text).chain([text.len()]).collect();
    while let Some(end) = ends.pop() {
        let plain = plain(&text[..end]);
        if !plain.lossy {
            return Some((plain.text, &text[end..]));
        }
    }
    None
}

/// Whether the text is a call as bindings of C libraries are documented: `glCreateShader(type)`.
fn is_call(text: &str) -> bool {
    let name_len = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    text[name_len..].starts_with('(') && text.ends_with(')')
}

/// Whether the text only names another item that has the documentation.
fn points_elsewhere(text: &str, words: usize) -> bool {
    const POINTERS: [&str; 8] =
        ["See ", "Refer to ", "Same as ", "Alias for ", "Alias of ", "Equivalent to ", "Equivalent of ", "Re-export"];
    const LONGEST: usize = 8;
    words <= LONGEST && POINTERS.iter().any(|pointer| text.starts_with(pointer))
}

/// The length of the first sentences, of as many as have 40 words together, but of one at least.
fn query_len(text: &str) -> usize {
    const MOST_WORDS: usize = 40;
    let fits = |end: usize| text[..end].split(' ').count() <= MOST_WORDS;
    let mut query = text.len();
    for (i, end) in sentence_ends(text).chain([text.len()]).enumerate() {
        if i > 0 && !fits(end) {
            break;
        }
        query = end;
    }
    query
}

/// The text without a last sentence that only leads to the code or the list below it.
fn without_lead_in(mut text: String) -> String {
    if text.ends_with(':') {
        text.truncate(text.rfind(". ").map_or(0, |end| end + 1));
    }
    text
}

/// Appends blocks up to the first that would make the passage longer than 256 words.
fn push_rest(rest: impl Iterator<Item = String>, passage: &mut String) {
    const MOST_WORDS: usize = 256;
    let mut words = passage.split(' ').count();
    for text in rest.filter(|text| !text.is_empty()) {
        words += text.split(' ').count();
        if words > MOST_WORDS {
            return;
        }
        passage.push(' ');
        passage.push_str(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ItemKind;

    fn item(doc: &str) -> DocItem {
        let path = ["io", "BufReader", "read_line"].map(String::from).into();
        DocItem { kind: ItemKind::Method, path, signature: "buf String -> Result usize".into(), doc: doc.into() }
    }

    fn unfit(doc: &str) -> Unfit {
        TextPair::of("my-net", &item(doc)).unwrap_err()
    }

    #[test]
    fn the_first_paragraph_asks_for_path_signature_and_the_rest() {
        let doc = "# Reading\nReads *one* line of [`Text`]\nup to its end.\n\nBlocks.\n\n# Examples\nUse it so:\n\
                   ```\nx\n```\n- never fails";
        let found = TextPair::of("my-net", &item(doc)).unwrap();
        assert_eq!(found.query, "Reads one line of Text up to its end.");
        let passage = "method my net io Buf Reader read line: buf String -> Result usize. Blocks. never fails";
        assert_eq!(found.passage, passage);
    }

    #[test]
    fn docs_that_do_not_begin_with_a_paragraph_are_unfit() {
        assert_eq!(unfit("- a list of several words"), Unfit::NoParagraph);
        assert_eq!(unfit("```\nonly code\n```"), Unfit::NoParagraph);
        assert_eq!(unfit("# Only a heading of words"), Unfit::NoParagraph);
    }

    #[test]
    fn first_paragraphs_that_are_code_are_unfit() {
        assert_eq!(unfit("Returns the value of `a + b` at once."), Unfit::Code);
        assert_eq!(unfit("glUniform(location, count, value, and more)"), Unfit::Code);
        assert_eq!(unfit("Can be used like this, for example:"), Unfit::Code);
    }

    #[test]
    fn short_first_paragraphs_and_pointers_are_unfit() {
        assert_eq!(unfit("Reads a line."), Unfit::Short);
        assert_eq!(unfit("Reads a - line."), Unfit::Short);
        assert_eq!(unfit("See the method of the trait."), Unfit::Short);
        assert!(TextPair::of("p", &item("Reads a whole line.")).is_ok());
    }

    #[test]
    fn a_query_that_its_passage_repeats_is_unfit() {
        assert_eq!(unfit("Reads a whole line.\n\nNote: reads a whole line. Blocks."), Unfit::Verbatim);
    }

    #[test]
    fn the_sentences_of_a_long_paragraph_after_forty_words_are_passage() {
        let long = format!("{}end. Second sentence here. Third one.", "word ".repeat(36));
        let found = TextPair::of("p", &item(&long)).unwrap();
        assert!(found.query.ends_with("end. Second sentence here."), "{}", found.query);
        assert!(found.passage.ends_with("usize. Third one."), "{}", found.passage);
    }

    #[test]
    fn a_sentence_with_code_and_what_follows_are_passage() {
        let doc = "Reserves room for more, e.g. a line. The length is `self.len() + n`. Grows by `n`.";
        let found = TextPair::of("p", &item(doc)).unwrap();
        assert_eq!(found.query, "Reserves room for more, e.g. a line.");
        assert!(found.passage.ends_with("usize. The length is self len n. Grows by n."), "{}", found.passage);
    }

    #[test]
    fn a_lead_in_to_code_is_cut_off() {
        let found = TextPair::of("p", &item("Reads a whole line. For example:\n```\nx\n```")).unwrap();
        assert_eq!(found.query, "Reads a whole line.");
    }

    #[test]
    fn a_long_passage_ends_with_a_whole_block() {
        let doc = format!("Reads a whole line.\n\n{}\n\n{}", "many ".repeat(200), "more ".repeat(200));
        let passage = TextPair::of("p", &item(&doc)).unwrap().passage;
        assert!(passage.ends_with("many") && passage.split(' ').count() <= 256);
    }
}
