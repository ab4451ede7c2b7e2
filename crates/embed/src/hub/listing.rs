//! Which files of a repository make a model.

use serde::{Deserialize, Serialize};

use super::id::is_commit;

/// Where modules are named.
pub(super) const MODULES: &str = "modules.json";
const WEIGHTS: &str = ".safetensors";
/// Weights in forms that are not read.
const OTHER_WEIGHTS: [&str; 8] = [".bin", ".h5", ".msgpack", ".onnx", ".ckpt", ".pt", ".ot", ".gguf"];

/// Files of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listing {
    pub(super) files: Vec<Entry>,
}

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) size: u64,
    /// The name of the object in the repository: of the file, or of the pointer to a large one.
    pub(super) git: String,
    pub(super) large: bool,
}

impl Entry {
    /// Whether path and name stay in the cache, whatever a server says.
    pub(super) fn is_sound(&self) -> bool {
        is_commit(&self.git) && is_inside(&self.path)
    }
}

/// Whether a path leads nowhere but below where it begins.
pub(super) fn is_inside(path: &str) -> bool {
    let inside = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0']);
    path.split('/').all(inside)
}

impl Listing {
    pub(super) fn modules(&self) -> Option<&Entry> {
        self.files.iter().find(|file| file.path == MODULES)
    }

    /// The files that make a model with these folders of modules, small ones first.
    pub(super) fn model(&self, modules: &[String]) -> Self {
        let mut files: Vec<Entry> =
            self.files.iter().filter(|file| is_of_model(&file.path, modules)).cloned().collect();
        files.sort_by(|a, b| (a.size, &a.path).cmp(&(b.size, &b.path)));
        Self { files }
    }

    /// Whether the encoder has weights that are read: those at the root, or of the first module.
    pub(super) fn has_weights(&self, modules: &[String]) -> bool {
        let of_encoder = |file: &&Entry| {
            let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            folder.is_empty() || modules.first().is_some_and(|module| module == folder)
        };
        self.files.iter().filter(of_encoder).any(|file| file.path.ends_with(WEIGHTS))
    }

    /// Weights in other forms, some of them.
    pub(super) fn other_weights(&self) -> String {
        let is_other = |path: &&str| OTHER_WEIGHTS.iter().any(|ending| path.ends_with(ending));
        let found: Vec<&str> = self.files.iter().map(|file| file.path.as_str()).filter(is_other).take(3).collect();
        found.join(", ")
    }

    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.files.iter().map(|file| file.path.clone()).collect();
        paths.sort();
        paths
    }
}

/// Whether a file, by its path from the root, is what makes a model's vectors: all that [`folder_hash`](crate::folder_hash) looks at, so
/// that the hash is that of the commit, and of weights those that are read.
pub(super) fn is_of_model(path: &str, modules: &[String]) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let weights = name.starts_with("model") && name.ends_with(WEIGHTS);
    (folder.is_empty() || modules.iter().any(|module| module == folder))
        && (weights || name.ends_with(".json") || name.ends_with(".txt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_model_is_taken_and_nothing_else() {
        let modules = ["1_Pooling".to_owned(), "2_Dense".to_owned()];
        for path in [
            "config.json",
            "vocab.txt",
            "model.safetensors",
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json",
            "1_Pooling/config.json",
            "2_Dense/model.safetensors",
        ] {
            assert!(is_of_model(path, &modules), "{path}");
        }
        for path in [
            "onnx/config.json",
            "openvino/openvino_model.bin",
            "pytorch_model.bin",
            "README.md",
            "2_Dense/x/config.json",
        ] {
            assert!(!is_of_model(path, &modules), "{path}");
        }
    }

    #[test]
    fn no_path_leaves_the_snapshot() {
        let sound = |path: &str| Entry { path: path.into(), size: 1, git: "a".repeat(40), large: false }.is_sound();
        assert!(sound("1_Pooling/config.json"));
        assert!(!["../x.json", "/x.json", "a//x.json", "a/../../x.json", "c:\\x.json"].into_iter().any(sound));
    }
}
