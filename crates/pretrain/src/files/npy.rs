//! Arrays as `.npy` files.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use ndarray::{Array2, ArrayView2, ShapeBuilder};
use npyz::{NpyFile, Order, WriterBuilder};
use serde::Deserialize;

use super::write_whole;
use crate::error::{PretrainError, Result};

pub(crate) fn write_rows(path: &Path, rows: ArrayView2<'_, f32>) -> Result<()> {
    let shape = [rows.nrows() as u64, rows.ncols() as u64];
    write_array(path, &shape, rows.iter().copied())
}

pub(crate) fn write_indices(path: &Path, indices: &[u32]) -> Result<()> {
    write_array(path, &[indices.len() as u64], indices.iter().copied())
}

/// Writes as many values as `shape` says, as they come.
pub(crate) fn write_array<T: npyz::AutoSerialize>(
    path: &Path,
    shape: &[u64],
    values: impl Iterator<Item = T>,
) -> Result<()> {
    write_whole(path, |out| {
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(out).begin_nd()?;
        writer.extend(values)?;
        writer.finish()
    })
}

/// The `[n, dim]` f32 rows of a `.npy` file.
pub(crate) fn read_rows(path: &Path) -> Result<Array2<f32>> {
    let file = open(path)?;
    let &[rows, dim] = file.shape() else {
        return Err(npy(path, format!("{} dimensions where 2 are expected", file.shape().len())));
    };
    let shape = (rows as usize, dim as usize).set_f(file.order() == Order::Fortran);
    let values = file.into_vec::<f32>().map_err(|error| npy(path, error))?;
    Array2::from_shape_vec(shape, values).map_err(|error| npy(path, error))
}

/// The `[n]` labels of a `.npy` file of integers, each of which must fit a `u32`.
#[cfg(any(feature = "cli", test))]
pub(crate) fn read_labels(path: &Path) -> Result<Vec<u32>> {
    let file = open(path)?;
    if file.shape().len() != 1 {
        return Err(npy(path, format!("{} dimensions where 1 is expected", file.shape().len())));
    }
    match file.dtype().descr().as_str() {
        "'|u1'" => labels::<u8>(path, file),
        "'<u2'" | "'>u2'" => labels::<u16>(path, file),
        "'<u4'" | "'>u4'" => labels::<u32>(path, file),
        "'<u8'" | "'>u8'" => labels::<u64>(path, file),
        "'|i1'" => labels::<i8>(path, file),
        "'<i2'" | "'>i2'" => labels::<i16>(path, file),
        "'<i4'" | "'>i4'" => labels::<i32>(path, file),
        "'<i8'" | "'>i8'" => labels::<i64>(path, file),
        found => Err(npy(path, format!("values of type {found} where integers are expected"))),
    }
}

#[cfg(any(feature = "cli", test))]
fn labels<T>(path: &Path, file: NpyFile<BufReader<File>>) -> Result<Vec<u32>>
where
    T: npyz::Deserialize + Copy + Display + TryInto<u32>,
{
    let values = file.data::<T>().map_err(|error| npy(path, error))?;
    let mut labels = Vec::with_capacity(values.len() as usize);
    for (row, value) in values.enumerate() {
        let value = value.map_err(|source| PretrainError::io(path, source))?;
        let misfit = || npy(path, format!("row {row} has label {value}, expected 0 to {}", u32::MAX));
        labels.push(value.try_into().map_err(|_| misfit())?);
    }
    Ok(labels)
}

/// What a `.npy` file says of its values.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    descr: String,
    #[serde(rename = "fortran_order")]
    _fortran_order: bool,
    shape: Vec<u64>,
}

impl Header {
    /// The header that a file begins with, and the byte at which its values start; `None` if it is not that of an array of
    /// plain values.
    fn parse(bytes: &[u8]) -> Option<(Self, u64)> {
        let (length, text) = match bytes.strip_prefix(b"\x93NUMPY")? {
            [1, 0, a, b, text @ ..] => (u16::from_le_bytes([*a, *b]).into(), text),
            [2 | 3, 0, a, b, c, d, text @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]), text),
            _ => return None,
        };
        let start = (bytes.len() - text.len()) as u64 + u64::from(length);
        let text = str::from_utf8(text.get(..length as usize)?).ok()?;
        Some((serde_json::from_str(&as_json(text)).ok()?, start))
    }

    /// Number of values, if it can be counted with every dimension taken for 1 at least, as strides are.
    fn values(&self) -> Option<u64> {
        self.shape.iter().try_fold(1, |product: u64, &length| product.checked_mul(length.max(1)))?;
        Some(self.shape.iter().product())
    }
}

/// The Python literal of a plain array's header as JSON.
fn as_json(text: &str) -> String {
    let compact: String = text.split_whitespace().collect();
    let pairs =
        [("'", "\""), ("(", "["), (")", "]"), (",]", "]"), (",}", "}"), (":True", ":true"), (":False", ":false")];
    pairs.iter().fold(compact, |text, (python, json)| text.replace(python, json))
}

