//! Marks for a hidden label: of test sets, and of rows that annotators could not agree about.

use electra_runs::counted;
use std::collections::BTreeMap;

/// Marks that are never a class of their own. `-1` is one where nothing else speaks against it.
const MARKS: [&str; 3] = ["", "-", "-100"];

/// The share of the rows above which `-1` is a class.
const RARE: f64 = 0.05;

/// Which marks a set of labels has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hidden {
    marks: Vec<String>,
}

impl Hidden {
    /// The marks among the labels of training data, each with the number of its rows. `given` are the names of labels that are
    /// numbers, which no `-1` is one of.
    pub(crate) fn in_training(labels: &BTreeMap<String, usize>, given: &[String]) -> Self {
        let rows: usize = labels.values().sum();
        let is_whole = |label: &String| label.parse::<u32>().is_ok();
        let others = labels.keys().filter(|label| *label != "-1");
        let minus_one = others.clone().count() > 1
            && others.clone().all(is_whole)
            && labels.get("-1").is_some_and(|&count| (count as f64) < RARE * rows as f64);
        let is_named = given.iter().any(|name| name == "-1");
        Self::of(labels, minus_one || !given.is_empty() && !is_named)
    }

    /// The marks among the labels of data that a model with the labels `known` is judged by.
    pub(crate) fn in_judging(labels: &BTreeMap<String, usize>, known: &[String]) -> Self {
        let only = labels.len() == 1;
        let minus_one = only || !known.iter().any(|label| label == "-1");
        let mut hidden = Self::of(labels, minus_one);
        hidden.marks.retain(|mark| mark == "-1" || !known.contains(mark));
        hidden
    }

    /// The marks of numbers that are to be predicted.
    pub(crate) fn in_numbers(labels: &BTreeMap<String, usize>) -> Self {
        Self::of(labels, labels.len() == 1)
    }

    fn of(labels: &BTreeMap<String, usize>, minus_one: bool) -> Self {
        // Signs of polarity are classes.
        let has_plus = labels.contains_key("+");
        let is_mark = |label: &str| match label {
            "-1" => minus_one,
            "-" => !has_plus,
            label => MARKS.contains(&label),
        };
        Self { marks: labels.keys().filter(|label| is_mark(label)).cloned().collect() }
    }

    /// Whether `label` is a mark.
    pub(crate) fn has(&self, label: &str) -> bool {
        self.marks.iter().any(|mark| mark == label)
    }

    /// What is left out because of it, as a note; nothing where nothing is.
    pub(crate) fn note(&self, labels: &BTreeMap<String, usize>, one: &str) -> Option<String> {
        let count: usize = self.marks.iter().filter_map(|mark| labels.get(mark)).sum();
        let marks: Vec<String> = self.marks.iter().map(|mark| format!("\"{mark}\"")).collect();
        (count > 0).then(|| format!("{} without a label ({})", counted(count, one), marks.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(labels: &[(&str, usize)]) -> Vec<String> {
        Hidden::in_training(&counted(labels), &[]).marks
    }

    fn counted(labels: &[(&str, usize)]) -> BTreeMap<String, usize> {
        labels.iter().map(|&(label, count)| (label.to_owned(), count)).collect()
    }

    #[test]
    fn marks_are_told_from_classes() {
        assert_eq!(marks(&[("-", 1), ("entailment", 9), ("neutral", 9)]), ["-"]);
        assert_eq!(marks(&[("-1", 1), ("0", 50), ("1", 50)]), ["-1"], "as exports of SNLI have it");
        assert!(marks(&[("-1", 30), ("0", 50), ("1", 50)]).is_empty(), "negative, neutral, positive");
        assert!(marks(&[("+", 30), ("-", 50)]).is_empty(), "polarity");
        let named = ["negative", "positive"].map(String::from);
        assert_eq!(
            Hidden::in_training(&counted(&[("-1", 30), ("0", 50)]), &named).marks,
            ["-1"],
            "no number of a name"
        );
        let known = ["0", "1"].map(String::from);
        let judged = |labels: &[(&str, usize)], known: &[String]| Hidden::in_judging(&counted(labels), known).marks;
        assert_eq!(judged(&[("-1", 50), ("1", 1)], &known), ["-1"]);
        assert!(judged(&[("-1", 50), ("1", 1)], &["-1", "1"].map(String::from)).is_empty());
        assert_eq!(judged(&[("-1", 50)], &["-1", "1"].map(String::from)), ["-1"], "a whole set");
        assert!(judged(&[("-", 5), ("+", 1)], &["+", "-"].map(String::from)).is_empty());
        let hidden = Hidden::in_numbers(&counted(&[("-1", 4)]));
        assert_eq!(hidden.note(&counted(&[("-1", 4)]), "row").unwrap(), "4 rows without a label (\"-1\")");
    }
}
