//! Minimal pairs: a sentence and one that differs by a fault. What a network knows of a language shows in how often it scores the
//! first higher.

use super::{Scorer, ids};
use crate::error::{Error, Result};
use crate::files;
use crate::tokenizer::Tokenizer;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A good and a bad sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The good one.
    #[serde(alias = "sentence_good")]
    pub good: String,
    /// The bad one.
    #[serde(alias = "sentence_bad")]
    pub bad: String,
    /// What tells them apart, for example `agreement`.
    #[serde(default, alias = "UID")]
    pub group: String,
    /// The line that it stands in, from 1.
    #[serde(skip)]
    pub line: usize,
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
    let pair = |line: &str| serde_json::from_str::<Pair>(line).expect("a test reads every line");
    (1..).zip(text.lines()).map(|(line, text)| Pair { line, ..pair(text) }).collect()
}

/// The pairs of a file: JSON lines with `good`, `bad` and perhaps `group` (or `sentence_good`, `sentence_bad` and `UID`, as BLiMP has them), or the same three between tabs, in this order or that of
/// a first row which names them. Blank lines are passed over.
///
/// # Errors
/// [`Error::Input`] with the line for what is neither, for an empty sentence, for two equal ones, and for a file without pairs.
pub fn read(path: &Path) -> Result<Vec<Pair>> {
    let text = files::read_text(path, LARGEST).map_err(|error| Error::input(path, error.to_string()))?;
    let text = text.trim_start_matches('\u{feff}');
    let (mut pairs, mut columns) = (Vec::new(), None);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |message: String| Error::Input { path: path.to_owned(), line: Some(number + 1), message };
        let pair = if line.trim_start().starts_with('{') {
            serde_json::from_str(line)
                .map_err(|error| wrong(format!("{error}; expected good, bad and perhaps group")))?
        } else {
            let fields: Vec<&str> = line.split('\t').collect();
            if pairs.is_empty() && columns.is_none() {
                columns = Columns::named(&fields);
                if columns.is_some() {
                    continue;
                }
            }
            let columns = columns.unwrap_or(Columns {
                good: 0,
                bad: 1,
                group: (fields.len() == 3).then_some(2),
                count: fields.len().clamp(2, 3),
            });
            if fields.len() != columns.count {
                let (found, expected) = (fields.len(), columns.count);
                let message = format!(
                    "{found} fields between tabs; expected {expected}: a good sentence, a bad one and perhaps a group"
                );
                return Err(wrong(message));
            }
            let group = columns.group.map(|group| fields[group].to_owned()).unwrap_or_default();
            Pair { good: fields[columns.good].into(), bad: fields[columns.bad].into(), group, line: 0 }
        };
        if pair.good.trim().is_empty() || pair.bad.trim().is_empty() {
            return Err(wrong("a sentence is empty".into()));
        }
        if pair.good == pair.bad {
            return Err(wrong("both sentences are the same; expected a good and a bad one".into()));
        }
        pairs.push(Pair { line: number + 1, ..pair });
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
    let path = Path::new(name);
    if name == ENGLISH {
        return Ok(english());
    }
    if !path.exists() {
        return Err(Error::input(
            path,
            "evaluation.pairs names no file; expected one, or english, the pairs that are compiled in",
        ));
    }
    read(path)
}

/// Checks that networks with `tokenizer` that take `longest` tokens, special ones included, can score every sentence of `pairs`,
/// which come from `source`; returns the most tokens of a sentence.
///
/// # Errors
/// [`Error::Input`] with the line of a sentence without tokens or with too many.
pub fn check(pairs: &[Pair], source: &Path, (tokenizer, longest): (&Tokenizer, usize)) -> Result<usize> {
    let mut most = 0;
    for pair in pairs {
        for text in [&pair.good, &pair.bad] {
            let ids = ids(text, tokenizer, longest).map_err(|error| Error::Input {
                path: source.to_owned(),
                line: Some(pair.line),
                message: error.to_string(),
            })?;
            most = most.max(ids.len());
        }
    }
    Ok(most)
}

/// The share of all pairs in `groups` that were judged rightly.
pub fn accuracy(groups: &[GroupScore]) -> f64 {
    let pairs: usize = groups.iter().map(|group| group.pairs).sum();
    groups.iter().map(|group| group.right).sum::<f64>() / pairs.max(1) as f64
}

/// Where the fields of a pair stand in a row.
#[derive(Clone, Copy)]
struct Columns {
    good: usize,
    bad: usize,
    group: Option<usize>,
    count: usize,
}

impl Columns {
    /// Those that a first row names, if it names both sentences.
    fn named(fields: &[&str]) -> Option<Self> {
        let at = |name: &str| fields.iter().position(|field| field.trim().eq_ignore_ascii_case(name));
        let [good, bad, group] = [["good", "sentence_good"], ["bad", "sentence_bad"], ["group", "UID"]];
        let of = |[name, other]: [&str; 2]| at(name).or_else(|| at(other));
        Some(Self { good: of(good)?, bad: of(bad)?, group: of(group), count: fields.len() })
    }
}

/// What `scorer` says of `pairs`, by group in the order in which groups come; nothing where `is_stopped` says so on the way.
///
/// # Errors
/// Those of [`Scorer::score`].
pub fn judge(scorer: &Scorer, pairs: &[Pair], is_stopped: &dyn Fn() -> bool) -> Result<Option<Vec<GroupScore>>> {
    let mut groups: Vec<GroupScore> = Vec::new();
    for part in pairs.chunks(64) {
        if is_stopped() {
            return Ok(None);
        }
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
    }
    Ok(Some(groups))
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
        let expected = |lines: [usize; 2]| {
            let pair = |good: &str, bad: &str, group: &str, line| {
                let (good, bad, group) = (good.to_owned(), bad.to_owned(), group.to_owned());
                Pair { good, bad, group, line }
            };
            [pair("a b", "b a", "order", lines[0]), pair("c", "d", "", lines[1])]
        };
        assert_eq!(of("good\tbad\tgroup\na b\tb a\torder\n\nc\td\t\n").unwrap(), expected([2, 4]));
        let json = "{\"good\": \"a b\", \"bad\": \"b a\", \"group\": \"order\"}\n{\"good\": \"c\", \"bad\": \"d\"}";
        assert_eq!(of(json).unwrap(), expected([1, 2]));
        let by_name = of("\u{feff}group\tBad\tgood\norder\tb a\ta b\n\td\tc\n").unwrap();
        assert_eq!(by_name, expected([2, 3]), "columns by name");
        for (text, expected) in [
            ("a\tb\nc", "pairs:2: 1 fields between tabs"),
            ("a\ta", "pairs:1: both sentences are the same"),
            ("a\tb\tc\td", "pairs:1: 4 fields between tabs"),
            ("{\"good\": \"a\"}", "pairs:1: missing field `bad`"),
            ("a\t ", "pairs:1: a sentence is empty"),
            ("\n", "there are no pairs"),
            ("group\tbad\tGood\nx\ty", "pairs:2: 2 fields between tabs; expected 3"),
        ] {
            let error = of(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
