//! Minimal pairs: a sentence and one that differs by a fault. What a network knows of a language shows in how often it scores the
//! first higher.

use super::Scorer;
use crate::error::{Error, Result};
use crate::files;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A good and a bad sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The good one.
    pub good: String,
    /// The bad one.
    pub bad: String,
    /// What tells them apart, for example `agreement`.
    #[serde(default)]
    pub group: String,
}

/// How many pairs of a group were judged rightly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupScore {
    /// The group.
    pub group: String,
    /// Pairs in it.
    pub pairs: usize,
    /// Pairs whose good sentence has the higher score; equal scores count half.
    pub right: f64,
}

impl GroupScore {
    /// Share of the pairs that were judged rightly; 0.5 is chance.
    pub fn accuracy(&self) -> f64 {
        self.right / self.pairs.max(1) as f64
    }
}

/// The name of the pairs that are compiled in.
pub const ENGLISH: &str = "english";

/// Largest file of pairs, in bytes.
const LARGEST: u64 = 256 << 20;

/// The pairs that are compiled in: twelve groups of English grammar, fifty pairs each, written for this project.
pub fn english() -> Vec<Pair> {
    let text = include_str!("../../assets/pairs/english.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("a test reads every line")).collect()
}

/// The pairs of a file: JSON lines with `good`, `bad` and perhaps `group`, or the same three between tabs. Blank lines are passed
/// over.
///
/// # Errors
/// [`Error::Input`] with the line for what is neither, for an empty sentence, and for a file without pairs.
pub fn read(path: &Path) -> Result<Vec<Pair>> {
    let text = files::read_text(path, LARGEST).map_err(|error| Error::input(path, error.to_string()))?;
    let mut pairs = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |message: String| Error::Input { path: path.to_owned(), line: Some(number + 1), message };
        let pair = if line.trim_start().starts_with('{') {
            serde_json::from_str(line)
                .map_err(|error| wrong(format!("{error}; expected good, bad and perhaps group")))?
        } else {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields[..] {
                ["good", "bad", ..] if pairs.is_empty() => continue,
                [good, bad] => Pair { good: good.into(), bad: bad.into(), group: String::new() },
                [good, bad, group] => Pair { good: good.into(), bad: bad.into(), group: group.into() },
                _ => {
                    let message = format!(
                        "{} fields between tabs; expected a good sentence, a bad one and perhaps a group",
                        fields.len()
                    );
                    return Err(wrong(message));
                }
            }
        };
        if pair.good.trim().is_empty() || pair.bad.trim().is_empty() {
            return Err(wrong("a sentence is empty".into()));
        }
        pairs.push(pair);
    }
    if pairs.is_empty() {
        return Err(Error::input(path, "there are no pairs; expected one a line"));
    }
    Ok(pairs)
}

/// The pairs that a configuration names: `english`, those that are compiled in, or a file.
///
/// # Errors
/// Those of [`read`].
pub fn named(name: &str) -> Result<Vec<Pair>> {
    if name == ENGLISH { Ok(english()) } else { read(Path::new(name)) }
}

/// The share of all pairs in `groups` that were judged rightly.
pub fn accuracy(groups: &[GroupScore]) -> f64 {
    let pairs: usize = groups.iter().map(|group| group.pairs).sum();
    groups.iter().map(|group| group.right).sum::<f64>() / pairs.max(1) as f64
}

/// What `scorer` says of `pairs`, by group in the order in which groups come; `progress` hears how many pairs are done.
///
/// # Errors
/// Those of [`Scorer::score`].
pub fn judge(scorer: &Scorer, pairs: &[Pair], progress: &mut dyn FnMut(usize)) -> Result<Vec<GroupScore>> {
    let mut groups: Vec<GroupScore> = Vec::new();
    let mut done = 0;
    for part in pairs.chunks(64) {
        let texts: Vec<&str> = part.iter().flat_map(|pair| [pair.good.as_str(), pair.bad.as_str()]).collect();
        for (pair, scores) in part.iter().zip(scorer.score(&texts)?.chunks(2)) {
            let right = match scores[0].sum.total_cmp(&scores[1].sum) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
            let at = groups.iter().position(|group| group.group == pair.group).unwrap_or(groups.len());
            if at == groups.len() {
                groups.push(GroupScore { group: pair.group.clone(), pairs: 0, right: 0.0 });
            }
            groups[at].pairs += 1;
            groups[at].right += right;
        }
        done += part.len();
        progress(done);
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn the_pairs_that_are_compiled_in_are_whole() {
        let pairs = english();
        let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
        pairs.iter().for_each(|pair| *groups.entry(&pair.group).or_default() += 1);
        assert_eq!((groups.len(), groups.values().all(|&count| count == 50)), (12, true), "{groups:?}");
        assert!(pairs.iter().all(|pair| pair.good != pair.bad));
        assert_eq!(pairs.iter().map(|pair| (&pair.good, &pair.bad)).collect::<BTreeSet<_>>().len(), 600);
    }

    #[test]
    fn pairs_are_read_from_json_and_tables() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pairs");
        let of = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path)
        };
        let pair =
            |good: &str, bad: &str, group: &str| Pair { good: good.into(), bad: bad.into(), group: group.into() };
        let expected = [pair("a b", "b a", "order"), pair("c", "d", "")];
        assert_eq!(of("good\tbad\tgroup\na b\tb a\torder\n\nc\td\n").unwrap(), expected);
        assert_eq!(
            of("{\"good\": \"a b\", \"bad\": \"b a\", \"group\": \"order\"}\n{\"good\": \"c\", \"bad\": \"d\"}")
                .unwrap(),
            expected
        );
        for (text, expected) in [
            ("a\tb\nc", "pairs:2: 1 fields between tabs"),
            ("{\"good\": \"a\"}", "pairs:1: missing field `bad`"),
            ("a\t ", "pairs:1: a sentence is empty"),
            ("\n", "there are no pairs"),
        ] {
            let error = of(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
