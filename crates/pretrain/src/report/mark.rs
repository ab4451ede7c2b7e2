//! What is drawn in a chart, with plotters' elements.

use plotters::element::{Circle, ErrorBar, PathElement, Polygon, Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::chart::{Chart, Context, Failed, UNIT, solid, text};
use super::palette::Ink;
use super::thin::thin;

/// The width of a chart in points: what is closer is drawn on the same pixel.
const MOST_POINTS: usize = 1000;

/// The points of all lines of a chart together, as far as each can have [`LEAST_POINTS`]: of many arms every curve has fewer.
const MOST_POINTS_TOGETHER: usize = 6000;
const LEAST_POINTS: usize = 200;

/// What is drawn in a chart. Points that are not finite are left out, as are those without a place on a logarithmic axis.
pub(super) enum Mark {
    /// A line, broken where a value is left out, its width in quarters of a CSS pixel.
    Line { ink: Ink, width: u32, opacity: f64, points: Vec<(f64, f64)> },
    /// The area between two values at each place.
    Band { ink: Ink, low: Vec<(f64, f64)>, high: Vec<(f64, f64)> },
    /// A point, with what is shown of it on demand.
    Dot { ink: Ink, at: (f64, f64), radius: i32, title: String },
    /// A bar from the horizontal axis.
    Bar { ink: Ink, from: f64, to: f64, height: f64 },
    /// A horizontal interval with its middle.
    Interval { ink: Ink, y: f64, low: f64, middle: f64, high: f64 },
    /// Text that begins at a place, on its lower edge.
    Name { at: (f64, f64), text: String },
}

/// The points that a curve may have in a chart of these marks.
fn points_a_curve(marks: &[Mark]) -> usize {
    let curves = marks.iter().filter(|mark| matches!(mark, Mark::Line { .. } | Mark::Band { .. })).count();
    (MOST_POINTS_TOGETHER / curves.max(1)).clamp(LEAST_POINTS, MOST_POINTS)
}

impl Mark {
    /// Draws the mark; `titles` grows by the title of each circle that is drawn.
    pub(super) fn draw<'m>(
        &'m self,
        chart: &Chart<'_>,
        context: &Context<'_, '_>,
        titles: &mut Vec<&'m str>,
    ) -> Result<(), Failed> {
        let area = context.plotting_area();
        let shown = |&(x, y): &(f64, f64)| chart.x.shows(x) && chart.y.shows(y);
        let most = || points_a_curve(&chart.marks);
        match self {
            Self::Line { ink, width, opacity, points } => {
                let style = ink.rgb().mix(*opacity);
                let points = thin(points, most());
                for part in points.split(|point| !shown(point)) {
                    match part {
                        [] => {}
                        &[alone] => {
                            titles.push("");
                            area.draw(&Circle::new(alone, 2 * UNIT, style.filled()))?;
                        }
                        part => area.draw(&PathElement::new(part.to_vec(), style.stroke_width(*width)))?,
                    }
                }
            }
            Self::Band { ink, low, high } => {
                let edges = thin(low, most()).into_iter().chain(thin(high, most()).into_iter().rev());
                let edge: Vec<(f64, f64)> = edges.filter(shown).collect();
                area.draw(&Polygon::new(edge, ink.rgb().mix(0.18).filled()))?;
            }
            Self::Dot { ink, at, radius, title } if shown(at) => {
                titles.push(title);
                let opacity = if *ink == Ink::Grey { 0.45 } else { 0.85 };
                area.draw(&Circle::new(*at, *radius, ink.rgb().mix(opacity).filled()))?;
            }
            Self::Bar { ink, from, to, height } if height.is_finite() => {
                area.draw(&Rectangle::new([(*from, 0.0), (*to, *height)], ink.rgb().filled()))?;
            }
            &Self::Interval { ink, y, low, middle, high } if [low, middle, high].iter().all(|end| end.is_finite()) => {
                // Its middle is a circle.
                titles.push("");
                let style = solid(ink, 8).filled();
                area.draw(&ErrorBar::new_horizontal(y, low, middle, high, style, 8 * UNIT.unsigned_abs()))?;
            }
            Self::Name { at, text: name } => {
                let style = text(Ink::Text).pos(Pos::new(HPos::Left, VPos::Bottom));
                area.draw(&Text::new(name.as_str(), *at, style))?;
            }
            Self::Dot { .. } | Self::Bar { .. } | Self::Interval { .. } => {}
        }
        Ok(())
    }
}
