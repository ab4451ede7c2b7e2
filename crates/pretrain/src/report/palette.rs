//! Colours that people with any kind of colour vision tell apart, in light and in dark.

use std::fmt::Write;

use plotters::style::RGBColor;

/// The colours on light and on dark ground, by the number of an arm.
///
/// Any two of a ground differ by 21 or more in CIELAB, as seen with normal vision and as simulated for protanopia, deuteranopia and
/// tritanopia (Machado, Oliveira & Fernandes 2009); each has a contrast of 2.6 or more with its ground.
const COLOURS: [(u32, u32); 8] = [
    (0x0963C5, 0x3B97E4),
    (0xA55409, 0xF05F46),
    (0x199555, 0x20CB96),
    (0xE45BA2, 0xE288BF),
    (0xCD9108, 0xF6CF47),
    (0x44A5FF, 0x9DD7FF),
    (0x763467, 0xB0567C),
    (0x4D4830, 0xEEF0F2),
];

/// Ends of dashes and gaps, in the charts' units, of the second, third, … eight arms.
const DASHES: [&str; 4] = ["24 12", "8 10", "40 12 8 12", "60 24"];

/// What a thing is drawn with. plotters writes its colour into the picture; the style sheet puts the one of the ground in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// The colour of the arm with this number; beyond the last colour they begin again, dashed.
    Arm(usize),
    /// What is no arm.
    Grey,
    /// Text.
    Text,
    /// Axes.
    Axis,
    /// Lines of the grid.
    Grid,
}

impl Ink {
    /// The colour in the picture, another for every ink, so that it is the ink's name in the style sheet.
    pub(super) fn rgb(self) -> RGBColor {
        let code = self.code();
        RGBColor((code >> 16) as u8, (code >> 8) as u8, code as u8)
    }

    /// The colour as plotters writes it.
    pub(super) fn key(self) -> String {
        format!("#{:06X}", self.code())
    }

    fn code(self) -> u32 {
        match self {
            // Blue moves by a step that no eye sees. With 8 colours and 5 dashes there are 40 arms before two look alike.
            Self::Arm(number) => COLOURS[number % COLOURS.len()].0 ^ round(number) as u32,
            Self::Grey => 0x7A828C,
            Self::Text => 0x22262B,
            Self::Axis => 0x9AA2AC,
            Self::Grid => 0xE3E6EA,
        }
    }
}

fn round(number: usize) -> usize {
    number / COLOURS.len() % (DASHES.len() + 1)
}

/// The style sheet's rules for all inks of `arms` arms.
pub(super) fn rules(arms: usize) -> String {
    let [light, dark] = [variables(|pair| pair.0), variables(|pair| pair.1)];
    let mut css = format!(":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}\n");
    let neutral = [(Ink::Grey, "grey"), (Ink::Text, "text"), (Ink::Axis, "axis"), (Ink::Grid, "grid")];
    for (ink, name) in neutral {
        rule(&mut css, &ink.key(), name, "");
    }
    for number in 0..arms.max(COLOURS.len()) {
        let dash = round(number).checked_sub(1).map(|dash| format!(";stroke-dasharray:{}", DASHES[dash]));
        let name = format!("arm-{}", number % COLOURS.len());
        rule(&mut css, &Ink::Arm(number).key(), &name, dash.as_deref().unwrap_or_default());
    }
    css
}

fn variables(colour: fn((u32, u32)) -> u32) -> String {
    COLOURS.iter().enumerate().map(|(number, &pair)| format!("--arm-{number}:#{:06X};", colour(pair))).collect()
}

fn rule(css: &mut String, key: &str, name: &str, more: &str) {
    let _ =
        writeln!(css, "svg [stroke=\"{key}\"]{{stroke:var(--{name}){more}}}svg [fill=\"{key}\"]{{fill:var(--{name})}}");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_ink_of_forty_arms_has_a_colour_of_its_own() {
        let inks = [Ink::Grey, Ink::Text, Ink::Axis, Ink::Grid].into_iter().chain((0..40).map(Ink::Arm));
        let keys: HashSet<String> = inks.map(Ink::key).collect();
        assert_eq!(keys.len(), 44);
    }

    #[test]
    fn the_ninth_arm_has_the_first_colour_dashed() {
        let css = rules(9);
        assert!(css.contains("svg [stroke=\"#0963C5\"]{stroke:var(--arm-0)}"), "{css}");
        assert!(css.contains("svg [stroke=\"#0963C4\"]{stroke:var(--arm-0);stroke-dasharray:24 12}"), "{css}");
    }
}
