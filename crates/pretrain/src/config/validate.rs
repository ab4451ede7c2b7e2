//! The range of every key, checked before any file is read.

use std::fmt::Display;

use infonce::InfoNceConfig;
use retrieval_eval::Measure;
use stratified_sampler::{Knot, Leftovers, Weights};

use super::{Config, DataFormat, EmbedderKind, Keep, SamplerKind, StudentKind};
use crate::error::{PretrainError, Result};

fn require(holds: bool, key: &'static str, value: impl Display, expected: &'static str) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(PretrainError::OutOfRange { key, value: value.to_string(), expected })
}

/// Beyond such sizes memory ends before the first step: rows, widths and layers are multiplied with one another.
const MOST: usize = 65_536;
/// Tokens of a text: far beyond any model's positions, and where a longer limit changes nothing any more.
const MOST_TOKENS: usize = 1 << 20;

/// Pairs of a batch: the loss tells so many texts apart.
const MOST_PAIRS: usize = 1 << 24;

/// Whether `value` is one of 1 to [`MOST`].
fn size(key: &'static str, value: usize) -> Result<()> {
    require((1..=MOST).contains(&value), key, value, "1 to 65536")
}

fn tokens(key: &'static str, value: usize) -> Result<()> {
    require((2..=MOST_TOKENS).contains(&value), key, value, "2 to 1048576")
}

fn share(key: &'static str, value: f64) -> Result<()> {
    require((0.0..=1.0).contains(&value), key, value, "between 0 and 1")
}

fn without_repeats<T: PartialEq>(key: &'static str, values: &[T]) -> Result<()> {
    let repeated = values.iter().enumerate().any(|(i, value)| values[..i].contains(value));
    require(!repeated, key, "a list with a repeat", "each value once")
}

impl Config {
    pub(super) fn validate(&self) -> Result<()> {
        self.validate_data()?;
        self.validate_sections()?;
        self.validate_eval()?;
        self.arms()?;
        without_repeats("run.seeds", &self.run.seeds)?;
        require(self.run.threads <= 4096, "run.threads", self.run.threads, "0 to 4096")?;
        require(!self.run.dir.as_os_str().is_empty(), "run.dir", "\"\"", "a folder")
    }

    /// The sections that an arm may change.
    pub(super) fn validate_sections(&self) -> Result<()> {
        self.validate_clusters()?;
        self.validate_sampler()?;
        self.validate_student()?;
        self.validate_training()
    }

    fn validate_data(&self) -> Result<()> {
        let data = &self.data;
        require(!data.path.as_os_str().is_empty(), "data.path", "\"\"", "a file or folder")?;
        let inside = data.test_share > 0.0 && data.test_share < 1.0;
        require(inside, "data.test_share", data.test_share, "above 0 and below 1")?;
        if data.format == DataFormat::Beir {
            require(!data.test_split.is_empty(), "data.test_split", "\"\"", "a split's name")?;
        }
        let inside = (0.0..1.0).contains(&data.validation_share);
        require(inside, "data.validation_share", data.validation_share, "0 or more and below 1")?;
        if !data.validation_split.is_empty() {
            let split = &data.validation_split;
            let of_its_own = *split != data.test_split && split != "train";
            require(of_its_own, "data.validation_split", split, "another split than those of training and test")?;
            let only = data.format == DataFormat::Beir && data.validation_share == 0.0;
            require(
                only,
                "data.validation_split",
                split,
                "nothing but with data.format = \"beir\" and no validation_share",
            )?;
        }
        require(data.sample != Some(0), "data.sample", 0, "1 or more")
    }

