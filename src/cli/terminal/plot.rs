//! One number over the steps, training and validation in their colours.

use super::series::Series;
use super::state::Plot;
use super::text::number;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType};

/// Colours of training and validation, here and in the table of numbers.
pub const TRAIN: Color = Color::Cyan;
pub const VALID: Color = Color::Magenta;

/// The last values, in their colours.
pub fn values(plot: &Plot) -> Vec<Span<'static>> {
    let value = |series: &Series, name: &str, colour| {
        series.last().map(|value| format!("{name} {} ", number(value)).fg(colour))
    };
    value(&plot.train, "train", TRAIN).into_iter().chain(value(&plot.valid, "valid", VALID)).collect()
}

/// Draws `plot`, number `place` of `count`.
pub fn draw(frame: &mut Frame, area: Rect, plot: &Plot, (place, count): (usize, usize)) {
    let mut title = vec![format!(" {} ", plot.name).bold(), format!("{}/{count} ", place + 1).dark_gray()];
    title.extend(values(plot));
    let block = Block::bordered().title(Line::from(title)).border_style(Style::new().dark_gray());
    let all = || plot.train.points().iter().chain(plot.valid.points());
    if all().next().is_none() {
        frame.render_widget(block.title_bottom(" no values yet "), area);
        return;
    }
    let (left, right) = range(all().map(|point| point.0), 0.0);
    let (low, high) = range(all().map(|point| point.1), 0.05);
    let dataset = |points, colour, marker, kind| {
        Dataset::default().data(points).marker(marker).graph_type(kind).style(Style::new().fg(colour))
    };
    let datasets = vec![
        dataset(plot.train.points(), TRAIN, Marker::Braille, GraphType::Line),
        dataset(plot.valid.points(), VALID, Marker::Braille, GraphType::Line),
        dataset(plot.valid.points(), VALID, Marker::Dot, GraphType::Scatter),
    ];
    let axis = |low: f64, high: f64, labels: Vec<String>| {
        Axis::default().bounds([low, high]).labels(labels).style(Style::new().dark_gray())
    };
    let step = |value: f64| format!("{value:.0}");
    let chart = Chart::new(datasets)
        .block(block)
        .x_axis(axis(left, right, vec![step(left), step((left + right) / 2.0), step(right)]))
        .y_axis(axis(low, high, vec![number(low), number((low + high) / 2.0), number(high)]));
    frame.render_widget(chart, area);
}

/// Least and largest of `values`, with a margin; never empty.
fn range(values: impl Iterator<Item = f64>, margin: f64) -> (f64, f64) {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let span = high - low;
    match span > 0.0 {
        true => (low - margin * span, high + margin * span),
        false => (low - 0.5 * low.abs().max(1.0), high + 0.5 * high.abs().max(1.0)),
    }
}
