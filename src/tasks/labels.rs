//! From a column of labels to the classes of the task and what is right for each text.

use super::classification::Classification;
use super::example::{Example, Gold, unseen};
use super::read::{Hidden, LABEL, Loaded, Need, Reading, Value, named, names as names_of};
use super::texts::{TextRow, read_texts};
use crate::error::{Error, Result};
use electra_runs::counted as count_of;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Of a file that must have labels, and has a column for them.
const NO_LABELS: &str = "no row has a label; --label-column names another column";

impl Classification {
    /// The task that the labels of the training data at `path` ask for, and its examples.
    ///
    /// # Errors
    /// A file or row that cannot be used; one class only.
    pub fn prepare(path: &Path, reading: &Reading) -> Result<(Self, Loaded<Example>)> {
        let rows = read_texts(path, Need::Required, LABEL, reading)?;
        if rows.rows.iter().all(|row| row.labels.is_none()) {
            return Err(Error::input(path, NO_LABELS));
        }
        let lists = rows.rows.iter().any(|row| matches!(row.labels, Some(Value::List(_))));
        let multi_label = reading.multi_label || lists;
        let given = names_of(reading)?;
        let counts = counted(&rows.rows, multi_label);
        let hidden = Hidden::in_training(&counts, &given);
        let found: BTreeSet<String> = counts.keys().filter(|label| !hidden.has(label)).cloned().collect();
        let mut labels: Vec<String> = if given.is_empty() { found.into_iter().collect() } else { given.clone() };
        if given.is_empty() && labels.iter().all(|label| label.parse::<i64>().is_ok()) {
            labels.sort_by_key(|label| label.parse::<i64>().unwrap_or(0));
        }
        let fewest = if multi_label { 1 } else { 2 };
        if labels.len() < fewest {
            let found = labels.first().map_or("none".into(), |label| format!("only \"{label}\""));
            return Err(Error::input(path, format!("column \"label\": {found}; expected {fewest} classes or more")));
        }
        let task = Self { labels, multi_label };
        let mut examples = task.examples(rows, &hidden, &counts, Need::Required, reading)?;
        examples.notes.push(task.classes_note());
        examples.notes.extend(task.doubts(examples.rows.len()));
        Ok((task, examples))
    }

    /// Whoever trains or judges needs examples with labels; for a test set that has none, they are all without.
    fn examples(
        &self,
        rows: Loaded<TextRow>,
        hidden: &Hidden,
        counts: &BTreeMap<String, usize>,
        need: Need,
        reading: &Reading,
    ) -> Result<Loaded<Example>> {
        let mut given = names_of(reading)?;
        let is_number = |label: &String| label.parse::<usize>().is_ok();
        // Numbers that the model does not have are those of its labels.
        let numbers = counts.keys().filter(|label| !hidden.has(label)).all(is_number) && !counts.is_empty();
        if given.is_empty() && numbers && !self.labels.iter().any(is_number) {
            given.clone_from(&self.labels);
        }
        let by_number = (!given.is_empty() && numbers).then(|| numbered(&given, "label", reading));
        // A text of a file with labels may have none of several.
        let is_absent = rows.rows.iter().all(|row| row.labels.is_none());
        let mut examples = rows.convert(reading.skip_bad_rows, "rows", |row| {
            let gold = if is_absent { Ok(None) } else { self.gold(row.labels.as_ref(), hidden, &given) };
            let example = gold.map(|gold| Example { input: row.input, gold, group: String::new(), line: row.line });
            (Some(row.line), example)
        })?;
        if need == Need::Ignored {
            return Ok(examples);
        }
        examples.notes.extend(by_number);
        examples.notes.extend(hidden.note(counts, "row"));
        if need == Need::Required {
            examples.rows.retain(|example| example.gold.is_some());
        }
        if need == Need::Required && examples.rows.is_empty() {
            let why = hidden.note(counts, "row").map_or_else(String::new, |note| format!(": {note}"));
            return Err(Error::input(&examples.path, format!("no row has a label{why}")));
        }
        let count = examples.rows.iter().filter(|example| unseen(example).next().is_some()).count();
        let names = examples.rows.iter().flat_map(unseen).collect();
        let note = unknown((count, examples.rows.len()), "row", "labels", &names);
        examples.notes.extend(note);
        Ok(examples)
    }

