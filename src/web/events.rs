//! Server-sent events: what is new since the position that a page has.
//!
//! An answer waits until there is something, holds all of it, and ends; `EventSource` comes back by itself and names the
//! last event, whose id is the page's position. So the server keeps nothing of a page, and a page that was asleep or cut
//! off resumes where it was. What it costs is a request for each batch of news, on a connection that stays open.

use super::app::App;
use super::details;
use super::records::appended;
use electra_runs::layout::METRICS;
use electra_runs::{Position, Run, identity, lines_after};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long an answer waits for news.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_millis(250);

/// Milliseconds until a page comes back.
const RETRY: u32 = 200;

/// What a page has: a digest of the table of runs and, for each run that it follows, a position and a stamp of details.
#[derive(Debug, Default, PartialEq)]
struct PageState {
    table: u64,
    runs: Vec<(Position, u64)>,
}

impl PageState {
    /// From an event's id: what cannot be read counts as nothing seen.
    fn parse(id: &str, runs: usize) -> Self {
        let mut parts = id.split(',');
        let table = parts.next().and_then(|part| u64::from_str_radix(part, 16).ok()).unwrap_or_default();
        let run = |part: &str| {
            let (position, stamp) = part.split_once('.')?;
            Some((position.parse().ok()?, u64::from_str_radix(stamp, 16).ok()?))
        };
        let mut runs_seen: Vec<_> = parts.map(|part| run(part).unwrap_or_default()).collect();
        runs_seen.resize(runs, (Position::default(), 0));
        Self { table, runs: runs_seen }
    }

    fn id(&self) -> String {
        let runs = self.runs.iter().map(|(position, stamp)| format!(",{position}.{stamp:x}"));
        format!("{:x}{}", self.table, runs.collect::<String>())
    }
}

/// The body of an answer to a page that follows the runs of `names` and has seen what `id` says.
pub(super) async fn news(app: Arc<App>, names: Vec<String>, id: String) -> String {
    let begun = Instant::now();
    let (names, id) = (Arc::new(names), Arc::new(id));
    while begun.elapsed() < PATIENCE && app.signal.load(Ordering::Relaxed) == 0 {
        let (app, names, id) = (app.clone(), names.clone(), id.clone());
        let found = tokio::task::spawn_blocking(move || look(&app, &names, &id)).await;
        if let Ok(Some((id, data))) = found {
            return format!("retry: {RETRY}\nid: {id}\ndata: {data}\n\n");
        }
        tokio::time::sleep(INTERVAL).await;
    }
    format!("retry: {RETRY}\n: nothing new\n\n")
}

/// What is new, with the id of having seen it.
fn look(app: &App, names: &[String], id: &str) -> Option<(String, Value)> {
    let seen = PageState::parse(id, names.len());
    let table = app.listing.table();
    let mut now = PageState { table: table.digest, runs: Vec::new() };
    let mut runs = Map::new();
    for (name, &(position, stamp)) in names.iter().zip(&seen.runs) {
        let Some(run) = table.runs.iter().find(|run| run.name == *name) else {
            now.runs.push((position, stamp));
            continue;
        };
        let details = details::stamp(run);
        let (next, mut change) = of_run(app, run, position);
        if details != stamp {
            change.insert("details".into(), true.into());
        }
        now.runs.push((next, details));
        if !change.is_empty() {
            runs.insert(name.clone(), change.into());
        }
    }
    if now == seen && runs.is_empty() {
        return None;
    }
    let listing = (table.digest != seen.table).then(|| table.json.clone());
    Some((now.id(), json!({"listing": listing, "runs": runs})))
}

/// What the metrics of `run` have after `position`, and where that ends.
fn of_run(app: &App, run: &Run, position: Position) -> (Position, Map<String, Value>) {
    let mut change = Map::new();
    let Some((mut file, metadata)) =
        run.open(METRICS).and_then(|file| file.metadata().map(|metadata| (file, metadata))).ok()
    else {
        if position.file != 0 {
            change.insert("reload".into(), true.into());
        }
        return (Position { whole: true, ..Position::default() }, change);
    };
    let follower = app.follower(run);
    let other = position.file != identity(&metadata) || metadata.len() < position.offset;
    if other || (!position.whole && follower.is_whole()) {
        change.insert("reload".into(), true.into());
        let whole = follower.is_whole();
        return (Position { file: identity(&metadata), offset: metadata.len(), whole }, change);
    }
    let Ok((text, offset)) = lines_after(&mut file, position.offset) else { return (position, change) };
    if offset > position.offset {
        let (records, notable) = appended(&text);
        change.insert("records".into(), records.into());
        if notable {
            change.insert("details".into(), true.into());
        }
    }
    (Position { offset, ..position }, change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_was_seen_and_nonsense_is_nothing() {
        let position = Position { file: 77, offset: 1234, whole: true };
        let seen = PageState { table: 0xabc, runs: vec![(position, 5), (Position::default(), 0)] };
        assert_eq!(PageState::parse(&seen.id(), 2), seen);
        let nothing = PageState { table: 0, runs: vec![(Position::default(), 0); 2] };
        assert_eq!(PageState::parse("", 2), nothing);
        assert_eq!(PageState::parse("zz,1-2,-,\u{0},..,9", 2), nothing);
    }
}
