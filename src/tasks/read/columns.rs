//! Which columns a caller wants, and what data sets call them.

use super::{Need, quoted};

/// Names of a column of labels or scores.
pub const LABEL: &[&str] = &[
    "label",
    "labels",
    "gold_label",
    "label_name",
    "label_text",
    "target",
    "is_duplicate",
    "Quality",
    "category",
    "class",
    "intent",
    "sentiment",
    "emotion",
    "topic",
    "entailment_judgment",
    "entailment_label",
    "Class Index",
    "score",
    "rating",
    "stars",
    "relevance",
    "grade",
    "similarity",
    "relatedness_score",
];

/// Names of a column of numbers that are to be predicted, those that [`LABEL`] has last first.
pub const SCORE: &[&str] = &[
    "score",
    "similarity",
    "relatedness_score",
    "rating",
    "stars",
    "relevance",
    "grade",
    "target",
    "label",
    "labels",
    "gold_label",
];

/// Names of a column that holds the only text.
pub const TEXT: &[&str] = &[
    "text",
    "sentence",
    "review",
    "review_text",
    "reviewText",
    "Review Text",
    "review_body",
    "comment_text",
    "clean_text",
    "full_text",
    "tweet_text",
    "OriginalTweet",
    "content",
    "tweet",
    "comment",
    "utterance",
    "question",
    "message",
    "document",
    "phrase",
    "utt",
    "essay",
    "excerpt",
    "body",
    "headline",
    "title",
];

/// Names of the two columns of a pair, as they occur together.
pub const PAIRS: &[(&str, &str)] = &[
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
    ("premise", "hypo"),
    ("context", "hypothesis"),
    ("question", "passage"),
    ("question", "sentence"),
    ("question", "answer"),
    ("text1", "text2"),
    ("sentence_A", "sentence_B"),
    ("text_a", "text_b"),
    ("sent1", "sent2"),
    ("s1", "s2"),
    ("query", "text"),
    ("#1 String", "#2 String"),
];

/// Names of a column of queries.
pub const QUERY: &[&str] = &["query"];

/// Names of a column of documents to rank.
pub const DOCUMENT: &[&str] = &["doc", "document", "passage"];

/// Names of a column that tells queries apart.
pub const QUERY_ID: &[&str] = &["qid", "query_id"];

/// What a table's columns say it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One text a row.
    Text,
    /// Two texts a row, in these columns.
    Pair(&'static str, &'static str),
    /// A query and a document a row.
    Ranking,
}

impl Shape {
    /// The shape that fits these columns; a pair goes before a text, since "sentence" occurs in both.
    pub fn of<S: AsRef<str>>(columns: &[S]) -> Option<Self> {
        let any = |names: &[&str]| find(names, columns.iter().map(AsRef::as_ref)).is_some();
        let has = |name: &str| any(&[name]);
        if any(QUERY) && any(DOCUMENT) {
            return Some(Self::Ranking);
        }
        if let Some(&(first, second)) = PAIRS.iter().find(|(first, second)| has(first) && has(second)) {
            return Some(Self::Pair(first, second));
        }
        any(TEXT).then_some(Self::Text)
    }
}

/// The columns that a caller wants; records hold their values in this order.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    pub(super) wanted: Vec<Wanted>,
}

#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The column is the first of these that is there.
    pub names: Vec<String>,
    pub need: Need,
    /// Whether JSON may give an array of strings.
    pub list: bool,
}

impl Columns {
    /// No columns yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A column of one text a row, under the first of these names that is there.
    pub fn text<S: AsRef<str>>(self, names: &[S], need: Need) -> Self {
        self.with(names, need, false)
    }

    /// A column that may have several values a row, which JSON gives as an array.
    pub fn list<S: AsRef<str>>(self, names: &[S], need: Need) -> Self {
        self.with(names, need, true)
    }

    fn with<S: AsRef<str>>(mut self, names: &[S], need: Need, list: bool) -> Self {
        let names = names.iter().map(|name| name.as_ref().to_owned()).collect();
        self.wanted.push(Wanted { names, need, list });
        self
    }

    /// Where each column is in a header; the message names everything that is missing.
    pub(super) fn locate(&self, header: &[String]) -> std::result::Result<Vec<Option<usize>>, String> {
        let mut missing = Vec::new();
        let mut places = Vec::with_capacity(self.wanted.len());
        for wanted in &self.wanted {
            let name = find(&wanted.names, header.iter().map(String::as_str));
            let at = |column: &String| Some(column.as_str()) == name;
            if let Some(name) = name
                && header.iter().filter(|column| at(column)).count() > 1
            {
                return Err(format!("there are two columns \"{name}\"; expected one"));
            }
            if name.is_none() && wanted.need == Need::Required {
                missing.push(quoted(&wanted.names, " or "));
            }
            places.push(header.iter().position(at));
        }
        if missing.is_empty() {
            return Ok(places);
        }
        Err(format!("there is no column {}; the columns are: {}", missing.join(" and no column "), header.join(", ")))
    }
}

/// The first of `names` that is among `columns`, as it is written there; another case will do where none is written so.
pub(super) fn find<'a, S: AsRef<str>>(names: &[S], columns: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let first = |is: &dyn Fn(&str, &str) -> bool| {
        names.iter().find_map(|name| columns.clone().find(|column| is(column, name.as_ref())))
    };
    first(&|column, name| column == name)
        .or_else(|| first(&|column, name| column.to_lowercase() == name.to_lowercase()))
}
