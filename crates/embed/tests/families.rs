//! Every family of encoders against transformers 5.24.0 and sentence-transformers 6.2.0 (`tools/golden/embed_families.py`): token ids, vectors and the
//! gradient of every tensor, of folders as these and their predecessors write them.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleMapper, Param};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use embed::{
    BertConfig, Embedder, Encoder, Family, FolderOptions, InferencePrecision, SaveFolder, Side, TokenBatch, load_bert,
    load_static,
};
use safetensors::SafeTensors;
use serde::Deserialize;
use support::{assert_close, copy_of, golden, load, read};

type Train = Autodiff<Flex>;

/// Of each test in turn: in burn 0.21 one thread's backward pass frees another's steps (tracel-ai/burn#5573).
static TAPE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    special_texts: Vec<String>,
    families: BTreeMap<String, Of>,
}

#[derive(Deserialize)]
struct Of {
    max_tokens: usize,
    ids: Vec<Vec<u32>>,
    vectors: Vec<Vec<f32>>,
    special_ids: Vec<Vec<u32>>,
    special_vectors: Vec<Vec<f32>>,
    truncated_8: Option<Vec<Vec<f32>>>,
}

fn goldens() -> Golden {
    read("families/golden.json")
}

fn folder(name: &str) -> PathBuf {
    golden(&format!("families/{name}"))
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

#[track_caller]
fn assert_vectors(embedder: &dyn Embedder, texts: &[String], expected: &[Vec<f32>]) {
    let found = embedder.embed(&strs(texts), Side::Passage).unwrap();
    assert_close(found.as_slice().unwrap(), &expected.concat(), 1e-5);
}

#[test]
fn ids_and_vectors_are_those_of_sentence_transformers() {
    let golden = goldens();
    assert_eq!(golden.families.len(), 12);
    for (name, of) in &golden.families {
        println!("{name}");
        let model = load_bert::<Flex>(folder(name), &FolderOptions::default(), &FlexDevice).unwrap();
        assert_eq!(model.max_tokens, of.max_tokens);
        for (texts, ids) in [(&golden.texts, &of.ids), (&golden.special_texts, &of.special_ids)] {
            let found = model.tokenizer.encode(&strs(texts), model.max_tokens).unwrap();
            let found: Vec<Vec<u32>> = (0..found.len()).map(|row| found.tokens(row).to_vec()).collect();
            assert_eq!(&found, ids);
        }
        let embedder = load(folder(name), &FolderOptions::default());
        assert_vectors(embedder.as_ref(), &golden.texts, &of.vectors);
        assert_vectors(embedder.as_ref(), &golden.special_texts, &of.special_vectors);
    }
}

/// By products of integers of 16 bits, and a text alone as among others.
#[test]
fn vectors_by_integers_are_nearly_those_of_sentence_transformers() {
    let golden = goldens();
    for (name, of) in &golden.families {
        println!("{name}");
        let options = FolderOptions::default().with_precision(InferencePrecision::Int16);
        let embedder = load(folder(name), &options);
        let found = embedder.embed(&strs(&golden.texts), Side::Passage).unwrap();
        assert_close(found.as_slice().unwrap(), &of.vectors.concat(), 1e-3);
        let exact = load(folder(name), &FolderOptions::default()).embed(&strs(&golden.texts), Side::Passage).unwrap();
        assert!(found != exact, "not by integers");
        for (text, (row, exact)) in golden.texts.iter().zip(found.rows().into_iter().zip(exact.rows())) {
            assert!(row.dot(&exact) > 1.0 - 1e-6, "{text:?}: {}", row.dot(&exact));
            let alone = embedder.embed(&[text], Side::Passage).unwrap();
            assert_close(alone.as_slice().unwrap(), row.as_slice().unwrap(), 1e-6);
        }
    }
}

#[test]
fn configurations_of_transformers_4_give_the_same_vectors() {
    let golden = goldens();
    let mut seen = 0;
    for (name, of) in &golden.families {
        let copy = copy_of(&format!("families/{name}"));
        let older = copy.path().join("config.4.json");
        if older.is_file() {
            println!("{name}");
            std::fs::rename(older, copy.path().join("config.json")).unwrap();
            assert_vectors(load(copy.path(), &FolderOptions::default()).as_ref(), &golden.texts, &of.vectors);
            seen += 1;
        }
    }
    assert_eq!(seen, 10);
}

#[test]
fn the_first_columns_are_scaled_again() {
    let golden = goldens();
    let mut seen = 0;
    for (name, of) in &golden.families {
        if let Some(expected) = &of.truncated_8 {
            let embedder = load(folder(name), &FolderOptions::default().with_truncate_dim(8));
            assert_eq!(embedder.dim(), 8);
            assert_vectors(embedder.as_ref(), &golden.texts, expected);
            seen += 1;
        }
        // As many as there are change nothing.
        let all = load(folder(name), &FolderOptions::default().with_truncate_dim(99));
        assert!(all.dim() >= of.vectors[0].len());
    }
    assert_eq!(seen, 2);
}

#[test]
fn a_text_alone_has_the_vector_that_it_has_among_others() {
    let golden = goldens();
    for name in golden.families.keys() {
        let embedder = load(folder(name), &FolderOptions::default());
        let together = embedder.embed(&strs(&golden.texts), Side::Query).unwrap();
        for (text, row) in golden.texts.iter().zip(together.rows()) {
            let alone = embedder.embed(&[text], Side::Query).unwrap();
            assert_close(alone.as_slice().unwrap(), row.as_slice().unwrap(), 1e-6);
        }
    }
}

#[test]
fn saved_folders_give_the_same_vectors() {
    let golden = goldens();
    let out = tempfile::tempdir().unwrap();
    for (name, of) in &golden.families {
        println!("{name}");
        let model = load_bert::<Flex>(folder(name), &FolderOptions::default(), &FlexDevice).unwrap();
        let saved = out.path().join(name);
        model.encoder.save_folder(&saved, &model.tokenizer, &model.export_options()).unwrap();
        let warnings = support::warnings(|| {
            let again = load(&saved, &FolderOptions::default());
            assert_vectors(again.as_ref(), &golden.texts, &of.vectors);
            assert_vectors(again.as_ref(), &golden.special_texts, &of.special_vectors);
        });
        assert_eq!(warnings, "", "{name}");
    }
}

/// Set `EMBED_PYTHON` to a Python with sentence-transformers 6 and transformers 5 to run it: earlier ones have no NomicBERT.
#[test]
fn python_gives_the_same_vectors_of_saved_folders() {
    let Some(python) = std::env::var_os("EMBED_PYTHON") else {
        support::skipped("no $EMBED_PYTHON");
        return;
    };
    let golden = goldens();
    let out = tempfile::tempdir().unwrap();
    let mut asked = Vec::new();
    for name in golden.families.keys() {
        let saved = out.path().join(name);
        let model = load_bert::<Flex>(folder(name), &FolderOptions::default(), &FlexDevice).unwrap();
        model.encoder.save_folder(&saved, &model.tokenizer, &model.export_options()).unwrap();
        asked.push((name, saved));
    }
    let folders: Vec<&Path> = asked.iter().map(|(_, path)| path.as_path()).collect();
    let answers = support::python_vectors(&python, &folders, &golden.texts);
    for ((name, _), rows) in asked.iter().zip(answers) {
        println!("{name}");
        assert_close(&rows.concat(), &golden.families[*name].vectors.concat(), 1e-5);
    }
}

/// As transformers 4.57.1 tokenizes with the key set, whatever `tokenizer.json` says.
#[test]
fn a_space_before_a_text_is_the_configurations_to_ask_for() {
    let copy = copy_of("families/roberta");
    for (asked, expected) in [(false, vec![0, 55, 75, 72, 265, 2]), (true, vec![0, 224, 55, 75, 72, 265, 2])] {
        let path = copy.path().join("tokenizer_config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config["add_prefix_space"] = asked.into();
        std::fs::write(&path, config.to_string()).unwrap();
        let tokenizer = embed::TextTokenizer::from_folder(copy.path()).unwrap();
        assert_eq!(tokenizer.encode(&["The cat"], 18).unwrap().tokens(0), expected);
    }
}

#[test]
fn published_folders_load_without_a_warning() {
    for name in goldens().families.keys() {
        let warnings = support::warnings(|| drop(load(folder(name), &FolderOptions::default())));
        assert_eq!(warnings, "", "{name}");
    }
}

/// Puts gradients in the place of parameters.
struct Gradients<'a>(&'a <Train as AutodiffBackend>::Gradients, BTreeMap<String, TensorData>);

impl burn::module::ModuleVisitor<Train> for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Train, D>>) {
        let data = match param.val().grad(self.0) {
            Some(gradient) => gradient.into_data(),
            None => Tensor::<Flex, D>::zeros(param.val().shape(), &FlexDevice).into_data(),
        };
        self.1.insert(param.id.to_string(), data);
    }
}

