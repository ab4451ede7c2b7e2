//! Whole arrays of plain values, and labels.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use bytemuck::Pod;
use half::f16;
use ndarray::ArrayView2;

use super::at;
use super::header::Header;
use crate::VectorsError;

/// A value of a `.npy` file.
///
/// # Examples
/// ```
/// use vectors::Element;
///
/// assert_eq!((u32::KIND, u32::NAME), ('u', "uint32"));
/// ```
pub trait Element: Pod {
    /// NumPy's letter for its kind: `f`, `i` or `u`.
    const KIND: char;
    /// NumPy's name.
    const NAME: &'static str;

    /// The value with its bytes in the other order.
    #[must_use]
    fn swap_bytes(self) -> Self;
}

macro_rules! element {
    ($type:ty, $kind:literal, $name:literal, |$value:ident| $swapped:expr) => {
        impl Element for $type {
            const KIND: char = $kind;
            const NAME: &'static str = $name;

            fn swap_bytes(self) -> Self {
                let $value = self;
                $swapped
            }
        }
    };
}

element!(f16, 'f', "float16", |value| Self::from_bits(value.to_bits().swap_bytes()));
element!(f32, 'f', "float32", |value| Self::from_bits(value.to_bits().swap_bytes()));
element!(f64, 'f', "float64", |value| Self::from_bits(value.to_bits().swap_bytes()));
element!(u8, 'u', "uint8", |value| value.swap_bytes());
element!(u16, 'u', "uint16", |value| value.swap_bytes());
element!(u32, 'u', "uint32", |value| value.swap_bytes());
element!(u64, 'u', "uint64", |value| value.swap_bytes());
element!(i8, 'i', "int8", |value| value.swap_bytes());
element!(i16, 'i', "int16", |value| value.swap_bytes());
element!(i32, 'i', "int32", |value| value.swap_bytes());
element!(i64, 'i', "int64", |value| value.swap_bytes());

/// Bytes that are written together.
const BLOCK: usize = 1 << 16;

/// Writes an array in C order and this machine's byte order, as `numpy.save` does.
///
/// # Errors
/// What the writer gives, or [`InvalidInput`](io::ErrorKind::InvalidInput) if there are not as many values as `shape` says.
///
/// # Examples
/// ```
/// let mut file = Vec::new();
/// vectors::write_array(&mut file, &[2, 2], [1_u32, 2, 3, 4])?;
/// assert_eq!(file.len(), 128 + 4 * 4);
/// assert!(vectors::write_array(&mut Vec::new(), &[5], [1_u32, 2]).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Source
/// NEP 1, version 1.0 of the format.
pub fn write_array<T: Element>(
    out: &mut (impl Write + ?Sized),
    shape: &[usize],
    values: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    let mut writer = ArrayWriter::new(out, shape)?;
    let mut block = Vec::with_capacity(BLOCK / size_of::<T>());
    for value in values {
        block.push(value);
        if block.len() == block.capacity() {
            writer.write(&block)?;
            block.clear();
        }
    }
    writer.write(&block)?;
    writer.finish()
}

/// Writes an array some values at a time, for one that memory does not hold.
///
/// # Examples
/// ```
/// use vectors::{ArrayWriter, write_array};
///
/// let (mut file, mut whole) = (Vec::new(), Vec::new());
/// let mut writer = ArrayWriter::new(&mut file, &[2, 2])?;
/// writer.write(&[1.0_f32, 0.0])?;
/// writer.write(&[0.6, 0.8])?;
/// writer.finish()?;
/// write_array(&mut whole, &[2, 2], [1.0_f32, 0.0, 0.6, 0.8])?;
/// assert_eq!(file, whole);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ArrayWriter<'w, T, W: ?Sized> {
    out: &'w mut W,
    /// Values that are still to come.
    left: usize,
    of: std::marker::PhantomData<T>,
}

