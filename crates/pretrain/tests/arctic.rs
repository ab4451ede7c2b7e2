//! `pretrain plan --arctic`: a plan's batches with their tokens, as ArcticTraining's Arctic Embed reads them.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use common::Bench;
use embed::TextTokenizer;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

/// The rows of a file, each as its columns' whole numbers.
fn table(path: &Path) -> Vec<Vec<Vec<i64>>> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let number = |field: &Field| match field {
        Field::ULong(id) => *id as i64,
        Field::UShort(token) => i64::from(*token),
        Field::Byte(relevance) => i64::from(*relevance),
        other => panic!("{other:?}"),
    };
    let column = |(_, field): (String, Field)| match &field {
        Field::ListInternal(list) => list.elements().iter().map(number).collect(),
        field => vec![number(field)],
    };
    reader
        .get_row_iter(None)
        .unwrap()
        .map(|row| row.unwrap().into_columns().into_iter().map(column).collect())
        .collect()
}

/// Texts by their ids, from their tokens.
fn texts(path: &Path, tokens: &BTreeMap<Vec<i64>, String>) -> BTreeMap<i64, String> {
    table(path).into_iter().map(|row| (row[0][0], tokens[&row[1]].clone())).collect()
}

#[test]
fn batches_hold_the_plan_s_texts_and_what_answers_what() {
    let bench = Bench::new();
    // Two items of one query: both passages answer it.
    bench.write("data/qrels/train.tsv", &(bench.read("data/qrels/train.tsv") + "q0\td4\t1\n"));
    let settings = ["--set", "run.arms=[\"passages\"]", "--set", "loss.hard_negatives=2"];
    bench.succeed(&[&["embed", "config.toml"], &settings[..]].concat());
    bench.succeed(&[&["cluster", "config.toml"], &settings[..]].concat());
    let (stdout, _) = bench.succeed(&["plan", "run", "--arctic", "arctic", "--epoch", "1"]);
    bench.succeed(&["plan", "run", "--epoch", "1"]);

    let plan = vectors::read_labels(&bench.path("run/plan-epoch-1.npy")).unwrap();
    let batches: Vec<&[u32]> = plan.chunks(16).collect();
    assert_eq!(stdout, format!("arctic: {} batches\n", batches.len()));
    assert_eq!(std::fs::read_dir(bench.path("arctic/data")).unwrap().count(), batches.len());
    let hard = vectors::read_labels(&bench.path("run/hard-negatives/hard-negatives-2-each.npy")).unwrap();
    let dataset = pretrain::data::Beir::new(bench.path("data")).with_use_titles(false).load().unwrap();
    let positives = dataset.positives();

    let tokenizer = TextTokenizer::from_file(bench.path("arctic/tokenizer.json")).unwrap();
    let encoded = |text: &str, most| -> Vec<i64> {
        tokenizer.encode(&[text], most).unwrap().tokens(0).iter().map(|&token| i64::from(token)).collect()
    };
    let by_tokens = |texts: &pretrain::data::Texts, most| -> BTreeMap<Vec<i64>, String> {
        texts.iter().map(|text| (encoded(text.text, most), text.text.to_owned())).collect()
    };
    let [queries, documents] = [by_tokens(&dataset.queries, 24), by_tokens(&dataset.passages, 64)];
    for (number, batch) in batches.iter().enumerate() {
        let folder = bench.path(&format!("arctic/data/batch_{number:08}"));
        let queries = texts(&folder.join("queries.parquet"), &queries);
        let documents = texts(&folder.join("documents.parquet"), &documents);
        let mut relations: Vec<(&str, &str, i64)> = table(&folder.join("relations.parquet"))
            .into_iter()
            .map(|row| (queries[&row[0][0]].as_str(), documents[&row[1][0]].as_str(), row[2][0]))
            .collect();
        relations.sort_unstable();
        let in_batch: Vec<u32> = batch
            .iter()
            .flat_map(|&pair| {
                let own = dataset.train[pair as usize].passage;
                [own, hard[2 * pair as usize], hard[2 * pair as usize + 1]]
            })
            .collect();
        let mut expected = Vec::new();
        for &pair in *batch {
            let query = dataset.train[pair as usize].query;
            let text = dataset.queries.text(query);
            let answers = positives.of(query).iter().filter(|passage| in_batch.contains(passage));
            expected.extend(answers.map(|&passage| (text, dataset.passages.text(passage), 1)));
            let negatives = &hard[2 * pair as usize..][..2];
            expected.extend(negatives.iter().map(|&passage| (text, dataset.passages.text(passage), -1)));
        }
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(relations, expected, "batch {number}");
    }
    let metadata: serde_json::Value = serde_json::from_str(&bench.read("arctic/metadata.json")).unwrap();
    assert_eq!((&metadata["epoch"], &metadata["batches"]), (&1.into(), &batches.len().into()));

    let error = bench.fail(&["plan", "run", "--arctic", "arctic"]);
    assert!(error.contains("arctic: expected no folder or an empty one"), "{error}");
}
