//! Section: what the run was made with.

use maud::{Markup, html};

use super::data::{Settings, StageFacts};
use super::format::duration;
use super::table::{Cell, table};

/// The section, if there is anything to say.
pub(super) fn section(settings: &Settings) -> Option<Markup> {
    (*settings != Settings::default()).then(|| {
        html! {
            @if !settings.arms.is_empty() {
                h3 { "What makes each arm" }
                (arms(&settings.arms))
            }
            @if let Some(hash) = &settings.data_hash { p { "Data: " code class="hash" { (hash) } " (BLAKE3)" } }
            @if !settings.configuration.is_empty() {
                details { summary { "Configuration, as TOML" } pre tabindex="0" { (settings.configuration) } }
            }
            @if !settings.stages.is_empty() {
                details { summary { "Stages and their time" } (stages(&settings.stages)) }
                details { summary { "Files and their BLAKE3 hashes" } (files(&settings.stages)) }
            }
        }
    })
}

fn arms(arms: &[(String, Vec<String>)]) -> Markup {
    html! {
        dl { @for (arm, keys) in arms { dt { (arm) } dd { @for key in keys { code { (key) } " " } } } }
    }
}

fn stages(stages: &[StageFacts]) -> Markup {
    let row = |stage: &StageFacts| {
        vec![Cell::Text(stage.name.clone()), Cell::Number(duration(stage.seconds)), Cell::number(stage.files.len())]
    };
    table(&["stage", "time", "files"], stages.iter().map(row).collect())
}

fn files(stages: &[StageFacts]) -> Markup {
    let rows = stages.iter().flat_map(|stage| &stage.files);
    table(
        &["file", "hash"],
        rows.map(|(file, hash)| vec![Cell::Code(file.clone()), Cell::Code(hash.clone())]).collect(),
    )
}
