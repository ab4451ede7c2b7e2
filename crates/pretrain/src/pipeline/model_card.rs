//! The README of an exported model, as model hubs show it: what it is, how it is used, what it was trained on and how, what it reaches.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;

use super::Scores;
use crate::config::{Arm, ClusterOf, Config, DataFormat, Draw, SamplerKind, StudentKind};
use crate::data::Counts;
use crate::error::{PretrainError, Result};
use crate::files::write_whole;
use crate::models::is_of_hub;
use crate::progress::count;

const FILE: &str = "README.md";
/// Without it a card is somebody's own, and stays.
const MARK: &str = "<!-- Written by pretrain, anew after every evaluation. Without this line it stays as it is. -->";

/// What a card says.
pub(super) struct ModelCard<'a> {
    pub(super) arm: &'a Arm,
    /// What tells a run's own parts from the configuration's; empty for these.
    pub(super) parts: String,
    pub(super) seed: u64,
    pub(super) counts: &'a Counts,
    /// Numbers of a vector.
    pub(super) dim: usize,
    /// What it reaches on so many test queries.
    pub(super) scores: Option<(&'a Scores, usize)>,
}

impl ModelCard<'_> {
    /// Writes the card into a model's folder, unless a person's own is there.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) if !text.contains(MARK) => return Ok(()),
            Err(source) if source.kind() == ErrorKind::InvalidData => return Ok(()),
            Err(source) if source.kind() != ErrorKind::NotFound => return Err(PretrainError::io(&path, source)),
            _ => {}
        }
        write_whole(&path, |out| out.write_all(self.text().as_bytes()))
    }

    fn text(&self) -> String {
        let mut text = String::from(HEAD);
        let mut add = |part: std::fmt::Arguments<'_>| text.write_fmt(part).unwrap_or_default();
        add(format_args!("\n{MARK}\n\n# A text embedder of {} dimensions\n\n", self.dim));
        let clustered = match self.arm.is_unclustered() {
            true => "",
            false => " Trained with [cluster-stratified batches](https://arxiv.org/abs/2407.18887).",
        };
        add(format_args!(
            "{}: queries and passages become vectors of norm 1, whose inner product is their similarity.{clustered}\n\n",
            self.architecture(),
        ));
        add(format_args!("## Use\n\n{PYTHON}\n{RUST}\n"));
        let widths: Vec<String> =
            self.arm.config.loss.matryoshka.iter().map(|prefix| prefix.width.to_string()).collect();
        if !widths.is_empty() {
            add(format_args!(
                "The first {} columns alone are embeddings too (Matryoshka): `SentenceTransformer(…, truncate_dim=…)`.\n\n",
                widths.join(", "),
            ));
        }
        if let Some((scores, queries)) = self.scores {
            add(format_args!(
                "## Scores\n\nExact search of {} test queries among {} passages.\n\n| measure | value |\n| --- | --- |\n",
                count(queries),
                count(self.counts.passages),
            ));
            for (measure, mean) in scores.measures.iter().zip(&scores.means) {
                add(format_args!("| {measure} | {mean:.4} |\n"));
            }
            add(format_args!("\n"));
        }
        add(format_args!("## Training\n\n| | |\n| --- | --- |\n"));
        for (what, value) in self.training() {
            add(format_args!("| {what} | {value} |\n"));
        }
        add(format_args!("\n{CITATION}"));
        text
    }

    fn architecture(&self) -> String {
        let student = &self.arm.config.student;
        match (student.kind, student.layers) {
            _ if !self.parts.is_empty() => format!("An encoder of a run with parts of its own ({})", self.parts),
            (StudentKind::Static, _) => "A table of token vectors, averaged".to_owned(),
            (StudentKind::Bert, Some(layers)) => format!("A BERT of {layers} layers"),
            (StudentKind::Bert, None) => "A BERT".to_owned(),
        }
    }

    /// What the training was, and its values.
    fn training(&self) -> Vec<(&'static str, String)> {
        let Config { data, sampler, loss, student, train, .. } = &self.arm.config;
        let name = |path: &Path| match is_of_hub(path) {
            true => path.display().to_string(),
            false => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        };
        let kind = match data.format {
            DataFormat::Beir => "BEIR",
            DataFormat::Pairs => "pairs",
            DataFormat::MsMarco => "MS MARCO",
            DataFormat::RustDocs => "doc comments of its dependencies",
        };
        let mut rows = vec![
            (
                "data",
                format!(
                    "{}: {} pairs of {} passages",
                    match data.sources.as_slice() {
                        [] => format!("`{}` ({kind})", name(&data.path)),
                        sources => sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>().join(", "),
                    },
                    count(self.counts.train_pairs),
                    count(self.counts.passages)
                ),
            ),
            (
                "initial weights",
                student.from.as_deref().map_or_else(|| "random".to_owned(), |from| format!("`{}`", name(from)))
                    + &student.mlm.as_ref().map_or_else(String::new, |mlm| {
                        let [steps, texts] = [mlm.steps, mlm.batch_size].map(count);
                        format!(", then {steps} steps of {texts} texts as a masked language model")
                    }),
            ),
            ("batches", format!("{} pairs, {}", count(sampler.batch_size), self.arm.title)),
        ];
        let clusters = self.arm.draws.iter().filter(|draw| draw.sampler.kind != SamplerKind::Uniform);
        let clusters = clusters.filter_map(|Draw { cluster, .. }| match cluster.of {
            ClusterOf::None => None,
            ClusterOf::Topics => Some("gold topics".to_owned()),
            ClusterOf::Random => Some(format!("{} at random", cluster.clusters())),
            of => Some(format!("{} of {} by spherical k-means", cluster.clusters(), of.name())),
        });
        let clusters: Vec<String> = clusters.collect();
        if !clusters.is_empty() {
            rows.push(("clusters", clusters.join(", then ")));
        }
        if let Some(within) = sampler.consistent_within {
            rows.push(("pairs", format!("those whose passage is among the {} nearest to their query", count(within))));
        }
        if loss.hard_negatives > 0 {
            rows.push(("hard negatives", format!("{} of each pair", loss.hard_negatives)));
        }
        rows.push(match train.steps {
            Some(steps) => ("steps", count(steps as usize)),
            None => ("epochs", train.epochs.to_string()),
        });
        rows.push(("loss", format!("InfoNCE, temperature {}", loss.temperature)));
        if let Some(guide) = loss.guide {
            let kind = if guide.relative { "relative" } else { "absolute" };
            rows.push((
                "false negatives",
                format!("masked by the clustering embedder, {kind} margin {}", guide.margin),
            ));
        }
        let rate = train.learning_rate.unwrap_or_else(|| student.learning_rate());
        rows.push(("optimizer", format!("AdamW, rate {rate:e}, weight decay {}", train.weight_decay)));
        rows.push((
            "most tokens of a query, of a passage",
            format!("{}, {}", train.max_query_tokens, train.max_passage_tokens),
        ));
        rows.push(("seed", self.seed.to_string()));
        rows
    }
}

