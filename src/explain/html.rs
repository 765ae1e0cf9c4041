//! Explanations as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.

use super::{AttributedToken, Explanation, Maps};
use crate::html::escape;
use std::fmt::Write;

/// Blue speaks for the output, orange against it; both lie over the page's own background, so that they do in the dark
/// what they do in the light.
const STYLE: &str = "\
:root { color-scheme: light dark; --for: 30 110 230; --against: 235 115 0; }
body { font: 16px/1.6 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.1rem; margin-top: 2.5rem; } h3 { font-size: 1rem; }
.text { line-height: 2; overflow-wrap: anywhere; white-space: pre-wrap; }
.text span { padding: .15em 0; border-radius: .2em; }
.for { background: rgb(var(--for) / calc(var(--size) * 70%)); }
.against { background: rgb(var(--against) / calc(var(--size) * 70%)); }
.about { outline: 2px solid; outline-offset: -1px; }
table { border-collapse: collapse; font-size: .9rem; }
td, th { padding: .1rem .7rem; text-align: right; border-bottom: 1px solid rgb(128 128 128 / 30%); }
td:nth-child(2), th:nth-child(2) { text-align: left; font-family: ui-monospace, monospace; }
.maps { display: flex; flex-wrap: wrap; gap: .7rem; } figure { margin: 0; } figcaption { font-size: .8rem; }
svg { width: 9rem; height: 9rem; border: 1px solid rgb(128 128 128 / 50%); fill: rgb(var(--for)); }
";

/// Opacities of a heat map: a path each, so that its size is that of what can be seen.
const LEVELS: usize = 16;

/// A page with all `explanations` of what the model called `model` says.
pub fn page(model: &str, explanations: &[Explanation]) -> String {
    let mut body = String::new();
    for (number, explanation) in (1..).zip(explanations) {
        section(&mut body, number, explanation);
    }
    let title = escape(format!("What {model} says, and why"));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
        <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
        <p><span class=\"for\" style=\"--size:1\">Blue</span> speaks for what is explained, \
        <span class=\"against\" style=\"--size:1\">orange</span> against it (integrated gradients, against a text of \
        nothing but the baseline's token). Framed tokens are those that it is about.</p>\n{body}</body>\n</html>\n"
    )
}

/// Writing to a string cannot fail.
macro_rules! put {
    ($out:expr, $($argument:tt)*) => {
        _ = writeln!($out, $($argument)*)
    };
}

fn section(out: &mut String, number: usize, explanation: &Explanation) {
    put!(out, "<section>\n<h2>{number}. {}</h2>", escape(explanation.explained.to_string()));
    let probability = explanation.probability.map_or_else(String::new, |p| format!(", probability {p:.4}"));
    put!(
        out,
        "<p>Output {:.4}{probability}; for the baseline {:.4}. Attributions add up to {:.4}, {:.2} % off the difference, \
        by {} points of the path.</p>",
        explanation.output,
        explanation.baseline_output,
        explanation.attributed,
        100.0 * explanation.completeness_error,
        explanation.steps
    );
    let largest = explanation.largest();
    let colour = |token: &AttributedToken| {
        let class = if token.attribution < 0.0 { "against" } else { "for" };
        (class, token.attribution.abs() / largest)
    };
    for runs in explanation.runs() {
        let mut line = String::new();
        for run in runs {
            let characters = escape(&run.characters);
            let Some(at) = run.token else {
                line += &characters;
                continue;
            };
            let token = &explanation.tokens[at];
            let (class, size) = colour(token);
            let about = if explanation.positions.contains(&at) { " about" } else { "" };
            let title = escape(format!("{} {:+.4}", token.token, token.attribution));
            line += &format!(
                "<span class=\"{class}{about}\" style=\"--size:{size:.3}\" title=\"{title}\">{characters}</span>"
            );
        }
        put!(out, "<p class=\"text\">{line}</p>");
    }
    put!(out, "<details>\n<summary>Tokens</summary>\n<table>");
    put!(out, "<tr><th>no.</th><th>token</th><th>attribution</th><th>rollout</th></tr>");
    for (at, token) in explanation.tokens.iter().enumerate() {
        let ((class, size), name) = (colour(token), escape(&token.token));
        put!(
            out,
            "<tr><td>{at}</td><td>{name}</td><td class=\"{class}\" style=\"--size:{size:.3}\">{:+.4}</td><td>{:.4}</td></tr>",
            token.attribution,
            token.rollout
        );
    }
    put!(out, "</table>\n</details>");
    if let Some(maps) = &explanation.attention {
        attention(out, maps);
    }
    put!(out, "</section>");
}

/// A heat map a layer and head: queries from top to bottom, keys from left to right.
fn attention(out: &mut String, maps: &Maps) {
    put!(out, "<details>\n<summary>Attention: a row a query, a column a key</summary>");
    for (layer, heads) in (1..).zip(maps) {
        put!(out, "<h3>layer {layer}</h3>\n<div class=\"maps\">");
        for (head, weights) in (1..).zip(heads) {
            let size = weights.len();
            put!(
                out,
                "<figure><svg viewBox=\"0 0 {size} {size}\" role=\"img\" aria-label=\"layer {layer}, head {head}\">"
            );
            let mut levels = vec![String::new(); LEVELS + 1];
            for (y, row) in weights.iter().enumerate() {
                for (x, weight) in row.iter().enumerate() {
                    let level = (weight * LEVELS as f32).round().clamp(0.0, LEVELS as f32) as usize;
                    levels[level] += &format!("M{x} {y}h1v1h-1z");
                }
            }
            for (level, path) in levels.iter().enumerate().skip(1).filter(|(_, path)| !path.is_empty()) {
                put!(out, "<path fill-opacity=\"{}\" d=\"{path}\"/>", level as f64 / LEVELS as f64);
            }
            put!(out, "</svg><figcaption>head {head}</figcaption></figure>");
        }
        put!(out, "</div>");
    }
    put!(out, "</details>");
}
