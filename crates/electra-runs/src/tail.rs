//! The end of `metrics.jsonl`, for tables of many runs: it is read again only where the file has changed.

use crate::discover::Run;
use crate::follow::{identity, lines_after};
use crate::layout::METRICS;
use serde_json::Value;

/// How far from the end the last validation is looked for: near, then far.
const DISTANCES: [u64; 2] = [1 << 16, 1 << 20];

/// What the end of the file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tail {
    /// Identity and size of the file.
    stamp: (u64, u64),
    /// The step of the last record.
    pub step: u64,
    /// The last validation; null without one.
    pub validation: Value,
}

impl Tail {
    /// The end by now of the metrics of `run`, given what it was `before`. A file that cannot be read has none.
    pub fn read(run: &Run, before: Option<&Self>) -> Self {
        let Ok(mut file) = run.open(METRICS) else { return Self::default() };
        let Ok(metadata) = file.metadata() else { return Self::default() };
        let stamp = (identity(&metadata), metadata.len());
        let before = before.filter(|tail| tail.stamp.0 == stamp.0 && tail.stamp.1 <= stamp.1);
        if let Some(before) = before.filter(|tail| tail.stamp == stamp) {
            return before.clone();
        }
        let mut tail = Self { stamp, ..before.cloned().unwrap_or_default() };
        for distance in DISTANCES {
            // A line that is cut in front is no record.
            let Ok((text, _)) = lines_after(&mut file, stamp.1.saturating_sub(distance)) else { return tail };
            let mut lines =
                text.rsplit(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
            let mut newest = None;
            let validation = lines.find(|record| {
                newest = newest.or(record["step"].as_u64());
                record["split"] == "valid"
            });
            tail.step = newest.unwrap_or(tail.step);
            if let Some(validation) = validation {
                tail.validation = validation;
                break;
            }
        }
        tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::{Links, discover};
    use crate::layout::CONFIG;
    use std::fs::write;

    #[test]
    fn the_last_validation_is_found_far_from_the_end() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path().join(CONFIG), "").unwrap();
        let run = &discover(folder.path(), Links::Inside)[0];
        let first = Tail::read(run, None);
        assert_eq!((first.step, &first.validation), (0, &Value::Null));
        let filler = "{\"step\":70,\"split\":\"train\"}\n".repeat(5000);
        let valid = "{\"step\":50,\"split\":\"valid\",\"f1\":0.5}\n";
        write(folder.path().join(METRICS), format!("{valid}{filler}{{\"step\":80,\"sp")).unwrap();
        let second = Tail::read(run, Some(&first));
        assert_eq!((second.step, &second.validation["f1"]), (70, &0.5.into()));
        assert_eq!(Tail::read(run, Some(&second)), second);
        // A newer validation as far from the end as the first.
        let more = format!("{valid}{filler}{}{filler}", valid.replace("50", "75"));
        write(folder.path().join(METRICS), more).unwrap();
        assert_eq!(Tail::read(run, Some(&second)).validation["step"], 75);
    }
}
