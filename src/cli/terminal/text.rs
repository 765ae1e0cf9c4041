//! Numbers, sentences and samples as lines of a terminal.

use electra_runs::{Sample, SampleToken};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};

/// A number in few characters.
pub fn number(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "-".into(),
        0.0 => "0".into(),
        0.001..1000.0 => {
            let digits = if value.abs() < 10.0 { 4 } else { 2 };
            format!("{value:.digits$}")
        }
        1000.0..1e9 => count(value as usize),
        _ => format!("{value:.2e}"),
    }
}

/// A count in few characters: `12`, `4.5k`, `13.5M`, `2.1G`.
pub fn count(count: usize) -> String {
    let value = count as f64;
    match count {
        0..1000 => count.to_string(),
        1000..1_000_000 => format!("{:.1}k", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}M", value / 1e6),
        _ => format!("{:.1}G", value / 1e9),
    }
}

/// Breaks `text` at spaces into rows of at most `width` characters; a word that is longer is cut.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in text.split_whitespace() {
        let row = rows.last_mut().expect("there is a row from the start");
        let length = row.chars().count();
        if length > 0 && length + 1 + word.chars().count() > width {
            rows.push(word.to_owned());
        } else {
            if length > 0 {
                row.push(' ');
            }
            row.push_str(word);
        }
    }
    rows.into_iter().map(|row| row.chars().take(width).collect()).collect()
}

/// How the discriminator did on a token.
fn verdict(token: &SampleToken) -> Style {
    let style = Style::new();
    match (token.original.is_some(), token.is_accused()) {
        (true, true) => style.fg(Color::Green).add_modifier(Modifier::BOLD),
        (true, false) => style.fg(Color::Red).add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        (false, true) => style.fg(Color::Yellow),
        (false, false) => style,
    }
}

/// What the colours of a sample mean.
pub fn legend() -> Line<'static> {
    Line::from(vec![
        " replaced and found ".green().bold(),
        " replaced and missed ".red().bold().underlined(),
        " original, accused ".yellow(),
        " [the original] ".dark_gray(),
    ])
}

/// The words of `sample` in rows of at most `width` characters, replaced ones with the original after them.
pub fn sample(sample: &Sample, width: usize) -> Vec<Line<'static>> {
    let mut rows: Vec<Line> = vec![Line::default()];
    let mut length = 0;
    for word in words(&sample.tokens) {
        let wide: usize = word.iter().map(|span| span.content.chars().count()).sum();
        if length > 0 && length + 1 + wide > width {
            rows.push(Line::default());
            length = 0;
        }
        let row = rows.last_mut().expect("there is a row from the start");
        if length > 0 {
            row.push_span(" ");
            length += 1;
        }
        length += wide;
        word.into_iter().for_each(|span| row.push_span(span));
    }
    rows
}

/// Tokens put together where they continue a word.
fn words(tokens: &[SampleToken]) -> Vec<Vec<Span<'static>>> {
    let mut words: Vec<Vec<Span>> = Vec::new();
    for token in tokens {
        let (text, continues) = match token.token.strip_prefix("##") {
            Some(rest) if !rest.is_empty() && !words.is_empty() => (rest, true),
            _ => (token.token.as_str(), false),
        };
        let mut spans = vec![Span::styled(text.to_owned(), verdict(token))];
        if let Some(original) = &token.original {
            spans.push(format!("[{}]", original.trim_start_matches("##")).dark_gray());
        }
        match words.last_mut().filter(|_| continues) {
            Some(word) => word.extend(spans),
            None => words.push(spans),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let said = [0.0, 0.5, 5.43312, 33.07, 20_416.0, 3e-6, f64::NAN, 4.2e12].map(number);
        assert_eq!(said, ["0", "0.5000", "5.4331", "33.07", "20.4k", "3.00e-6", "-", "4.20e12"]);
        assert_eq!([12, 4500, 13_483_008, 2_100_000_000].map(count), ["12", "4.5k", "13.5M", "2.1G"]);
    }

    #[test]
    fn rows_are_broken_at_spaces() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 4), ["unbr"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("a", 0), [""]);
    }

    #[test]
    fn verdicts_have_colours() {
        let token = |token: &str, original: Option<&str>, probability| SampleToken {
            token: token.into(),
            original: original.map(str::to_owned),
            probability: Some(probability),
        };
        let tokens = vec![
            token("the", None, 0.1),
            token("cat", None, 0.9),
            token("went", Some("sat"), 0.9),
            token("##s", Some("##h"), 0.2),
        ];
        let rows = sample(&Sample { step: 1, tokens }, 80);
        assert_eq!(rows.iter().map(ToString::to_string).collect::<Vec<_>>(), ["the cat went[sat]s[h]"]);
        let colour = |text: &str| rows[0].spans.iter().find(|span| span.content == text).unwrap().style.fg;
        assert_eq!(
            ["the", "cat", "went", "s"].map(colour),
            [None, Some(Color::Yellow), Some(Color::Green), Some(Color::Red)]
        );
    }
}