/// An array whose header is short, plain and true of the file's length.
///
/// npyz alone believes a header: it takes memory for whatever length one states, and time exponential in the depth of its
/// brackets.
fn open(path: &Path) -> Result<NpyFile<BufReader<File>>> {
    const LONGEST: u64 = 1 << 16;
    let at = |source| PretrainError::io(path, source);
    let mut file = File::open(path).map_err(at)?;
    let length = file.metadata().map_err(at)?.len();
    let mut beginning = Vec::new();
    file.by_ref().take(LONGEST).read_to_end(&mut beginning).map_err(at)?;
    file.rewind().map_err(at)?;

    let no_array = || npy(path, "no header of a NPY array of numbers");
    let (header, start) = Header::parse(&beginning).ok_or_else(no_array)?;
    let values = header.values().ok_or_else(no_array)?;
    let file = NpyFile::new(BufReader::new(file)).map_err(|error| npy(path, error))?;
    let size = file.dtype().num_bytes().ok_or_else(no_array)?;
    let expected = u128::from(values) * size as u128 + u128::from(start);
    match expected == u128::from(length) {
        true => Ok(file),
        false => Err(npy(path, format!("{length} bytes where {} of {:?} take {expected}", header.descr, header.shape))),
    }
}

fn npy(path: &Path, problem: impl Display) -> PretrainError {
    PretrainError::Npy { path: path.to_owned(), problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_header(version: u8, text: &str) -> Vec<u8> {
        let length = text.len() as u32;
        let length = if version == 1 { length.to_le_bytes()[..2].to_vec() } else { length.to_le_bytes().to_vec() };
        [b"\x93NUMPY", &[version, 0][..], &length, text.as_bytes()].concat()
    }

    fn error_of(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        std::fs::write(&path, bytes).unwrap();
        read_labels(&path).unwrap_err().to_string()
    }

    #[test]
    fn rows_survive_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.npy");
        let rows = Array2::from_shape_fn((3, 2), |(i, j)| (10 * i + j) as f32);
        write_rows(&path, rows.view()).unwrap();
        assert_eq!(read_rows(&path).unwrap(), rows);
    }

    #[test]
    fn rows_in_fortran_order_are_the_same_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.npy");
        let mut bytes = with_header(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }");
        bytes.extend([1_f32, 4.0, 2.0, 5.0, 3.0, 6.0].iter().flat_map(|value| value.to_le_bytes()));
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read_rows(&path).unwrap(), ndarray::array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    }

    #[test]
    fn a_vector_is_no_matrix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.npy");
        write_indices(&path, &[1, 2]).unwrap();
        assert!(read_rows(&path).unwrap_err().to_string().contains("1 dimensions"));
    }

    #[test]
    fn headers_of_every_version_are_parsed() {
        for (version, before) in [(1, 10), (2, 12), (3, 12)] {
            let text = "{'descr': '<u4', 'fortran_order': False, 'shape': (3, 4), }      \n";
            let (header, start) = Header::parse(&with_header(version, text)).unwrap();
            assert_eq!((header.descr.as_str(), header.values()), ("<u4", Some(12)));
            assert_eq!(start, before + text.len() as u64);
        }
        let text = "{'descr':'|u1','fortran_order':True,'shape':()}";
        assert_eq!(Header::parse(&with_header(1, text)).unwrap().0.values(), Some(1));
    }

    #[test]
    fn a_header_that_claims_too_much_is_refused_before_any_memory_is_taken() {
        let claims =
            |shape: &str| with_header(1, &format!("{{'descr': '<u8', 'fortran_order': False, 'shape': {shape}, }}"));
        assert!(error_of(&claims("(2305843009213693951,)")).contains("<u8 of [2305843009213693951]"));
        for shape in ["(9223372036854775808, 4)", "(0, 9223372036854775808, 4)", "(18446744073709551616,)", "(-1,)"] {
            assert!(error_of(&claims(shape)).contains("no header"), "{shape}");
        }
        let mut longer = with_header(2, "{}");
        longer[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(error_of(&longer).contains("no header"));
    }

    #[test]
    fn what_is_no_plain_array_is_refused() {
        let deep =
            format!("{{'descr': {}{}, 'fortran_order': False, 'shape': (1,), }}", "[(".repeat(2000), ")]".repeat(2000));
        let record = "{'descr': [('a', '<u4')], 'fortran_order': False, 'shape': (1,), }";
        for text in ["", "{}", record, &deep] {
            assert!(error_of(&with_header(1, text)).contains("no header"), "{text}");
        }
        for bytes in [&b""[..], b"\x93NUMPY", b"1,2,3\n", &with_header(9, "{}")] {
            assert!(error_of(bytes).contains("no header"), "{bytes:?}");
        }
        for descr in ["", "<", "u4", "<u3", "<é4", "|O", "<m8[ns]", "<U9999999999999999999"] {
            let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (0,), }}");
            assert!(!error_of(&with_header(1, &text)).is_empty(), "{descr}");
        }
    }
}
