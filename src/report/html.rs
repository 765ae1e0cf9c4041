//! The few forms that the page is made of. Whatever comes from a run is escaped here.

pub(super) use crate::html::escape;
use electra_runs::readable_count;
use std::fmt::Display;

/// A number with thousands separated.
pub(super) fn count(number: usize) -> String {
    readable_count(number)
}

/// A section with a heading; `body` is HTML.
pub(super) fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}</section>\n", escape(title))
}

/// A table of names and values, both text; without rows there is nothing.
pub(super) fn pairs(rows: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let row = |(name, value): (&str, String)| format!("<tr><th>{}</th><td>{}</td></tr>\n", escape(name), escape(value));
    let rows: String = rows.into_iter().map(row).collect();
    if rows.is_empty() { rows } else { format!("<table class=\"pairs\">\n{rows}</table>\n") }
}

/// A table with a head; all cells are text, those of numbers stand at the right.
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cell = |text: &str| {
            let class = if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') { " class=\"n\"" } else { "" };
            format!("<{tag}{class}>{}</{tag}>", escape(text))
        };
        format!("<tr>{}</tr>\n", cells.map(cell).collect::<String>())
    };
    let head = cells("th", &mut head.iter().copied());
    let rows: String = rows.into_iter().map(|row| cells("td", &mut row.iter().map(String::as_str))).collect();
    format!("<div class=\"wide\"><table>\n<thead>{head}</thead>\n<tbody>\n{rows}</tbody></table></div>\n")
}

/// Text as it is, line by line.
pub(super) fn verbatim(text: &str) -> String {
    format!("<pre>{}</pre>\n", escape(text.trim_end()))
}

/// Bytes in GiB.
pub(super) fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// A date and time of day in UTC, from seconds since 1970.
pub(super) fn date(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that a leap day is the last of its year; 146,097 days are 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + carry;
    format!("{year:04}-{month:02}-{of_month:02} {:02}:{:02} UTC", of_day / 3600, of_day / 60 % 60)
}

/// `text` as one word of a shell's command line.
pub(super) fn quoted(text: impl Display) -> String {
    let text = text.to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_399), "2000-02-28 23:59 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_709_251_200), "2024-03-01 00:00 UTC");
        assert_eq!(date(4_102_444_799), "2099-12-31 23:59 UTC");
    }

    #[test]
    fn what_a_shell_would_take_for_something_else_is_quoted() {
        assert_eq!([quoted("a=1.5"), quoted("it's"), quoted("")], ["a=1.5", r"'it'\''s'", "''"]);
    }
}
