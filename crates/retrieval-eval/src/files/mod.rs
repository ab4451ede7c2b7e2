//! Judgements and results on disk.

pub(crate) mod compression;
mod input;
mod json;
mod lines;
mod output;
mod qrels;
mod result_line;
mod run;

pub(crate) use input::{Content, Input};
pub(crate) use lines::at;
pub(crate) use result_line::{LineFormat, check_score};