    /// What is right for a row; nothing where it has no label, or a mark in its place.
    fn gold(
        &self,
        value: Option<&Value>,
        hidden: &Hidden,
        given: &[String],
    ) -> std::result::Result<Option<Gold>, String> {
        let names = names(value, self.multi_label);
        if names.iter().any(|name| hidden.has(name)) || (value.is_none() && !self.multi_label) {
            return Ok(None);
        }
        let is_same = |label: &str, name: &str| is_same_number(label, name) || is_same_truth(label, name);
        let number = |name: &str| {
            let exact = self.labels.iter().position(|label| label == name);
            exact.or_else(|| self.labels.iter().position(|label| is_same(label, name)))
        };
        let named = |name: &String| -> std::result::Result<String, String> {
            let of_list = named(name, given).map_err(|message| format!("column \"label\": {message}"))?;
            Ok(of_list.to_owned())
        };
        let names: Vec<String> = names.iter().map(named).collect::<std::result::Result<_, _>>()?;
        if self.multi_label {
            let mut holds = vec![false; self.labels.len()];
            let mut unseen = Vec::new();
            for name in names {
                match number(&name) {
                    Some(number) => holds[number] = true,
                    None => unseen.push(name),
                }
            }
            return Ok(Some(Gold::Labels { holds, unseen }));
        }
        match &names[..] {
            [name] => Ok(Some(number(name).map_or_else(|| Gold::Unseen(name.clone()), Gold::Class))),
            _ => Err(format!("column \"label\": {} labels; expected one", names.len())),
        }
    }

    /// How many classes there are, and the first of them.
    fn classes_note(&self) -> String {
        const SHOWN: usize = 8;
        let more = if self.labels.len() > SHOWN { ", ..." } else { "" };
        let (count, shown) =
            (self.labels.len(), self.labels.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "));
        let kind = if self.multi_label { "labels, any number of them a text" } else { "classes" };
        format!("{count} {kind}: {shown}{more}")
    }

    /// What speaks against the labels being meant so.
    fn doubts(&self, rows: usize) -> Vec<String> {
        let count = self.labels.len();
        let mut doubts = Vec::new();
        if !self.multi_label && count > 10 && count * 2 > rows {
            doubts.push(format!(
                "warning: {count} classes in {rows} rows; is this the column of labels? --label-column chooses one"
            ));
        }
        let number = |label: &String| label.replacen(',', ".", 1).parse::<f64>();
        let is_real = |label: &String| number(label).is_ok() && label.parse::<i64>().is_err();
        if self.labels.iter().all(|label| number(label).is_ok()) && self.labels.iter().any(is_real) {
            doubts.push("warning: the classes are real numbers; --task regression predicts numbers".into());
        }
        let is_list = |label: &&String| label.starts_with('[') && label.ends_with(']');
        if let Some(list) = self.labels.iter().find(is_list) {
            doubts.push(format!(
                "warning: \"{list}\" is taken for one label; several labels of a text stand between \"|\", or in an array of JSON"
            ));
        }
        // Several labels of a text look like that where some of them also stand alone.
        let is_joined = |label: &&String| {
            label.contains(',') && label.split(',').any(|part| self.labels.iter().any(|label| label == part.trim()))
        };
        if let Some(several) = self.labels.iter().find(is_joined).filter(|_| !self.multi_label) {
            doubts.push(format!(
                "warning: \"{several}\" is taken for one class; several labels of a text stand between \"|\" with --multi-label"
            ));
        }
        let holds = |mark: char| self.labels.iter().find(|label| label.trim_matches(mark).contains(mark));
        if !self.multi_label
            && let Some(several) = holds('|')
        {
            doubts.push(format!("warning: \"{several}\" is taken for one class; --multi-label splits labels at \"|\""));
        }
        if self.multi_label
            && let Some(several) = holds(',')
        {
            doubts.push(format!(
                "warning: \"{several}\" is taken for one label; several labels of a text stand between \"|\""
            ));
        }
        if self.labels.iter().any(|label| label == "-1") {
            doubts.push("\"-1\" is taken for a class; rows without a label have an empty field or \"-\"".into());
        }
        let mut by_case: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for label in &self.labels {
            by_case.entry(label.to_lowercase()).or_default().push(label);
        }
        if let Some(same) = by_case.values().find(|same| same.len() > 1) {
            doubts.push(format!("warning: the classes {} differ in case only", same.join(", ")));
        }
        doubts
    }

    /// [`Work::read`](super::task::Work::read).
    pub(super) fn read_labelled(&self, path: &Path, gold: Need, reading: &Reading) -> Result<Loaded<Example>> {
        // A text with several labels may have none, and a row without a label is left out and counted, not bad.
        let rows = read_texts(path, gold, LABEL, reading)?;
        if gold == Need::Required && rows.rows.iter().all(|row| row.labels.is_none()) {
            return Err(Error::input(path, NO_LABELS));
        }
        let counts = if gold == Need::Ignored { BTreeMap::new() } else { counted(&rows.rows, self.multi_label) };
        let hidden = Hidden::in_judging(&counts, &self.labels);
        self.examples(rows, &hidden, &counts, gold, reading)
    }
}

/// A note about labels or tags that the model does not know: `names`. `count` of `all` rows or words have one of them; `one` is the
/// word for such a row in the singular, `what` that for the names. There is no note where there are no such names.
pub(super) fn unknown((count, all): (usize, usize), one: &str, what: &str, names: &BTreeSet<&str>) -> Option<String> {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("\"{name}\"")).collect();
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    let (rows, shown) = (count_of(count, one), shown.join(", "));
    let warning = if count == all { "warning: the model knows none of the file's: " } else { "" };
    (!names.is_empty())
        .then(|| format!("{warning}{rows} with {what} that the model does not know, and so misses: {shown}{more}"))
}

