//! Counts of the real data sets, where they are there.

use std::path::PathBuf;

use super::{Beir, Dataset, PairSplit, Pairs};

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
    assert!(dataset.test.iter().all(|test| test.query < queries && !test.relevant.is_empty()));
    let counts = &dataset.counts;
    assert_eq!(counts.documents_read, counts.documents_empty + counts.documents_repeated + counts.passages);
    let queries_left_out = counts.queries_empty + counts.queries_repeated + counts.queries_unused;
    assert_eq!(counts.queries_read, queries_left_out + counts.queries);
    let left_out = counts.judgements_not_relevant + counts.judgements_of_empty + counts.judgements_repeated;
    let read = counts.train_judgements_read + counts.test_judgements_read;
    assert_eq!(read, left_out + counts.train_pairs + counts.test_judgements);
}

#[test]
fn squad_has_its_published_counts() {
    let Some(path) = shared("squad") else { return };
    let dataset = Beir::new(path).load().unwrap();
    assert_consistent(&dataset);
    let counts = &dataset.counts;
    assert_eq!(
        (counts.documents_read, counts.train_judgements_read, counts.test_judgements_read),
        (20_963, 87_599, 10_570)
    );
    println!("{counts:?}");
    assert_eq!(dataset.topics.unwrap().names.len(), 490);
}

#[test]
fn scifact_has_its_published_counts() {
    let Some(path) = shared("scifact") else { return };
    let dataset = Beir::new(path).with_use_titles(true).load().unwrap();
    assert_consistent(&dataset);
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
    assert_consistent(&dataset);
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
    assert_consistent(&dataset);
    println!("{:?}", dataset.counts);
    assert_eq!((dataset.counts.documents_read, dataset.topics.unwrap().names.len()), (92_180, 45));
    let share = dataset.counts.test_judgements as f64 / 92_180.0;
    assert!((0.14..0.16).contains(&share), "{share}");
}
