//! Counts of the real data sets, where they are there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{Beir, BeirValidation, Dataset, PairSplit, Pairs};

/// The file or folder `data/{name}` of the shared data, or a printed reason to skip the test.
fn shared(name: &str) -> Option<PathBuf> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("PRETRAIN_SHARED").map_or_else(default, PathBuf::from);
    let path = folder.join("data").join(name);
    if path.exists() {
        return Some(path);
    }
    // Past the capture of a passing test, so that it is seen.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("skipped: no {}\n", path.display()).as_bytes());
    None
}

fn assert_consistent(dataset: &Dataset) {
    let (queries, passages) = (dataset.queries.len() as u32, dataset.passages.len() as u32);
    assert!(dataset.train.iter().all(|pair| pair.query < queries && pair.passage < passages));
    for test in dataset.validation.iter().chain(&dataset.test) {
        assert!(test.query < queries && test.relevant.iter().all(|&(passage, grade)| passage < passages && grade > 0));
        assert!(!test.relevant.is_empty() || !test.missing.is_empty());
    }
    let counts = &dataset.counts;
    let left_out = counts.judgements_not_relevant
        + counts.judgements_of_empty
        + counts.judgements_of_missing
        + counts.judgements_held_out
        + counts.judgements_in_test
        + counts.judgements_over_limit
        + counts.judgements_repeated;
    let read = counts.train_judgements_read + counts.validation_judgements_read + counts.test_judgements_read;
    let kept = counts.train_pairs + counts.validation_judgements + counts.test_judgements;
    assert_eq!(read, left_out + kept);
}

/// Of a BEIR folder every document is kept, and every query that a judgement names.
fn assert_all_kept(dataset: &Dataset) {
    assert_consistent(dataset);
    let counts = &dataset.counts;
    assert_eq!(counts.documents_read, counts.documents_again + counts.passages);
    assert_eq!(counts.queries_read, counts.queries_again + counts.queries_unused + counts.queries);
}

/// Of pairs equal texts are one, and blank ones none.
fn assert_merged(dataset: &Dataset) {
    assert_consistent(dataset);
    let counts = &dataset.counts;
    assert_eq!(counts.documents_read, counts.documents_empty + counts.documents_repeated + counts.passages);
    let queries_left_out = counts.queries_empty + counts.queries_repeated + counts.queries_unused;
    assert_eq!(counts.queries_read, queries_left_out + counts.queries);
}

#[test]
fn squad_has_its_published_counts() {
    let Some(path) = shared("squad") else { return };
    let dataset = Beir::new(path).load().unwrap();
    assert_all_kept(&dataset);
    let counts = &dataset.counts;
    assert_eq!(
        (counts.documents_read, counts.train_judgements_read, counts.test_judgements_read),
        (20_963, 87_599, 10_570)
    );
    println!("{counts:?}");
    // Five passages occur twice.
    assert_eq!((counts.passages, counts.documents_repeated, counts.test_queries), (20_963, 5, 10_570));
    assert_eq!(dataset.topics.unwrap().names.len(), 490);
}

#[test]
fn squad_s_validation_split_is_whole_articles() {
    let Some(path) = shared("squad") else { return };
    let dataset = Beir::new(path).with_validation(BeirValidation::Share { share: 0.1 }).load().unwrap();
    assert_all_kept(&dataset);
    println!("{:?}", dataset.counts);
    let topics = dataset.topics.as_ref().unwrap();
    let validation: BTreeSet<&str> = dataset.validation.iter().map(|query| topics.name(query.relevant[0].0)).collect();
    assert_eq!(validation.len(), 44);
    assert!(dataset.train.iter().all(|pair| !validation.contains(topics.name(pair.passage))));
}

#[test]
fn scifact_has_its_published_counts() {
    let Some(path) = shared("scifact") else { return };
    let dataset = Beir::new(path).load().unwrap();
    assert_all_kept(&dataset);
    let counts = &dataset.counts;
    println!("{counts:?}");
    assert_eq!((counts.documents_read, counts.train_judgements_read, counts.test_judgements_read), (5183, 919, 339));
    assert_eq!((counts.test_queries, dataset.topics), (300, None));
}

#[test]
fn medquad_is_split_by_topic() {
    let Some(path) = shared("medquad.jsonl") else { return };
    let held_out = vec!["4_MPlus_Health_Topics_QA".to_owned()];
    let dataset = Pairs::new(path).with_split(PairSplit::Topics { held_out }).load().unwrap();
    assert_merged(&dataset);
    println!("{:?}", dataset.counts);
    assert_eq!(dataset.counts.documents_read, 16_407);
    let topics = dataset.topics.as_ref().unwrap();
    assert_eq!(topics.names.len(), 9);
    assert!(dataset.test.iter().all(|test| topics.name(test.relevant[0].0) == "4_MPlus_Health_Topics_QA"));
}

#[test]
fn wordnet_is_split_by_passage() {
    let Some(path) = shared("wordnet.jsonl") else { return };
    let dataset = Pairs::new(path).load().unwrap();
    assert_merged(&dataset);
    println!("{:?}", dataset.counts);
    assert_eq!((dataset.counts.documents_read, dataset.topics.unwrap().names.len()), (92_180, 45));
    let share = dataset.counts.test_judgements as f64 / 92_180.0;
    assert!((0.14..0.16).contains(&share), "{share}");
}
