//! Draws charts, as SVG text and as PNG, with a font that is compiled in, so that a machine without fonts draws the same.

use super::chart::{Chart, Hue, PlotLine, Point};
use super::png;
use crate::error::{Error, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use std::sync::OnceLock;

/// Width and height in pixels.
pub(super) const SIZE: (u32, u32) = (1280, 620);

/// What the font is called; in SVG the reader's own of this kind takes its place.
const FONT: &str = "sans-serif";
const TEXT: u32 = 32;
const HEADING: u32 = 38;

/// A curve of more points is thin, so that its peaks can be told apart.
const CROWDED: usize = 300;

/// Colours that the report's style sheet replaces in the dark, by these very values.
const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
const FAINT: RGBColor = RGBColor(0x6E, 0x77, 0x81);
const GRID: RGBColor = RGBColor(0xE1, 0xE4, 0xE8);
const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);

/// The chart as an SVG file.
///
/// # Errors
/// [`Error::Internal`] where it cannot be drawn.
pub(super) fn svg(chart: &Chart) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&area, chart).and_then(|()| area.present().map_err(|error| failed(&error)))?;
    }
    Ok(text)
}

/// The chart as a PNG file.
///
/// # Errors
/// [`Error::Internal`] where it cannot be drawn.
pub(super) fn png(chart: &Chart) -> Result<Vec<u8>> {
    let mut rgb = vec![0; 3 * (SIZE.0 * SIZE.1) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut rgb, SIZE).into_drawing_area();
        draw(&area, chart).and_then(|()| area.present().map_err(|error| failed(&error)))?;
    }
    png::encode(SIZE, &rgb).map_err(|error| failed(&error))
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Internal(format!("a chart cannot be drawn: {error}"))
}

/// Makes the font known, once.
fn register() -> bool {
    static DONE: OnceLock<bool> = OnceLock::new();
    *DONE.get_or_init(|| {
        let fonts = [(FontStyle::Normal, dejavu::sans::regular()), (FontStyle::Bold, dejavu::sans::bold())];
        fonts.into_iter().all(|(style, font)| register_font(FONT, style, font).is_ok())
    })
}

fn draw<B: DrawingBackend>(area: &DrawingArea<B, Shift>, chart: &Chart) -> Result<()> {
    if !register() {
        return Err(failed(&"the font that is compiled in cannot be read"));
    }
    area.fill(&PAPER).map_err(|error| failed(&error))?;
    let (head, body) = area.split_vertically(76);
    draw_head(&head, chart).map_err(|error| failed(&error))?;
    draw_body(&body, chart).map_err(|error| failed(&error))
}

type Drawn<B> = std::result::Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// The title at the left, what the curves are at the right.
fn draw_head<B: DrawingBackend>(area: &DrawingArea<B, Shift>, chart: &Chart) -> Drawn<B> {
    let middle = Pos::new(HPos::Left, VPos::Center);
    let bold = FontDesc::new(FontFamily::Name(FONT), f64::from(HEADING), FontStyle::Bold);
    let heading = bold.color(&INK).pos(middle);
    let label = (FONT, TEXT).into_font().color(&INK).pos(middle);
    area.draw_text(&chart.title, &heading, (16, 38))?;
    let mut right = SIZE.0 as i32 - 24;
    for line in chart.lines.iter().rev() {
        let (width, _) = area.estimate_text_size(&line.label, &label)?;
        right -= width as i32;
        area.draw_text(&line.label, &label, (right, 38))?;
        area.draw(&PathElement::new([(right - 46, 38), (right - 10, 38)], stroke(line.hue).stroke_width(6)))?;
        right -= 80;
    }
    Ok(())
}

fn stroke(hue: Hue) -> RGBColor {
    match hue {
        Hue::Train => RGBColor(0x2F, 0x7E, 0xD8),
        Hue::Valid => RGBColor(0xE3, 0x6F, 0x1E),
        Hue::Third => RGBColor(0x8A, 0x8F, 0x98),
    }
}