impl<'w, T: Element, W: Write + ?Sized> ArrayWriter<'w, T, W> {
    /// Writes the header of an array of this shape.
    ///
    /// # Errors
    /// What the writer gives, or [`InvalidInput`](io::ErrorKind::InvalidInput) if the shape has more values than can be counted.
    pub fn new(out: &'w mut W, shape: &[usize]) -> io::Result<Self> {
        let values = shape.iter().try_fold(1_usize, |values, &length| values.checked_mul(length));
        let left = values.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("shape {shape:?}")))?;
        out.write_all(&header::<T>(shape))?;
        Ok(Self { out, left, of: std::marker::PhantomData })
    }

    /// Writes the next values.
    ///
    /// # Errors
    /// What the writer gives, or [`InvalidInput`](io::ErrorKind::InvalidInput) if they are more than the shape says.
    pub fn write(&mut self, values: &[T]) -> io::Result<()> {
        self.left = self.left.checked_sub(values.len()).ok_or_else(|| misfit("more"))?;
        self.out.write_all(bytemuck::cast_slice(values))
    }

    /// Ends the array.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if there were fewer values than the shape says.
    pub fn finish(self) -> io::Result<()> {
        if self.left == 0 { Ok(()) } else { Err(misfit("fewer")) }
    }
}

impl<W: Write + ?Sized> ArrayWriter<'_, f32, W> {
    /// Writes the next rows of a matrix.
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    pub fn write_rows(&mut self, rows: ArrayView2<'_, f32>) -> io::Result<()> {
        rows.rows().into_iter().try_for_each(|row| match row.as_slice() {
            Some(row) => self.write(row),
            None => self.write(&row.to_vec()),
        })
    }
}

fn misfit(how_many: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{how_many} values than the shape has"))
}

