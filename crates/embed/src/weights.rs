//! Tensors of a `model.safetensors`, as f32.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use burn::module::{Param, ParamId};
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Shape, Tensor, TensorData};
use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Deserialize;

use crate::EmbedError;
use crate::folder::read_json;

/// Bytes of a safetensors file, whole in memory, or of the pieces that an index beside it names.
pub(crate) struct WeightFile {
    /// The file, or the index.
    path: PathBuf,
    pieces: Vec<(PathBuf, Vec<u8>)>,
}

/// The tensors of a [`WeightFile`], by name.
pub(crate) struct Weights<'a> {
    path: &'a Path,
    pieces: Vec<SafeTensors<'a>>,
    prefix: &'static str,
}

/// `model.safetensors.index.json`: the piece of each tensor.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl WeightFile {
    /// The file of a folder; where there is an index instead, the pieces that it names.
    pub(crate) fn read(folder: &Path, file: &str) -> Result<Self, EmbedError> {
        let (path, pieces) = weight_files(folder, file)?;
        let pieces = pieces.into_iter().map(|piece| {
            let bytes = read(&piece)?;
            Ok((piece, bytes))
        });
        Ok(WeightFile { pieces: pieces.collect::<Result<_, EmbedError>>()?, path })
    }

    /// The file's tensors. Of the pairs of a prefix and a name that are given, the prefix of the first that the file has together is dropped from
    /// every name.
    pub(crate) fn tensors(&self, probes: &[(&'static str, &str)]) -> Result<Weights<'_>, EmbedError> {
        let pieces = self.pieces.iter().map(|(path, bytes)| {
            SafeTensors::deserialize(bytes).map_err(|source| EmbedError::Safetensors { path: path.clone(), source })
        });
        let mut weights = Weights { path: &self.path, pieces: pieces.collect::<Result<_, _>>()?, prefix: "" };
        let prefixed = probes.iter().find(|(prefix, name)| weights.has(&format!("{prefix}{name}")));
        weights.prefix = prefixed.map_or("", |(prefix, _)| prefix);
        Ok(weights)
    }
}

/// A folder's file of weights, or the index that stands for it, and the files that hold the tensors.
pub(crate) fn weight_files(folder: &Path, file: &str) -> Result<(PathBuf, Vec<PathBuf>), EmbedError> {
    let path = folder.join(file);
    if path.is_file() {
        return Ok((path.clone(), vec![path]));
    }
    let index = format!("{file}.index.json");
    if !folder.join(&index).is_file() {
        return Err(EmbedError::MissingFile { folder: folder.into(), file: file.into() });
    }
    let Index { weight_map } = read_json(folder, &index)?;
    let files: BTreeSet<String> = weight_map.into_values().collect();
    let pieces = files.into_iter().map(|file| {
        let is_name = Path::new(&file).components().all(|part| matches!(part, Component::Normal(_)));
        if !is_name {
            let (key, range) = ("weight_map".into(), "names of files in the folder".into());
            return Err(EmbedError::OutOfRange { path: Some(folder.join(&index)), key, value: file, range });
        }
        match folder.join(&file) {
            path if path.is_file() => Ok(path),
            _ => Err(EmbedError::MissingFile { folder: folder.into(), file }),
        }
    });
    Ok((folder.join(&index), pieces.collect::<Result<_, _>>()?))
}

fn read(path: &Path) -> Result<Vec<u8>, EmbedError> {
    std::fs::read(path).map_err(|source| EmbedError::Read { path: path.into(), source })
}

impl Weights<'_> {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The error of a file that lacks a tensor.
    pub(crate) fn missing(&self, name: &str) -> EmbedError {
        EmbedError::MissingTensor { path: self.path.into(), tensor: name.into() }
    }

    /// The file, for messages.
    pub(crate) fn path(&self) -> &Path {
        self.path
    }

    /// Shape of a tensor of two dimensions.
    pub(crate) fn matrix_shape(&self, name: &str) -> Result<[usize; 2], EmbedError> {
        let shape = self.view(name)?.shape().to_vec();
        <[usize; 2]>::try_from(shape.as_slice()).map_err(|_| EmbedError::OutOfRange {
            path: Some(self.path.into()),
            key: name.into(),
            value: format!("{shape:?}"),
            range: "two dimensions".into(),
        })
    }

    /// Values of a tensor, row by row.
    pub(crate) fn values(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, EmbedError> {
        let view = self.view(name)?;
        if view.shape() != expected {
            return Err(EmbedError::TensorShape {
                path: self.path.into(),
                tensor: name.into(),
                found: view.shape().to_vec(),
                expected: expected.to_vec(),
            });
        }
        decode(&view).ok_or_else(|| self.unread(name, view.dtype(), "F64, F32, F16 and BF16"))
    }

    /// Values of a tensor of whole numbers.
    pub(crate) fn integers(&self, name: &str) -> Result<Vec<i64>, EmbedError> {
        let view = self.view(name)?;
        let bytes = view.data();
        match view.dtype() {
            Dtype::I64 => Ok(bytes.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect()),
            Dtype::I32 => Ok(bytes.as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect()),
            other => Err(self.unread(name, other, "I64 and I32")),
        }
    }

    fn unread(&self, name: &str, dtype: Dtype, read: &'static str) -> EmbedError {
        EmbedError::TensorType { path: self.path.into(), tensor: name.into(), dtype: format!("{dtype:?}"), read }
    }

    fn view(&self, name: &str) -> Result<TensorView<'_>, EmbedError> {
        self.find(name).ok_or_else(|| self.missing(name))
    }

    fn find(&self, name: &str) -> Option<TensorView<'_>> {
        let name = format!("{}{name}", self.prefix);
        self.pieces.iter().find_map(|tensors| tensors.tensor(&name).ok())
    }
}

