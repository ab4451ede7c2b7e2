//! Every way from results to values gives the same report: a [`Run`], results in memory, hits by index, files of any format.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;

use flate2::write::GzEncoder;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use retrieval_eval::{
    EvalOptions, Gain, Hit, IndexedQrels, Measure, Qrels, Report, Run, evaluate, evaluate_file, evaluate_hits,
    evaluate_results,
};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

const MEASURES: [Measure; 9] = [
    Measure::ndcg(3),
    Measure::Ndcg { k: None, gain: Gain::Exponential },
    Measure::mrr(10),
    Measure::Ap { k: None },
    Measure::recall(5),
    Measure::Bpref,
    Measure::InfAp,
    Measure::Unjudged { k: 5 },
    Measure::Retrieved,
];
const DOCUMENTS: u32 = 40;

/// The results of a query: by document, scores in quarters, so that ties are frequent.
type Results = Vec<(String, f64)>;

#[derive(Clone, Debug)]
struct Data {
    /// By query; none for those that are not judged.
    judged: Vec<Vec<(u32, i32)>>,
    /// Of each query, in any order; none for those that were not searched.
    results: Vec<Vec<(u32, f64)>>,
    options: EvalOptions,
}

/// Mostly 20 results a query; sometimes so many judgements that they are looked up in another way.
fn data() -> impl Strategy<Value = Data> {
    let document = 0..DOCUMENTS;
    let judged =
        prop_oneof![btree_map(document.clone(), -1..4_i32, 0..6), btree_map(document.clone(), -1..4_i32, 13..30)];
    let results = btree_map(document, -4..4_i32, 0..DOCUMENTS as usize);
    let results = results.prop_map(|row| row.into_iter().map(|(id, score)| (id, f64::from(score) / 4.0)).collect());
    let query = (judged, results.prop_flat_map(|row: Vec<(u32, f64)>| Just(row).prop_shuffle()));
    (vec(query, 1..8), any::<bool>(), 0..3_i32).prop_map(|(queries, complete, level)| {
        let (judged, results) = queries.into_iter().map(|(judged, row)| (judged.into_iter().collect(), row)).unzip();
        Data { judged, results, options: EvalOptions::default().with_complete(complete).with_relevance_level(level) }
    })
}

fn document(number: u32) -> String {
    // In neither the order of the numbers nor that of their digits.
    format!("d{}", number * 7 % DOCUMENTS)
}

impl Data {
    fn qrels(&self) -> Qrels {
        let mut qrels = Qrels::new();
        for (query, row) in self.judged.iter().enumerate() {
            for &(number, grade) in row {
                qrels.insert(&format!("q{query}"), &document(number), grade).unwrap();
            }
        }
        qrels
    }

    /// The queries that have results.
    fn rows(&self) -> Vec<(String, Results)> {
        let named = |row: &[(u32, f64)]| row.iter().map(|&(number, score)| (document(number), score)).collect();
        let searched = self.results.iter().enumerate().filter(|(_, row)| !row.is_empty());
        searched.map(|(query, row)| (format!("q{query}"), named(row))).collect()
    }

    fn by_run(&self) -> Report {
        let mut run = Run::new();
        for (query, row) in self.rows() {
            run.insert(&query, row).unwrap();
        }
        evaluate(&self.qrels(), &run, &MEASURES, self.options)
    }

    fn by_file(&self, bytes: &[u8]) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ours.run");
        std::fs::write(&path, bytes).unwrap();
        self.check_run(&path);
        evaluate_file(&self.qrels(), &path, &MEASURES, self.options).unwrap()
    }

    /// The file read as a whole gives the report too.
    fn check_run(&self, path: &Path) {
        let run = Run::from_file(path).unwrap();
        assert_eq!(evaluate(&self.qrels(), &run, &MEASURES, self.options), self.by_run());
    }
}

fn trec_lines(rows: &[(String, Results)]) -> Vec<String> {
    let of_query = |(query, row): &(String, Results)| -> Vec<String> {
        row.iter().map(|(document, score)| format!("{query}\tQ0 {document} 0 {score:?} a\r\n")).collect()
    };
    rows.iter().flat_map(of_query).collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

proptest! {
    // Each case writes files, starts threads or compresses.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn results_in_memory_give_the_values_of_the_run(data in data()) {
        let report = evaluate_results(&data.qrels(), &data.rows(), &MEASURES, data.options).unwrap();
        prop_assert_eq!(report, data.by_run());
    }

    #[test]
    fn hits_by_index_give_the_values_of_the_run(data in data()) {
        let hit = |&(index, score): &(u32, f64)| Hit { index, score: score as f32 };
        let hits: Vec<Vec<Hit>> = data.results.iter().map(|row| row.iter().map(hit).collect()).collect();
        let queries: Vec<String> = (0..hits.len()).map(|query| format!("q{query}")).collect();
        let documents: Vec<String> = (0..DOCUMENTS).map(document).collect();
        let qrels = IndexedQrels::from_qrels(&data.qrels(), &queries, &documents).unwrap();
        let report = evaluate_hits(&qrels, &hits, &MEASURES, data.options).unwrap();
        let expected = data.by_run();
        let ids: Vec<&str> = report.queries.iter().map(|&row| queries[row as usize].as_str()).collect();
        prop_assert_eq!(&ids, &expected.queries);
        prop_assert_eq!(&report.measures, &expected.measures);
        prop_assert_eq!(
            (report.without_judgements, report.without_results),
            (expected.without_judgements, expected.without_results)
        );
    }

    #[test]
    fn a_file_gives_the_values_of_the_run_in_whatever_order_its_lines_stand((data, swaps) in (data(), vec(any::<u16>(), 0..60))) {
        let mut lines = trec_lines(&data.rows());
        if !lines.is_empty() {
            let places = lines.len();
            swaps.iter().for_each(|&swap| lines.swap(swap as usize % places, swap as usize / 7 % places));
        }
        prop_assert_eq!(data.by_file(lines.concat().as_bytes()), data.by_run());
    }

    #[test]
    fn a_compressed_file_gives_the_values_of_the_run(data in data()) {
        let text = trec_lines(&data.rows()).concat();
        prop_assert_eq!(data.by_file(&gzip(text.as_bytes())), data.by_run());
        prop_assert_eq!(data.by_file(&compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)), data.by_run());
    }

    #[test]
    fn json_gives_the_values_of_the_run(data in data()) {
        let rows: serde_json::Map<_, _> =
            data.rows().into_iter().map(|(query, row)| (query, row.into_iter().collect::<serde_json::Value>())).collect();
        prop_assert_eq!(data.by_file(serde_json::to_string(&rows).unwrap().as_bytes()), data.by_run());
    }

    #[test]
    fn ranks_of_ms_marco_give_the_values_of_the_run(data in data()) {
        let mut run = Run::new();
        data.rows().into_iter().for_each(|(query, row)| run.insert(&query, row).unwrap());
        let mut text = Vec::new();
        run.write_msmarco(&mut text).unwrap();
        prop_assert_eq!(data.by_file(&text), data.by_run());
    }

    #[test]
    fn the_number_of_threads_does_not_matter(data in data(), threads in 1..5_usize) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let rows = data.rows();
        let of_rows = pool.install(|| evaluate_results(&data.qrels(), &rows, &MEASURES, data.options)).unwrap();
        let of_file = pool.install(|| data.by_file(trec_lines(&rows).concat().as_bytes()));
        prop_assert_eq!(&of_rows, &of_file);
        prop_assert_eq!(&of_rows, &data.by_run());
    }
}
