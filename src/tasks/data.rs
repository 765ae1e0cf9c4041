//! The labelled data of a run: read, described, and turned into features.

use super::example::{Example, Gold, Input};
use super::feature::Feature;
use super::ranking;
use super::read::{Loaded, Need, Skipped};
use super::registry::Task;
use super::task::Encoding;
use crate::config::{FinetuneConfig, Kind};
use crate::data::{Purpose, Rng};
use crate::error::{Error, Result};
use crate::files;
use crate::learner::Observers;
use crate::tokenizer::{MOST, Tokenizer};
use electra_runs::counted;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The examples of a run and the task that they ask for.
pub(super) struct LabelledData {
    pub task: Task,
    pub train: Loaded<Example>,
    pub dev: Loaded<Example>,
    pub test: Option<Loaded<Example>>,
    pub fingerprint: String,
}

impl LabelledData {
    /// What `config` names.
    ///
    /// # Errors
    /// Files that cannot be read, or do not fit the task.
    pub(super) fn read(kind: Kind, config: &FinetuneConfig) -> Result<Self> {
        let files = &config.data;
        let reading = &files.reading();
        let (mut task, mut train) = Task::prepare(kind, &files.train, reading)?;
        if let (Task::QuestionAnswering(task), Some(length)) = (&mut task, files.max_answer_length) {
            task.max_answer_length = length;
        }
        let dev = match files.dev.as_os_str().is_empty() {
            true => apart(&mut train, files.dev_share, together, stratum)?,
            false => task.read(&files.dev, Need::Required, reading)?,
        };
        let test = files.test.as_ref().map(|path| task.read(path, Need::Optional, reading)).transpose()?;
        let sources = |path: &PathBuf| match kind {
            Kind::Ranking => ranking::sources(path),
            _ => Ok(vec![path.clone()]),
        };
        let of_train = sources(&files.train)?;
        let of_dev = if files.dev.as_os_str().is_empty() { Vec::new() } else { sources(&files.dev)? };
        let vocabulary = ["tokenizer.json", "vocab.txt"].map(|name| config.model.join(name));
        let tokenizer: Vec<PathBuf> = vocabulary.into_iter().find(|path| path.is_file()).into_iter().collect();
        let all: Vec<&Path> = of_train.iter().chain(&of_dev).chain(&tokenizer).map(PathBuf::as_path).collect();
        let fingerprint = fingerprint(&all)?;
        Ok(Self { task, train, dev, test, fingerprint })
    }

    /// Tells `observers` what was read.
    ///
    /// # Errors
    /// [`Error::Input`] for texts of which the encoder knows nearly nothing.
    pub(super) fn report(&self, tokenizer: &Tokenizer, observers: &Observers) -> Result<()> {
        for (name, loaded) in [("train", Some(&self.train)), ("dev", Some(&self.dev)), ("test", self.test.as_ref())] {
            let Some(loaded) = loaded else { continue };
            observers.stage(&describe(name, "examples", loaded));
            if loaded.rows.iter().all(|example| example.gold.is_none()) {
                observers.stage(&format!("{name}: no example has a label, so that nothing is judged on it"));
            }
            let texts = loaded.rows.iter().flat_map(|example| example.input.texts());
            if let Some((share, remark)) = tokenizer.unknown_remark(texts)? {
                if share > MOST && name != "test" {
                    return Err(Error::input(&loaded.path, format!("{remark}; so there is nothing to learn")));
                }
                observers.stage(&format!("warning: {name}: {remark}"));
            }
        }
        Ok(())
    }
}

/// What an example must not be parted from: the documents of its query, the questions about its context, copies of its text.
fn together(example: &Example) -> String {
    match &example.input {
        Input::Question { context, .. } => context.to_string(),
        _ if !example.group.is_empty() => example.group.clone(),
        input => input.texts().join("\n"),
    }
}

/// What is drawn from alike: the label of a text.
fn stratum(example: &Example) -> String {
    match &example.gold {
        Some(Gold::Class(class)) => class.to_string(),
        _ => String::new(),
    }
}

