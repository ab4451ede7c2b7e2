use std::path::Path;

use super::Settings;
use crate::EmbedError;
use crate::bert::Activation;

const FILE: &str = "config.json";
const READ: [&str; 7] = [
    "use_residual",
    "in_features",
    "out_features",
    "bias",
    "activation_function",
    "module_input_name",
    "module_output_name",
];

/// What sentence-transformers' `Dense` module sets beside its weights.
pub(super) struct FolderDense {
    /// Columns of what comes in and goes out.
    pub(super) widths: [usize; 2],
    pub(super) biased: bool,
    pub(super) activation: Activation,
}

impl FolderDense {
    pub(super) fn read(folder: &Path) -> Result<Self, EmbedError> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Err(EmbedError::MissingFile { folder: folder.into(), file: FILE.into() });
        }
        let settings = Settings::read(folder, FILE)?;
        for key in ["module_input_name", "module_output_name"] {
            settings.require(key, &"sentence_embedding".into())?;
        }
        settings.require("use_residual", &false.into())?;
        settings.warn_of_unknown(&READ, &[]);
        let width = |key: &str| match settings.get::<usize>(key)? {
            Some(0) => Err(settings.unsupported(key, 0, "1 or more")),
            Some(width) => Ok(width),
            None => Err(EmbedError::MissingKey { path: path.clone(), key: key.into() }),
        };
        let activation = match settings.get::<String>("activation_function")? {
            Some(name) => Activation::named(&name).map_err(|error| error.in_file(&path))?,
            None => Activation::Tanh,
        };
        Ok(FolderDense {
            widths: [width("in_features")?, width("out_features")?],
            biased: settings.get("bias")?.unwrap_or(true),
            activation,
        })
    }
}
