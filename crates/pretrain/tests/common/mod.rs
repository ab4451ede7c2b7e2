//! A small BEIR folder and the `pretrain` command over it.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses its part")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A temporary folder with a BEIR data set of four topics.
pub struct Bench {
    folder: tempfile::TempDir,
}

/// A topic, a colour and a size make an item. Queries and passages name them in different words, so that an encoder must learn which
/// belong together, and can do so from some items for the others.
const TOPICS: [[&str; 2]; 4] = [["river", "fluss"], ["engine", "motor"], ["opera", "oper"], ["galaxy", "sternnebel"]];
const COLOURS: [[&str; 2]; 6] =
    [["red", "rot"], ["blue", "azur"], ["green", "moos"], ["black", "pech"], ["white", "kalk"], ["yellow", "senf"]];
const SIZES: [[&str; 2]; 4] = [["tiny", "winzig"], ["small", "klein"], ["large", "hoch"], ["huge", "riesig"]];

impl Bench {
    pub fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        let (mut corpus, mut queries) = (String::new(), String::new());
        let (mut train, mut test) =
            ("query-id\tcorpus-id\tscore\n".to_owned(), "query-id\tcorpus-id\tscore\n".to_owned());
        for id in 0..TOPICS.len() * COLOURS.len() * SIZES.len() {
            let words = [SIZES[id / 24], COLOURS[id / 4 % 6], TOPICS[id % 4]];
            let [query, passage] = [0, 1].map(|language| words.map(|word| word[language]).join(" "));
            writeln!(corpus, r#"{{"_id":"d{id}","title":"t{}","text":"{passage}"}}"#, id % 4).unwrap();
            writeln!(queries, r#"{{"_id":"q{id}","text":"{query}"}}"#).unwrap();
            let split = if id % 7 == 6 { &mut test } else { &mut train };
            writeln!(split, "q{id}\td{id}\t1").unwrap();
        }
        bench.write("data/corpus.jsonl", &corpus);
        bench.write("data/queries.jsonl", &queries);
        bench.write("data/qrels/train.tsv", &train);
        bench.write("data/qrels/test.tsv", &test);
        bench.write("config.toml", CONFIG);
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// `pretrain` with `arguments`, in the folder.
    pub fn pretrain(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pretrain")).args(arguments).current_dir(self.folder.path()).output().unwrap()
    }

    /// `pretrain` with `arguments`, which must succeed: its stdout and stderr.
    pub fn succeed(&self, arguments: &[&str]) -> (String, String) {
        let output = self.pretrain(arguments);
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        (stdout, stderr)
    }

    /// The same, with what it reads on stdin.
    pub fn succeed_with(&self, arguments: &[&str], input: &str) -> (String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pretrain"));
        let command = command.args(arguments).current_dir(self.folder.path());
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        (stdout, stderr)
    }

    /// `pretrain` with `arguments`, which must fail with one clear error: its stderr.
    pub fn fail(&self, arguments: &[&str]) -> String {
        let output = self.pretrain(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{arguments:?} succeeded");
        assert!(!stderr.contains("panicked"), "{stderr}");
        let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{stderr}");
        let position = stderr.lines().position(|line| line.starts_with("error: ")).unwrap();
        assert!(stderr.lines().count() - position <= 6, "{stderr}");
        stderr
    }

    /// Files left half-written below the folder.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.file_name().unwrap().to_string_lossy().contains("tmp") {
                    found.push(path.clone());
                }
                if path.is_dir() {
                    walk(&path, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.folder.path(), &mut found);
        found
    }
}

/// An array as the bytes of a `.npy` file.
pub fn npy<T: vectors::Element>(shape: &[usize], values: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    vectors::write_array(&mut bytes, shape, values).unwrap();
    bytes
}

const CONFIG: &str = r#"
[data]
format = "beir"
path = "data"
use_titles = false

[embedder]
kind = "lexical"
dim = 64

[cluster]
k = 4

[sampler]
batch_size = 16

[student]
kind = "static"
dim = 32
vocab_size = 400

[loss]
temperature = 0.1

[train]
epochs = 8
learning_rate = 0.02

[eval]
depth = 100
resamples = 200

[run]
dir = "run"
arms = ["none", "queries", "passages"]
"#;
