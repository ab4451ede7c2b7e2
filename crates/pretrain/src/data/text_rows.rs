//! The texts of a file, one row each.

use std::io::BufRead;
use std::path::Path;

use super::DataError;
use super::lines::{BYTE_ORDER_MARK, Field, each_record, open};
#[cfg(feature = "parquet")]
use super::pair_rows::each_text_of_parquet;

/// Calls `each` with every text of a file: of a Parquet or JSON lines file the field `field`, of any other file every line, blank ones too; gzip and zstd
/// are read through.
pub(crate) fn each_text(
    path: &Path,
    field: &str,
    mut each: impl FnMut(&str) -> Result<(), DataError>,
) -> Result<(), DataError> {
    match ending(path).as_deref() {
        Some("jsonl" | "ndjson" | "json") => {
            each_record(path, &[Field::one(field)], |mut record| each(&record.require(0)?)).map(drop)
        }
        #[cfg(feature = "parquet")]
        Some("parquet") => each_text_of_parquet(path, field, &mut each),
        #[cfg(not(feature = "parquet"))]
        Some("parquet") => Err(DataError::NoParquet { path: path.to_owned() }),
        _ => each_line(path, each),
    }
}

/// Of the name, before that of a compression.
fn ending(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
    Some(name.rsplit_once('.')?.1.to_owned())
}

fn each_line(path: &Path, mut each: impl FnMut(&str) -> Result<(), DataError>) -> Result<(), DataError> {
    let mut lines = open(path)?;
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if lines.read_until(b'\n', &mut bytes).map_err(|error| DataError::read(path, error))? == 0 {
            break;
        }
        let line = bytes.strip_prefix(BYTE_ORDER_MARK).filter(|_| number == 1).unwrap_or(&bytes);
        let line = str::from_utf8(line).map_err(|_| DataError::NotUtf8 { path: path.to_owned(), line: number })?;
        each(line.trim_end_matches(['\n', '\r']))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(name: &str, content: &str) -> Result<Vec<String>, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let mut all = Vec::new();
        each_text(&path, "text", |text| {
            all.push(text.to_owned());
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn every_line_is_a_text_also_a_blank_one() {
        assert_eq!(texts("a.txt", "\u{feff}one\r\n\n{\"text\": 3}").unwrap(), ["one", "", "{\"text\": 3}"]);
        assert_eq!(texts("a", "").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_field_of_each_object_is_a_text() {
        assert_eq!(texts("a.jsonl", "{\"text\": \"x\", \"id\": 1}\n{\"text\": 7}\n").unwrap(), ["x", "7"]);
        let error = texts("a.jsonl", "{\"text\": \"x\"}\n{\"title\": \"y\"}\n").unwrap_err().to_string();
        assert!(error.contains("a.jsonl:2") && error.contains("text"), "{error}");
    }
}
