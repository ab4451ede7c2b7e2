//! `section.key=value` on top of a TOML table, and the keys in which two tables differ.

use toml::{Table, Value};

use super::{Config, Preset};
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
    end_other_name(inner, key);
    inner.insert(key.to_owned(), parse_value(value.trim()));
    Ok(())
}

/// The preset that the last setting `preset=NAME` names, else the table; and the settings without such.
pub(super) fn preset_of(table: &Table, settings: &[String]) -> Result<(Option<Preset>, Vec<String>)> {
    let of_preset = |setting: &String| {
        setting.split_once('=').filter(|(key, _)| key.trim() == "preset").map(|of| of.1.trim().to_owned())
    };
    let (given, others): (Vec<String>, Vec<String>) =
        settings.iter().cloned().partition(|setting| of_preset(setting).is_some());
    let value = match given.last().and_then(of_preset) {
        Some(name) => Some(parse_value(&name)),
        None => table.get("preset").cloned(),
    };
    let preset = value.map(Value::try_into).transpose().map_err(|error| PretrainError::config("preset", "", &error))?;
    Ok((preset, others))
}

/// Puts the keys of `sections` over those of the same sections in `table`, and the sections that it lacks into it.
pub(super) fn put_over(table: &mut Table, sections: &Table) {
    for (name, keys) in sections {
        match (table.get_mut(name), keys) {
            (Some(Value::Table(section)), Value::Table(keys)) => replace_keys(section, keys),
            _ => {
                table.insert(name.clone(), keys.clone());
            }
        }
    }
}

/// `config` with the keys of some sections replaced.
pub(super) fn with_sections(config: &Config, sections: &[(&str, &Table)]) -> Result<Config> {
    parse(table_with(config, sections)?)
}

/// The table of `config` with the keys of some sections replaced.
pub(super) fn table_with(config: &Config, sections: &[(&str, &Table)]) -> Result<Table> {
    let mut whole = Table::try_from(config).map_err(|source| PretrainError::ConfigText { source: Box::new(source) })?;
    for &(name, keys) in sections {
        match whole.get_mut(name) {
            Some(Value::Table(section)) => replace_keys(section, keys),
            _ => {
                whole.insert(name.to_owned(), Value::Table(keys.clone()));
            }
        }
    }
    Ok(whole)
}

/// The configuration of a table that is no file's.
pub(super) fn parse(table: Table) -> Result<Config> {
    table.try_into().map_err(|error: toml::de::Error| PretrainError::ArmKeys {
        message: error.to_string().trim().replace('\n', " "),
    })
}

fn replace_keys(section: &mut Table, keys: &Table) {
    for (given, replaced) in REPLACED {
        if keys.contains_key(given) && !keys.contains_key(replaced) {
            section.remove(replaced);
        }
    }
    keys.keys().for_each(|key| end_other_name(section, key));
    section.extend(keys.clone());
}

/// Removes from a section a list of tables under its other name.
fn end_other_name(section: &mut Table, key: &str) {
    for (plural, singular) in [("arms", "arm"), ("sources", "source"), ("others", "other")] {
        for (given, other) in [(plural, singular), (singular, plural)] {
            if key == given {
                section.remove(other);
            }
        }
    }
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

/// The keys that decide what a run computes, each value as TOML.
pub(super) fn identity(config: &Config) -> std::collections::BTreeMap<String, String> {
    let keys = flatten(config).into_iter().filter(|(key, _)| !WITHOUT_EFFECT.contains(&key.as_str()));
    keys.map(|(key, value)| (key, value.to_string())).collect()
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
