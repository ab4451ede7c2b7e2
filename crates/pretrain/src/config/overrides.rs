//! `section.key=value` on top of a TOML table, and the keys in which two tables differ.

use toml::{Table, Value};

use super::Config;
use crate::difference::Difference;
use crate::error::{PretrainError, Result};

/// Keys that say where, how fast and in what memory a run works, not what it computes but for rounding.
const WITHOUT_EFFECT: [&str; 9] = [
    "embedder.cache",
    "run.dir",
    "run.threads",
    "train.checkpoint_every",
    "train.checkpoints",
    "train.chunk_tokens",
    "train.devices",
    "train.memory",
    "train.tensorboard",
];

/// Keys that say the same thing in two ways: who gives the first, without the second, no longer wants the second.
const REPLACED: [(&str, &str); 5] = [
    ("k", "levels"),
    ("group", "strata_per_batch"),
    ("strata_per_batch", "group"),
    ("kind", "curriculum"),
    ("epochs", "steps"),
];

/// Removes from a table what settings end: a key that one of them replaces and none of them gives.
pub(super) fn end_replaced(table: &mut Table, settings: &[String]) {
    let keys: Vec<(&str, &str)> = settings.iter().filter_map(|setting| section_and_key(setting)).collect();
    for (given, replaced) in REPLACED {
        for &(section, _) in keys.iter().filter(|(_, key)| *key == given) {
            if let Some(Value::Table(table)) = table.get_mut(section).filter(|_| !keys.contains(&(section, replaced))) {
                table.remove(replaced);
            }
        }
    }
}

/// The section of a setting, and the key in it, within whose value the setting's may be.
fn section_and_key(setting: &str) -> Option<(&str, &str)> {
    let (section, keys) = setting.split_once('=')?.0.trim().split_once('.')?;
    Some((section, keys.split('.').next()?))
}

pub(super) fn apply(table: &mut Table, setting: &str) -> Result<()> {
    let malformed = || PretrainError::Setting { setting: setting.to_owned() };
    let (key, value) = setting.split_once('=').ok_or_else(malformed)?;
    let (tables, key) = key.trim().rsplit_once('.').ok_or_else(malformed)?;
    let inner = tables.split('.').try_fold(table, |table, name| {
        table.entry(name).or_insert_with(|| Value::Table(Table::new())).as_table_mut().ok_or_else(malformed)
    })?;
    for (table, plural, singular) in [("run", "arms", "arm"), ("data", "sources", "source")] {
        if (tables, key) == (table, plural) {
            inner.remove(singular);
        }
    }
    inner.insert(key.to_owned(), parse_value(value.trim()));
    Ok(())
}

/// `config` with the keys of some sections replaced.
pub(super) fn with_sections(config: &Config, sections: &[(&'static str, &Table)]) -> Result<Config> {
    let mut whole = Table::try_from(config).map_err(|source| PretrainError::ConfigText { source: Box::new(source) })?;
    for &(name, keys) in sections {
        if let Some(Value::Table(section)) = whole.get_mut(name) {
            for (given, replaced) in REPLACED {
                if keys.contains_key(given) && !keys.contains_key(replaced) {
                    section.remove(replaced);
                }
            }
            section.extend(keys.clone());
        }
    }
    whole.try_into().map_err(|error: toml::de::Error| PretrainError::ArmKeys {
        message: error.to_string().trim().replace('\n', " "),
    })
}

/// A TOML value, or the text itself where it is none: paths and words need no quotes.
fn parse_value(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

pub(super) fn differences(left: &Config, right: &Config) -> Vec<Difference> {
    let (left, right) = (flatten(left), flatten(right));
    let show = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), ToString::to_string);
    let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| !WITHOUT_EFFECT.contains(&key.as_str()))
        .filter(|&key| left.get(key) != right.get(key))
        .map(|key| Difference { key: key.clone(), left: show(left.get(key)), right: show(right.get(key)) })
        .collect()
}

/// The value of `section.key` as TOML, if it has one.
pub(super) fn value_of(config: &Config, key: &str) -> Option<String> {
    flatten(config).get(key).map(ToString::to_string)
}

fn flatten(config: &Config) -> std::collections::BTreeMap<String, Value> {
    // By way of the text, which shows an f32 as it was written.
    let table: Table = toml::to_string(config).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
    table
        .into_iter()
        .filter_map(|(section, value)| match value {
            Value::Table(keys) => Some((section, keys)),
            _ => None,
        })
        .flat_map(|(section, keys)| keys.into_iter().map(move |(key, value)| (format!("{section}.{key}"), value)))
        .collect()
}
