//! The files of one checkpoint.

use std::borrow::Cow;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use safetensors::{Dtype, SafeTensorError, SafeTensors, View, serialize_to_file};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{Damage, Failure};
use super::seal::{is_sealed, seal};

const TENSORS: &str = "state.safetensors";
const DOCUMENT: &str = "state.json";

/// Moves when a file is laid out in another way.
const FORMAT: u32 = 1;

/// What a training had when its checkpoint was written.
#[derive(Debug, Clone, PartialEq)]
pub struct State<H> {
    /// Steps done.
    pub step: u64,
    /// What the caller wrote about it.
    pub header: H,
    /// The tensors, in the order in which they were written.
    pub tensors: Vec<NamedTensor>,
}

/// A tensor with its name: of owned values where it is read, of owned or borrowed ones where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor<V = Vec<f32>> {
    /// Its name; two tensors may share one.
    pub name: String,
    /// Its shape; `[]` is that of a single value.
    pub shape: Vec<usize>,
    /// Its values in row-major order.
    pub values: V,
}

/// What `state.json` says.
#[derive(Serialize, Deserialize)]
struct Document<H> {
    format: u32,
    step: u64,
    tensors: Content,
    header: H,
}

/// Length and hash of a file.
#[derive(Serialize, Deserialize)]
struct Content {
    bytes: u64,
    blake3: String,
}

/// Writes the files of a checkpoint to `folder`.
pub(super) fn write<H, V>(folder: &Path, step: u64, header: &H, tensors: &[NamedTensor<V>]) -> Result<(), Failure>
where
    H: Serialize + DeserializeOwned,
    V: AsRef<[f32]>,
{
    let path = folder.join(TENSORS);
    let content = write_tensors(&path, tensors).map_err(Failure::at(&path))?;
    let path = folder.join(DOCUMENT);
    let document = Document { format: FORMAT, step, tensors: content, header };
    let text = serde_json::to_vec_pretty(&document).map_err(Failure::at(&path))?;
    let text = seal(&text);
    // A NaN in a header is written as null: better an error now than no checkpoint to go on from later.
    parse::<H>(&text, step).map_err(Failure::at(&path))?;
    fs::write(&path, text).map_err(Failure::at(&path))
}

fn write_tensors<V: AsRef<[f32]>>(path: &Path, tensors: &[NamedTensor<V>]) -> io::Result<Content> {
    // Tensors are sorted by name, which a number before it makes the order given.
    let views = tensors.iter().enumerate().map(|(index, tensor)| (format!("{index:08} {}", tensor.name), Raw(tensor)));
    serialize_to_file(views, None, path).map_err(|error| match error {
        SafeTensorError::IoError(error) => error,
        error => io::Error::other(error),
    })?;
    let hash = blake3::Hasher::new().update_mmap_rayon(path)?.finalize();
    Ok(Content { bytes: path.metadata()?.len(), blake3: hash.to_hex().to_string() })
}

/// A tensor as safetensors writes it.
struct Raw<'a, V>(&'a NamedTensor<V>);

impl<V: AsRef<[f32]>> View for Raw<'_, V> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        bytemuck::cast_slice(self.0.values.as_ref()).into()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.0.values.as_ref())
    }
}

/// The state in `folder`, which is named after `step`.
pub(super) fn read<H: DeserializeOwned>(folder: &Path, step: u64) -> Result<State<H>, Damage> {
    let text = read_file(folder, DOCUMENT)?;
    let Document { tensors: content, header, .. } = parse(&text, step)?;
    let bytes = read_file(folder, TENSORS)?;
    if bytes.len() as u64 != content.bytes {
        return Err(Damage::Length { file: TENSORS, found: bytes.len() as u64, expected: content.bytes });
    }
    if blake3::Hasher::new().update_rayon(&bytes).finalize().to_hex().as_str() != content.blake3 {
        return Err(Damage::Hash { file: TENSORS });
    }
    Ok(State { step, header, tensors: parse_tensors(&bytes)? })
}

fn read_file(folder: &Path, file: &'static str) -> Result<Vec<u8>, Damage> {
    fs::read(folder.join(file)).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Damage::Missing { file },
        _ => Damage::unreadable(file, &error),
    })
}

fn parse<H: DeserializeOwned>(text: &[u8], step: u64) -> Result<Document<H>, Damage> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }

    if !is_sealed(text) {
        return Err(Damage::Hash { file: DOCUMENT });
    }
    let unreadable = |error| Damage::unreadable(DOCUMENT, &error);
    // Of another format nothing else can be expected to be where it is now.
    let Format { format } = serde_json::from_slice(text).map_err(unreadable)?;
    if format != FORMAT {
        return Err(Damage::Format { found: format, expected: FORMAT });
    }
    let document: Document<H> = serde_json::from_slice(text).map_err(unreadable)?;
    match document.step == step {
        true => Ok(document),
        false => Err(Damage::Step { written: document.step }),
    }
}

fn parse_tensors(bytes: &[u8]) -> Result<Vec<NamedTensor>, Damage> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| Damage::unreadable(TENSORS, &error))?;
    let mut tensors = tensors.tensors();
    tensors.sort_by(|(left, _), (right, _)| left.cmp(right));
    let named = tensors.into_iter().map(|(name, view)| NamedTensor {
        name: name.split_once(' ').map_or(&*name, |(_, name)| name).to_owned(),
        shape: view.shape().to_vec(),
        values: view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
    });
    Ok(named.collect())
}
