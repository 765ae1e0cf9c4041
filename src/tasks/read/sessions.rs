//! Sequences of items for recommendation.

use super::bad::{Collector, Loaded, by_line};
use super::delimited::rows;
use super::source::Source;
use crate::count::counted;
use crate::error::Result;
use crate::rows::Fields;
use crate::tokenizer::special_name_in;
use std::collections::HashMap;
use std::path::Path;

/// What somebody chose, one thing after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its line, from 1; of a table the line of its first row.
    pub line: usize,
    /// The items' ids, the oldest first; two at least.
    pub items: Vec<String>,
}

/// Reads a session a line: ids of items with white space between them, without the names of special tokens in them. Blank
/// lines are left out. A table of users and items, such as RecBole's `.inter`, becomes a session a user, by time where it has a
/// column of times.
///
/// # Errors
/// [`crate::Error::Input`] for a file that cannot be read, and for a bad row that is not to be left out.
pub fn read_sessions(path: &Path, skip_bad_rows: bool) -> Result<Loaded<Session>> {
    let source = Source::open(path)?;
    if let Some(table) = Interactions::of(&source) {
        return table.read(path, &source, skip_bad_rows);
    }
    by_line(path, skip_bad_rows, "sessions", |line, text| {
        session(line, text.split_whitespace().map(str::to_owned).collect())
    })
}

fn session(line: usize, items: Vec<String>) -> std::result::Result<Session, String> {
    if items.len() < 2 {
        return Err(format!("the session has only the item \"{}\"; expected two items at least", items.concat()));
    }
    match items.iter().find_map(|item| Some((item, special_name_in(item)?))) {
        Some((item, name)) => Err(format!("the item \"{item}\" holds {name}, which is no name for an item")),
        None => Ok(Session { line, items }),
    }
}

/// Names of the columns of a table of users and items, without the kinds that RecBole puts behind them.
const USERS: [&str; 5] = ["user_id", "user", "userid", "session_id", "session"];
const ITEMS: [&str; 7] = ["item_id", "item", "itemid", "movie_id", "movieid", "product_id", "asin"];
const TIMES: [&str; 4] = ["timestamp", "time", "ts", "date"];

/// A table with a row for each item that a user chose.
struct Interactions {
    fields: Fields,
    names: Vec<String>,
    user: usize,
    item: usize,
    time: Option<usize>,
}

impl Interactions {
    /// The table in `source`, where its first line names users and items.
    fn of(source: &Source) -> Option<Self> {
        let first = source.lines().next()?.1.ok()?;
        [Fields::tabs(first), Fields::commas(first)].into_iter().find_map(|fields| {
            let names: Vec<String> = first
                .split(char::from(fields.delimiter))
                .map(|name| name.trim().trim_matches('"').to_owned())
                .collect();
            let at = |of: &[&str]| {
                names
                    .iter()
                    .position(|name| of.contains(&name.split(':').next().unwrap_or(name).to_lowercase().as_str()))
            };
            let (user, item, time) = (at(&USERS)?, at(&ITEMS)?, at(&TIMES));
            Some(Self { fields, user, item, time, names })
        })
    }

    fn read(&self, path: &Path, source: &Source, skip_bad_rows: bool) -> Result<Loaded<Session>> {
        let mut chosen = Collector::new(path, skip_bad_rows);
        for (line, fields) in rows(source, self.fields).skip(1) {
            let row = fields.and_then(|fields| {
                let field =
                    |at: usize| fields.get(at).map(|field| field.trim().to_owned()).filter(|field| !field.is_empty());
                let named = |at: usize| {
                    field(at).ok_or_else(|| format!("the column \"{}\" is empty; expected an id", self.names[at]))
                };
                let time = self.time.map(|at| {
                    let text = field(at).unwrap_or_default();
                    text.parse::<f64>().map_err(|_| format!("the time is \"{text}\"; expected a number"))
                });
                let item = named(self.item)?;
                if item.contains(char::is_whitespace) {
                    return Err(format!("the item \"{item}\" has white space in it; expected an id without"));
                }
                Ok((line, named(self.user)?, item, time.transpose()?.unwrap_or(0.0)))
            });
            chosen.add(Some(line), row)?;
        }
        let chosen = chosen.finish("rows behind the header")?;
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut sessions: Vec<(usize, Vec<(f64, String)>)> = Vec::new();
        for (line, user, item, time) in chosen.rows {
            let place = *places.entry(user).or_insert(sessions.len());
            if place == sessions.len() {
                sessions.push((line, Vec::new()));
            }
            sessions[place].1.push((time, item));
        }
        let users = sessions.len();
        let mut short = 0;
        let mut read = Collector::new(path, skip_bad_rows);
        for (line, mut items) in sessions {
            // Equal times keep the order of the file.
            items.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            match items.len() {
                0 | 1 => short += 1,
                _ => read.add(Some(line), session(line, items.into_iter().map(|(_, item)| item).collect()))?,
            }
        }
        let mut loaded = read.finish("users with two items or more")?;
        loaded.skipped.merge(chosen.skipped);
        let by = self.time.map_or_else(|| "in the order of the rows".into(), |at| format!("by {}", self.names[at]));
        loaded.notes.push(format!(
            "a table of users and items: {users} users ({}) become sessions of items ({}), {by}",
            self.names[self.user], self.names[self.item]
        ));
        if short > 0 {
            loaded.notes.push(format!("{} with a single item left out", counted(short, "user")));
        }
        Ok(loaded)
    }
}
