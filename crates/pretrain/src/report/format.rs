//! Numbers and texts as a page shows them.

/// A count with separated thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number beside an axis: as short as so many decimals allow.
pub(super) fn tick(value: f64, decimals: usize) -> String {
    let size = value.abs();
    let short = match size {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e7).contains(&size) => scientific(value),
        size if size >= 1e3 => count(size.round() as u64),
        _ => trimmed(format!("{size:.decimals$}")),
    };
    // A true minus is as wide as a digit.
    if value < 0.0 { format!("−{}", short.trim_start_matches('-')) } else { short }
}

fn scientific(value: f64) -> String {
    let text = format!("{value:.3e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{}e{exponent}", trimmed(mantissa.to_owned())),
        None => text,
    }
}

fn trimmed(text: String) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A percentage with its sign and two decimals, of a share.
pub(super) fn signed_percent(share: f64) -> String {
    // Adding 0 makes of -0 a 0, whose sign is plus.
    let rounded = (1e4 * share).round() / 1e2 + 0.0;
    format!("{rounded:+.2}\u{a0}%").replace('-', "−")
}

/// A percentage of a share.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}\u{a0}%", 100.0 * share)
}

/// Three decimals; what would round to 0 is less than the least that does not.
pub(super) fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// A time in the largest unit that leaves a number of 1 or more.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        short if short < 60.0 => format!("{short:.1} s"),
        middle if middle < 3600.0 => format!("{:.1} min", middle / 60.0),
        long => format!("{:.1} h", long / 3600.0),
    }
}

/// The beginning of a text on one line, of at most `most` characters.
pub(super) fn excerpt(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some(_) => line.chars().take(most - 1).chain(['…']).collect(),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_clear() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let ticks = [0.0, 0.5, 0.0625, 2.0, 1e-4, 2.5e-5, -0.02, 60_000.0, 1e9].map(|value| tick(value, 4));
        assert_eq!(ticks, ["0", "0.5", "0.0625", "2", "1e-4", "2.5e-5", "−0.02", "60,000", "1e9"]);
        let gains = [0.0138, -0.002, -0.00004].map(signed_percent);
        assert_eq!(gains, ["+1.38\u{a0}%", "−0.20\u{a0}%", "+0.00\u{a0}%"]);
        assert_eq!([12.34, 90.0, 7200.0].map(duration), ["12.3 s", "1.5 min", "2.0 h"]);
        assert_eq!([0.0004, 0.25].map(probability), ["< 0.001", "0.250"]);
    }

    #[test]
    fn an_excerpt_is_one_line_and_never_cuts_a_character() {
        assert_eq!(excerpt(" a\n\tb ", 9), "a b");
        assert_eq!(excerpt("äöüß", 4), "äöüß");
        assert_eq!(excerpt("äöüßx", 4), "äöü…");
    }
}