/// Takes `share` of the rows of `train` away: of every `stratum` alike, of which one stays in any case, and rows that are `together` as one.
/// The draw is the same every time, so that runs with several seeds are judged on the same rows.
///
/// # Errors
/// [`Error::Input`] where that leaves nothing on one side.
pub(super) fn apart<T>(
    train: &mut Loaded<T>,
    share: f64,
    together: impl Fn(&T) -> String,
    stratum: impl Fn(&T) -> String,
) -> Result<Loaded<T>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (at, row) in train.rows.iter().enumerate() {
        let group = *known.entry(together(row)).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(at);
    }
    let mut strata: BTreeMap<String, Vec<&[usize]>> = BTreeMap::new();
    for group in &groups {
        strata.entry(stratum(&train.rows[group[0]])).or_default().push(group);
    }
    let mut strata: Vec<Vec<&[usize]>> = strata.into_values().collect();
    let sizes: Vec<usize> = strata.iter().map(Vec::len).collect();
    let mut is_dev = vec![false; train.rows.len()];
    for (number, (groups, count)) in strata.iter_mut().zip(counts_of(&sizes, share)).enumerate() {
        Rng::new(0, Purpose::Order, 0, number as u64).shuffle(groups);
        groups.iter().take(count).flat_map(|group| group.iter()).for_each(|&at| is_dev[at] = true);
    }
    let (all, kept) = (train.rows.len(), is_dev.iter().filter(|is_dev| **is_dev).count());
    if kept == 0 {
        let message = format!(
            "{} with {} different texts are too few to keep a share of {share} apart and one of every label to train \
             on; expected more, data.dev to choose by, or another data.dev_share",
            counted(all, "example"),
            groups.len()
        );
        return Err(Error::input(&train.path, message));
    }
    let (dev, rest): (Vec<_>, Vec<_>) = train.rows.drain(..).zip(is_dev).partition(|(_, is_dev)| *is_dev);
    train.rows = rest.into_iter().map(|(row, _)| row).collect();
    let percent = 100.0 * kept as f64 / all as f64;
    let note = format!(
        "no data to choose by: {kept} of {all} examples are kept apart ({percent:.1} %; data.dev_share {share})"
    );
    let rows = dev.into_iter().map(|(row, _)| row).collect();
    Ok(Loaded { path: train.path.clone(), rows, skipped: Skipped::default(), notes: vec![note] })
}

/// How many of each of `sizes` come to `share` of all, by the largest remainders; one of each stays.
fn counts_of(sizes: &[usize], share: f64) -> Vec<usize> {
    let all: usize = sizes.iter().sum();
    let wanted = ((all as f64 * share).round() as usize).max(1);
    let most = |size: usize| size.saturating_sub(1);
    let quotas: Vec<f64> = sizes.iter().map(|size| *size as f64 * share).collect();
    let mut counts: Vec<usize> =
        sizes.iter().zip(&quotas).map(|(size, quota)| (quota.floor() as usize).min(most(*size))).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|a, b| (quotas[*b] - quotas[*b].floor()).total_cmp(&(quotas[*a] - quotas[*a].floor())));
    for at in order {
        if counts.iter().sum::<usize>() < wanted && counts[at] < most(sizes[at]) {
            counts[at] += 1;
        }
    }
    counts
}

/// What was read of a file, in a line.
pub(super) fn describe<T>(name: &str, what: &str, loaded: &Loaded<T>) -> String {
    let skipped = match &loaded.skipped {
        skipped if skipped.count > 0 => {
            format!(", {} bad rows left out; the first: {}", skipped.count, skipped.first.first().map_or("", |m| m))
        }
        _ => String::new(),
    };
    let notes: String = loaded.notes.iter().map(|note| format!("\n  {note}")).collect();
    format!("{name}: {} {what} in {}{skipped}{notes}", loaded.rows.len(), loaded.path.display())
}

/// How many rows there are, by file.
pub(super) fn counts<T>(train: &Loaded<T>, dev: &Loaded<T>, test: Option<&Loaded<T>>) -> BTreeMap<String, usize> {
    let files = [("train", Some(train)), ("dev", Some(dev)), ("test", test)];
    files.into_iter().filter_map(|(name, loaded)| Some((name.to_owned(), loaded?.rows.len()))).collect()
}

