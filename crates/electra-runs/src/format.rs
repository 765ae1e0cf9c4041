//! Counts and times as people read them.

use std::time::Duration;

/// A number with thousands separated: `13,483,008`.
pub fn readable_count(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of a thing: `1 row`, `2,000 rows`. `one` is its name in the singular, whose plural ends in `s`.
pub fn counted(count: usize, one: &str) -> String {
    format!("{} {one}{}", readable_count(count), if count == 1 { "" } else { "s" })
}

/// A duration: `42s`, `3m 05s`, `2h 10m`, `5d 04h`.
pub fn readable_duration(duration: Duration) -> String {
    let s = duration.as_secs();
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m {:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h {:02}m", s / 3600, s / 60 % 60),
        _ => format!("{}d {:02}h", s / 86_400, s / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_readable() {
        assert_eq!([5, 999, 1000, 13_483_008].map(readable_count), ["5", "999", "1,000", "13,483,008"]);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2000].map(|count| counted(count, "row")), ["0 rows", "1 row", "2,000 rows"]);
    }

    #[test]
    fn durations_are_readable() {
        let say = |s| readable_duration(Duration::from_secs(s));
        assert_eq!([say(5), say(185), say(7800), say(446_400)], ["5s", "3m 05s", "2h 10m", "5d 04h"]);
    }
}