pub(super) fn header<T: Element>(shape: &[usize]) -> Vec<u8> {
    /// NumPy begins the values at a multiple of 64 bytes.
    const ALIGNMENT: usize = 64;
    const BEFORE: usize = 10;
    let (order, _) = orders::<T>();
    let lengths = match shape {
        [length] => format!("({length},)"),
        lengths => format!("({})", lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let (kind, size) = (T::KIND, size_of::<T>());
    let text = format!("{{'descr': '{order}{kind}{size}', 'fortran_order': False, 'shape': {lengths}, }}");
    let whole = (BEFORE + text.len() + 1).next_multiple_of(ALIGNMENT);
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend(((whole - BEFORE) as u16).to_le_bytes());
    header.extend(text.as_bytes());
    header.resize(whole - 1, b' ');
    header.push(b'\n');
    header
}

/// The values of an array of this shape in C order, in either byte order.
///
/// Takes no more memory than the file has bytes, whatever its header says.
///
/// # Errors
/// [`VectorsError::Io`], [`ArrayType`](VectorsError::ArrayType) if the values are no `T`,
/// [`ArrayShape`](VectorsError::ArrayShape) or [`ArrayLength`](VectorsError::ArrayLength).
///
/// # Examples
/// ```
/// use vectors::{read_array, replace_file, write_array};
///
/// let path = std::env::temp_dir().join("vectors-read-array.npy");
/// replace_file(&path, |out| write_array(out, &[3], [7_u32, 8, 9]))?;
/// assert_eq!(read_array::<u32>(&path, &[3])?, [7, 8, 9]);
/// assert!(read_array::<u32>(&path, &[4]).is_err() && read_array::<f32>(&path, &[3]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_array<T: Element>(path: &Path, shape: &[usize]) -> Result<Vec<T>, VectorsError> {
    let mut file = File::open(path).map_err(at(path))?;
    let header = Header::read(&mut file).map_err(at(path))?;
    if header.fortran_order || !header.shape.iter().copied().eq(shape.iter().map(|&length| length as u64)) {
        let expected = format!("{shape:?}");
        return Err(VectorsError::ArrayShape { path: path.to_owned(), found: header.layout(), expected });
    }
    let swapped = is_swapped::<T>(&header.descr).ok_or_else(|| {
        let found = header.descr.clone();
        VectorsError::ArrayType { path: path.to_owned(), found, expected: T::NAME }
    })?;
    check_length(path, &file, &header, size_of::<T>())?;
    let mut values = vec![T::zeroed(); shape.iter().product()];
    file.read_exact(bytemuck::cast_slice_mut(&mut values)).map_err(at(path))?;
    if swapped {
        values.iter_mut().for_each(|value| *value = value.swap_bytes());
    }
    Ok(values)
}

/// NumPy's signs for this machine's byte order and the other one; a single byte has none.
fn orders<T>() -> (char, char) {
    match size_of::<T>() {
        1 => ('|', '|'),
        _ if cfg!(target_endian = "little") => ('<', '>'),
        _ => ('>', '<'),
    }
}

/// Whether values of this type are in the other byte order; `None` if they are no `T`.
fn is_swapped<T: Element>(descr: &str) -> Option<bool> {
    let (own, other) = orders::<T>();
    let of = |order| format!("'{order}{}{}'", T::KIND, size_of::<T>());
    match descr {
        _ if descr == of(own) => Some(false),
        _ if descr == of(other) => Some(true),
        _ => None,
    }
}

fn check_length(path: &Path, file: &File, header: &Header, size: usize) -> Result<(), VectorsError> {
    let bytes = header.shape.iter().fold(size as u128, |bytes, &length| bytes.saturating_mul(length.into()));
    let expected = bytes.saturating_add(header.start.into());
    let found = file.metadata().map_err(at(path))?.len();
    match expected == u128::from(found) {
        true => Ok(()),
        false => Err(VectorsError::ArrayLength { path: path.to_owned(), found, expected }),
    }
}

/// The labels of an array `[n]` of integers of any size, signed or not, in either byte order.
///
/// Takes no more memory than 4 bytes for each byte of the file, whatever its header says.
///
/// # Errors
/// [`VectorsError::Io`], [`ArrayType`](VectorsError::ArrayType) if the values are no integers,
/// [`ArrayShape`](VectorsError::ArrayShape) if there is not one dimension, [`ArrayLength`](VectorsError::ArrayLength), or
/// [`LabelOutOfRange`](VectorsError::LabelOutOfRange) for one that is no `u32`.
///
/// # Examples
/// ```
/// use vectors::{read_labels, replace_file, write_array};
///
/// let path = std::env::temp_dir().join("vectors-read-labels.npy");
/// replace_file(&path, |out| write_array(out, &[3], [7_i64, 0, 9]))?;
/// assert_eq!(read_labels(&path)?, [7, 0, 9]);
/// replace_file(&path, |out| write_array(out, &[2], [7_i64, -1]))?;
/// assert!(read_labels(&path).unwrap_err().to_string().ends_with("row 1 has label -1, expected 0 to 4294967295"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_labels(path: &Path) -> Result<Vec<u32>, VectorsError> {
    let mut file = File::open(path).map_err(at(path))?;
    let header = Header::read(&mut file).map_err(at(path))?;
    let &[length] = header.shape.as_slice() else {
        let (found, expected) = (header.layout(), "[n]".to_owned());
        return Err(VectorsError::ArrayShape { path: path.to_owned(), found, expected });
    };
    let integer = Integer::of(&header.descr).ok_or_else(|| {
        let found = header.descr.clone();
        VectorsError::ArrayType { path: path.to_owned(), found, expected: "integers" }
    })?;
    check_length(path, &file, &header, integer.size)?;
    let mut file = BufReader::new(file);
    let mut labels = Vec::with_capacity(length as usize);
    let mut bytes = [0; 8];
    for row in 0..length as usize {
        let bytes = &mut bytes[..integer.size];
        file.read_exact(bytes).map_err(at(path))?;
        let label = integer.value(bytes);
        let misfit = |_| VectorsError::LabelOutOfRange { path: path.to_owned(), row, label };
        labels.push(u32::try_from(label).map_err(misfit)?);
    }
    Ok(labels)
}

/// A type of integers as NumPy names it.
struct Integer {
    size: usize,
    signed: bool,
    big_endian: bool,
}

impl Integer {
    fn of(descr: &str) -> Option<Self> {
        let mut letters = descr.strip_prefix('\'')?.strip_suffix('\'')?.chars();
        let (order, kind) = (letters.next()?, letters.next()?);
        let signed = match kind {
            'i' => true,
            'u' => false,
            _ => return None,
        };
        let size = match letters.as_str() {
            "1" => 1,
            "2" => 2,
            "4" => 4,
            "8" => 8,
            _ => return None,
        };
        let big_endian = match order {
            '|' if size == 1 => false,
            '<' if size > 1 => false,
            '>' if size > 1 => true,
            _ => return None,
        };
        Some(Self { size, signed, big_endian })
    }