    fn validate_clusters(&self) -> Result<()> {
        let (embedder, cluster) = (&self.embedder, &self.cluster);
        match embedder.kind {
            // Each word goes to sixteen coordinates.
            EmbedderKind::Lexical => {
                require((16..=MOST).contains(&embedder.dim), "embedder.dim", embedder.dim, "16 to 65536")?;
            }
            EmbedderKind::Bert | EmbedderKind::Static => {
                let given = !embedder.path.as_os_str().is_empty();
                require(given, "embedder.path", "\"\"", "a model's folder, for this embedder.kind")?;
            }
        }
        for (key, limit) in [
            ("embedder.max_query_tokens", embedder.max_query_tokens),
            ("embedder.max_passage_tokens", embedder.max_passage_tokens),
        ] {
            require(limit == 0 || (2..=MOST_TOKENS).contains(&limit), key, limit, "0, or 2 to 1048576")?;
        }
        // A label is a u32.
        let labels = 1..=u32::MAX as usize;
        require(labels.contains(&cluster.k), "cluster.k", cluster.k, "1 to 4294967295")?;
        size("cluster.runs", cluster.runs)?;
        size("cluster.max_iterations", cluster.max_iterations)?;
        let tolerance = cluster.tolerance;
        require(tolerance.is_finite() && tolerance >= 0.0, "cluster.tolerance", tolerance, "0 or more")?;
        require(cluster.max_points_per_centroid != Some(0), "cluster.max_points_per_centroid", 0, "1 or more")?;
        require(cluster.block_bytes != Some(0), "cluster.block_bytes", 0, "1 or more")?;
        let levels = &cluster.levels;
        let rising = levels.iter().all(|level| labels.contains(level)) && levels.is_sorted_by(|one, next| one < next);
        require(rising, "cluster.levels", format!("{levels:?}"), "rising numbers of 1 to 4294967295")?;
        let nested_here = levels.is_empty() || !cluster.on_device;
        require(nested_here, "cluster.levels", format!("{levels:?}"), "none with cluster.on_device")?;
        match cluster.balance {
            Some(bounds) => {
                let ordered = bounds.max.is_none_or(|max| max >= bounds.min.max(1));
                require(ordered, "cluster.balance", format!("{bounds:?}"), "max at least min, and 1 or more")
            }
            None => Ok(()),
        }
    }

    fn validate_sampler(&self) -> Result<()> {
        let sampler = &self.sampler;
        require(
            (2..=MOST_PAIRS).contains(&sampler.batch_size),
            "sampler.batch_size",
            sampler.batch_size,
            "2 to 16777216",
        )?;
        require(sampler.cap != Some(0), "sampler.cap", 0, "1 or more")?;
        without_repeats("sampler.unique", &sampler.unique)?;
        let topic_aware = sampler.kind == SamplerKind::TopicAware && sampler.curriculum.is_none();
        let said = sampler.strata_per_batch.is_some() != sampler.group.is_some();
        let keys = format!("{:?}, strata_per_batch = {:?}", sampler.group, sampler.strata_per_batch);
        require(said || !topic_aware, "sampler.group", keys, "one of sampler.group and sampler.strata_per_batch")?;
        let (group, strata) = (sampler.group.unwrap_or(1), sampler.strata_per_batch.unwrap_or(1));
        let divides = |part: usize| part > 0 && sampler.batch_size.is_multiple_of(part);
        require(divides(group), "sampler.group", group, "a divisor of sampler.batch_size")?;
        require(divides(strata), "sampler.strata_per_batch", strata, "a divisor of sampler.batch_size")?;
        if sampler.kind == SamplerKind::Stratified && sampler.curriculum.is_none() {
            self.validate_strata()?;
        }
        match &sampler.curriculum {
            Some(curriculum) => {
                let samplers = curriculum.samplers.len();
                require(samplers > 0, "sampler.curriculum", "no samplers", "samplers")?;
                let one = curriculum.starts.is_empty() != curriculum.knots.is_empty();
                require(one, "sampler.curriculum", "starts and knots", "one of the two")?;
                let knots = curriculum.schedule().knots;
                let times: Vec<f64> = knots.iter().map(|knot| knot.at).collect();
                let rising =
                    times.iter().all(|at| at.is_finite() && *at >= 0.0) && times.is_sorted_by(|one, next| one < next);
                require(rising, "sampler.curriculum", format!("{times:?}"), "times of 0 or more that rise")?;
                let share = |share: &f64| share.is_finite() && *share >= 0.0;
                let shared = |knot: &Knot| {
                    let shares = &knot.shares;
                    shares.len() == samplers && shares.iter().all(share) && shares.iter().any(|share| *share > 0.0)
                };
                let shares = || knots.iter().map(|knot| &knot.shares).collect::<Vec<_>>();
                let expected = "a start, or in each knot a share of 0 or more, for each sampler";
                require(knots.iter().all(shared), "sampler.curriculum", format!("{:?}", shares()), expected)
            }
            None => Ok(()),
        }
    }

    /// What batches of one stratum each cannot do.
    fn validate_strata(&self) -> Result<()> {
        let sampler = &self.sampler;
        let by_size = sampler.weights == Weights::Size;
        let whole = matches!(sampler.leftovers, Leftovers::Merge | Leftovers::Mix);
        let weights = format!("{:?}", sampler.weights);
        require(by_size || !whole, "sampler.weights", &weights, "\"size\", or sampler.leftovers of drop or carry")?;
        if let Weights::Temperature(temperature) = sampler.weights {
            require(
                temperature.is_finite() && temperature > 0.0,
                "sampler.weights",
                &weights,
                "a temperature above 0",
            )?;
        }
        let least = sampler.batch_size.max(sampler.min_stratum);
        let cap = sampler.cap.unwrap_or(least);
        require(cap >= least, "sampler.cap", cap, "at least sampler.batch_size and sampler.min_stratum")
    }