/// What numbers are taken for.
///
/// Names that no file of `reading` gives are the model's.
pub(super) fn numbered(names: &[String], what: &str, reading: &Reading) -> String {
    const SHOWN: usize = 10;
    let first: Vec<String> =
        names.iter().enumerate().take(SHOWN).map(|(number, name)| format!("{number} = {name}")).collect();
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    let origin = match reading.labels {
        Some(_) => "",
        None => "; the names and their order are the model's, and --labels FILE has those of the data",
    };
    format!("{what}s are numbers: {}{more}{origin}", first.join(", "))
}

/// How many rows have each label; one without any has the empty one, unless it may have none.
fn counted(rows: &[TextRow], multi_label: bool) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        let names = names(row.labels.as_ref(), multi_label);
        if names.is_empty() && !multi_label {
            *counts.entry(String::new()).or_default() += 1;
        }
        names.into_iter().for_each(|name| *counts.entry(name).or_default() += 1);
    }
    counts
}

/// Whether two labels are the same whole number: `1` and `1.0`.
fn is_same_number(one: &str, other: &str) -> bool {
    let whole = |text: &str| text.parse::<f64>().ok().filter(|value| value.fract() == 0.0);
    whole(one).is_some_and(|value| whole(other) == Some(value))
}

/// Whether both are `true`, or both `false`, as programs write them.
fn is_same_truth(one: &str, other: &str) -> bool {
    ["true", "false"].iter().any(|truth| one.eq_ignore_ascii_case(truth) && other.eq_ignore_ascii_case(truth))
}

/// The names of labels in a cell; several between `|`.
fn names(value: Option<&Value>, multi_label: bool) -> Vec<String> {
    match value {
        None => Vec::new(),
        Some(Value::List(names)) => names.clone(),
        Some(Value::Text(text)) if multi_label => {
            text.split('|').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }
        Some(Value::Text(text)) => vec![whole(text.trim())],
    }
}

/// A whole number without the decimals that some exports give it: `1` for `1.0`.
fn whole(label: &str) -> String {
    let without = label.strip_suffix(".0").filter(|number| number.parse::<i64>().is_ok());
    without.unwrap_or(label).to_owned()
}
