//! Text in pages.

/// Text as HTML shows it, in elements and in attributes.
pub(crate) fn escape(text: impl AsRef<str>) -> String {
    let mut escaped = String::with_capacity(text.as_ref().len());
    for c in text.as_ref().chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // A browser shows nothing for them, and a terminal would obey.
            c if c.is_control() && c != '\n' && c != '\t' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_would_take_for_something_else_is_marked() {
        assert_eq!(escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
        assert_eq!(escape("\u{1b}[1m\n\t\u{7f}"), "\u{fffd}[1m\n\t\u{fffd}");
    }
}
