//! `section.key=value` on top of a TOML table, and the keys in which two tables differ.

use toml::{Table, Value};

use super::{Config, Difference};
use crate::error::{PretrainError, Result};

/// Keys that say where or how fast a run works, not what it computes.
const WITHOUT_EFFECT: [&str; 3] = ["run.dir", "run.threads", "train.checkpoint_every"];

pub(super) fn apply(table: &mut Table, setting: &str) -> Result<()> {
    let malformed = || PretrainError::Setting { setting: setting.to_owned() };
    let (key, value) = setting.split_once('=').ok_or_else(malformed)?;
    let (section, key) = key.trim().split_once('.').ok_or_else(malformed)?;
    table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()))
        .as_table_mut()
        .ok_or_else(malformed)?
        .insert(key.to_owned(), parse_value(value.trim()));
    Ok(())
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

fn flatten(config: &Config) -> std::collections::BTreeMap<String, Value> {
    let table = Table::try_from(config).unwrap_or_default();
    table
        .into_iter()
        .filter_map(|(section, value)| match value {
            Value::Table(keys) => Some((section, keys)),
            _ => None,
        })
        .flat_map(|(section, keys)| keys.into_iter().map(move |(key, value)| (format!("{section}.{key}"), value)))
        .collect()
}
