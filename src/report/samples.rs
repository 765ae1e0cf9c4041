//! Text of validations as the generator changed it, with the discriminator's verdicts: `samples.jsonl`.

use super::file_name;
use super::html::escape;
use electra_runs::Sample;
use std::fmt::Write;
use std::path::Path;

/// Samples that are shown, from the first validation to the last.
const SHOWN: usize = 4;

/// The samples of a run that are shown.
#[derive(Default)]
pub(super) struct Samples(Vec<Sample>);

impl Samples {
    /// Reads the file at `path`, which need not be there; what is wrong with it goes to `problems`.
    pub(super) fn read(path: &Path, problems: &mut Vec<String>) -> Self {
        let Some(text) = super::text(path, false, problems) else { return Self::default() };
        let lines: Vec<(usize, &str)> = text.lines().enumerate().collect();
        // Evenly spread, with the first and the last.
        let shown = SHOWN.min(lines.len());
        let chosen = (0..shown).map(|at| lines[if shown > 1 { at * (lines.len() - 1) / (shown - 1) } else { 0 }]);
        let mut samples = Vec::new();
        for (number, line) in chosen {
            match serde_json::from_str(line) {
                Ok(sample) => samples.push(sample),
                Err(error) => problems.push(format!("{}:{}: {error}; it is left out", file_name(path), number + 1)),
            }
        }
        Self(samples)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The samples in HTML, escaped.
    pub(super) fn html(&self) -> String {
        self.0.iter().map(html).collect()
    }
}

fn html(sample: &Sample) -> String {
    let (mut text, mut replaced, mut found, mut wrong) = (String::new(), 0, 0, 0);
    for (at, token) in sample.tokens.iter().enumerate() {
        let called = token.is_accused();
        // A piece of a word goes on with the word before it.
        let (seen, joined) = match token.token.strip_prefix("##") {
            Some(piece) if at > 0 => (piece, true),
            _ => (token.token.as_str(), false),
        };
        if at > 0 && !joined {
            text.push(' ');
        }
        let probability = token.probability.unwrap_or(0.0).clamp(0.0, 1.0);
        let share = (probability * 0.6 * 100.0).round() / 100.0;
        let title = format!("{:.0} % replaced", 100.0 * probability);
        let shown = escape(seen);
        // Writing to a string cannot fail.
        _ = match &token.original {
            Some(original) => {
                replaced += 1;
                found += usize::from(called);
                let original = escape(original.strip_prefix("##").unwrap_or(original));
                write!(text, "<del>{original}</del><ins title=\"{title}\" style=\"--p:{share}\">{shown}</ins>")
            }
            None => {
                wrong += usize::from(called);
                write!(text, "<span title=\"{title}\" style=\"--p:{share}\">{shown}</span>")
            }
        };
    }
    format!(
        "<div class=\"sample\"><h3>Step {}</h3><p class=\"tokens\">{text}</p>\
             <p class=\"note\">{found} of {replaced} replaced tokens found, {wrong} of {} others suspected</p></div>\n",
        super::html::count(sample.step),
        sample.tokens.len() - replaced
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_spread_escaped_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("samples.jsonl");
        let line = |step: usize| {
            format!(
                "{{\"step\":{step},\"tokens\":[{{\"token\":\"<b>\",\"original\":\"&\",\"probability\":0.9}},\
                 {{\"token\":\"##ing\",\"probability\":0.6}},{{\"token\":\"x\",\"original\":\"y\",\"probability\":0.1}}]}}\n"
            )
        };
        std::fs::write(&path, (0..10).map(line).collect::<String>() + "{\"step\":10}\n").unwrap();
        let mut problems = Vec::new();
        let samples = Samples::read(&path, &mut problems);
        assert_eq!(samples.0.iter().map(|sample| sample.step).collect::<Vec<_>>(), [0, 3, 6]);
        assert!(problems[0].starts_with("samples.jsonl:11: missing field `tokens`"), "{problems:?}");
        let html = samples.html();
        assert!(html.contains("<del>&amp;</del><ins title=\"90 % replaced\" style=\"--p:0.54\">&lt;b&gt;</ins><span"));
        assert!(html.contains("1 of 2 replaced tokens found, 1 of 1 others suspected"), "{html}");
    }
}
