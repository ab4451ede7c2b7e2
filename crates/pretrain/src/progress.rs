//! Progress bars where a person watches, nothing where stderr is a file.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over `length` units with a free message, hidden where stderr is no terminal.
pub(crate) fn bar(length: u64, what: &str) -> ProgressBar {
    let target = match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    let style = ProgressStyle::with_template("{prefix:>24} {bar:28} {human_pos}/{human_len} {msg} eta {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(what.to_owned());
    bar
}

/// A duration as a person reads it.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// A size as a person reads it.
pub(crate) fn megabytes(bytes: usize) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

/// A count with separators.
pub(crate) fn count(n: usize) -> String {
    indicatif::HumanCount(n as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_choose_their_unit() {
        assert_eq!(duration(3.21), "3.2 s");
        assert_eq!(duration(61.4), "61 s");
        assert_eq!(duration(1800.0), "30 min");
        assert_eq!(duration(9000.0), "2.5 h");
        assert_eq!(count(87_599), "87,599");
    }
}