    fn value(&self, bytes: &[u8]) -> i128 {
        let mut wide = [0; 8];
        let from_low = bytes.iter().copied();
        match self.big_endian {
            false => wide.iter_mut().zip(from_low).for_each(|(wide, byte)| *wide = byte),
            true => wide.iter_mut().zip(from_low.rev()).for_each(|(wide, byte)| *wide = byte),
        }
        let value = u64::from_le_bytes(wide);
        let unused = 64 - 8 * self.size as u32;
        if self.signed { (((value << unused).cast_signed()) >> unused).into() } else { value.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_header(descr: &str, shape: &str, values: &[u8]) -> tempfile::NamedTempFile {
        let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let bytes = [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), values].concat();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        file
    }

    fn labels(descr: &str, shape: &str, values: &[u8]) -> Result<Vec<u32>, String> {
        let file = with_header(descr, shape, values);
        let name = file.path().display().to_string();
        read_labels(file.path()).map_err(|error| {
            let cause = std::error::Error::source(&error).map_or(String::new(), |cause| format!(": {cause}"));
            format!("{error}{cause}").replace(&name, "file")
        })
    }

    #[test]
    fn labels_of_every_integer_type_are_read() {
        for (descr, values) in [
            ("|u1", &[3, 200][..]),
            ("|i1", &[3, 100]),
            ("<u2", &[3, 0, 0, 200]),
            (">i2", &[0, 3, 100, 0]),
            ("<i4", &[3, 0, 0, 0, 0, 0, 0, 100]),
            (">u4", &[0, 0, 0, 3, 200, 0, 0, 0]),
            ("<u8", &[3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0]),
            (">i8", &[0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 100, 0, 0, 0]),
        ] {
            let read = labels(descr, "(2,)", values).unwrap();
            assert_eq!(read[0], 3, "{descr}");
            let high = u32::from(*values.iter().max().unwrap());
            assert!(read[1] == high || read[1] == high << 8 || read[1] == high << 24, "{descr} {read:?}");
        }
    }

    #[test]
    fn labels_that_are_no_u32_are_named() {
        for (descr, values, label) in [
            ("|i1", &[0, 0xff][..], "-1"),
            ("<i2", &[0, 0, 0, 0x80], "-32768"),
            (">i8", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], "4294967296"),
            ("<u8", &[[0; 8], [0xff; 8]].concat(), "18446744073709551615"),
        ] {
            let expected = format!("file: row 1 has label {label}, expected 0 to 4294967295");
            assert_eq!(labels(descr, "(2,)", values).unwrap_err(), expected);
        }
    }

    #[test]
    fn what_are_no_labels_is_refused_before_any_memory_is_taken() {
        for (descr, shape, expected) in [
            ("<f4", "(1,)", "file: element type '<f4', expected integers"),
            ("<u3", "(1,)", "file: element type '<u3', expected integers"),
            ("<u1", "(1,)", "file: element type '<u1', expected integers"),
            ("<u4", "(1, 1)", "file: shape [1, 1], expected [n]"),
            ("<u4", "()", "file: shape [], expected [n]"),
            ("<u8", "(2305843009213693951,)", "file: 81 bytes, its header says 18446744073709551682"),
        ] {
            let message = labels(descr, shape, &[0; 4]).unwrap_err();
            if shape.len() < 20 {
                assert_eq!(message, expected)
            } else {
                assert!(message.ends_with("says 18446744073709551694"))
            }
        }
    }

    #[test]
    fn a_written_header_is_as_long_as_numpy_s_and_ends_the_line() {
        for shape in [&[][..], &[7], &[3, 4], &[usize::MAX, 0]] {
            let mut file = Vec::new();
            let values: usize = shape.iter().product();
            write_array(&mut file, shape, (0..values).map(|value| value as f32)).unwrap();
            let header = Header::read(&mut &file[..]).unwrap();
            assert!(header.start.is_multiple_of(64) && file[header.start as usize - 1] == b'\n');
            assert!(header.shape.iter().map(|&length| length as usize).eq(shape.iter().copied()));
            assert_eq!(file.len(), header.start as usize + 4 * values);
        }
    }

    #[test]
    fn as_many_values_as_the_shape_has_are_written_or_none_are_kept() {
        for values in [0..3, 0..5] {
            let error = write_array(&mut Vec::new(), &[2, 2], values).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        }
        assert!(write_array(&mut Vec::new(), &[usize::MAX, 3], [0_u32]).is_err());
    }

    #[test]
    fn values_in_the_other_byte_order_are_turned() {
        let file = with_header(">f4", "(2,)", &[1.5_f32, -2.0].map(f32::to_be_bytes).concat());
        assert_eq!(read_array::<f32>(file.path(), &[2]).unwrap(), [1.5, -2.0]);
    }
}
