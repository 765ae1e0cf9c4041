//! What several tasks have in common.

use super::example::Input;
use super::feature::{Feature, Target};
use super::task::{Cell, Encoding, ResultTable};
use crate::error::Result;
use crate::metrics::Counts;

/// The feature of one text or a pair.
pub(super) fn text_feature(input: &Input, target: Target, example: usize, how: Encoding) -> Result<Vec<Feature>> {
    let (first, second) = match input {
        Input::Text(text) => (text.clone(), None),
        Input::Pair(first, second) => (first.clone(), Some(second.as_str())),
        Input::Words(words) => (words.join(" "), None),
        Input::Question { question, context } => (question.clone(), Some(&**context)),
    };
    let mut feature = Feature::of_texts(how.tokenizer, &first, second, how.max_length, example)?;
    feature.target = target;
    Ok(vec![feature])
}

/// Figures by class as rows of cells.
pub(super) fn by_class<'a>(classes: impl Iterator<Item = (&'a str, Counts)>) -> ResultTable {
    let columns = ["class", "precision", "recall", "f1", "support"].map(str::to_owned).into();
    let row = |(name, counts): (&str, Counts)| {
        let figures = [counts.precision(), counts.recall(), counts.f1()].map(Cell::Figure);
        [vec![Cell::Name(name.to_owned())], figures.into(), vec![Cell::Count(counts.gold)]].concat()
    };
    ResultTable { title: "by class".into(), columns, rows: classes.map(row).collect() }
}
