//! A process that saves a model again and again is killed at random moments, and the folder always loads.

#![allow(clippy::unwrap_used)]

mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use burn_flex::{Flex, FlexDevice};
use embed::{ExportOptions, FolderOptions, LoadedModel, SaveFolder, StaticEncoder, load_bert, load_static};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::{golden, load, vectors};

const FOLDER: &str = "EMBED_TEST_SAVE";

fn table(name: &str) -> LoadedModel<StaticEncoder<Flex>> {
    load_static(golden(name), &FolderOptions::default(), &FlexDevice).unwrap()
}

#[test]
#[ignore = "the child of the test below"]
fn child_saves_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let bert = load_bert::<Flex>(golden("tiny_bert"), &FolderOptions::default(), &FlexDevice).unwrap();
    let table = table("tiny_static");
    loop {
        bert.encoder.save_folder(folder.as_ref(), &bert.tokenizer, &bert.export_options()).unwrap();
        table.encoder.save_folder(folder.as_ref(), &table.tokenizer, &ExportOptions::new(usize::MAX)).unwrap();
    }
}

#[test]
fn a_model_folder_loads_after_every_kill() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("model");
    let save = || {
        let first = table("tiny_static");
        first.encoder.save_folder(&folder, &first.tokenizer, &first.export_options()).unwrap();
    };
    save();
    let texts = ["the cat".to_string(), "read a file".to_string()];
    let wholes = ["tiny_bert", "tiny_static"]
        .map(|name| vectors(load(golden(name), &FolderOptions::default()).as_ref(), &texts));
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut seen = [0_usize; 2];
    // Which of the two a kill finds depends on how fast the disk is with each.
    while seen.iter().sum::<usize>() < 25 || (seen.contains(&0) && seen.iter().sum::<usize>() < 250) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_saves_until_it_is_killed", "--ignored"])
            .env(FOLDER, &folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(random.random_range(20_000..120_000)));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "the child runs until it is killed");
        let found = vectors(load(&folder, &FolderOptions::default()).as_ref(), &texts);
        let whole = wholes
            .iter()
            .position(|whole| whole.dim() == found.dim() && (whole - &found).iter().all(|d| d.abs() < 1e-5));
        seen[whole.expect("one of the two models, whole")] += 1;
    }
    assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
    save();
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 1, "leftovers are gone");
}
