//! Counts as people read them.

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
}