fn decode(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let bytes = view.data();
    let halves = |widen: fn([u8; 2]) -> f32| {
        let pairs = bytes.par_chunks_exact(2).map(move |b| widen([b[0], b[1]]));
        pairs.collect()
    };
    match view.dtype() {
        Dtype::F32 => {
            let quads = bytes.par_chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            Some(quads.collect())
        }
        Dtype::F64 => {
            let eights = bytes.par_chunks_exact(8).map(|b| {
                let mut eight = [0; 8];
                eight.copy_from_slice(b);
                f64::from_le_bytes(eight) as f32
            });
            Some(eights.collect())
        }
        Dtype::F16 => Some(halves(|b| burn::tensor::f16::from_le_bytes(b).to_f32())),
        Dtype::BF16 => Some(halves(|b| burn::tensor::bf16::from_le_bytes(b).to_f32())),
        _ => None,
    }
}

/// Tensors to be written, as f32, by name.
#[derive(Default)]
pub(crate) struct WeightWriter {
    tensors: HashMap<String, (Vec<usize>, Vec<u8>)>,
}

impl WeightWriter {
    pub(crate) fn add<B: Backend, const D: usize>(&mut self, name: impl Into<String>, tensor: Tensor<B, D>) {
        let shape = tensor.dims().to_vec();
        let values = host(tensor);
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensors.insert(name.into(), (shape, bytes));
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), EmbedError> {
        let failed = |source| EmbedError::Safetensors { path: path.into(), source };
        let mut views = Vec::with_capacity(self.tensors.len());
        for (name, (shape, bytes)) in &self.tensors {
            views.push((name, TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(failed)?));
        }
        // transformers refuses a file without this entry.
        let format = HashMap::from([("format".to_string(), "pt".to_string())]);
        let bytes = safetensors::serialize(views, Some(format)).map_err(failed)?;
        std::fs::write(path, bytes).map_err(|source| EmbedError::Write { path: path.into(), source })
    }
}

/// Values of a tensor on the host, as f32.
pub(crate) fn host<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// A parameter with normal values of mean 0, drawn now: burn's own initialisers draw at first use, in the order of use.
pub(crate) fn normal<B: Backend, const D: usize>(
    shape: [usize; D],
    std: f64,
    device: &B::Device,
) -> Param<Tensor<B, D>> {
    initialized(Tensor::random(Shape::new(shape), Distribution::Normal(0.0, std), device))
}

/// A parameter with one value everywhere.
pub(crate) fn constant<B: Backend, const D: usize>(
    shape: [usize; D],
    value: f32,
    device: &B::Device,
) -> Param<Tensor<B, D>> {
    initialized(Tensor::full(Shape::new(shape), value, device))
}

/// A parameter that is there already, and trained.
pub(crate) fn initialized<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Param<Tensor<B, D>> {
    Param::initialized(ParamId::new(), tensor.require_grad())
}

/// A parameter with the given values.
pub(crate) fn param<B: Backend, const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &B::Device,
) -> Param<Tensor<B, D>> {
    initialized(Tensor::from_data(TensorData::new(values, shape), device))
}
