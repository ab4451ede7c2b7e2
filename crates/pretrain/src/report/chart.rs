//! One chart as SVG, drawn by plotters.

use maud::html;
use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingAreaErrorKind, IntoDrawingArea};
use plotters::style::{Color, IntoFont, ShapeStyle, TRANSPARENT, TextStyle};

use super::mark::Mark;
use super::palette::Ink;
use super::scale::Scale;

/// plotters places everything at whole numbers: with four to a CSS pixel, curves stay smooth.
pub(super) const UNIT: i32 = 4;

/// The width of a chart among others, in CSS pixels: about that of a phone's screen, so that text needs no zoom there.
pub(super) const WIDTH: i32 = 400;

/// The height of text in CSS pixels.
const TEXT: f64 = 12.5;

/// A chart: two axes with their titles, and what is drawn between them.
pub(super) struct Chart<'a> {
    /// In CSS pixels of a chart that is not scaled, as is the height.
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) x: Scale,
    pub(super) x_title: &'a str,
    pub(super) y: Scale,
    /// Without one, the vertical axis has no numbers.
    pub(super) y_title: Option<&'a str>,
    /// In the order in which they cover each other.
    pub(super) marks: Vec<Mark>,
}

/// A chart as it was drawn.
pub(super) struct Drawn {
    pub(super) svg: String,
    /// Where the axes begin and end in the picture: `[x0, x1, y0, y1]`, `y0` below `y1`.
    pub(super) frame: [i32; 4],
}

pub(super) type Context<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Scale, Scale>>;
pub(super) type Failed = DrawingAreaErrorKind<std::io::Error>;

impl Chart<'_> {
    /// The picture.
    ///
    /// # Errors
    /// plotters finds no room for the axes.
    pub(super) fn draw(&self) -> Result<Drawn, Failed> {
        let (mut svg, mut titles) = (String::new(), Vec::new());
        let frame = self.draw_into(&mut svg, &mut titles)?;
        Ok(Drawn { svg: with_titles(&svg, &titles), frame })
    }

    fn draw_into<'m>(&'m self, svg: &mut String, titles: &mut Vec<&'m str>) -> Result<[i32; 4], Failed> {
        let size = [self.width, self.height].map(|pixels| (UNIT * pixels).unsigned_abs());
        let area = SVGBackend::with_string(svg, (size[0], size[1])).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin_top(6 * UNIT)
            .margin_right(24 * UNIT)
            .x_label_area_size(42 * UNIT)
            .y_label_area_size(self.y_title.map_or(8, |_| 68) * UNIT)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        self.draw_mesh(&mut chart)?;
        self.marks.iter().try_for_each(|mark| mark.draw(self, &chart, titles))?;
        let (x, y) = chart.plotting_area().get_pixel_range();
        area.present()?;
        Ok([x.start, x.end, y.end, y.start])
    }

    fn draw_mesh(&self, chart: &mut Context<'_, '_>) -> Result<(), Failed> {
        let [x, y] = [&self.x, &self.y].map(|scale| |value: &f64| scale.label(*value));
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT)
            .bold_line_style(solid(Ink::Grid, 4))
            .axis_style(solid(Ink::Axis, 4))
            .label_style(text(Ink::Text))
            .axis_desc_style(text(Ink::Text))
            .set_all_tick_mark_size(4 * UNIT)
            .x_label_formatter(&x)
            .y_label_formatter(&y)
            .x_labels(6)
            .x_desc(self.x_title);
        match self.y_title {
            Some(title) => mesh.y_labels(6).y_desc(title),
            None => mesh.disable_y_mesh().disable_y_axis().y_labels(0),
        };
        mesh.draw()
    }
}

pub(super) fn solid(ink: Ink, width: u32) -> ShapeStyle {
    ink.rgb().stroke_width(width)
}

pub(super) fn text<'a>(ink: Ink) -> TextStyle<'a> {
    // plotters divides the size by 1.24 before it writes it.
    ("sans-serif", 1.24 * TEXT * f64::from(UNIT)).into_font().color(&ink.rgb())
}

/// The picture with a title in each of its circles, in their order, where it is not empty: plotters has no titles.
fn with_titles(svg: &str, titles: &[&str]) -> String {
    let mut parts = svg.split("<circle ");
    let mut titled = parts.next().unwrap_or_default().to_owned();
    for (part, title) in parts.zip(titles) {
        titled.push_str("<circle ");
        match part.split_once("/>").filter(|_| !title.is_empty()) {
            Some((attributes, rest)) => {
                let title = html! { title { (title) } }.into_string();
                titled.extend([attributes, ">", &title, "</circle>", rest]);
            }
            None => titled.push_str(part),
        }
    }
    titled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(marks: Vec<Mark>) -> Chart<'static> {
        let scale = || Scale::linear(0.0..10.0);
        Chart { width: WIDTH, height: 200, x: scale(), x_title: "step", y: scale(), y_title: Some("nats"), marks }
    }

    #[test]
    fn a_gap_breaks_a_line_and_a_point_alone_is_a_dot() {
        let points =
            vec![(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 4.0), (4.0, f64::INFINITY), (5.0, 5.0), (6.0, 6.0)];
        let line = Mark::Line { ink: Ink::Arm(0), width: 6, opacity: 1.0, points };
        let svg = chart(vec![line]).draw().unwrap().svg;
        let lines = svg.lines().filter(|line| line.contains("<polyline") && line.contains(&Ink::Arm(0).key())).count();
        assert_eq!((lines, svg.matches("<circle").count()), (2, 1));
    }

    #[test]
    fn each_dot_has_its_own_title_whatever_else_is_a_circle() {
        let dot = |x: f64, title: &str| Mark::Dot { ink: Ink::Grey, at: (x, 1.0), radius: 8, title: title.into() };
        let alone = Mark::Line { ink: Ink::Arm(1), width: 6, opacity: 1.0, points: vec![(9.0, 9.0)] };
        let interval = Mark::Interval { ink: Ink::Arm(0), y: 2.0, low: 1.0, middle: 2.0, high: 3.0 };
        let marks = vec![alone, dot(1.0, "one"), dot(f64::NAN, "nowhere"), interval, dot(2.0, "<two> & \"")];
        let svg = chart(marks).draw().unwrap().svg;
        let circles: Vec<&str> = svg.lines().filter(|line| line.contains("<circle")).collect();
        assert_eq!(circles.len(), 4);
        assert!(circles[1].ends_with("<title>one</title></circle>"), "{svg}");
        assert!(circles[3].ends_with("<title>&lt;two&gt; &amp; &quot;</title></circle>"), "{svg}");
        assert!(!svg.contains("nowhere"));
    }

    #[test]
    fn a_long_line_has_a_thousand_points_at_most() {
        let points = (0..100_000).map(|step| (f64::from(step) / 1e4, f64::from(step % 10))).collect();
        let svg = chart(vec![Mark::Line { ink: Ink::Arm(0), width: 6, opacity: 1.0, points }]).draw().unwrap().svg;
        let line = svg.lines().find(|line| line.contains(&Ink::Arm(0).key())).unwrap();
        assert!(line.matches(',').count() <= 1000, "{}", line.matches(',').count());
    }
}
