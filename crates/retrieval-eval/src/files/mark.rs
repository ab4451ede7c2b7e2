/// U+FEFF in UTF-8, which some editors and spreadsheets put before a text.
pub(crate) const MARK: &[u8] = "\u{feff}".as_bytes();

/// The text without the byte order mark that it may start with.
pub(crate) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK).unwrap_or(text)
}
