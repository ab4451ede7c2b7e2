//! Every option of `kmeans` and `stratified-sampler` is reachable from the configuration.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;

use pretrain::Config;
use serde_json::{Map, Value};

/// An option of a leaf, and settings under which it is not what it is by default.
type Reached<'a> = (&'a str, &'a [&'a str]);

fn config(settings: &[&str]) -> Config {
    Config::parse("", &settings.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

/// Fails where the leaf has an option that `options` does not name, or where the settings do not change it.
fn assert_reached(leaf: impl Fn(&Config) -> Value, always: &[&str], options: &[Reached<'_>]) {
    let fields = |settings: &[&str]| -> Map<String, Value> {
        let settings: Vec<&str> = always.iter().chain(settings).copied().collect();
        leaf(&config(&settings)).as_object().unwrap().clone()
    };
    let default = fields(&[]);
    let names: BTreeSet<&str> = options.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, default.keys().map(String::as_str).collect(), "options of the leaf, and those that are reached");
    for (name, settings) in options {
        assert_ne!(fields(settings)[*name], default[*name], "{settings:?} does not reach {name}");
    }
}

fn value(config: impl serde::Serialize) -> Value {
    serde_json::to_value(config).unwrap()
}

#[test]
fn every_option_of_k_means() {
    assert_reached(
        |config| value(config.cluster.flat()),
        &[],
        &[
            ("k", &["cluster.k=7"]),
            ("max_iterations", &["cluster.max_iterations=3"]),
            ("runs", &["cluster.runs=2"]),
            ("tolerance", &["cluster.tolerance=0.5"]),
            ("seed", &["cluster.seed=1"]),
            ("init", &["cluster.init=k-means||"]),
            ("pruning", &["cluster.pruning=false"]),
            ("fixed_point", &["cluster.fixed_point=false"]),
            ("max_points_per_centroid", &["cluster.max_points_per_centroid=256"]),
        ],
    );
}

#[test]
fn every_option_of_nested_clusters() {
    assert_reached(
        |config| value(config.cluster.hierarchy().unwrap()),
        &["cluster.levels=[2,4]"],
        &[("levels", &["cluster.levels=[3,9]"]), ("kmeans", &["cluster.init=k-means++"])],
    );
}

#[test]
fn every_option_of_balanced_sizes() {
    assert_reached(
        |config| value(config.cluster.balance.unwrap()),
        &["cluster.balance.max=9000"],
        &[("min", &["cluster.balance.min=30"]), ("max", &["cluster.balance.max=4096"])],
    );
}

#[test]
fn every_option_of_batches_of_one_stratum() {
    assert_reached(
        |config| value(config.sampler.stratified(config.train.seed)),
        &[],
        &[
            ("batch_size", &["sampler.batch_size=64"]),
            ("leftovers", &["sampler.leftovers=carry"]),
            ("seed", &["train.seed=5"]),
            ("drop_last", &["sampler.drop_last=false"]),
            ("min_stratum", &["sampler.min_stratum=100"]),
            ("drop_below", &["sampler.drop_below=10"]),
            ("cap", &["sampler.cap=5000"]),
            ("weights", &["sampler.leftovers=drop", "sampler.weights={temperature=2.0}"]),
        ],
    );
}

#[test]
fn every_option_of_batches_of_a_few_strata() {
    assert_reached(
        |config| value(config.sampler.topic_aware(config.train.seed)),
        &["sampler.kind=topic-aware", "sampler.group=16"],
        &[
            ("batch_size", &["sampler.batch_size=64"]),
            ("strata_per_batch", &["sampler.group=32"]),
            ("seed", &["train.seed=5"]),
        ],
    );
    let config = config(&["sampler.kind=topic-aware", "sampler.strata_per_batch=8"]);
    assert_eq!(config.sampler.topic_aware(0).strata_per_batch, 8);
}

#[test]
fn every_option_of_uniform_batches() {
    assert_reached(
        |config| value(config.sampler.uniform(config.train.seed)),
        &["sampler.kind=uniform"],
        &[
            ("batch_size", &["sampler.batch_size=64"]),
            ("seed", &["train.seed=5"]),
            ("drop_last", &["sampler.drop_last=false"]),
        ],
    );
}

#[test]
fn every_option_of_a_curriculum() {
    assert_reached(
        |config| value(config.sampler.curriculum.as_ref().unwrap().schedule()),
        &[
            "sampler.curriculum.clock=steps",
            "sampler.curriculum.samplers=[{cluster={k=3}},{}]",
            "sampler.curriculum.knots=[{at=0,shares=[1,1]}]",
        ],
        &[
            ("clock", &["sampler.curriculum.clock=epochs"]),
            ("between", &["sampler.curriculum.between=constant"]),
            ("knots", &["sampler.curriculum.knots=[{at=0,shares=[1,0]},{at=9,shares=[0,1]}]"]),
        ],
    );
    let stages = [
        "sampler.curriculum.clock=steps",
        "sampler.curriculum.samplers=[{cluster={k=3}},{}]",
        "sampler.curriculum.starts=[0,100]",
    ];
    let stages = config(&stages);
    assert_eq!(stages.sampler.curriculum.unwrap().schedule().knots[1].at, 100.0);
}

#[test]
fn every_key_of_the_configuration_is_on_its_page() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md")).unwrap();
    for (section, keys) in value(Config::default()).as_object().unwrap() {
        let heading = format!("## `[{section}]`\n");
        let (_, part) = page.split_once(&heading).unwrap_or_else(|| panic!("no heading {heading}"));
        let part = part.split("\n## ").next().unwrap();
        for key in keys.as_object().unwrap().keys() {
            assert!(part.contains(&format!("\n| `{key}` |")), "{section}.{key} is not on the page");
        }
    }
}

#[test]
fn the_examples_of_the_page_are_configurations() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md")).unwrap();
    let examples: Vec<&str> = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        Config::parse(example, &[]).unwrap();
    }
}