    fn validate_student(&self) -> Result<()> {
        let student = &self.student;
        let layers = student.layers.unwrap_or(1);
        require((1..=1024).contains(&layers), "student.layers", layers, "1 to 1024")?;
        size("student.dim", student.dim())?;
        size("student.heads", student.heads)?;
        let intermediate = student.intermediate;
        require(intermediate <= 4 * MOST, "student.intermediate", intermediate, "0 to 262144")?;
        let std = student.init_std;
        require(std > 0.0 && std <= 100.0, "student.init_std", std, "above 0 and at most 100")?;
        if student.from.is_some() {
            return Ok(());
        }
        let vocabulary = 256..=1 << 24;
        require(vocabulary.contains(&student.vocab_size), "student.vocab_size", student.vocab_size, "256 to 16777216")?;
        let divides = student.kind == StudentKind::Static || student.dim().is_multiple_of(student.heads);
        require(divides, "student.heads", student.heads, "a divisor of student.dim")
    }

    fn validate_training(&self) -> Result<()> {
        let (loss, train) = (&self.loss, &self.train);
        let least = InfoNceConfig::MIN_TEMPERATURE;
        let temperature = loss.temperature;
        require(temperature.is_finite() && temperature >= least, "loss.temperature", temperature, "1e-6 or more")?;
        require((1..=1_000_000).contains(&train.epochs), "train.epochs", train.epochs, "1 to 1000000")?;
        // A step of AdamW moves a value by up to the rate: below, f32 rounds it to nothing; above, nothing is learned.
        let rate = train.learning_rate.unwrap_or_else(|| self.student.learning_rate());
        require((1e-12..=10.0).contains(&rate), "train.learning_rate", rate, "1e-12 to 10")?;
        share("train.warmup", train.warmup)?;
        share("train.final_rate", train.final_rate)?;
        share("train.weight_decay", train.weight_decay.into())?;
        let shrinks = rate * f64::from(train.weight_decay) < 1.0;
        require(
            shrinks,
            "train.weight_decay",
            train.weight_decay,
            "less than 1 when multiplied by train.learning_rate",
        )?;
        for (key, beta) in [("train.beta1", train.beta1), ("train.beta2", train.beta2)] {
            require((0.0..1.0).contains(&beta), key, beta, "0 or more and below 1")?;
        }
        // With less, a gradient whose square underflows moves a value by more than the rate.
        require((1e-12..=1.0).contains(&train.epsilon), "train.epsilon", train.epsilon, "1e-12 to 1")?;
        let clip = train.clip_norm;
        require(clip.is_finite() && clip >= 0.0, "train.clip_norm", clip, "0 or more")?;
        let evaluates = train.evaluate_every > 0;
        let validation = self.data.validation_share > 0.0 || !self.data.validation_split.is_empty();
        let expected = "0, or a validation split: data.validation_share or data.validation_split";
        require(validation || !evaluates, "train.evaluate_every", train.evaluate_every, expected)?;
        require(
            evaluates || train.keep == Keep::Last,
            "train.keep",
            "best",
            "last, or train.evaluate_every of 1 or more",
        )?;
        tokens("train.max_query_tokens", train.max_query_tokens)?;
        tokens("train.max_passage_tokens", train.max_passage_tokens)
    }

    fn validate_eval(&self) -> Result<()> {
        let eval = &self.eval;
        require(!eval.measures.is_empty(), "eval.measures", "[]", "one measure or more")?;
        for name in &eval.measures {
            let known = name.parse::<Measure>().is_ok();
            require(known, "eval.measures", name, "names such as nDCG@10, MRR@10, recall@100")?;
        }
        without_repeats("eval.measures", &eval.measures)?;
        require(eval.depth >= 1, "eval.depth", eval.depth, "1 or more")?;
        for name in &eval.measures {
            let cut = name.parse().ok().and_then(|measure: Measure| measure.cut());
            let value = format!("{} with {name}", eval.depth);
            require(cut.is_none_or(|cut| cut <= eval.depth), "eval.depth", value, "at least the cut of every measure")?;
        }
        require((1..=10_000_000).contains(&eval.resamples), "eval.resamples", eval.resamples, "1 to 10000000")?;
        tokens("eval.max_query_tokens", eval.max_query_tokens)?;
        tokens("eval.max_passage_tokens", eval.max_passage_tokens)
    }
}