fn draw_body<B: DrawingBackend>(area: &DrawingArea<B, Shift>, chart: &Chart) -> Drawn<B> {
    let drawn: Vec<(&PlotLine, Vec<Point>)> =
        chart.lines.iter().map(|line| (line, scaled(chart, &line.points))).collect();
    let all = || drawn.iter().flat_map(|(_, points)| points);
    let x = 0.0..chart.end.max(1.0);
    let y = range(all().map(|point| point.1));
    let value = |place: f64| if is_logarithmic(chart) { 10f64.powf(place) } else { place };
    let (span_x, span_y) = (x.end - x.start, value(y.end) - value(y.start));
    let mut context = ChartBuilder::on(area)
        .margin_right(40)
        .margin_bottom(8)
        .x_label_area_size(56)
        .y_label_area_size(140)
        .build_cartesian_2d(x, y)?;
    context
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(2))
        .axis_style(FAINT.stroke_width(2))
        .label_style((FONT, TEXT).into_font().color(&FAINT))
        .x_labels(7)
        .y_labels(6)
        .set_all_tick_mark_size(8)
        .x_label_formatter(&|x| tick(*x, span_x))
        .y_label_formatter(&|y| tick(value(*y), if is_logarithmic(chart) { value(*y) } else { span_y }))
        .draw()?;
    for (line, points) in drawn {
        // A curve of one point would be no line.
        if let [point] = points[..] {
            context.draw_series([Circle::new(point, 7, stroke(line.hue).filled())])?;
        } else {
            let width = if points.len() > CROWDED { 2 } else { 4 };
            context.draw_series(LineSeries::new(points, stroke(line.hue).stroke_width(width)))?;
        }
    }
    Ok(())
}

/// Powers of ten are asked for and possible.
fn is_logarithmic(chart: &Chart) -> bool {
    chart.logarithmic && chart.lines.iter().all(|line| line.points.iter().all(|point| point.1 > 0.0))
}

fn scaled(chart: &Chart, points: &[Point]) -> Vec<Point> {
    let logarithmic = is_logarithmic(chart);
    points.iter().map(|&(x, y)| (x, if logarithmic { y.log10() } else { y })).collect()
}

/// The range of `values`, somewhat wider at both ends, and wider than nothing.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), value| (a.min(value), b.max(value)));
    if least > most {
        return 0.0..1.0;
    }
    let span = most - least;
    // Below that, differences are those of rounding, and ticks could not be told apart.
    let smallest = least.abs().max(most.abs()).max(1e-9) * 1e-6;
    let wider = if span > smallest { span * 0.06 } else { (least.abs() * 0.1).max(smallest) };
    least - wider..most + wider
}

/// A number at an axis on which `span` can be seen: with as many places as tell ticks apart.
fn tick(value: f64, span: f64) -> String {
    let (size, step) = (value.abs(), span.abs() / 5.0);
    // What is left of a subtraction where zero is meant.
    if size < step * 1e-6 {
        return "0".into();
    }
    match size {
        // All ticks of an axis of such small numbers, so that they look alike.
        ..0.01 if step < 0.001 => format!("{value:.1e}"),
        1e6.. => format!("{}M", decimals(value / 1e6, step / 1e6)),
        10_000.0.. => format!("{}k", decimals(value / 1e3, step / 1e3)),
        _ => decimals(value, step),
    }
}

fn decimals(value: f64, step: f64) -> String {
    let places = (-step.log10()).ceil().clamp(0.0, 6.0) as usize;
    let text = format!("{value:.places$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<Point>) -> Chart {
        let line = PlotLine { label: "a < b".into(), hue: Hue::Train, points };
        Chart { name: "x".into(), title: "R & D".into(), logarithmic: true, end: 5.0, lines: vec![line] }
    }

    #[test]
    fn what_is_odd_is_drawn_too() {
        for points in [vec![], vec![(1.0, 2.0)], vec![(0.0, 0.0), (1.0, 0.0)], vec![(0.0, 1e-300), (5.0, 1e300)]] {
            let svg = svg(&chart(points.clone())).unwrap();
            assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{points:?}");
            assert!(svg.contains("R &amp; D") && svg.contains("a &lt; b"), "names are escaped");
            let png = png(&chart(points)).unwrap();
            assert_eq!(png[16..24], [SIZE.0.to_be_bytes(), SIZE.1.to_be_bytes()].concat());
        }
    }

    #[test]
    fn letters_are_drawn_without_fonts_of_the_system() {
        let with_text = png(&chart(vec![(0.0, 1.0), (1.0, 2.0)])).unwrap();
        let mut silent = chart(vec![(0.0, 1.0), (1.0, 2.0)]);
        silent.title.clear();
        assert_ne!(with_text, png(&silent).unwrap());
    }

    #[test]
    fn ticks_are_short_and_differ() {
        let of = |value, span| tick(value, span);
        assert_eq!([of(0.0, 1.0), of(250.0, 1000.0), of(20_000.0, 100_000.0)], ["0", "250", "20k"]);
        assert_eq!([of(1_260_000.0, 2e6), of(6.52, 1.0), of(0.4113, 0.01)], ["1.3M", "6.5", "0.411"]);
        assert_eq!([of(3e-4, 1e-3), of(1e-20, 1.0), of(12_400.0, 500.0)], ["3.0e-4", "0", "12.4k"]);
    }
}
