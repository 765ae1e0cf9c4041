//! The names of labels that are numbers.

use super::Reading;
use super::source::LabelledFile;
use crate::error::{Error, Result};

/// The names of labels that are numbers, from 0 on; none where no file has them.
///
/// # Errors
/// [`Error::Input`] for a file without names, and for one that holds a name twice.
pub fn names(reading: &Reading) -> Result<Vec<String>> {
    let Some(path) = &reading.labels else { return Ok(Vec::new()) };
    let source = LabelledFile::open(path)?;
    let text = source.text()?;
    let names: Vec<String> = match serde_json::from_str::<Vec<String>>(text) {
        Ok(names) => names,
        Err(_) => text.trim_end().lines().map(str::trim).map(str::to_owned).collect(),
    };
    if names.is_empty() {
        return Err(Error::input(path, "there are no names of labels; expected one a line, or a JSON array of them"));
    }
    if let Some(at) = names.iter().position(String::is_empty) {
        let message = "the line is blank; expected a name, since the number of a line is that of its label".into();
        return Err(Error::Input { path: path.clone(), line: Some(at + 1), message });
    }
    let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
    match twice {
        Some((_, name)) => Err(Error::input(path, format!("the label \"{name}\" has come before; expected it once"))),
        None => Ok(names),
    }
}

/// Labels that are numbers by their names. A label that is none, or beyond the names, is an error that says so.
pub fn named<'a>(label: &'a str, names: &'a [String]) -> std::result::Result<&'a str, String> {
    if names.is_empty() || names.iter().any(|name| name == label) {
        return Ok(label);
    }
    let name = label.parse().ok().and_then(|number: usize| names.get(number));
    name.map(String::as_str).ok_or_else(|| {
        format!("\"{label}\" is neither one of the {} names of --labels nor the number of one", names.len())
    })
}
