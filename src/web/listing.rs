//! The table of runs: what each is at. It is made anew at most twice a second, whoever asks, and of a run only what has
//! changed is read again.

use super::follow::{identity, lines_behind};
use super::place::{Run, runs};
use crate::learner::{RunState, planned_steps, state_of};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};
use xxhash_rust::xxh3::xxh3_64;

/// How old a table may be.
const FRESH: Duration = Duration::from_millis(500);

/// How far from the end of `metrics.jsonl` the last validation is looked for: near, then far.
const TAILS: [u64; 2] = [1 << 16, 1 << 20];

/// What a folder holds.
pub struct Listing {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    table: Option<(Instant, Arc<Table>)>,
    ends: HashMap<PathBuf, End>,
}

/// A table of runs.
pub struct Table {
    /// The runs, by name.
    pub runs: Vec<Run>,
    /// What a page shows of them.
    pub json: Value,
    /// Tells it from another table.
    pub digest: u64,
}

/// What the end of `metrics.jsonl` says.
#[derive(Clone, Default)]
struct End {
    /// Identity and size of the file.
    stamp: (u64, u64),
    step: u64,
    validation: Value,
}

impl Listing {
    /// Of the runs below `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), state: Mutex::default() }
    }

    /// The table, half a second old at most.
    pub fn table(&self) -> Arc<Table> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, table)) = &state.table
            && made.elapsed() < FRESH
        {
            return table.clone();
        }
        let runs = runs(&self.folder);
        let ends = std::mem::take(&mut state.ends);
        let mut rows = Vec::with_capacity(runs.len());
        for run in &runs {
            let end = end(run, ends.get(&run.path));
            rows.push(row(run, &end));
            state.ends.insert(run.path.clone(), end);
        }
        let json = json!({"folder": self.folder.to_string_lossy(), "runs": rows});
        let digest = xxh3_64(json.to_string().as_bytes());
        let table = Arc::new(Table { runs, json, digest });
        state.table = Some((Instant::now(), table.clone()));
        table
    }

    /// The run that is called `name` in the table.
    pub fn find(&self, name: &str) -> Option<Run> {
        self.table().runs.iter().find(|run| run.name == name).cloned()
    }
}

fn row(run: &Run, end: &End) -> Value {
    let (state, reason) = status(run);
    let steps = run.text("config.toml").and_then(|text| planned_steps(&toml::from_str(&text).ok()?));
    json!({
        "name": run.name, "state": state, "reason": reason, "step": end.step, "steps": steps,
        "validation": end.validation, "changed": seconds(run, "metrics.jsonl"),
    })
}

/// What the run is at, from files of its own.
pub fn status(run: &Run) -> (RunState, Option<String>) {
    let outside = |name: &str| run.path.join(name).is_symlink() && run.open(name).is_err();
    if ["status.json", "lock"].into_iter().any(outside) {
        return (RunState::Interrupted, None);
    }
    state_of(&run.path)
}

/// When `name` was last written to, in seconds since 1970.
pub fn seconds(run: &Run, name: &str) -> Option<u64> {
    let changed = run.metadata(name)?.modified().ok()?;
    changed.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// What the end of the metrics says by now, given what it said `before`.
fn end(run: &Run, before: Option<&End>) -> End {
    let Ok(mut file) = run.open("metrics.jsonl") else { return End::default() };
    let Ok(metadata) = file.metadata() else { return End::default() };
    let stamp = (identity(&metadata), metadata.len());
    let before = before.filter(|end| end.stamp.0 == stamp.0 && end.stamp.1 <= stamp.1);
    if let Some(before) = before.filter(|end| end.stamp == stamp) {
        return before.clone();
    }
    let mut end = End { stamp, ..before.cloned().unwrap_or_default() };
    for tail in TAILS {
        // A line that is cut in front is no record.
        let Ok((text, _)) = lines_behind(&mut file, stamp.1.saturating_sub(tail)) else { return end };
        let mut lines =
            text.rsplit(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        let mut newest = None;
        let validation = lines.find(|record| {
            newest = newest.or(record["step"].as_u64());
            record["split"] == "valid"
        });
        end.step = newest.unwrap_or(end.step);
        if let Some(validation) = validation {
            end.validation = validation;
        }
        if !end.validation.is_null() {
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, write};
    use std::thread::sleep;

    #[test]
    fn rows_say_what_runs_are_at() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("one");
        create_dir(&run).unwrap();
        write(run.join("config.toml"), "[training]\nsteps = 100\n").unwrap();
        let listing = Listing::new(folder.path());
        let first = listing.table();
        assert_eq!(first.json["runs"][0]["state"], "interrupted");
        assert_eq!((&first.json["runs"][0]["step"], &first.json["runs"][0]["steps"]), (&0.into(), &100.into()));

        let filler = "{\"step\":70,\"split\":\"train\"}\n".repeat(5000);
        let valid = "{\"step\":50,\"split\":\"valid\",\"f1\":0.5}\n";
        write(run.join("metrics.jsonl"), format!("{valid}{filler}{{\"step\":80,\"sp")).unwrap();
        write(run.join("status.json"), "{\"state\":\"failed\",\"reason\":\"no space\"}").unwrap();
        sleep(FRESH);
        let second = listing.table();
        let row = &second.json["runs"][0];
        assert_eq!((&row["step"], &row["state"], &row["reason"]), (&70.into(), &"failed".into(), &"no space".into()));
        assert_eq!(row["validation"]["f1"], 0.5);
        assert_ne!(first.digest, second.digest);
        assert!(listing.find("one").is_some() && listing.find("../one").is_none() && listing.find("").is_none());
    }
}
