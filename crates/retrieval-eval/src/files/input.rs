use std::fs::File;
use std::io::{BufRead, Cursor, Read};
use std::path::Path;

use super::beir_line::beir_columns;
use super::compression::decompressed;
use super::mark::without_mark;
use super::place::in_file;
use crate::error::EvalError;

/// The header of BEIR's judgements.
pub(crate) const BEIR_HEADER: [&str; 3] = ["query-id", "corpus-id", "score"];

/// No line that tells the format is longer, and of a file without line ends no more is read to find that out.
const LONGEST: u64 = 1 << 16;

/// What a file of judgements or results holds, as its first line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// An object of objects.
    Json,
    /// BEIR's header and its three columns.
    Beir,
    /// Lines of three columns, MS MARCO's form of a run.
    MsMarco,
    /// Anything else.
    Trec,
}

/// A reader of text, whatever it was compressed with, that knows its format.
pub(crate) struct Input<'r> {
    pub(crate) content: Content,
    pub(crate) reader: Box<dyn BufRead + Send + 'r>,
}

impl Input<'static> {
    pub(crate) fn open(path: &Path) -> Result<Self, EvalError> {
        let file = File::open(path).map_err(in_file(path))?;
        Input::new(file, path)
    }
}

impl<'r> Input<'r> {
    /// `name` stands for the file in errors.
    pub(crate) fn new(reader: impl Read + Send + 'r, name: &Path) -> Result<Self, EvalError> {
        Self::recognised(reader).map_err(in_file(name))
    }

    fn recognised(reader: impl Read + Send + 'r) -> std::io::Result<Self> {
        let mut reader = decompressed(reader)?;
        let mut start = Vec::new();
        let mut limited = reader.by_ref().take(LONGEST);
        while without_mark(&start).trim_ascii().is_empty() && limited.read_until(b'\n', &mut start)? > 0 {}
        let content = content(without_mark(&start).trim_ascii());
        Ok(Self { content, reader: Box::new(Cursor::new(start).chain(reader)) })
    }
}

fn content(line: &[u8]) -> Content {
    let line = String::from_utf8_lossy(line);
    if line.starts_with('{') {
        Content::Json
    } else if beir_columns(&line).is_ok_and(|columns| columns == BEIR_HEADER) {
        Content::Beir
    } else if line.split_ascii_whitespace().count() == 3 {
        Content::MsMarco
    } else {
        Content::Trec
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_is_not_blank_tells_the_format_and_is_not_lost() {
        for (text, content) in [
            ("\n  \nq1 Q0 d1 1 0.5 run\n", Content::Trec),
            ("q1\t0\td1\t1\n", Content::Trec),
            ("query-id\tcorpus-id\tscore\r\nq1\td1\t1\r\n", Content::Beir),
            ("q1\td1\t1\n", Content::MsMarco),
            ("\n{\"q1\": {}}", Content::Json),
            ("", Content::Trec),
            ("\u{feff}{\"q1\": {}}", Content::Json),
            ("\u{feff}query-id\tcorpus-id\tscore\n", Content::Beir),
            ("\u{feff}\r\n\"query-id\"\t\"corpus-id\"\t\"score\"\n", Content::Beir),
        ] {
            let mut input = Input::new(text.as_bytes(), Path::new("text")).unwrap();
            assert_eq!(input.content, content, "{text:?}");
            let mut all = String::new();
            input.reader.read_to_string(&mut all).unwrap();
            assert_eq!(all, text);
        }
    }
}
