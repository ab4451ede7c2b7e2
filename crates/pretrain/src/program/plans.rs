//! What the batches of plans hold, as a person reads it.

use comfy_table::{CellAlignment, Table, presets};

use crate::pipeline::{FoundMargin, Hardness, PlanInspection, Proposal};

/// Strata that are shown of one arm, those with most pairs first.
const MOST_STRATA: usize = 30;

/// A table of all plans; where they are one arm's and its baseline's, another of the arm's strata.
pub(super) fn render(plans: &[PlanInspection]) -> String {
    let mut head = vec!["batches of", "pairs", "looked at", "strata", "query twice", "passage twice"];
    head.extend(HARDNESS);
    let rows = plans.iter().map(|plan| {
        let strata = plan.strata.map_or_else(String::new, |strata| format!("{strata:.1}"));
        let looked_at = format!("{} of {}", plan.batches, plan.of);
        let mut cells = vec![plan.name.clone(), plan.batch_size.to_string(), looked_at, strata];
        cells.extend(plan.repeated.map(share));
        cells.extend(hardness(&plan.hardness));
        cells
    });
    let mut text = table(&head, rows);
    if let [_, plan] = plans
        && !plan.by_stratum.is_empty()
    {
        let mut strata: Vec<_> = plan.by_stratum.iter().collect();
        strata.sort_by_key(|(stratum, hardness)| (std::cmp::Reverse(hardness.pairs), *stratum));
        let mut head = vec!["stratum", "pairs"];
        head.extend(HARDNESS);
        let rows = strata.iter().take(MOST_STRATA).map(|(stratum, of_stratum)| {
            let mut cells = vec![stratum.to_string(), of_stratum.pairs.to_string()];
            cells.extend(hardness(of_stratum));
            cells
        });
        text += &format!("\n{}", table(&head, rows));
        if let Some(others) = strata.len().checked_sub(MOST_STRATA).filter(|&others| others > 0) {
            text += &format!("and {others} strata of fewer pairs\n");
        }
    }
    text + "\n" + LEGEND
}

/// What was tried, and what is proposed as parts of a configuration.
pub(super) fn render_proposal(proposal: &Proposal) -> String {
    let mut head = vec!["batches of", "strata", "drawn"];
    head.extend(HARDNESS);
    head.push("in its cluster");
    let row = |plan: &PlanInspection, drawn: f64, of_cluster: String| {
        let strata = plan.strata.map_or_else(String::new, |strata| format!("{strata:.1}"));
        let mut cells = vec![plan.name.clone(), strata, share(drawn)];
        cells.extend(hardness(&plan.hardness));
        cells.push(of_cluster);
        cells
    };
    let tried = proposal
        .candidates
        .iter()
        .map(|candidate| row(&candidate.plan, candidate.drawn, share(candidate.false_in_cluster)));
    let mut text = table(&head, std::iter::once(row(&proposal.alike, 1.0, String::new())).chain(tried));
    text += &format!(
        "\n{LEGEND}Drawn: pairs that an epoch draws. In its cluster: of a pair's negatives of its own cluster, those that may be false beyond \
         what batches of all pairs alike have.\n"
    );
    let Some(chosen) = proposal.chosen.map(|place| &proposal.candidates[place]) else {
        return text
            + "\nNone is proposed: all draw too few pairs, or have too many negatives that may be false (--most-false).\n";
    };
    let sampler = match chosen.group {
        None => "kind = \"stratified\"".to_owned(),
        Some(group) => format!("kind = \"topic-aware\", group = {group}"),
    };
    text += &format!(
        "\nProposed, as the pairs of these batches find their own passage nearest least often, within what chance may do:\n\n\
         [[run.arm]]\nname = \"proposed\"\ncluster = {{ of = \"{}\", k = {} }}\nsampler = {{ {sampler} }}\n",
        proposal.of.name(),
        chosen.clusters
    );
    text += &match proposal.margin {
        FoundMargin::Margin(margin) => format!(
            "loss.guide = {{ margin = {:.2}, relative = {} }}\n\nThis guide tells further known answers from the nearest negatives best: it masks {} of the \
             former ({}) and {} of the latter. Whether it helps only a training says.\n",
            margin.guide.margin,
            margin.guide.relative,
            share(margin.masked_answers),
            margin.answers,
            share(margin.masked_negatives),
        ),
        FoundMargin::NothingParts => {
            "\nNo margin of a guide: whatever masks further known answers masks as many of the nearest negatives.\n"
                .to_owned()
        }
        FoundMargin::FewAnswers(_) | FoundMargin::NoBatches => {
            "\nNo margin of a guide: too few training queries have a second known answer to find one by.\n".to_owned()
        }
    };
    if proposal.alike.hardness.accuracy < TRUSTED {
        text += &format!(
            "\nThe clustering embedder finds a pair's own passage nearest in only {} of cases among pairs alike: what it calls hard may not be.\n",
            share(proposal.alike.hardness.accuracy.into())
        );
    }
    text
}

/// The share of own passages that an embedder finds nearest among pairs alike, below which what it calls hard is doubted: MiniLM finds 93% of SQuAD's,
/// where harder batches trained better, a lexical one 52% of doc comments', where they did not (`docs/results.md`).
const TRUSTED: f32 = 0.8;

const LEGEND: &str = "Cosines of the clustering embedder. Nearer: negatives above the pair's own passage. May be false: negatives that loss.guide would mask, \
            without one those at 95% of the pair's own.\n";

const HARDNESS: [&str; 6] = ["own passage", "negatives", "95% below", "nearer", "own nearest", "may be false"];

fn hardness(of: &Hardness) -> [String; 6] {
    let cosine = |value: Option<f32>| value.map_or_else(String::new, |value| format!("{value:.3}"));
    [
        cosine(Some(of.positive)),
        cosine(of.negative),
        cosine(of.negative_p95),
        of.harder.map_or_else(String::new, |harder| share(harder.into())),
        share(of.accuracy.into()),
        share(of.false_negatives.into()),
    ]
}

fn share(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(head).add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arm_is_shown_beside_its_baseline_and_by_stratum() {
        let hardness = Hardness {
            pairs: 64,
            positive: 0.7,
            negative: Some(0.25),
            negative_p95: Some(0.5),
            harder: Some(0.0125),
            accuracy: 0.75,
            false_negatives: 0.002,
        };
        let plan = |name: &str, strata, by_stratum| PlanInspection {
            name: name.into(),
            batches: 2,
            of: 9,
            batch_size: 32,
            strata,
            repeated: [0.0, 0.25],
            hardness,
            by_stratum,
        };
        let few = Hardness { pairs: 4, negative: None, negative_p95: None, harder: None, ..hardness };
        let plans =
            [plan("pairs alike", None, vec![]), plan("passage clusters", Some(1.5), vec![(3, few), (7, hardness)])];
        let text = render(&plans);
        let row =
            |line: usize| text.lines().nth(line).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        let alike = "| pairs alike | 32 | 2 of 9 | | 0.00% | 25.00% | 0.700 | 0.250 | 0.500 | 1.25% | 75.00% | 0.20% |";
        assert_eq!(row(2).as_deref(), Some(alike));
        assert_eq!(row(7).as_deref(), Some("| 7 | 64 | 0.700 | 0.250 | 0.500 | 1.25% | 75.00% | 0.20% |"));
        assert_eq!(row(8).as_deref(), Some("| 3 | 4 | 0.700 | | | | 75.00% | 0.20% |"));
        assert!(!render(&plans[..1]).contains("stratum"));
    }
}
