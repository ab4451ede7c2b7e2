//! Arms and settings with every combination of the values of their grids.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::file::{VariantConfig, VariantTable};
use crate::config::ClusterOf;
use crate::error::{PretrainError, Result};

/// An arm or a setting: keys that differ from the study's sections.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Variant {
    pub(super) name: String,
    sections: BTreeMap<String, Table>,
}

impl Variant {
    /// All variants that `config` stands for, the values of the last key of its grid moving fastest.
    pub(super) fn all_of(config: &VariantConfig) -> Result<Vec<Self>> {
        let VariantTable { name, grid, sections } = match config {
            VariantConfig::Table(table) => table,
            VariantConfig::Of(of) => {
                let keys = Table::from_iter([("of".to_owned(), Value::String(of.name().to_owned()))]);
                let sections = BTreeMap::from([("cluster".to_owned(), keys)]);
                return Ok(vec![Self { name: of.title().to_owned(), sections }]);
            }
        };
        let mut variants = vec![Self { name: name.clone(), sections: sections.clone() }];
        for (key, values) in grid {
            let wrong =
                |expected| PretrainError::StudyKey { variant: name.clone(), key: format!("grid.{key:?}"), expected };
            if values.is_empty() {
                return Err(wrong("at least one value"));
            }
            if !key.contains('.') || key.split('.').any(str::is_empty) {
                return Err(wrong("a key as section.key"));
            }
            let with = |variant: &Self, value: &Value| {
                let mut variant = variant.clone();
                variant.put(key, value.clone()).then_some(()).ok_or_else(|| wrong("a key of tables"))?;
                variant.name = named(&variant.name, key, value);
                Ok(variant)
            };
            let all = variants.iter().flat_map(|variant| values.iter().map(|value| with(variant, value)));
            variants = all.collect::<Result<_>>()?;
        }
        Ok(variants)
    }

    /// Sets `section.key`, or `section.key.inner`; whether that is within tables.
    fn put(&mut self, key: &str, value: Value) -> bool {
        let mut names = key.split('.');
        let (Some(section), Some(last)) = (names.next(), names.next_back()) else { return false };
        let mut keys = self.sections.entry(section.to_owned()).or_default();
        for name in names {
            let inner = keys.entry(name).or_insert_with(|| Value::Table(Table::new()));
            match inner {
                Value::Table(inner) => keys = inner,
                _ => return false,
            }
        }
        keys.insert(last.to_owned(), value);
        true
    }

    /// Its sections with their keys.
    pub(super) fn sections(&self) -> Vec<(&str, &Table)> {
        self.sections.iter().map(|(name, keys)| (name.as_str(), keys)).collect()
    }

    /// Whether its batches are of all pairs alike, whatever the study's are.
    pub(super) fn is_none(&self) -> bool {
        self.sections.len() == 1
            && self.sections.get("cluster").is_some_and(|keys| {
                keys.len() == 1 && keys.get("of").and_then(Value::as_str) == Some(ClusterOf::None.name())
            })
    }

    /// Whether it gives a value to `section.key`, or to `section.key.inner`.
    pub(super) fn gives(&self, key: &str) -> bool {
        let mut names = key.split('.');
        let section = names.next().and_then(|section| self.sections.get(section));
        let first = section.zip(names.next()).and_then(|(keys, name)| keys.get(name));
        names.try_fold(first, |value, name| Some(value?.get(name))).flatten().is_some()
    }
}

/// The name with a value in the place of its key, or after it.
fn named(name: &str, key: &str, value: &Value) -> String {
    let shown = match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let place = format!("{{{key}}}");
    match name.contains(&place) {
        true => name.replace(&place, &shown),
        false => format!("{name}, {} {shown}", key.rsplit('.').next().unwrap_or(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variants(text: &str) -> Vec<Variant> {
        #[derive(serde::Deserialize)]
        struct File {
            arm: VariantConfig,
        }
        Variant::all_of(&toml::from_str::<File>(text).unwrap().arm).unwrap()
    }

    #[test]
    fn a_grid_is_every_combination_and_names_say_which() {
        let all = variants(
            "[arm]\nname = \"groups of {sampler.group}\"\nsampler.kind = \"topic-aware\"\n\
             grid = { \"sampler.group\" = [8, 16], \"cluster.k\" = [100, 200] }",
        );
        let names: Vec<&str> = all.iter().map(|variant| variant.name.as_str()).collect();
        assert_eq!(names, ["groups of 8, k 100", "groups of 16, k 100", "groups of 8, k 200", "groups of 16, k 200"]);
        assert!(all[0].gives("sampler.group") && all[0].gives("sampler.kind") && !all[0].gives("cluster.seed"));
        assert_eq!(all[3].sections["cluster"]["k"], Value::Integer(200));
    }

    #[test]
    fn keys_within_tables_are_set_and_known() {
        let all =
            variants("[arm]\nname = \"a\"\nloss.guide.relative = true\ngrid = { \"loss.guide.margin\" = [0.1, 0.2] }");
        assert_eq!(all[1].sections["loss"]["guide"]["margin"], Value::Float(0.2));
        assert_eq!(all[1].sections["loss"]["guide"]["relative"], Value::Boolean(true));
        assert!(all[0].gives("loss.guide.margin") && all[0].gives("loss.guide") && !all[0].gives("loss.guide.other"));
        assert!(!all[0].gives("loss.tau") && !all[0].gives("train.seed"));
    }

    #[test]
    fn a_word_is_what_is_clustered() {
        let all = variants("arm = \"passages\"");
        assert_eq!((all.len(), all[0].name.as_str()), (1, "passage clusters"));
        assert!(all[0].gives("cluster.of"));
    }
}
