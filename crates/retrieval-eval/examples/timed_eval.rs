//! Evaluations, timed inside a process that stays warm.
//!
//! ```text
//! cargo run --release -p retrieval-eval --example timed_eval -- RUN QRELS
//! ```
//!
//! RUN and QRELS are TREC files. Each line on stdin, `HOW MEASURES`, with measures separated by commas, is one evaluation: of
//! `strings`, the results of each query with their ids; of `built`, a [`Run`]; of `indices`, hits without ids; or of `files`, the
//! two files. The answer is one JSON line on stdout: its seconds and the means. `benches/peers/eval.py` speaks to it.

use std::collections::HashMap;
use std::error::Error;
use std::io::stdin;
use std::time::Instant;

use retrieval_eval::{
    EvalError, EvalOptions, Hit, IndexedQrels, Measure, Qrels, Report, Run, evaluate, evaluate_file, evaluate_hits,
    evaluate_results,
};

/// The same results in every form.
struct Data {
    files: [String; 2],
    qrels: Qrels,
    run: Run,
    rows: Vec<(String, Vec<(String, f64)>)>,
    indexed: IndexedQrels,
    hits: Vec<Vec<Hit>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let files = <[String; 2]>::try_from(arguments).map_err(|_| "usage: timed_eval RUN QRELS")?;
    let (data, options) = (Data::read(files)?, EvalOptions::default());
    for line in stdin().lines() {
        let line = line?;
        let (how, names) = line.split_once(' ').ok_or("a line is HOW MEASURES")?;
        let measures: Vec<Measure> = names.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let (seconds, means) = match how {
            "strings" => timed(|| evaluate_results(&data.qrels, &data.rows, &measures, options))?,
            "built" => timed(|| Ok(evaluate(&data.qrels, &data.run, &measures, options)))?,
            "indices" => timed(|| evaluate_hits(&data.indexed, &data.hits, &measures, options))?,
            "files" => timed(|| data.evaluate_files(&measures))?,
            _ => return Err(format!("{how:?} is no form of results").into()),
        };
        println!("{}", serde_json::json!({ "seconds": seconds, "means": means }));
    }
    Ok(())
}

/// Seconds of an evaluation and its means.
fn timed<Q>(evaluate: impl Fn() -> Result<Report<Q>, EvalError>) -> Result<(f64, Vec<Option<f64>>), EvalError> {
    let begin = Instant::now();
    let report = evaluate()?;
    let seconds = begin.elapsed().as_secs_f64();
    Ok((seconds, report.measures.iter().map(|measure| measure.mean).collect()))
}

impl Data {
    fn read(files: [String; 2]) -> Result<Self, Box<dyn Error>> {
        let (run, qrels) = (Run::from_trec_file(&files[0])?, Qrels::from_trec_file(&files[1])?);
        let owned = |(document, score): (&str, f64)| (document.to_owned(), score);
        let row = |query: &str| (query.to_owned(), run.results(query).map(owned).collect());
        let rows: Vec<(String, Vec<(String, f64)>)> = run.queries().map(row).collect();
        let (mut documents, mut indices) = (Vec::new(), HashMap::new());
        let mut hit = |(id, score): (_, f64)| {
            let index = *indices.entry(id).or_insert_with_key(|id| {
                documents.push(*id);
                documents.len() as u32 - 1
            });
            Hit { index, score: score as f32 }
        };
        let hits = run.queries().map(|query| run.results(query).map(&mut hit).collect()).collect();
        let queries: Vec<&str> = run.queries().collect();
        let indexed = IndexedQrels::from_qrels(&qrels, &queries, &documents)?;
        Ok(Self { files, qrels, run, rows, indexed, hits })
    }

    fn evaluate_files(&self, measures: &[Measure]) -> Result<Report, EvalError> {
        let [run, qrels] = &self.files;
        evaluate_file(&Qrels::from_file(qrels)?, run, measures, EvalOptions::default())
    }
}
