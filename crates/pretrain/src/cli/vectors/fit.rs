use std::path::Path;

use indicatif::ProgressBar;
use kmeans::{
    Balanced, Clusterer, Clustering, Hierarchy, HierarchyConfig, Iteration, KMeansError, Level, LevelIteration,
    NpyVectors, SphericalKMeansConfig,
};
use vectors::VectorsError;

use super::VectorArgs;
use crate::error::{PretrainError, Result};
use crate::progress::{bar, count};

/// The clusters that the options ask for.
pub(super) enum Fitted {
    Flat(Clustering),
    Balanced(Balanced),
    Nested {
        hierarchy: Hierarchy,
        /// `None` where it is the first level.
        flat: Option<Clustering>,
    },
}

impl Fitted {
    pub(super) fn save(&self, dir: &Path) -> Result<(), KMeansError> {
        match self {
            Self::Flat(clustering) => clustering.save(dir),
            Self::Balanced(balanced) => balanced.save(dir),
            Self::Nested { hierarchy, flat } => {
                hierarchy.save(dir)?;
                flat.as_ref().unwrap_or(&hierarchy.levels[0].clustering).save(dir)
            }
        }
    }

    fn clusterings(&self) -> Vec<&Clustering> {
        match self {
            Self::Flat(clustering) => vec![clustering],
            Self::Balanced(balanced) => vec![&balanced.clustering],
            Self::Nested { hierarchy, flat } => {
                hierarchy.levels.iter().map(|level| &level.clustering).chain(flat).collect()
            }
        }
    }

    fn warn_of_empty_clusters(&self, name: &str) {
        for clustering in self.clusterings().into_iter().filter(|clustering| clustering.empty_clusters() > 0) {
            tracing::warn!(
                "{name}: {} of {} clusters are empty: too few rows differ, or --iterations is too low",
                count(clustering.empty_clusters()),
                count(clustering.sizes.len()),
            );
        }
    }
}

impl VectorArgs {
    pub(super) fn fit(&self, file: &NpyVectors) -> Result<Fitted> {
        let name = self.vectors.display().to_string();
        let fitted =
            self.check_clusters(file).and_then(|()| self.fitted(&name, file)).map_err(|source| self.failed(source))?;
        fitted.warn_of_empty_clusters(&name);
        Ok(fitted)
    }

    fn failed(&self, source: KMeansError) -> PretrainError {
        let path = self.vectors.clone();
        match source {
            KMeansError::Vectors(VectorsError::NotUnit { row, norm }) => PretrainError::NotUnit { path, row, norm },
            source => PretrainError::ClusterFile { path, source },
        }
    }

    /// What the fits would refuse, some of them after others.
    fn check_clusters(&self, file: &NpyVectors) -> Result<(), KMeansError> {
        let (rows, k) = (file.len(), self.flat_clusters());
        if let Some(bounds) = self.balance {
            bounds.check(rows, k)?;
        }
        match self.levels().iter().copied().chain([k]).max() {
            // That there are no rows at all is for the fit to say.
            Some(clusters) if (1..clusters).contains(&rows) => Err(KMeansError::TooFewRows { rows, clusters }),
            _ => Ok(()),
        }
    }

    fn fitted(&self, name: &str, file: &NpyVectors) -> Result<Fitted, KMeansError> {
        let k = self.flat_clusters();
        if let [first, ..] = *self.levels() {
            let hierarchy = self.fit_levels(name, file)?;
            let flat = (k != first).then(|| self.fit_flat(name, file)).transpose()?;
            return Ok(Fitted::Nested { hierarchy, flat });
        }
        let clustering = self.fit_flat(name, file)?;
        let Some(bounds) = self.balance else { return Ok(Fitted::Flat(clustering)) };
        let balanced = clustering.balanced(file, bounds)?;
        tracing::info!(
            "{name}: clusters of {} to {} rows, {} rows moved, {:.4} of mean cosine lost",
            count(bounds.min),
            count(bounds.max.unwrap_or(file.len())),
            count(balanced.moved as usize),
            balanced.objective_lost,
        );
        Ok(Fitted::Balanced(balanced))
    }

