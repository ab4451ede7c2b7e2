//! Errors with the place where they arose.

use std::io;
use std::path::Path;

use crate::error::EvalError;
use crate::problem::Problem;

/// Puts the file on what the operating system answers.
pub(super) fn in_file(path: &Path) -> impl FnOnce(io::Error) -> EvalError {
    |source| EvalError::Io { path: path.to_owned(), source }
}

/// What is wrong with a line, counted from 1.
pub(super) fn at_line(path: &Path, line: usize, problem: Problem) -> EvalError {
    EvalError::Line { path: path.to_owned(), line, problem }
}
