//! Model folders as sentence-transformers 5.1.2 and 6.2.0 and model2vec 0.10.0 write them, each with a setting that changes vectors:
//! `tools/golden/embed_folders.py` wrote them, and what `encode_query` and `encode_document` of the same version give.
//!
//! Tolerance 1e-5: both sides compute in f32, in different orders of summation. The settings move vectors by 0.1 and more.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use burn_flex::{Flex, FlexDevice};
use embed::{Embedder, FolderOptions, ModelKind, Prompts, SaveFolder, Side, load_bert, load_embedder, load_static};
use serde::Deserialize;
use support::{assert_close, golden, load, read};

const VERSIONS: [&str; 2] = ["st-5.1.2", "st-6.2.0"];

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    folders: BTreeMap<String, Vectors>,
}

#[derive(Deserialize)]
struct Vectors {
    /// None where nothing limits a text.
    max_tokens: Option<usize>,
    query: Vec<Vec<f32>>,
    document: Vec<Vec<f32>>,
}

/// One folder of one version.
struct Case {
    name: String,
    path: PathBuf,
    texts: Vec<String>,
    expected: Vectors,
}

fn cases() -> Vec<Case> {
    let cases = VERSIONS.into_iter().flat_map(|version| {
        let Golden { texts, folders } = read(&format!("folders/{version}/vectors.json"));
        folders.into_iter().map(move |(name, expected)| Case {
            path: golden(&format!("folders/{version}/{name}")),
            name: format!("{version}/{name}"),
            texts: texts.clone(),
            expected,
        })
    });
    cases.collect()
}

fn case(version: &str, name: &str) -> Case {
    cases().into_iter().find(|case| case.name == format!("{version}/{name}")).unwrap()
}

#[track_caller]
fn assert_python(case: &Case, embedder: &dyn Embedder) {
    let texts: Vec<&str> = case.texts.iter().map(String::as_str).collect();
    for (side, expected) in [(Side::Query, &case.expected.query), (Side::Passage, &case.expected.document)] {
        let found = embedder.embed(&texts, side).unwrap();
        for (text, (found, expected)) in texts.iter().zip(found.rows().into_iter().zip(expected)) {
            println!("{} {side:?} {text:?}", case.name);
            // Python gives zeros to a text without tokens.
            let constant = vec![1.0 / (expected.len() as f32).sqrt(); expected.len()];
            let expected = if expected.iter().all(|&v| v == 0.0) { &constant } else { expected };
            assert_close(found.as_slice().unwrap(), expected, 1e-5);
        }
    }
}

fn max_tokens(path: &Path) -> usize {
    let options = FolderOptions::default();
    match ModelKind::of(path).unwrap() {
        ModelKind::Bert => load_bert::<Flex>(path, &options, &FlexDevice).unwrap().max_tokens,
        _ => load_static::<Flex>(path, &options, &FlexDevice).unwrap().max_tokens,
    }
}

fn save(from: &Path, to: &Path) {
    let options = FolderOptions::default();
    match ModelKind::of(from).unwrap() {
        ModelKind::Bert => {
            let model = load_bert::<Flex>(from, &options, &FlexDevice).unwrap();
            model.encoder.save_folder(to, &model.tokenizer, &model.export_options()).unwrap();
        }
        _ => {
            let model = load_static::<Flex>(from, &options, &FlexDevice).unwrap();
            model.encoder.save_folder(to, &model.tokenizer, &model.export_options()).unwrap();
        }
    }
}

#[test]
fn every_folder_gives_sentence_transformers_vectors_of_queries_and_documents() {
    let cases = cases();
    assert!(cases.len() >= 40, "{}", cases.len());
    for case in cases {
        assert_python(&case, load(&case.path, &FolderOptions::default()).as_ref());
    }
}

#[test]
fn limits_are_sentence_transformers_own() {
    for case in cases().iter().filter(|case| case.expected.max_tokens.is_some()) {
        assert_eq!(Some(max_tokens(&case.path)), case.expected.max_tokens, "{}", case.name);
    }
    // Of a static table Python applies the truncation in `tokenizer.json`, and reports no limit.
    assert_eq!(max_tokens(&case("st-6.2.0", "static_truncated").path), 4);
    assert_eq!(max_tokens(&case("st-6.2.0", "static_prompts").path), usize::MAX);
}

