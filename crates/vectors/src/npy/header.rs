use std::io::{self, Read};

/// Longest header that is read, in bytes. Numpy itself refuses more than 10,000.
const LONGEST: u32 = u16::MAX as u32;

/// What a `.npy` file says of its values.
///
/// A parser of Python literals in general, such as npyz's, recurses at every bracket, takes time exponential in their depth
/// and memory for whatever length the file states; this one reads the three entries alone.
#[derive(Debug, PartialEq)]
pub(crate) struct Header {
    /// Element type as written: `'<f4'`, or a list for a record.
    pub(crate) descr: String,
    pub(crate) fortran_order: bool,
    pub(crate) shape: Vec<u64>,
    /// Byte at which the values start.
    pub(crate) start: u64,
}

impl Header {
    /// Leaves the reader where the values start.
    ///
    /// # Source
    /// NEP 1 and `numpy.lib.format`, versions 1.0 to 3.0.
    pub(crate) fn read(file: &mut impl Read) -> io::Result<Self> {
        let [b'\x93', b'N', b'U', b'M', b'P', b'Y', major, minor] = bytes(file).map_err(no_magic)? else {
            return Err(no_magic(io::ErrorKind::InvalidData.into()));
        };
        let (length, before) = match (major, minor) {
            (1, 0) => (u16::from_le_bytes(bytes(file)?).into(), 10),
            (2 | 3, 0) => (u32::from_le_bytes(bytes(file)?), 12),
            _ => return Err(invalid(format!("version {major}.{minor} of the NPY format is not known"))),
        };
        if length > LONGEST {
            return Err(invalid(format!("a header of {length} bytes, the most is {LONGEST}")));
        }
        let mut text = vec![0; length as usize];
        file.read_exact(&mut text)?;
        let text = str::from_utf8(&text).map_err(|error| invalid(error.to_string()))?;
        let (descr, fortran_order, shape) = entries(text).ok_or_else(|| invalid(format!("no NPY header: {text:?}")))?;
        Ok(Self { descr, fortran_order, shape, start: before + u64::from(length) })
    }

    /// The shape as errors name it.
    pub(crate) fn layout(&self) -> String {
        format!("{:?}{}", self.shape, if self.fortran_order { " in Fortran order" } else { "" })
    }
}

fn bytes<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).map(|()| bytes)
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// A file too short for the magic has none; that a file cannot be read is another matter.
fn no_magic(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => invalid("magic not found for NPY file".to_owned()),
        _ => error,
    }
}

/// The values of `{'descr': …, 'fortran_order': …, 'shape': …}`, in any order; `None` if it is not that.
fn entries(text: &str) -> Option<(String, bool, Vec<u64>)> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    while !rest.is_empty() {
        let (key, after) = rest.split_once(':')?;
        let (value, after) = after.split_at(end_of_value(after)?);
        match unquoted(key.trim())? {
            "descr" => descr = Some(element(value.trim())),
            "fortran_order" => fortran_order = Some(boolean(value.trim())?),
            "shape" => shape = Some(lengths(value.trim())?),
            _ => return None,
        }
        rest = after.strip_prefix(',').unwrap_or_default().trim_start();
    }
    Some((descr?, fortran_order?, shape?))
}

/// Where the first comma outside of brackets and strings is, or the end; `None` if one of them is not closed.
fn end_of_value(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => (),
            (None, '\'' | '"') => quote = Some(character),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.checked_sub(1)?,
            (None, ',') if depth == 0 => return Some(at),
            (None, _) => (),
        }
    }
    (depth == 0 && quote.is_none()).then_some(text.len())
}

fn unquoted(text: &str) -> Option<&str> {
    let within = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    within('\'').or_else(|| within('"'))
}

/// As numpy writes it, between single quotes.
fn element(text: &str) -> String {
    unquoted(text).map_or_else(|| text.to_owned(), |name| format!("'{name}'"))
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    }
}

fn lengths(text: &str) -> Option<Vec<u64>> {
    let within = |open, close| text.strip_prefix(open)?.strip_suffix(close);
    let inner = within('(', ')').or_else(|| within('[', ']'))?.trim();
    if inner.is_empty() {
        return Some(Vec::new());
    }
    // Python 2 wrote long integers as 3L.
    let length = |text: &str| text.trim().trim_end_matches('L').parse().ok();
    inner.strip_suffix(',').unwrap_or(inner).split(',').map(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, text: &str) -> Vec<u8> {
        let length = text.len() as u32;
        let length = if version == 1 { length.to_le_bytes()[..2].to_vec() } else { length.to_le_bytes().to_vec() };
        [b"\x93NUMPY", &[version, 0][..], &length, text.as_bytes()].concat()
    }

    fn read(version: u8, text: &str) -> Result<Header, String> {
        Header::read(&mut &file(version, text)[..]).map_err(|error| error.to_string())
    }

    #[test]
    fn headers_of_every_version_and_writer_are_read() {
        let forms = [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n",
            "{'shape': (3L, 4L), 'fortran_order': False, 'descr': '<f4'}",
            "{\"descr\":\"<f4\",\"fortran_order\":False,\"shape\":[3,4]}\n",
        ];
        for (version, before) in [(1, 10), (2, 12), (3, 12)] {
            for text in forms {
                let header = read(version, text).unwrap();
                assert_eq!((header.descr.as_str(), header.fortran_order), ("'<f4'", false));
                assert_eq!((header.shape, header.start), (vec![3, 4], before + text.len() as u64));
            }
        }
    }

    #[test]
    fn shapes_are_read_up_to_the_largest_length() {
        for (text, shape) in [("()", &[][..]), ("(7,)", &[7]), ("(18446744073709551615, 2)", &[u64::MAX, 2])] {
            let header = read(1, &format!("{{'descr': '<f4', 'fortran_order': True, 'shape': {text}}}")).unwrap();
            assert_eq!((header.shape.as_slice(), header.fortran_order), (shape, true));
        }
    }

    #[test]
    fn a_record_type_is_kept_as_written() {
        let descr = r"[('a, }', '<f4'), ('it\'s', '<u2', (2,))]";
        let header = read(3, &format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (2,), }}")).unwrap();
        assert_eq!((header.descr.as_str(), header.shape), (descr, vec![2]));
    }

    #[test]
    fn what_is_no_header_is_shown() {
        for text in [
            "",
            "{}",
            "{'descr': '<f4'}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616, 2), }",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (1, 2), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), 'other': 1}",
            "{'descr': '<f4, 'fortran_order': False, 'shape': (1, 2), }",
            "{'descr': )(, 'fortran_order': False, 'shape': (1, 2), }",
        ] {
            assert_eq!(read(1, text).unwrap_err(), format!("no NPY header: {text:?}"));
        }
    }

    #[test]
    fn a_length_and_a_version_that_cannot_be_are_named() {
        let mut bytes = file(2, "");
        bytes[8..].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = |bytes: &[u8]| Header::read(&mut &bytes[..]).unwrap_err().to_string();
        assert_eq!(error(&bytes), "a header of 4294967295 bytes, the most is 65535");
        bytes[6] = 9;
        assert_eq!(error(&bytes), "version 9.0 of the NPY format is not known");
    }
}
