use std::io::BufRead;
use std::path::Path;

use super::mark::without_mark;
use super::place::{at_line, in_file};
use crate::error::EvalError;
use crate::problem::Problem;

/// The lines of a reader, without their ends, each with its place for errors.
pub(crate) struct Lines<'a, R> {
    reader: R,
    path: &'a Path,
    number: usize,
}

impl<'a, R: BufRead> Lines<'a, R> {
    pub(crate) fn new(reader: R, path: &'a Path) -> Self {
        Self { reader, path, number: 0 }
    }

    /// Hands every line that is not blank to `take`, and puts its place on the problem that `take` finds.
    pub(crate) fn each(&mut self, mut take: impl FnMut(&str) -> Result<(), Problem>) -> Result<(), EvalError> {
        let mut buffer = Vec::new();
        while self.next_line(&mut buffer)? {
            let line = if self.number == 1 { without_mark(&buffer) } else { &buffer[..] };
            let line = line.trim_ascii_end();
            if !line.is_empty() {
                std::str::from_utf8(line)
                    .map_err(|_| Problem::NotUtf8)
                    .and_then(&mut take)
                    .map_err(|problem| at_line(self.path, self.number, problem))?;
            }
        }
        Ok(())
    }

    fn next_line(&mut self, buffer: &mut Vec<u8>) -> Result<bool, EvalError> {
        buffer.clear();
        let read = self.reader.read_until(b'\n', buffer);
        self.number += 1;
        Ok(read.map_err(in_file(self.path))? > 0)
    }
}

/// Exactly `N` columns, or what is wrong with their number.
pub(crate) fn columns<T: Default, const N: usize>(
    mut fields: impl Iterator<Item = T>,
    names: &'static str,
) -> Result<[T; N], Problem> {
    let mut row = std::array::from_fn(|_| T::default());
    for (place, slot) in row.iter_mut().enumerate() {
        *slot = fields.next().ok_or(Problem::Columns { found: place, expected: N, names })?;
    }
    match fields.count() {
        0 => Ok(row),
        more => Err(Problem::Columns { found: N + more, expected: N, names }),
    }
}