const HEAD: &str = "\
---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- sentence-similarity
- feature-extraction
- contrastive-learning
---
";

const PYTHON: &str = "\
```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer(\"path/to/this/folder\")
queries = model.encode_query([\"a question\"])
passages = model.encode_document([\"a passage\", \"another passage\"])
print(model.similarity(queries, passages))
```
";

const RUST: &str = "\
```rust
use burn_flex::{Flex, FlexDevice};
use embed::{FolderOptions, Side, load_embedder};

let model = load_embedder::<Flex>(\"path/to/this/folder\", &FolderOptions::default(), &FlexDevice)?;
let queries = model.embed(&[\"a question\"], Side::Query)?;
let passages = model.embed(&[\"a passage\", \"another passage\"], Side::Passage)?;
println!(\"{}\", queries.row(0).dot(&passages.row(0)));
```
";

const CITATION: &str = "\
## Method

```bibtex
@article{merrick2024embedding,
  title = {Embedding And Clustering Your Data Can Improve Contrastive Pretraining},
  author = {Merrick, Luke},
  journal = {arXiv preprint arXiv:2407.18887},
  year = {2024}
}
```
";

#[cfg(test)]
mod tests {
    use super::*;

    fn card<'a>(arm: &'a Arm, counts: &'a Counts, scores: Option<(&'a Scores, usize)>) -> ModelCard<'a> {
        ModelCard { arm, parts: String::new(), seed: 3, counts, dim: 64, scores }
    }

    #[test]
    fn a_card_has_the_scores_once_there_are_some_and_a_person_s_own_stays() {
        let settings = [
            "data.format=pairs",
            "data.path=/private/pairs.jsonl",
            "cluster.k=7",
            "loss.guide={ margin = 0.05, relative = true }",
        ];
        let arms = Config::parse("", &settings.map(str::to_owned)).and_then(|config| config.arms()).expect("settings");
        let arm = &arms[0];
        let counts = Counts { passages: 1200, train_pairs: 3456, ..Counts::default() };
        let scores = Scores {
            system: "passage clusters".into(),
            measures: vec!["nDCG@10".into(), "R@100".into()],
            means: vec![0.37634, 0.8],
            per_query: vec![],
        };
        let folder = tempfile::tempdir().expect("a folder");
        let read = || std::fs::read_to_string(folder.path().join(FILE)).expect("a card");
        card(arm, &counts, None).write(folder.path()).expect("written");
        let text = read();
        assert!(
            text.starts_with("---\nlibrary_name: sentence-transformers\n") && !text.contains("## Scores"),
            "{text}"
        );
        for part in [
            "`pairs.jsonl` (pairs): 3,456 pairs of 1,200 passages",
            "| clusters | 7 of passages by spherical k-means |",
            "relative margin 0.05",
            "| seed | 3 |",
        ] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
        assert!(!text.contains("/private"), "{text}");
        card(arm, &counts, Some((&scores, 50))).write(folder.path()).expect("written");
        assert!(read().contains("Exact search of 50 test queries") && read().contains("| nDCG@10 | 0.3763 |"));
        let own = read().replace(MARK, "");
        std::fs::write(folder.path().join(FILE), &own).expect("written");
        card(arm, &counts, None).write(folder.path()).expect("left alone");
        assert_eq!(read(), own);
    }
}