impl ModuleMapper<Flex> for Gradients<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<Flex, D>>) -> Param<Tensor<Flex, D>> {
        let (id, _, mapper) = param.consume();
        let gradient = self.1[&id.to_string()].clone();
        Param::from_mapped_value(id, Tensor::from_data(gradient, &FlexDevice), mapper)
    }
}

#[test]
fn gradients_of_every_tensor_are_pytorchs() {
    let golden = goldens();
    let mut seen = 0;
    for name in golden.families.keys() {
        let expected = crate::golden(&format!("families/gradients/{name}.safetensors"));
        if !expected.is_file() {
            continue;
        }
        println!("{name}");
        let model = load_bert::<Train>(folder(name), &FolderOptions::default(), &FlexDevice).unwrap();
        let tokens = model.tokenizer.encode(&strs(&golden.texts), model.max_tokens).unwrap();
        let alone = TAPE.lock();
        let rows = model.encoder.forward(&tokens, &FlexDevice);
        let [texts, dim] = rows.dims();
        let weights = (0..texts * dim).map(|at| ((at * 37 % 23) as f32 - 11.0) / 11.0).collect();
        let weights = Tensor::from_data(TensorData::new(weights, [texts, dim]), &FlexDevice);
        let gradients = (rows * weights).sum().backward();
        drop(alone);
        let mut found = Gradients(&gradients, BTreeMap::new());
        model.encoder.visit(&mut found);
        // Written like weights, they have transformers' names and layout.
        let of_gradients = model.encoder.valid().map(&mut found);
        let out = tempfile::tempdir().unwrap();
        of_gradients.save_folder(&out.path().join("g"), &model.tokenizer, &model.export_options()).unwrap();
        assert_tensors(&out.path().join("g"), &expected);
        seen += 1;
    }
    assert_eq!(seen, 9);
}

