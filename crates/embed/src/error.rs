use std::io;
use std::path::{Path, PathBuf};

/// Everything that reading, building or running an embedder can report.
///
/// # Examples
/// ```
/// let error = embed::TextTokenizer::from_folder("no/such/folder").unwrap_err();
/// assert!(error.to_string().contains("no/such/folder"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// A file that exists could not be read.
    #[error("{path}: cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file or folder could not be written.
    #[error("{path}: cannot be written")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A model folder lacks a file.
    #[error("{folder}: has no {file}")]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// The file that should be in it.
        file: String,
    },
    /// A file is not the JSON that it should be.
    #[error("{path}: unexpected JSON")]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and key.
        #[source]
        source: serde_json::Error,
    },
    /// A JSON file lacks a key.
    #[error("{path}: has no key `{key}`")]
    MissingKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A setting has a value that this crate does not implement.
    #[error("{}{key} = {value} is not supported, only {supported}", before(path))]
    Unsupported {
        /// The file that it is in, if it is in one.
        path: Option<PathBuf>,
        /// The setting, as the file names it.
        key: String,
        /// Its value.
        value: String,
        /// The values that are implemented.
        supported: String,
    },
    /// A setting lies outside its range.
    #[error("{}{key} = {value} is out of range: {range}", before(path))]
    OutOfRange {
        /// The file that it is in, if it is in one.
        path: Option<PathBuf>,
        /// The setting.
        key: String,
        /// Its value.
        value: String,
        /// The values that are allowed.
        range: String,
    },
    /// A folder was to hold a BERT.
    #[error("{folder}: holds a static table, not a BERT")]
    NotABert {
        /// The folder.
        folder: PathBuf,
    },
    /// A safetensors file is truncated or damaged.
    #[error("{path}: not a whole safetensors file")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What the format's reader or writer said.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// A safetensors file lacks a tensor.
    #[error("{path}: has no tensor `{tensor}`")]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("{path}: tensor `{tensor}` has shape {found:?}, expected {expected:?}")]
    TensorShape {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A tensor is stored in a type that is not read.
    #[error("{path}: tensor `{tensor}` is stored as {dtype}, only {read} are read")]
    TensorType {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its type.
        dtype: String,
        /// The types that are read.
        read: &'static str,
    },
    /// A tokenizer file could not be parsed or written.
    #[error("{path}: not a usable tokenizer")]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What the tokenizer library said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A tokenizer could not be trained.
    #[error("a tokenizer cannot be trained on these texts")]
    TrainTokenizer {
        /// What the tokenizer library said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A text could not be split into tokens.
    #[error("text {index} cannot be tokenized")]
    Tokenize {
        /// The text's index among those given.
        index: usize,
        /// What the tokenizer library said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A prompt could not be split into tokens.
    #[error("the prompt cannot be tokenized")]
    Prompt {
        /// What the tokenizer library said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tokenizer knows more tokens than the encoder has rows for.
    #[error("the tokenizer has {tokens} tokens, the encoder {rows} rows")]
    Vocabulary {
        /// Size of the tokenizer's vocabulary.
        tokens: usize,
        /// Rows of the encoder's table.
        rows: usize,
    },
    /// The tokenizer of a folder knows more tokens than its table has rows.
    #[error("{folder}: the tokenizer has {tokens} tokens, the table {rows} rows")]
    FolderVocabulary {
        /// The folder.
        folder: PathBuf,
        /// Size of the tokenizer's vocabulary.
        tokens: usize,
        /// Rows of the table.
        rows: usize,
    },
    /// An encoder returned NaN or infinity for a text.
    #[error("the vector of text {index} is not finite")]
    NotFinite {
        /// The text's index among those given.
        index: usize,
    },
    /// What should be a hub's id is none.
    #[error("{id}: not a hub's id: its {part} cannot be one, expected owner/name or owner/name@revision")]
    HubId {
        /// What was given.
        id: String,
        /// The part that is wrong.
        part: &'static str,
    },
    /// A hub did not give a model.
    #[error("{model}: {endpoint} {problem}")]
    Hub {
        /// The model with its revision.
        model: String,
        /// The hub's address.
        endpoint: String,
        /// What is wrong.
        problem: HubProblem,
        /// What the hub or the connection said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A model is not whole in the cache, and no hub is to be asked.
    #[error("{model}: offline mode is on (HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE), and {cache} has no {missing}")]
    HubOffline {
        /// The model with its revision.
        model: String,
        /// The model's folder in the cache.
        cache: PathBuf,
        /// What is not there.
        missing: String,
    },
    /// A model on a hub has no weights that are read.
    #[error("{model}: has no weights in safetensors{}", others(found))]
    HubWeights {
        /// The model with its revision.
        model: String,
        /// Weights that it has in other forms.
        found: String,
    },
}

/// What a hub said, or that it said nothing.
///
/// # Examples
/// ```
/// assert_eq!(embed::HubProblem::NoRevision.to_string(), "has no such revision");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HubProblem {
    /// The address is none.
    #[error("is no address of a hub (HF_ENDPOINT)")]
    Address,
    /// There is no such model.
    #[error("has no such model")]
    NoModel,
    /// The model has no such branch, tag or commit.
    #[error("has no such revision")]
    NoRevision,
    /// Only some may have the model.
    #[error(
        "refuses it: it is gated or private, or is not there; a token is read from HF_TOKEN or the file of Python's login"
    )]
    Refused,
    /// No answer came, or none that is more than an excuse.
    #[error("cannot be reached")]
    Unreachable,
    /// The answer cannot be used.
    #[error("gave an answer that cannot be used")]
    Answer,
}

impl EmbedError {
    /// The error of code that embeds while it writes `path`: the embedder's own, where it is behind the writer's.
    ///
    /// # Examples
    /// ```
    /// use std::io::Error;
    /// use std::path::Path;
    ///
    /// use embed::EmbedError;
    ///
    /// let path = Path::new("rows.npy");
    /// let error = EmbedError::of_writing(path, EmbedError::NotFinite { index: 3 }.into());
    /// assert_eq!(error.to_string(), "the vector of text 3 is not finite");
    /// assert_eq!(EmbedError::of_writing(path, Error::other("full")).to_string(), "rows.npy: cannot be written");
    /// ```
    pub fn of_writing(path: &Path, error: io::Error) -> Self {
        error.downcast().unwrap_or_else(|source| Self::Write { path: path.to_owned(), source })
    }

    /// The same error with its text's index counted from the first of all texts.
    pub(crate) fn counted_from(self, start: usize) -> Self {
        match self {
            Self::Tokenize { index, source } => Self::Tokenize { index: start + index, source },
            Self::NotFinite { index } => Self::NotFinite { index: start + index },
            other => other,
        }
    }

    /// The same error with the file in which the setting is.
    pub(crate) fn in_file(mut self, file: &Path) -> Self {
        if let EmbedError::Unsupported { path, .. } | EmbedError::OutOfRange { path, .. } = &mut self {
            *path = Some(file.to_owned());
        }
        self
    }
}

fn before(path: &Option<PathBuf>) -> String {
    path.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default()
}

fn others(found: &str) -> String {
    if found.is_empty() { String::new() } else { format!(", only {found}") }
}