/// A hash of what a run trains on.
pub(super) fn fingerprint(paths: &[&Path]) -> Result<String> {
    let mut hash = Sha256::new();
    for path in paths {
        hash.update(files::sha256(path).map_err(|error| Error::input(path, error.to_string()))?);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The features of `examples`; for training with `seed` only those that are trained on.
pub(super) fn features(task: &Task, examples: &[Example], how: Encoding, seed: Option<u64>) -> Result<Vec<Feature>> {
    let of = |(number, example): (usize, &Example)| {
        let features = task.features(&example.input, example.gold.as_ref(), number, how)?;
        Ok(match seed {
            Some(seed) => task.training_features(features, seed),
            None => features,
        })
    };
    let features: Vec<Vec<Feature>> = examples.par_iter().enumerate().map(of).collect::<Result<_>>()?;
    Ok(features.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(count: usize) -> Loaded<usize> {
        Loaded { path: "train.tsv".into(), rows: (0..count).collect(), skipped: Skipped::default(), notes: Vec::new() }
    }

    /// Every row is a group of its own.
    fn alone(row: &usize) -> String {
        row.to_string()
    }

    #[test]
    fn every_label_is_kept_apart_alike() {
        // One in five has the rare label.
        let rare = |row: &usize| row.is_multiple_of(5).to_string();
        let mut train = loaded(100);
        let dev = apart(&mut train, 0.2, alone, rare).unwrap();
        assert_eq!((train.rows.len(), dev.rows.len()), (80, 20));
        assert_eq!(dev.rows.iter().filter(|row| row.is_multiple_of(5)).count(), 4);
        let all: std::collections::BTreeSet<_> = train.rows.iter().chain(&dev.rows).collect();
        assert_eq!(all.len(), 100, "no row is lost or on both sides");
        assert!(dev.notes[0].contains("20 of 100 examples are kept apart (20.0 %"), "{:?}", dev.notes);
        assert_eq!(apart(&mut loaded(100), 0.2, alone, rare).unwrap().rows, dev.rows, "the same every time");
        assert!(dev.rows.iter().any(|row| *row >= 50) && dev.rows.iter().any(|row| *row < 50), "{:?}", dev.rows);
    }

    #[test]
    fn many_labels_with_few_rows_come_to_the_share() {
        // 77 labels with 4 rows each: a share of 0.1 is less than half a row of each.
        let mut train = loaded(308);
        let dev = apart(&mut train, 0.1, alone, |row| (row / 4).to_string()).unwrap();
        assert_eq!((train.rows.len(), dev.rows.len()), (277, 31));
        // A label with one row keeps it for training, whatever the share.
        let mut train = loaded(40);
        let dev = apart(&mut train, 0.5, alone, |row| (*row == 7).to_string()).unwrap();
        assert!(train.rows.contains(&7) && !dev.rows.contains(&7));
        assert_eq!(counts_of(&[19, 20, 1], 0.9), [18, 18, 0]);
    }

    #[test]
    fn what_belongs_together_stays_together() {
        let mut train = loaded(100);
        let dev = apart(&mut train, 0.3, |row| (row % 10).to_string(), |_| String::new()).unwrap();
        assert_eq!((train.rows.len(), dev.rows.len()), (70, 30));
        assert!(train.rows.iter().all(|row| !dev.rows.iter().any(|other| other % 10 == row % 10)));
    }

    #[test]
    fn too_few_rows_are_refused() {
        let error = apart(&mut loaded(1), 0.1, alone, |_| String::new()).unwrap_err().to_string();
        assert!(error.contains("1 example with 1 different texts"), "{error}");
        let error = apart(&mut loaded(40), 0.1, |_| "the same".into(), |_| String::new()).unwrap_err().to_string();
        assert!(error.contains("too few"), "{error}");
        let error = apart(&mut loaded(40), 0.1, alone, alone).unwrap_err().to_string();
        assert!(error.contains("one of every label"), "{error}");
        assert_eq!(apart(&mut loaded(2), 0.1, alone, |_| String::new()).unwrap().rows.len(), 1);
    }
}
