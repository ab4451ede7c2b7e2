//! Figures of gains, each a picture of its own.

use plotters::coord::ranged1d::Ranged;

use super::chart::{Chart, UNIT};
use super::mark::Mark;
use super::palette::Ink;
use super::scale::Scale;
use super::scores::intervals;

/// The width of a picture, in CSS pixels.
const WIDTH: i32 = 640;
const HEIGHT: i32 = 360;

/// A gain, in percent, between the ends of its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GainEnds {
    pub(crate) low: f64,
    pub(crate) middle: f64,
    pub(crate) high: f64,
}

/// A row a gain, under its name; the number is that of its colour. `None` without any.
pub(crate) fn gain_rows(rows: &[(String, usize, GainEnds)], title: &str) -> Option<String> {
    let row = |(name, colour, ends): &(String, usize, GainEnds)| {
        (name.clone(), Ink::Arm(*colour), [ends.low, ends.middle, ends.high])
    };
    let rows: Vec<(String, Ink, [f64; 3])> = rows.iter().map(row).collect();
    if rows.is_empty() {
        return None;
    }
    let rows: Vec<(&str, Ink, [f64; 3])> = rows.iter().map(|(name, ink, ends)| (name.as_str(), *ink, *ends)).collect();
    let mut chart = intervals(&rows, title, Some(0.0))?;
    chart.width = WIDTH;
    picture(&chart)
}

/// A curve through gains at places along an axis, with a band of their intervals, and the curve's name at its end. `None` without any.
pub(crate) fn gain_curves(curves: &[(String, Vec<(f64, GainEnds)>)], x_title: &str, title: &str) -> Option<String> {
    let places = || curves.iter().flat_map(|(_, points)| points.iter().map(|&(x, _)| x));
    let furthest = places().fold(f64::NEG_INFINITY, f64::max);
    let nearest = places().fold(f64::INFINITY, f64::min);
    let spreads = nearest > 0.0 && furthest / nearest >= 10.0;
    let named = curves.iter().any(|(name, _)| !name.is_empty());
    let room = match spreads {
        true => furthest * (furthest / nearest).powf(0.35),
        false => furthest + 0.35 * (furthest - nearest),
    };
    let x = Scale::around(places().chain(named.then_some(room)), spreads)?;
    let ends = curves.iter().flat_map(|(_, points)| points.iter().flat_map(|(_, ends)| [ends.low, ends.high]));
    let y = Scale::around(ends.chain([0.0]), false)?;
    let (from, to) = (x.range().start, x.range().end);
    let mut marks = vec![Mark::Line { ink: Ink::Axis, width: 6, opacity: 1.0, points: vec![(from, 0.0), (to, 0.0)] }];
    for (number, (name, points)) in curves.iter().enumerate() {
        let ink = Ink::Arm(number);
        let of = |end: fn(&GainEnds) -> f64| points.iter().map(|(x, ends)| (*x, end(ends))).collect::<Vec<_>>();
        marks.push(Mark::Band { ink, low: of(|ends| ends.low), high: of(|ends| ends.high) });
        marks.push(Mark::Line { ink, width: 10, opacity: 1.0, points: of(|ends| ends.middle) });
        for (x, ends) in points {
            marks.push(Mark::Dot { ink, at: (*x, ends.middle), radius: 2 * UNIT, title: String::new() });
        }
        if let Some((x, ends)) = points.last().filter(|_| !name.is_empty()) {
            let beside = if spreads { x * 1.06 } else { x + 0.02 * (to - from) };
            marks.push(Mark::Name { at: (beside, ends.middle), text: name.clone() });
        }
    }
    picture(&Chart { width: WIDTH, height: HEIGHT, x, x_title, y, y_title: Some(title), marks })
}

/// The chart on white, as a file of its own; `None` where plotters finds no room.
fn picture(chart: &Chart<'_>) -> Option<String> {
    let svg = chart.draw().ok()?.svg;
    let [width, height] = [chart.width, chart.height];
    let scaled = svg.replacen(&format!("width=\"{}\"", UNIT * width), &format!("width=\"{width}\""), 1).replacen(
        &format!("height=\"{}\"", UNIT * height),
        &format!("height=\"{height}\""),
        1,
    );
    let (head, body) = scaled.split_once('>')?;
    Some(format!("{head}>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>{body}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: GainEnds = GainEnds { low: 0.5, middle: 1.0, high: 1.5 };

    #[test]
    fn a_picture_stands_alone_and_has_every_name() {
        let rows = [("k = 10".to_owned(), 0, ENDS), ("k = 50".to_owned(), 1, ENDS)];
        let svg = gain_rows(&rows, "gain (%)").unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("xmlns") && svg.contains("k = 50"), "{svg}");
        assert!(svg.contains("width=\"640\"") && svg.contains("fill=\"white\""), "{svg}");
        let points = [10.0, 50.0, 1000.0].map(|x| (x, ENDS)).to_vec();
        let svg = gain_curves(&[("batches of 256".to_owned(), points)], "clusters", "gain (%)").unwrap();
        assert!(svg.contains("batches of 256") && svg.contains("polyline"), "{svg}");
        assert_eq!(gain_rows(&[], ""), None);
        assert_eq!(gain_curves(&[], "", ""), None);
    }
}