    /// `--k`, or else the first of `--levels`: clap asks for one of them.
    fn flat_clusters(&self) -> usize {
        self.k.map(|k| k as usize).or(self.levels().first().copied()).unwrap_or(0)
    }

    fn config(&self, clusters: usize) -> SphericalKMeansConfig {
        SphericalKMeansConfig::new(clusters)
            .with_runs(self.runs as usize)
            .with_max_iterations(self.iterations as usize)
            .with_seed(self.seed)
            .with_init(self.init)
            .with_max_points_per_centroid(self.max_points_per_centroid.map(|points| points as usize))
    }

    fn fit_flat(&self, name: &str, file: &NpyVectors) -> Result<Clustering, KMeansError> {
        let k = self.flat_clusters();
        let clusterer = self.config(k).build()?;
        tracing::info!("{name}: {} rows of {} into {k}", count(file.len()), file.dim());
        let bar = bar(self.most_iterations(), "cluster");
        let clustering = clusterer.fit_with(&file.vectors(), &mut |iteration| {
            bar.set_position(self.iterations_until(iteration));
            bar.set_message(format!("mean cosine {:.4}", iteration.objective));
        });
        bar.finish_and_clear();
        clustering.inspect(|clustering| describe(name, clustering))
    }

    fn fit_levels(&self, name: &str, file: &NpyVectors) -> Result<Hierarchy, KMeansError> {
        let levels = self.levels();
        let clusterer = HierarchyConfig::new(levels).with_kmeans(self.config(levels[0])).build()?;
        let numbers = levels.iter().map(usize::to_string).collect::<Vec<_>>().join(", then ");
        tracing::info!("{name}: {} rows of {} into {numbers}", count(file.len()), file.dim());
        let bar = bar(self.most_iterations(), "cluster");
        let hierarchy = clusterer.fit_with(&file.vectors(), &mut |seen| self.show(&bar, seen));
        bar.finish_and_clear();
        hierarchy.inspect(|hierarchy| {
            for Level { clustering, .. } in &hierarchy.levels {
                describe(&format!("{name}, level of {}", clustering.sizes.len()), clustering);
            }
        })
    }

    /// One bar a level: iterations of one level take about the same time, those of different levels do not.
    fn show(&self, bar: &ProgressBar, seen: &LevelIteration) {
        let (levels, parent) = (self.levels(), seen.parent.map_or(0, u64::from));
        let parents = if seen.level == 0 { 1 } else { levels[seen.level - 1] as u64 };
        let what = format!("cluster {}", levels[seen.level]);
        if bar.prefix() != what {
            bar.reset();
            bar.set_length(parents * self.most_iterations());
            bar.set_prefix(what);
        }
        bar.set_position(parent * self.most_iterations() + self.iterations_until(&seen.iteration));
        bar.set_message(format!("mean cosine {:.4}", seen.iteration.objective));
    }

    fn most_iterations(&self) -> u64 {
        u64::from(self.iterations) * u64::from(self.runs)
    }

    /// Iterations of a fit up to this one. A run that settles early leaves out its last.
    fn iterations_until(&self, iteration: &Iteration) -> u64 {
        iteration.run as u64 * u64::from(self.iterations) + iteration.index as u64 + 1
    }
}

fn describe(what: &str, clustering: &Clustering) {
    let sizes = clustering.sizes.iter().map(|&size| size as usize);
    let iterations = match clustering.history.len() {
        0 => String::new(),
        iterations => format!(" after {iterations} iterations"),
    };
    tracing::info!(
        "{what}: mean cosine {:.4}{iterations}, clusters of {} to {} rows",
        clustering.objective,
        count(sizes.clone().min().unwrap_or(0)),
        count(sizes.max().unwrap_or(0)),
    );
}
