//! Tables with a row for each item that a user chose.

use super::bad::{Collector, Loaded};
use super::delimited::rows;
use super::quoted;
use super::session::{ItemSession, session};
use super::source::LabelledFile;
use crate::error::Result;
use crate::rows::Fields;
use electra_runs::counted;
use std::collections::HashMap;
use std::path::Path;

type Outcome<T> = std::result::Result<T, String>;

/// Names of the columns, in any case, without the kinds that RecBole puts after them; a session goes before its user.
const USERS: &[&str] = &[
    "session_id",
    "sessionid",
    "session",
    "user_id",
    "user",
    "userid",
    "user-id",
    "uid",
    "visitorid",
    "reviewerid",
    "customer_id",
    "customerid",
];
const ITEMS: &[&str] = &[
    "item_id",
    "item",
    "itemid",
    "iid",
    "movie_id",
    "movieid",
    "product_id",
    "productid",
    "parent_asin",
    "asin",
    "book_id",
    "isbn",
    "article_id",
    "artist_id",
    "artistid",
    "track_id",
    "song_id",
    "business_id",
    "stockcode",
];
const TIMES: &[&str] = &["timestamp", "time", "ts", "unixreviewtime", "timeframe", "date", "datetime", "eventdate"];

/// Rows that are looked at to recognise a table without a header.
const LOOKED_AT: usize = 1000;

/// A table of users and items.
pub(super) struct Interactions {
    fields: Fields,
    names: Vec<String>,
    user: usize,
    item: usize,
    time: Option<usize>,
    has_header: bool,
}

/// The items of a user, each with when it was chosen.
type Chosen = Vec<(Time, String)>;

/// When an item was chosen: a number, or a text whose order is that of time.
type Time = (f64, String);

impl Interactions {
    /// The table in `source`, where its first line names users and items, or where all rows are a user, an item, perhaps a rating
    /// and a time in seconds.
    ///
    /// # Errors
    /// For a file that is a table but not of users and items, and for JSON.
    pub(super) fn of(source: &LabelledFile) -> Outcome<Option<Self>> {
        let Some((_, Ok(first))) = source.lines().next() else { return Ok(None) };
        if first.trim_start().starts_with(['{', '[']) {
            return Err(
                "this is JSON; expected a session of item ids a line, or a table of users and items with a header"
                    .into(),
            );
        }
        if first.split("::").count() > 2 && !first.trim().contains(char::is_whitespace) {
            return Err("fields between \"::\" are not read; write tabs in their place: `sed 's/::/\\t/g' FILE`".into());
        }
        for fields in [Fields::tabs(first), Fields::commas(first)] {
            let names: Vec<String> = first
                .split(char::from(fields.delimiter))
                .map(|name| name.trim().trim_matches('"').to_owned())
                .collect();
            let is =
                |column: &String, name: &str| column.split(':').next().unwrap_or(column).eq_ignore_ascii_case(name);
            let at = |of: &[&str]| of.iter().find_map(|name| names.iter().position(|column| is(column, name)));
            let missing = |what: &str, of: &[&str]| {
                let columns = names.join(", ");
                Err(format!(
                    "the header has no column of {what}; expected {}; the columns are: {columns}",
                    quoted(of, " or ")
                ))
            };
            match (at(USERS), at(ITEMS)) {
                (Some(user), Some(item)) => {
                    let time = at(TIMES);
                    return Ok(Some(Self { fields, user, item, time, names, has_header: true }));
                }
                (Some(_), None) if names.len() > 1 => return missing("items", ITEMS),
                (None, Some(_)) if names.len() > 1 => return missing("users", USERS),
                _ => {}
            }
        }
        Ok(Self::without_header(source, first))
    }