#[test]
fn saved_folders_give_the_same_vectors() {
    let out = tempfile::tempdir().unwrap();
    for case in cases() {
        let folder = out.path().join("model");
        save(&case.path, &folder);
        assert_python(&case, load(&folder, &FolderOptions::default()).as_ref());
        assert_eq!(max_tokens(&folder), max_tokens(&case.path), "{}", case.name);
    }
}

#[test]
fn prompts_of_the_options_win_over_the_folders() {
    let plain = case("st-6.2.0", "plain_mean");
    let prompted = case("st-6.2.0", "prompts");
    let none = FolderOptions::default().with_prompts(Prompts::default());
    assert_python(&plain, load(&prompted.path, &none).as_ref());
    let both = FolderOptions::default().with_prompts(Prompts::new("read the: ", "a file, "));
    assert_python(&prompted, load(&plain.path, &both).as_ref());
    let mut one = FolderOptions::default();
    one.passage_prompt = Some(String::new());
    let model = load_bert::<Flex>(&prompted.path, &one, &FlexDevice).unwrap();
    assert_eq!(model.prompts, Prompts::new("read the: ", ""));
}

#[test]
fn a_training_loop_encodes_with_prompts_as_the_embedder_does() {
    use embed::{Encoder, TokenBatch};
    for name in ["prompts", "prompts_left_out", "prompts_cut"] {
        let case = case("st-6.2.0", name);
        let model = load_bert::<Flex>(&case.path, &FolderOptions::default(), &FlexDevice).unwrap();
        let texts: Vec<&str> = case.texts.iter().map(String::as_str).collect();
        let sides = [Side::Query, Side::Passage]
            .map(|side| model.tokenizer.encode_after(model.prompts.of(side), &texts, model.max_tokens).unwrap());
        // One batch of both sides, each with its own prompt.
        let mut batch = TokenBatch::default();
        for side in &sides {
            (0..side.len()).for_each(|row| batch.push_from(side, row));
        }
        let rows: Vec<f32> = model.encoder.forward(&batch, &FlexDevice).into_data().to_vec().unwrap();
        let expected = [case.expected.query, case.expected.document].concat().concat();
        assert_close(&rows, &expected, 1e-5);
    }
}

/// Set `EMBED_PYTHON` to a Python with sentence-transformers to run it.
#[test]
fn python_gives_the_same_vectors_of_saved_folders() {
    let Some(python) = std::env::var_os("EMBED_PYTHON") else {
        support::skipped("no $EMBED_PYTHON");
        return;
    };
    const SCRIPT: &str = "
import json, sys
from sentence_transformers import SentenceTransformer
rows = []
for folder, texts in json.load(sys.stdin):
    model = SentenceTransformer(folder, device='cpu')
    rows.append([encode(texts, normalize_embeddings=True).tolist() for encode in (model.encode_query, model.encode_document)])
print(json.dumps(rows))
";
    let out = tempfile::tempdir().unwrap();
    let cases = cases();
    let asked: Vec<(PathBuf, &[String])> = cases
        .iter()
        .map(|case| {
            let folder = out.path().join(case.name.replace('/', "-"));
            save(&case.path, &folder);
            (folder, case.texts.as_slice())
        })
        .collect();
    let mut run = Command::new(python);
    let mut run = run.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(run.stdin.take().unwrap(), &asked).unwrap();
    let answer = run.wait_with_output().unwrap();
    let answers: Vec<[Vec<Vec<f32>>; 2]> = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(answers.len(), cases.len());
    for (case, [query, document]) in cases.iter().zip(answers) {
        println!("{}", case.name);
        assert_close(&query.concat(), &case.expected.query.concat(), 1e-5);
        assert_close(&document.concat(), &case.expected.document.concat(), 1e-5);
    }
}

#[test]
fn whole_folders_load_without_a_warning() {
    for case in
        cases().iter().filter(|case| !case.name.ends_with("prompts_passage") && !case.name.ends_with("prompts_other"))
    {
        let warnings = support::warnings(|| {
            load_embedder::<Flex>(&case.path, &FolderOptions::default(), &FlexDevice).unwrap();
        });
        assert_eq!(warnings, "", "{}", case.name);
    }
}
