//! Which pictures there are of a run.

use electra_runs::{Metrics, metric, metric_order};

/// Step and value, to be drawn.
pub(super) type Point = (f64, f64);

/// A picture.
pub(super) struct Chart {
    /// Of its files.
    pub name: String,
    pub title: String,
    /// By powers of ten.
    pub logarithmic: bool,
    /// The last step of the run, where every picture ends.
    pub end: f64,
    pub lines: Vec<PlotLine>,
}

/// A curve in it.
pub(super) struct PlotLine {
    pub label: String,
    pub hue: Hue,
    pub points: Vec<Point>,
}

/// The colours of curves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hue {
    Train,
    Valid,
    /// What curves are compared with.
    Third,
}

/// A number and split, and the label and colour of its curve.
type Curve = (&'static str, &'static str, &'static str, Hue);

/// Pictures of more than a number in both splits: name and title, and its curves.
#[rustfmt::skip]
const TOGETHER: [(&str, &str, &[Curve]); 2] = [
    ("disc_loss", "Discriminator loss", &[
        ("disc_loss", "train", "train", Hue::Train),
        ("disc_loss", "valid", "valid", Hue::Valid),
        ("disc_entropy", "valid", "entropy of the replaced share", Hue::Third),
    ]),
    ("disc_precision_recall", "Precision and recall of the discriminator, valid", &[
        ("disc_precision", "valid", "precision", Hue::Train),
        ("disc_recall", "valid", "recall", Hue::Valid),
    ]),
];

/// Numbers that are mentioned and not drawn.
const NOT_DRAWN: [&str; 5] = ["skipped_steps", "loss_spikes", "tokens_seen", "disc_gain_error", "disc_gain_floor"];

/// The pictures of a run, in the order in which they are shown.
pub(super) fn charts(metrics: &Metrics) -> Vec<Chart> {
    let mut names: Vec<&str> = metrics.names("train").chain(metrics.names("valid")).collect();
    names.retain(|name| !NOT_DRAWN.contains(name));
    names.sort_by_key(|name| metric_order(name));
    names.dedup();
    let (mut charts, end): (Vec<Chart>, _) = (Vec::new(), metrics.step as f64);
    for name in names {
        let together = TOGETHER.iter().find(|(_, _, lines)| lines.iter().any(|line| line.0 == name));
        let chart = match together {
            Some((file, _, _)) if charts.iter().any(|chart| chart.name == *file) => continue,
            Some((file, title, lines)) => Chart {
                name: (*file).to_owned(),
                title: (*title).to_owned(),
                logarithmic: false,
                end,
                lines: lines
                    .iter()
                    .filter_map(|&(name, split, label, hue)| line(metrics, name, split, label, hue))
                    .collect(),
            },
            None => Chart {
                name: file_name(name),
                title: metric(name).title.to_owned(),
                logarithmic: name == "grad_norm",
                end,
                lines: [("train", Hue::Train), ("valid", Hue::Valid)]
                    .into_iter()
                    .filter_map(|(split, hue)| line(metrics, name, split, split, hue))
                    .collect(),
            },
        };
        if !chart.lines.is_empty() {
            charts.push(chart);
        }
    }
    charts
}

fn line(metrics: &Metrics, name: &str, split: &str, label: &str, hue: Hue) -> Option<PlotLine> {
    let points = metrics.get(name, split)?.points();
    let points: Vec<Point> = points.into_iter().map(|(step, value)| (step as f64, value)).collect();
    (!points.is_empty()).then(|| PlotLine { label: label.to_owned(), hue, points })
}

/// A name that every file system takes.
fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' };
    name.chars().map(safe).take(80).collect()
}
