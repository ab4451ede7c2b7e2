use std::fs::File;
use std::path::Path;

use super::at;
use super::header::Header;
use crate::VectorsError;

/// A floating-point type of a `.npy` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Float {
    F16,
    F32,
    F64,
}

impl Float {
    /// Bytes of a value.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// What a reader takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepted {
    /// Rows that can be read where they lie.
    InPlace,
    /// Rows that can be converted.
    Any,
}

impl Accepted {
    fn elements(self) -> &'static str {
        match self {
            Self::InPlace if cfg!(target_endian = "little") => "'<f4' or '<f2'",
            Self::InPlace => "'>f4' or '>f2'",
            Self::Any => "float16, float32 or float64",
        }
    }

    fn shape(self) -> &'static str {
        match self {
            Self::InPlace => "[n, dim] in C order",
            Self::Any => "[n, dim]",
        }
    }
}

/// Where the rows of a file are, and how its values are stored.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) float: Float,
    pub(super) big_endian: bool,
    /// Column after column instead of row after row.
    pub(super) fortran_order: bool,
    pub(super) rows: usize,
    pub(super) dim: usize,
    /// Byte at which the values start.
    pub(super) start: usize,
}

impl Layout {
    /// A file that is as long as its header says, and how its rows lie in it.
    pub(super) fn open(path: &Path, accepted: Accepted) -> Result<(File, Self), VectorsError> {
        let mut file = File::open(path).map_err(at(path))?;
        let header = Header::read(&mut file).map_err(at(path))?;
        let layout = Self::new(path, &header, accepted)?;
        layout.check_length(path, file.metadata().map_err(at(path))?.len())?;
        Ok((file, layout))
    }

    /// Rows of f32 as this machine writes them, from a byte on.
    pub(super) fn of_f32((rows, dim): (usize, usize), start: usize) -> Self {
        let big_endian = cfg!(target_endian = "big");
        Self { float: Float::F32, big_endian, fortran_order: false, rows, dim, start }
    }

    fn new(path: &Path, header: &Header, accepted: Accepted) -> Result<Self, VectorsError> {
        let bad_type = || VectorsError::ArrayType {
            path: path.to_owned(),
            found: header.descr.clone(),
            expected: accepted.elements(),
        };
        let bad_shape = || VectorsError::ArrayShape {
            path: path.to_owned(),
            found: header.layout(),
            expected: accepted.shape().to_owned(),
        };
        let (float, big_endian) = float(&header.descr).ok_or_else(bad_type)?;
        let &[rows, dim] = header.shape.as_slice() else { return Err(bad_shape()) };
        // A length that does not fit is no file's length.
        let fit = |length: u64| usize::try_from(length).map_err(|_| bad_shape());
        let (rows, dim, start) = (fit(rows)?, fit(dim)?, fit(header.start)?);
        let layout = Self { float, big_endian, fortran_order: header.fortran_order, rows, dim, start };
        match accepted {
            Accepted::Any => Ok(layout),
            Accepted::InPlace if !layout.has_own_values() => Err(bad_type()),
            Accepted::InPlace if layout.fortran_order => Err(bad_shape()),
            Accepted::InPlace if !layout.is_aligned() => {
                Err(VectorsError::ArrayOffset { path: path.to_owned(), offset: header.start, size: float.size() })
            }
            Accepted::InPlace => Ok(layout),
        }
    }

    /// Whether the rows can be read where they lie.
    pub(super) fn is_in_place(&self) -> bool {
        self.has_own_values() && !self.fortran_order && self.is_aligned()
    }

    /// Whether the values are such as [`Vectors`](crate::Vectors) borrows.
    fn has_own_values(&self) -> bool {
        self.float != Float::F64 && self.big_endian == cfg!(target_endian = "big")
    }

    fn is_aligned(&self) -> bool {
        self.start.is_multiple_of(self.float.size())
    }

    fn check_length(&self, path: &Path, found: u64) -> Result<(), VectorsError> {
        let values = [self.rows, self.dim, self.float.size()].map(|length| length as u128);
        // Saturated, as no file is so long.
        let bytes = values.into_iter().fold(1, u128::saturating_mul);
        let expected = bytes.saturating_add(self.start as u128);
        match expected == u128::from(found) {
            true => Ok(()),
            false => Err(VectorsError::ArrayLength { path: path.to_owned(), found, expected }),
        }
    }
}

/// The type that numpy writes so, and whether its bytes are in big-endian order.
fn float(descr: &str) -> Option<(Float, bool)> {
    let (big_endian, name) = match descr.strip_prefix('\'')?.strip_suffix('\'')?.split_at_checked(1)? {
        ("<", name) => (false, name),
        (">", name) => (true, name),
        _ => return None,
    };
    let float = match name {
        "f2" => Float::F16,
        "f4" => Float::F32,
        "f8" => Float::F64,
        _ => return None,
    };
    Some((float, big_endian))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart_by_name_and_byte_order() {
        assert_eq!(float("'<f8'"), Some((Float::F64, false)));
        assert_eq!(float("'>f2'"), Some((Float::F16, true)));
        for other in ["", "''", "'é4'", "'<f16'", "'<i4'", "'|f4'", "'f4'", "<f4", "[('a', '<f4')]"] {
            assert_eq!(float(other), None, "{other}");
        }
    }
}
