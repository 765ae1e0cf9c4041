//! Tables: TSV, CSV and JSON lines.

use super::bad::{Collector, Loaded, by_line};
use super::columns::{Columns, Wanted};
use super::delimited::{Row, commas, tabs};
use super::json;
use super::source::Source;
use super::{Need, is_blank};
use crate::error::{Error, Result};
use serde_json::Map;
use std::borrow::Cow;
use std::path::Path;

type Outcome<T> = std::result::Result<T, String>;

/// One row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The line that it begins on, from 1.
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

impl Record {
    /// The text in the column of this index; `None` where it is absent or a list.
    pub fn text(&self, column: usize) -> Option<&str> {
        match self.values.get(column)? {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// How a table's fields are told apart.
#[derive(Clone, Copy)]
enum Format {
    Tabs,
    Commas,
    Json,
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        match json::extension(path).as_deref() {
            Some("tsv") => Ok(Self::Tabs),
            Some("csv") => Ok(Self::Commas),
            _ if json::is_json(path) => Ok(Self::Json),
            _ => {
                let message =
                    "the format is not known; expected a name that ends in .tsv, .csv, .jsonl, .json or .ndjson";
                Err(Error::input(path, message))
            }
        }
    }
}

/// The names of a table's columns: the header, or the fields of the first JSON object.
pub fn columns(path: &Path) -> Result<Vec<String>> {
    let format = Format::of(path)?;
    let source = Source::open(path)?;
    if !matches!(format, Format::Json) {
        return header(path, &mut rows(&source, format));
    }
    let Some((number, line)) = source.lines().find(|(_, line)| !matches!(line, Ok(line) if is_blank(line))) else {
        return Err(Error::input(path, "there are no rows"));
    };
    let map = line.and_then(json::object);
    let map = map.map_err(|message| Error::Input { path: path.to_owned(), line: Some(number), message })?;
    Ok(map.keys().cloned().collect())
}

/// Reads a table by its extension. A TSV or CSV file begins with a header line; TSV has no quoting.
pub fn read_table(path: &Path, wanted: &Columns, skip_bad_rows: bool) -> Result<Loaded<Record>> {
    let format = Format::of(path)?;
    if matches!(format, Format::Json) {
        let mut chosen: Vec<json::Chosen> = wanted.wanted.iter().map(|_| json::Chosen::default()).collect();
        return by_line(path, skip_bad_rows, "rows", |line, text| {
            let map = json::object(text)?;
            let columns = wanted.wanted.iter().zip(&mut chosen);
            let values = columns.map(|(column, chosen)| from_json(column, chosen, &map)).collect::<Outcome<_>>()?;
            Ok(Record { line, values })
        });
    }
    let source = Source::open(path)?;
    let mut rows = rows(&source, format);
    let header = header(path, &mut rows)?;
    let places = wanted.locate(&header);
    let places = places.map_err(|message| Error::Input { path: path.to_owned(), line: Some(1), message })?;
    let mut records = Collector::new(path, skip_bad_rows);
    for (line, fields) in rows {
        let record = fields.and_then(|fields| {
            if fields.len() != header.len() {
                return Err(format!("the row has {}; the header has {}", count(fields.len()), header.len()));
            }
            let columns = wanted.wanted.iter().zip(&places);
            let values = columns.map(|(column, &place)| from_fields(column, place, &header, &fields));
            Ok(Record { line, values: values.collect::<Outcome<_>>()? })
        });
        records.add(Some(line), record)?;
    }
    records.finish("rows behind the header")
}

fn rows<'a>(source: &'a Source, format: Format) -> Box<dyn Iterator<Item = Row<'a>> + 'a> {
    match format {
        Format::Commas => Box::new(commas(source)),
        Format::Tabs | Format::Json => Box::new(tabs(source)),
    }
}

fn header<'a>(path: &Path, rows: &mut impl Iterator<Item = Row<'a>>) -> Result<Vec<String>> {
    let expected = "expected a header line with the names of the columns";
    let Some((line, fields)) = rows.next() else {
        return Err(Error::input(path, format!("the file is empty; {expected}")));
    };
    let fields = if line == 1 { fields } else { Err(format!("the first line is blank; {expected}")) };
    let fields = fields.map_err(|message| Error::Input { path: path.to_owned(), line: Some(1), message })?;
    Ok(fields.iter().map(|name| name.trim().to_owned()).collect())
}

fn from_fields(
    column: &Wanted,
    place: Option<usize>,
    header: &[String],
    fields: &[Cow<'_, str>],
) -> Outcome<Option<Value>> {
    let Some((name, field)) = place.and_then(|place| Some((header.get(place)?, fields.get(place)?))) else {
        return Ok(None);
    };
    match (is_blank(field), column.need) {
        (false, _) => Ok(Some(Value::Text(field.clone().into_owned()))),
        (true, Need::Optional) => Ok(None),
        (true, Need::Required) => Err(format!("the column \"{name}\" is empty; expected a text")),
    }
}

fn from_json(
    column: &Wanted,
    chosen: &mut json::Chosen,
    map: &Map<String, serde_json::Value>,
) -> Outcome<Option<Value>> {
    let optional = column.need == Need::Optional;
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
