//! Tables: TSV, CSV, JSON lines and arrays.

use super::bad::{Collector, Loaded};
use super::columns::{Columns, Shape, Wanted};
use super::delimited::rows;
use super::form::{Layout, is_rows, require};
use super::json;
use super::source::LabelledFile;
use super::{Need, Reading, is_blank};
use crate::error::{Error, Result};
use crate::rows::Fields;
use electra_runs::counted;
use serde_json::Map;
use std::path::{Path, PathBuf};

type Outcome<T> = std::result::Result<T, String>;
type Object = Map<String, serde_json::Value>;

/// One row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// The line that it begins on, from 1; of an array the number of the row.
    pub line: usize,
    /// A value for each column that was asked for, in that order; `None` where an optional one is absent or empty.
    pub values: Vec<Option<Value>>,
}

/// What a row has in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, which may be that of a number.
    Text(String),
    /// Several, such as the labels of a row that has more than one.
    List(Vec<String>),
}

impl TableRow {
    /// The text in the column of this index; `None` where it is absent or a list.
    pub fn text(&self, column: usize) -> Option<&str> {
        match self.values.get(column)? {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// A table whose columns are known.
pub struct LabelledTable {
    path: PathBuf,
    source: LabelledFile,
    layout: Layout,
    /// The header, or the fields of the first JSON object; numbers from 1 where there is no header.
    pub names: Vec<String>,
    /// Whether the first line is a row already.
    is_headless: bool,
}

impl LabelledTable {
    /// The table at `path`, read as `reading` says, or else by its contents and its name.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is no table, or has no header.
    pub fn open(path: &Path, reading: &Reading) -> Result<Self> {
        Self::of(path, LabelledFile::open(path)?, reading)
    }

    /// [`LabelledTable::open`] of a file that has been read.
    pub(in crate::tasks) fn of(path: &Path, source: LabelledFile, reading: &Reading) -> Result<Self> {
        let layout = require(path, &source, reading)?;
        let (names, is_headless) = match layout {
            Layout::Fields(fields) => header(path, &source, fields, reading)?,
            Layout::JsonLines | Layout::JsonArray => (first_keys(path, &source, layout)?, false),
        };
        Ok(Self { path: path.to_owned(), source, layout, names, is_headless })
    }

    /// The name of the column that stands for the first of `names` that is there.
    pub fn column<S: AsRef<str>>(&self, names: &[S]) -> Option<&str> {
        super::columns::find(names, self.names.iter().map(String::as_str))
    }

    /// The rows with the columns `wanted`.
    ///
    /// # Errors
    /// [`Error::Input`] for a column that is missing, a bad row that is not to be left out, and a table without rows.
    pub fn read(&self, wanted: &Columns, skip_bad_rows: bool) -> Result<Loaded<TableRow>> {
        let mut records = Collector::new(&self.path, skip_bad_rows);
        let Layout::Fields(fields) = self.layout else {
            let mut chosen: Vec<json::Chosen> = wanted.wanted.iter().map(|_| json::Chosen::default()).collect();
            for (line, object) in objects(&self.path, &self.source, self.layout)? {
                let record = object.and_then(|map| {
                    let columns = wanted.wanted.iter().zip(&mut chosen);
                    let values = columns.map(|(column, chosen)| from_json(column, chosen, &map));
                    Ok(TableRow { line, values: values.collect::<Outcome<_>>()? })
                });
                records.add(Some(line), record)?;
            }
            return records.finish("rows");
        };
        let at = |line: usize, message: String| Error::Input { path: self.path.clone(), line: Some(line), message };
        let places = wanted.locate(&self.names).map_err(|message| at(1, message))?;
        let behind = usize::from(!self.is_headless);
        // Without a header no row says how many fields there are; those that are wanted must be there.
        let needed = places.iter().flatten().map(|place| place + 1).max().unwrap_or(0);
        let (mut ragged, mut repeated) = (0, 0);
        let mut header: Option<Vec<String>> = None;
        for (number, (line, fields)) in rows(&self.source, fields).enumerate() {
            if number < behind {
                header = fields.ok();
                continue;
            }
            // Files that were joined have the header again.
            if header.is_some() && fields.as_ref().ok() == header.as_ref() {
                repeated += 1;
                continue;
            }
            let record = fields.and_then(|fields| {
                let is_short = fields.len() < needed;
                if self.is_headless && fields.len() != self.names.len() && !is_short {
                    ragged += 1;
                } else if fields.len() != self.names.len() {
                    let (found, expected) = (count(fields.len()), self.names.len());
                    let first = if self.is_headless { "the first row" } else { "the header" };
                    return Err(format!("the row has {found}; {first} has {expected}"));
                }
                let columns = wanted.wanted.iter().zip(&places);
                let values = columns.map(|(column, &place)| from_fields(column, place, &self.names, &fields));
                Ok(TableRow { line, values: values.collect::<Outcome<_>>()? })
            });
            records.add(Some(line), record)?;
        }
        let mut loaded = records.finish(if self.is_headless { "rows" } else { "rows after the header" })?;
        if let Some(header) =
            header.filter(|header| *header != self.names && self.names.iter().all(|name| name.parse::<usize>().is_ok()))
        {
            loaded.notes.push(format!("the first line is a header: {}", header.join(", ")));
        }
        if repeated > 0 {
            loaded.notes.push(format!("{} of the header left out", counted(repeated, "repetition")));
        }
        if ragged > 0 {
            let (rows, first) = (counted(ragged, "row"), count(self.names.len()));
            loaded.notes.push(format!(
                "{rows} with more or fewer fields than the {first} of the first, as far as they are not read"
            ));
        }
        Ok(loaded)
    }
}

/// The objects of a file with their lines, or with their numbers in an array; blank lines are none.
pub(super) fn objects<'a>(
    path: &Path,
    source: &'a LabelledFile,
    layout: Layout,
) -> Result<Box<dyn Iterator<Item = (usize, Outcome<Object>)> + 'a>> {
    if layout == Layout::JsonLines {
        let lines = source.lines().filter(|(_, line)| !matches!(line, Ok(line) if is_blank(line)));
        return Ok(Box::new(lines.map(|(number, line)| (number, line.and_then(json::object)))));
    }
    let root = crate::json::parse(source.text()?).map_err(|error| Error::Input {
        path: path.to_owned(),
        line: Some(error.line()),
        message: format!("{error}; expected a JSON array of objects, or an object a line"),
    })?;
    let rows = match root {
        serde_json::Value::Array(rows) => rows,
        serde_json::Value::Object(map) => {
            let mut arrays = map.into_iter().filter(|(_, value)| is_rows(value));
            match (arrays.next(), arrays.next()) {
                (Some((_, serde_json::Value::Array(rows))), None) => rows,
                (None, _) => {
                    return Err(Error::input(path, "no field of this object is an array of objects; expected one"));
                }
                _ => {
                    return Err(Error::input(
                        path,
                        "several fields of this object are arrays of objects; expected one",
                    ));
                }
            }
        }
        other => {
            let message = format!("the file is {}; expected a JSON array of objects", json::kind(&other));
            return Err(Error::input(path, message));
        }
    };
    Ok(Box::new((1..).zip(rows).map(|(number, row)| match row {
        serde_json::Value::Object(map) => (number, Ok(map)),
        other => (number, Err(format!("row {number} is {}; expected an object", json::kind(&other)))),
    })))
}

/// The names of the first object's fields.
fn first_keys(path: &Path, source: &LabelledFile, layout: Layout) -> Result<Vec<String>> {
    let Some((line, first)) = objects(path, source, layout)?.next() else {
        return Err(Error::input(path, "there are no rows"));
    };
    let literal = match json::is_json(path) {
        true => "",
        false => "; --format lines takes every line for a text",
    };
    let wrong =
        |message| Error::Input { path: path.to_owned(), line: Some(line), message: format!("{message}{literal}") };
    let map = first.map_err(wrong)?;
    let is_column = |value: &serde_json::Value| value.as_object().is_some_and(|rows| rows.contains_key("0"));
    if !map.is_empty() && map.values().all(is_column) {
        let message = "this object holds columns; expected an object a row, as pandas writes it by orient=\"records\"";
        return Err(Error::input(path, message));
    }
    Ok(map.keys().cloned().collect())
}

/// The names of the columns, and whether they are numbers because there is no header: that is so where the columns that are
/// asked for are numbers, unless the first line numbers its columns itself.
fn header(path: &Path, source: &LabelledFile, fields: Fields, reading: &Reading) -> Result<(Vec<String>, bool)> {
    let expected = "expected a header line with the names of the columns";
    let Some((line, fields)) = rows(source, fields).next() else {
        return Err(Error::input(path, format!("the file is empty; {expected}")));
    };
    let fields = if line == 1 { fields } else { Err(format!("the first line is blank; {expected}")) };
    let fields = fields.map_err(|message| Error::Input { path: path.to_owned(), line: Some(1), message })?;
    let names: Vec<String> = fields.iter().map(|name| name.trim().to_owned()).collect();
    let is_number = |name: &String| name.parse::<usize>().is_ok();
    let mut asked = reading.text_columns.iter().chain(&reading.label_column).peekable();
    let by_number = asked.peek().is_some() && asked.all(is_number) && !names.iter().all(is_number);
    // Columns of a table with a header may be numbered too.
    let is_header = Shape::of(&names).is_some() && !names.iter().any(|name| name.contains(' ') || is_number(name));
    match by_number {
        true => Ok(((1..=names.len()).map(|number| number.to_string()).collect(), !is_header)),
        false => Ok((names, false)),
    }
}

fn from_fields(column: &Wanted, place: Option<usize>, header: &[String], fields: &[String]) -> Outcome<Option<Value>> {
    let Some((name, field)) = place.and_then(|place| Some((header.get(place)?, fields.get(place)?))) else {
        return Ok(None);
    };
    match (is_blank(field), column.need) {
        (false, _) => Ok(Some(Value::Text(field.clone()))),
        (true, Need::Optional | Need::Ignored) => Ok(None),
        (true, Need::Required) => Err(format!("the column \"{name}\" is empty; expected a text")),
    }
}

fn from_json(column: &Wanted, chosen: &mut json::Chosen, map: &Object) -> Outcome<Option<Value>> {
    let optional = column.need != Need::Required;
    match chosen.field(map, &column.names) {
        None if optional => Ok(None),
        None => Err(chosen.missing(map, &column.names)),
        Some((_, value)) if optional && value.is_null() => Ok(None),
        Some((name, value)) if column.list && value.is_array() => Ok(Some(Value::List(json::strings(&name, value)?))),
        Some((_, value)) if optional && json::scalar(value).is_some_and(|text| is_blank(&text)) => Ok(None),
        Some((name, value)) => Ok(Some(Value::Text(json::text(&name, value)?))),
    }
}

fn count(fields: usize) -> String {
    if fields == 1 { "1 field".into() } else { format!("{fields} fields") }
}
