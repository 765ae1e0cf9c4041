//! What a run has beside its curves: configuration, checkpoints, samples of corrupted text, and a log made of its files.

use super::listing::{seconds, status};
use super::records;
use electra_runs::layout::{BAD_STEP, CHECKPOINTS, CONFIG, METRICS, SAMPLES, STATE, STATUS};
use electra_runs::{Follower, Run, Sample, checkpoint_step, settings, warnings};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use xxhash_rust::xxh3::xxh3_64;

/// The newest samples that are shown, the bytes of the file that they are looked for in, and their longest text.
const NEWEST: usize = 30;
const SAMPLES_BYTES: u64 = 1 << 18;
const TOKENS: usize = 512;

/// Everything, for a page.
pub(super) fn details(run: &Run, follower: &Arc<Follower>) -> Value {
    let checkpoints = checkpoints(run);
    let log = log(run, follower, &checkpoints);
    let verdict = follower.look(|metrics, _| records::verdict(metrics));
    json!({"config": config(run), "checkpoints": checkpoints, "samples": samples(run), "log": log, "verdict": verdict})
}

/// Tells whether the files that [`details`] reads may have changed.
pub(super) fn stamp(run: &Run) -> u64 {
    let file = |name: &str| {
        let metadata = run.metadata(name)?;
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some((metadata.len(), changed.as_nanos()))
    };
    let all = [CONFIG, STATUS, SAMPLES, CHECKPOINTS, BAD_STEP].map(file);
    xxh3_64(format!("{all:?}").as_bytes())
}

/// The configuration with dotted keys.
fn config(run: &Run) -> Map<String, Value> {
    let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match toml::from_str::<toml::Table>(&run.text(CONFIG).unwrap_or_default()) {
        Ok(table) => settings(&table).into_iter().map(|(key, value)| (key, text(value).into())).collect(),
        Err(error) => Map::from_iter([(CONFIG.to_owned(), format!("it cannot be read: {}", error.message()).into())]),
    }
}

/// A checkpoint that is whole, or was when it was listed.
#[derive(Debug, Serialize)]
struct Checkpoint {
    step: usize,
    bytes: u64,
    /// When it was made, in seconds since 1970.
    time: Option<u64>,
}

/// Newest first.
fn checkpoints(run: &Run) -> Vec<Checkpoint> {
    let mut all: Vec<Checkpoint> = Vec::new();
    for (name, metadata) in run.entries(CHECKPOINTS) {
        let Some(step) = checkpoint_step(&name).filter(|_| metadata.is_dir()) else { continue };
        let directory = format!("{CHECKPOINTS}/{name}");
        let bytes = run.entries(&directory).iter().map(|(_, file)| file.len()).sum();
        all.push(Checkpoint { step, bytes, time: seconds(run, &format!("{directory}/{STATE}")) });
    }
    all.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.step));
    all
}

/// Newest first.
fn samples(run: &Run) -> Vec<Sample> {
    let mut text = Vec::new();
    let read = run.open(SAMPLES).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(SAMPLES_BYTES)))?;
        file.take(SAMPLES_BYTES).read_to_end(&mut text)
    });
    if read.is_err() {
        return Vec::new();
    }
    let sample = |line: &[u8]| serde_json::from_slice::<Sample>(line).ok();
    let mut samples: Vec<Sample> = text.rsplit(|byte| *byte == b'\n').filter_map(sample).take(NEWEST).collect();
    samples.iter_mut().for_each(|sample| sample.tokens.truncate(TOKENS));
    samples
}

/// What happened, as far as its files show it: entries have a time, a step, or both, and `bad` where something went wrong.
fn log(run: &Run, follower: &Arc<Follower>, checkpoints: &[Checkpoint]) -> Vec<Value> {
    let entry = |time: Option<u64>, step: Option<u64>, bad: bool, text: String| json!({"time": time, "step": step, "bad": bad, "text": text});
    let mut log = vec![entry(seconds(run, CONFIG), None, false, "the run was set up".into())];
    let checkpoint = |it: &Checkpoint| entry(it.time, Some(it.step as u64), false, "checkpoint".into());
    log.extend(checkpoints.iter().rev().map(checkpoint));
    let (notes, position, damaged) = follower.look(|metrics, position| {
        let notes: Vec<_> = metrics.notes().map(|note| entry(None, Some(note.step), true, note.text.clone())).collect();
        (notes, position, metrics.damaged)
    });
    log.extend(notes);
    log.sort_by_key(|entry| entry["step"].as_u64());
    if !position.whole {
        log.push(entry(None, None, false, format!("{METRICS} is still being read; warnings may be missing here")));
    }
    if damaged > 0 {
        log.push(entry(None, None, true, warnings::damaged_lines(damaged)));
    }
    if let Some(time) = seconds(run, BAD_STEP) {
        log.push(entry(Some(time), None, true, format!("{BAD_STEP} describes steps that were not finite")));
    }
    let (state, reason) = status(run);
    let state = json!(state).as_str().unwrap_or_default().to_owned();
    let text = reason.map_or_else(|| state.clone(), |reason| format!("{state}: {reason}"));
    log.push(entry(seconds(run, STATUS), None, state == "failed", text));
    log
}

#[cfg(test)]
mod tests {
    use super::*;
    use electra_runs::{Links, discover};
    use std::fs::write;

    #[test]
    fn files_that_are_damaged_or_missing_are_told_of_as_far_as_they_go() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        write(at.join("config.toml"), "seed = 1\n[training]\nsteps = 10\n[a.b]\nc = [1, \"x\"]\nd = \"<b>\"\n")
            .unwrap();
        let run = &discover(at, Links::Inside)[0];
        let follower = Follower::new(run.clone());
        let first = details(run, &follower);
        assert_eq!(
            first["config"],
            json!({"seed": "1", "training.steps": "10", "a.b.c": "[1, \"x\"]", "a.b.d": "<b>"})
        );
        assert_eq!((&first["checkpoints"], &first["samples"]), (&json!([]), &json!([])));
        let before = stamp(run);

        for step in ["step-0000005", "step-0000010", "step-x", ".partial-7"] {
            std::fs::create_dir_all(at.join("checkpoints").join(step)).unwrap();
            write(at.join("checkpoints").join(step).join("state.json"), "12345").unwrap();
        }
        let sample = "{\"step\":5,\"tokens\":[{\"token\":\"went\",\"original\":\"sat\",\"probability\":0.93},{\"token\":\"a\",\"probability\":null}]}";
        write(at.join("samples.jsonl"), format!("broken\n{sample}\n{{\"step\":6,\"tok")).unwrap();
        write(at.join("metrics.jsonl"), "{\"step\":7,\"split\":\"train\",\"skipped_steps\":2}\n").unwrap();
        write(at.join("status.json"), "{\"state\":\"failed\",\"reason\":\"the disk is full\"}").unwrap();
        write(at.join("config.toml"), "seed = ").unwrap();
        let second = details(run, &follower);
        assert_eq!(second["checkpoints"][0]["step"], 10);
        assert_eq!(
            (&second["checkpoints"][1]["bytes"], second["checkpoints"].as_array().unwrap().len()),
            (&5.into(), 2)
        );
        assert_eq!(second["samples"].as_array().unwrap().len(), 1);
        assert_eq!(second["samples"][0]["tokens"][0]["original"], "sat");
        let log = second["log"].to_string();
        assert!(log.contains("2 steps were skipped") && log.contains("failed: the disk is full"), "{log}");
        assert!(second["config"]["config.toml"].is_string());
        assert_ne!(stamp(run), before);
    }
}
