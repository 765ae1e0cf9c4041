//! The table of runs: what each is at. It is made at most twice a second, however many ask, and of a run only what has
//! changed is read again.

use electra_runs::layout::{CONFIG, LOCK, METRICS, STATUS};
use electra_runs::{Links, Run, RunState, Status, Tail, discover, planned_steps, time_budget};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};
use xxhash_rust::xxh3::xxh3_64;

/// How old a table may be.
const FRESH: Duration = Duration::from_millis(500);

/// What a folder holds.
pub(super) struct Listing {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    table: Option<(Instant, Arc<RunTable>)>,
    tails: HashMap<PathBuf, Tail>,
}

/// A table of runs.
pub(super) struct RunTable {
    /// The runs, by name.
    pub runs: Vec<Run>,
    /// What a page shows of them.
    pub json: Value,
    /// Tells it from another table.
    pub digest: u64,
}

impl Listing {
    /// Of the runs below `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), state: Mutex::default() }
    }

    /// The table, half a second old at most.
    pub(super) fn table(&self) -> Arc<RunTable> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, table)) = &state.table
            && made.elapsed() < FRESH
        {
            return table.clone();
        }
        let runs = discover(&self.folder, Links::Inside);
        let tails = std::mem::take(&mut state.tails);
        let mut rows = Vec::with_capacity(runs.len());
        for run in &runs {
            let tail = Tail::read(run, tails.get(&run.path));
            rows.push(row(run, &tail));
            state.tails.insert(run.path.clone(), tail);
        }
        let json = json!({"folder": self.folder.to_string_lossy(), "runs": rows});
        let digest = xxh3_64(json.to_string().as_bytes());
        let table = Arc::new(RunTable { runs, json, digest });
        state.table = Some((Instant::now(), table.clone()));
        table
    }

    /// The run that is called `name` in the table.
    pub(super) fn find(&self, name: &str) -> Option<Run> {
        self.table().runs.iter().find(|run| run.name == name).cloned()
    }
}

fn row(run: &Run, tail: &Tail) -> Value {
    let (state, reason) = status(run);
    let config: Option<toml::Table> = run.text(CONFIG).and_then(|text| toml::from_str(&text).ok());
    let (steps, time_budget) = (config.as_ref().and_then(planned_steps), config.as_ref().and_then(time_budget));
    json!({
        "name": run.name, "state": state, "reason": reason, "step": tail.step, "steps": steps,
        "time_budget": time_budget,
        "validation": tail.validation, "changed": seconds(run, METRICS),
    })
}

/// What the run is at, from files of its own.
pub(super) fn status(run: &Run) -> (RunState, Option<String>) {
    let outside = |name: &str| run.path.join(name).is_symlink() && run.open(name).is_err();
    if [STATUS, LOCK].into_iter().any(outside) {
        return (RunState::Interrupted, None);
    }
    let Status { state, reason } = Status::read(&run.path);
    (state, reason)
}

/// When `name` was last written to, in seconds since 1970.
pub(super) fn seconds(run: &Run, name: &str) -> Option<u64> {
    let changed = run.metadata(name)?.modified().ok()?;
    changed.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
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