fn assert_tensors(folder: &Path, expected: &Path) {
    let expected = std::fs::read(expected).unwrap();
    for (name, expected) in SafeTensors::deserialize(&expected).unwrap().tensors() {
        let (file, tensor) = match name.strip_prefix("2_Dense.") {
            Some(tensor) => (folder.join("2_Dense/model.safetensors"), tensor.to_owned()),
            None => (folder.join("model.safetensors"), name.clone()),
        };
        let found = std::fs::read(file).unwrap();
        let found = SafeTensors::deserialize(&found).unwrap();
        let found = found.tensor(&tensor).unwrap();
        assert_eq!(found.shape(), expected.shape(), "{name}");
        let floats = |bytes: &[u8]| -> Vec<f32> {
            bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        };
        let (found, expected) = (floats(found.data()), floats(expected.data()));
        let largest = expected.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!((found - expected).abs() <= 2e-5 * largest, "{name}, place {at}: {found}, expected {expected}");
        }
    }
}

fn saved(folder: &Path, file: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap()
}

/// What an export of nomic's own form says beside it, for transformers, follows.
#[test]
fn a_cut_export_says_how_many_layers_it_has_in_both_forms() {
    let out = tempfile::tempdir().unwrap();
    let (whole, cut) = (out.path().join("whole"), out.path().join("cut"));
    let model = load_bert::<Flex>(folder("nomic_bert_hub"), &FolderOptions::default(), &FlexDevice).unwrap();
    model.encoder.save_folder(&whole, &model.tokenizer, &model.export_options()).unwrap();
    let one = load_bert::<Flex>(&whole, &FolderOptions::default().with_layers(1), &FlexDevice).unwrap();
    one.encoder.save_folder(&cut, &one.tokenizer, &one.export_options()).unwrap();
    let config = saved(&cut, "config.json");
    assert_eq!((&config["n_layer"], &config["num_hidden_layers"]), (&1.into(), &1.into()));
    assert_eq!((&config["hidden_act"], &config["activation_function"]), (&"silu".into(), &"swiglu".into()));
}

