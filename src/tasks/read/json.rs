//! What the readers of JSON have in common.

use super::columns::find;
use super::{is_blank, quoted};
use crate::json::HALF;
use serde_json::{Map, Value};
use std::path::Path;

type Outcome<T> = std::result::Result<T, String>;

/// Whether a file's extension stands for JSON lines.
pub(super) fn is_json(path: &Path) -> bool {
    extension(path).is_some_and(|end| ["jsonl", "json", "ndjson"].contains(&end.as_str()))
}

/// The extension in lower case, without that of a packed file.
pub(super) fn extension(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let name = [".gz", ".zst", ".xz"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    Some(name.rsplit_once('.')?.1.to_owned())
}

/// The object that a line holds.
pub(super) fn object(line: &str) -> Outcome<Map<String, Value>> {
    match crate::json::parse(line) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => Err(format!("the line is {}; expected one JSON object a line", kind(&other))),
        Err(error) => {
            // The parser's own line is always 1 here, which would mislead.
            let whole = error.to_string();
            let reason = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(reason, _)| reason);
            Err(format!("{reason} at column {}; expected one JSON object a line", error.column()))
        }
    }
}

/// The first of the names that has a value; `null` is none.
pub(super) fn field<'a, S: AsRef<str>>(map: &'a Map<String, Value>, names: &[S]) -> Option<(String, &'a Value)> {
    names.iter().map(AsRef::as_ref).find_map(|name| Some((name.to_owned(), map.get(name).filter(|v| !v.is_null())?)))
}

/// Which of several names a file uses for a field: the first that its rows have, be it `null` there, so that no row can take
/// another field in its place.
#[derive(Default)]
pub(super) struct Chosen(Option<String>);

impl Chosen {
    /// The field of this row, if it has it; `null` is a value.
    pub(super) fn field<'a, S: AsRef<str>>(
        &mut self,
        map: &'a Map<String, Value>,
        names: &[S],
    ) -> Option<(String, &'a Value)> {
        if self.0.is_none() {
            self.0 = find(names, map.keys().map(String::as_str)).map(str::to_owned);
        }
        let name = self.0.as_ref()?;
        Some((name.clone(), map.get(name)?))
    }

    /// The name, once a row has had it.
    pub(super) fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// That this row does not have it.
    pub(super) fn missing<S: AsRef<str>>(&self, map: &Map<String, Value>, names: &[S]) -> String {
        match &self.0 {
            Some(name) => missing(map, std::slice::from_ref(name)),
            None => missing(map, names),
        }
    }
}

/// That none of the names has a value.
pub(super) fn missing<S: AsRef<str>>(map: &Map<String, Value>, names: &[S]) -> String {
    let keys: Vec<_> = map.keys().map(String::as_str).collect();
    format!("there is no field {}; the fields are: {}", quoted(names, " or "), list(&keys))
}

/// Names after a colon.
pub(super) fn list<S: AsRef<str>>(names: &[S]) -> String {
    match names {
        [] => "none".into(),
        names => names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "),
    }
}

/// A string as it is, and a number or truth value as its text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A text that is not blank.
pub(super) fn text(name: &str, value: &Value) -> Outcome<String> {
    match scalar(value) {
        Some(text) if is_blank(&text) => Err(format!("the field \"{name}\" is empty; expected a text")),
        Some(text) if text.contains(HALF) => Err(half(name)),
        Some(text) => Ok(text),
        None => Err(format!("the field \"{name}\" is {}; expected a string", kind(value))),
    }
}

/// An array of strings.
pub(super) fn strings(name: &str, value: &Value) -> Outcome<Vec<String>> {
    let Value::Array(values) = value else {
        return Err(format!("the field \"{name}\" is {}; expected an array of strings", kind(value)));
    };
    let one = |(at, value): (usize, &Value)| {
        let text = scalar(value)
            .ok_or_else(|| format!("the field \"{name}\" has {} at [{at}]; expected a string", kind(value)))?;
        if text.contains(HALF) { Err(half(name)) } else { Ok(text) }
    };
    values.iter().enumerate().map(one).collect()
}

fn half(name: &str) -> String {
    format!("the field \"{name}\" holds half a surrogate pair, which is no character; expected a text in Unicode")
}

/// What a value is, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
