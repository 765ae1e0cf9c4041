//! JSON as other programs write it: Python's has `NaN` and halves of surrogate pairs, which the standard does not know.

use serde_json::Value;

/// Stands where half a surrogate pair was: a noncharacter, which no text has.
pub(crate) const HALF: char = '\u{fffe}';

/// The value that `text` holds. `NaN` and infinities, which are no numbers, are `null`; half a surrogate pair, which is no
/// character, is [`HALF`].
///
/// # Errors
/// What the parser says of anything else.
pub(crate) fn parse(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text).or_else(|error| match repaired(text) {
        Some(repaired) => serde_json::from_str(&repaired),
        None => Err(error),
    })
}

/// The text with standard JSON instead of what Python's writer adds; nothing where it has added nothing.
fn repaired(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    let mut in_string = false;
    let unit = |at: usize| {
        let digits = text.get(at + 2..at + 6).filter(|_| bytes[at..].starts_with(b"\\u"))?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut put = |from: usize, to: usize, new: &str, copied: &mut usize| {
        out.push_str(&text[*copied..from]);
        out.push_str(new);
        *copied = to;
    };
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                in_string = !in_string;
                at += 1;
            }
            b'\\' if in_string => {
                let next = if at + 6 <= bytes.len() { unit(at + 6) } else { None };
                match unit(at) {
                    Some(0xd800..=0xdbff) if matches!(next, Some(0xdc00..=0xdfff)) => at += 12,
                    Some(0xd800..=0xdfff) => {
                        put(at, at + 6, "\\ufffe", &mut copied);
                        at += 6;
                    }
                    _ => at += 2,
                }
            }
            b'N' | b'I' | b'-' if !in_string => {
                let rest = &text[at..];
                match ["NaN", "Infinity", "-Infinity"].into_iter().find(|name| rest.starts_with(name)) {
                    Some(name) => {
                        put(at, at + name.len(), "null", &mut copied);
                        at += name.len();
                    }
                    None => at += 1,
                }
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_python_writes_is_read() {
        let of = |text: &str| parse(text).unwrap();
        assert_eq!(of(r#"{"a": NaN, "b": [-Infinity, Infinity, -1]}"#), json!({"a": null, "b": [null, null, -1]}));
        assert_eq!(of(r#"{"NaN": "NaN, \"Infinity\""}"#), json!({"NaN": "NaN, \"Infinity\""}));
        assert_eq!(
            of(r#"["\ud83d", "a\uDE00b", "\ud83d\ude00", "\\ud83d"]"#),
            json!(["\u{fffe}", "a\u{fffe}b", "😀", "\\ud83d"])
        );
        assert_eq!(of(r#"["\ud83d\ud83d\ude00 NaN", NaN]"#), json!(["\u{fffe}😀 NaN", null]));
    }

    #[test]
    fn other_mistakes_stay_mistakes() {
        for text in ["{\"a\": nan}", "{\"a\": \"\\u12", "[\"\\ud8", "[NaN", "{'a': 1}", "\\ud83d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