#[test]
fn an_export_says_what_its_modules_take() {
    let out = tempfile::tempdir().unwrap();
    for (name, dim) in [("bert_dense", 12), ("bert_truncated", 8)] {
        let model = load_bert::<Flex>(folder(name), &FolderOptions::default(), &FlexDevice).unwrap();
        let to = out.path().join(name);
        model.encoder.save_folder(&to, &model.tokenizer, &model.export_options()).unwrap();
        assert_eq!(saved(&to, "1_Pooling/config.json")["word_embedding_dimension"], 16);
        assert_eq!(model.encoder.dim(), dim);
    }
    let copy = copy_of("families/roberta");
    let path = copy.path().join("tokenizer_config.json");
    let mut config = saved(copy.path(), "tokenizer_config.json");
    config["add_prefix_space"] = true.into();
    std::fs::write(&path, config.to_string()).unwrap();
    let model = load_bert::<Flex>(copy.path(), &FolderOptions::default(), &FlexDevice).unwrap();
    model.encoder.save_folder(&out.path().join("r"), &model.tokenizer, &model.export_options()).unwrap();
    assert_eq!(saved(&out.path().join("r"), "tokenizer_config.json")["add_prefix_space"], true);
}

#[test]
fn every_family_is_made_from_scratch_and_saved() {
    let out = tempfile::tempdir().unwrap();
    let tokenizer = embed::TextTokenizer::train_wordpiece(["a cat sat", "a cat ran"], 60).unwrap();
    let families = [
        Family::Bert,
        Family::Roberta,
        Family::XlmRoberta,
        Family::Camembert,
        Family::DistilBert,
        Family::Mpnet,
        Family::ModernBert,
        Family::NomicBert,
    ];
    for family in families {
        let config = BertConfig::new(60, 16).with_layers(4).with_heads(2).with_family(family);
        let bert = config.init::<Flex>(&FlexDevice).unwrap();
        assert_eq!(bert.family(), family);
        let tokens = TokenBatch::from_rows([vec![2, 7, 9, 3], vec![2, 3]]);
        let before = bert.forward(&tokens, &FlexDevice).into_data();
        let folder = out.path().join(family.to_string());
        bert.save_folder(&folder, &tokenizer, &embed::ExportOptions::new(32)).unwrap();
        let again = load_bert::<Flex>(&folder, &FolderOptions::default(), &FlexDevice).unwrap();
        assert_eq!(again.encoder.forward(&tokens, &FlexDevice).into_data(), before, "{family}");
        assert_eq!(again.max_tokens, 32);
        let padding = saved(&folder, "config.json")["pad_token_id"].clone();
        assert!(padding.is_null() || padding.as_u64().unwrap() < 60, "{family}: {padding}");
        // Its first layers alone are a model too, with words of its own as a static table.
        let two = load_bert::<Flex>(&folder, &FolderOptions::default().with_layers(2), &FlexDevice).unwrap();
        let cut = out.path().join(format!("{family}-2"));
        two.encoder.save_folder(&cut, &two.tokenizer, &two.export_options()).unwrap();
        let cut = load_bert::<Flex>(&cut, &FolderOptions::default(), &FlexDevice).unwrap();
        let [cut, two] = [cut, two].map(|model| model.encoder.forward(&tokens, &FlexDevice).into_data());
        assert_eq!(cut, two);
        let words = load_static::<Flex>(&folder, &FolderOptions::default(), &FlexDevice).unwrap().encoder;
        assert_eq!(words.table().into_data(), bert.word_embeddings().into_data());
    }
    let Some(python) = std::env::var_os("EMBED_PYTHON") else {
        support::skipped("no $EMBED_PYTHON");
        return;
    };
    let texts = ["a cat sat", "cat", "a cat ran a cat ran"].map(str::to_owned);
    let folders = families.map(|family| out.path().join(family.to_string()));
    let found = support::python_vectors(&python, &folders.each_ref().map(PathBuf::as_path), &texts);
    for (folder, rows) in folders.iter().zip(found) {
        println!("{}", folder.display());
        assert_vectors(load(folder, &FolderOptions::default()).as_ref(), &texts, &rows);
    }
}