    fn without_header(source: &LabelledFile, first: &str) -> Option<Self> {
        let fields = Fields::tabs(first);
        let width = first.split('\t').count();
        let is_time = |field: &str| (9..=13).contains(&field.len()) && field.bytes().all(|byte| byte.is_ascii_digit());
        let is_row = |row: Outcome<Vec<String>>| {
            row.is_ok_and(|row| row.len() == width && row.last().is_some_and(|field| is_time(field.trim())))
        };
        let is_table = (3..=4).contains(&width) && rows(source, fields).take(LOOKED_AT).all(|(_, row)| is_row(row));
        is_table.then(|| {
            let names = (1..=width).map(|number| number.to_string()).collect();
            Self { fields, names, user: 0, item: 1, time: Some(width - 1), has_header: false }
        })
    }

    /// A session a user, of those with `least` items or more.
    pub(super) fn read(
        &self,
        path: &Path,
        source: &LabelledFile,
        least: usize,
        skip_bad_rows: bool,
    ) -> Result<Loaded<ItemSession>> {
        let mut chosen = Collector::new(path, skip_bad_rows);
        let mut has_texts = None;
        for (line, fields) in rows(source, self.fields).skip(usize::from(self.has_header)) {
            let row = fields.and_then(|fields| Ok((line, self.row(&fields, &mut has_texts)?)));
            chosen.add(Some(line), row)?;
        }
        let chosen = chosen.finish("rows after the header")?;
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut sessions: Vec<(usize, String, Chosen)> = Vec::new();
        for (line, (user, item, time)) in chosen.rows {
            let place = *places.entry(user.clone()).or_insert(sessions.len());
            if place == sessions.len() {
                sessions.push((line, user, Vec::new()));
            }
            sessions[place].2.push((time, item));
        }
        let users = sessions.len();
        let mut short = 0;
        let mut read = Collector::new(path, skip_bad_rows);
        for (line, user, mut items) in sessions {
            // Equal times keep the order of the file.
            items.sort_by(|((one, text), _), ((other, of_other), _)| {
                one.total_cmp(other).then_with(|| text.cmp(of_other))
            });
            if items.len() < least {
                short += 1;
            } else {
                read.add(Some(line), session(line, user, items.into_iter().map(|(_, item)| item).collect(), least))?;
            }
        }
        let mut loaded = read.finish("users with two items or more")?;
        loaded.skipped.merge(chosen.skipped);
        loaded.notes.push(self.note(users));
        if short > 0 {
            loaded.notes.push(format!("{} with a single item left out", counted(short, "user")));
        }
        Ok(loaded)
    }

    /// User, item and time of a row; `has_texts` says whether the first row's time is no number.
    fn row(&self, fields: &[String], has_texts: &mut Option<bool>) -> Outcome<(String, String, Time)> {
        let field = |at: usize| fields.get(at).map(|field| field.trim().to_owned()).filter(|field| !field.is_empty());
        let named =
            |at: usize| field(at).ok_or_else(|| format!("the column \"{}\" is empty; expected an id", self.names[at]));
        let time = match self.time {
            None => (0.0, String::new()),
            Some(at) => {
                let text = field(at).unwrap_or_default();
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                match (number, *has_texts.get_or_insert(number.is_none() && is_date(&text))) {
                    (_, true) if is_date(&text) => (0.0, text),
                    (Some(number), false) => (number, String::new()),
                    _ => {
                        return Err(format!(
                            "the time is \"{text}\"; expected a number, or in all rows a date such as 2024-05-31"
                        ));
                    }
                }
            }
        };
        let item = named(self.item)?;
        if item.contains(char::is_whitespace) {
            return Err(format!("the item \"{item}\" has white space in it; expected an id without"));
        }
        Ok((named(self.user)?, item, time))
    }

    fn note(&self, users: usize) -> String {
        let by = self.time.map_or_else(|| "in the order of the rows".into(), |at| format!("by {}", self.names[at]));
        let (user, item) = (&self.names[self.user], &self.names[self.item]);
        let header = if self.has_header { "" } else { " without a header" };
        format!("a table of users and items{header}: {users} users ({user}) become sessions of items ({item}), {by}")
    }
}

/// Whether the order of such texts is that of time: a year with four digits comes first, then the month.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' && bytes[7] == b'-'
}
