//! Sentences with a tag for every word.

use super::bad::{Collector, Loaded, by_line};
use super::source::Source;
use super::{Need, json};
use crate::error::Result;
use std::path::Path;

/// Names of the field that holds the words.
const WORDS: &[&str] = &["tokens", "words"];

/// Names of the field that holds the tags.
const TAGS: &[&str] = &["tags", "ner_tags", "labels"];

type Outcome<T> = std::result::Result<T, String>;

/// One sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// The line of its first word, from 1.
    pub line: usize,
    /// The words; never empty.
    pub words: Vec<String>,
    /// A tag for each word, as the file has it.
    pub tags: Option<Vec<String>>,
}

/// Reads a token a line, or JSON lines by the extension.
///
/// In the first form, spaces or tabs separate the columns, the first of which is the word and the last the tag; a blank
/// line ends a sentence. A bad line makes its sentence a bad row.
pub fn read_conll(path: &Path, tags: Need, skip_bad_rows: bool) -> Result<Loaded<Sentence>> {
    if json::is_json(path) {
        let mut chosen = Default::default();
        return by_line(path, skip_bad_rows, "sentences", |line, text| from_json(line, text, tags, &mut chosen));
    }
    let source = Source::open(path)?;
    let mut sentences = Collector::new(path, skip_bad_rows);
    let mut width = None;
    let mut open: Option<Open> = None;
    for (number, line) in source.lines() {
        if matches!(line, Ok(line) if is_end(line)) {
            close(open.take(), &mut sentences)?;
            continue;
        }
        if open.is_none() && matches!(line, Ok(line) if is_comment(line)) {
            continue;
        }
        let open = open.get_or_insert_with(|| Open::new(number));
        if open.wrong.is_none() {
            let added = line.and_then(|line| open.add(line, tags, &mut width));
            open.wrong = added.err().map(|message| (number, message));
        }
    }
    close(open, &mut sentences)?;
    sentences.finish("sentences")
}

/// A sentence that is being read.
struct Open {
    sentence: Sentence,
    wrong: Option<(usize, String)>,
}

impl Open {
    fn new(line: usize) -> Self {
        Self { sentence: Sentence { line, words: Vec::new(), tags: None }, wrong: None }
    }

    /// Adds a word; `width` is the number of columns of the first line that has any.
    fn add(&mut self, line: &str, tags: Need, width: &mut Option<usize>) -> Outcome<()> {
        let columns: Vec<_> = fields(line).collect();
        let (Some(word), Some(tag), found) = (columns.first(), columns.last(), columns.len()) else {
            return Ok(());
        };
        if found == 1 && width.is_none_or(|width| width == 1) && tags == Need::Required {
            return Err(format!("the word \"{word}\" has no tag; expected a word and its tag in the last column"));
        }
        let expected = *width.get_or_insert(found);
        if found != expected {
            let plural = if found == 1 { "" } else { "s" };
            let message = format!("the line has {found} column{plural}, but the first line of the file has {expected}");
            return Err(format!("{message}; expected a word, its tag in the last column, and no spaces within them"));
        }
        self.sentence.words.push((*word).to_owned());
        if found > 1 {
            self.sentence.tags.get_or_insert_default().push((*tag).to_owned());
        }
        Ok(())
    }
}

fn close(open: Option<Open>, sentences: &mut Collector<Sentence>) -> Result<()> {
    match open {
        None => Ok(()),
        Some(Open { wrong: Some((line, message)), .. }) => sentences.add(Some(line), Err(message)),
        Some(Open { sentence, .. }) => sentences.add(Some(sentence.line), Ok(sentence)),
    }
}

/// Only these two separate: other white space, such as a no-break space, may be a token.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', '\t']).filter(|field| !field.is_empty())
}

/// Whether a line ends a sentence: it is blank or marks a document.
fn is_end(line: &str) -> bool {
    fields(line).next().is_none_or(|first| first.starts_with("-DOCSTART-"))
}

/// Whether a line has CoNLL-U's form `# key = value`; a mere `#` may be a token.
fn is_comment(line: &str) -> bool {
    let key = line.strip_prefix("# ").and_then(|rest| rest.split_once('=')).map(|(key, _)| key);
    key.is_some_and(|key| key.ends_with(' ') && !key.trim().is_empty())
}

/// `chosen` are the names of words and tags in the file.
fn from_json(line: usize, text: &str, need: Need, chosen: &mut [json::Chosen; 2]) -> Outcome<Sentence> {
    let map = json::object(text)?;
    let [of_words, of_tags] = chosen;
    let (name, words) = of_words.field(&map, WORDS).ok_or_else(|| of_words.missing(&map, WORDS))?;
    let words = json::strings(&name, words)?;
    if words.is_empty() {
        return Err(format!("the field \"{name}\" is empty; expected the words of a sentence"));
    }
    let tags = match of_tags.field(&map, TAGS) {
        None if need == Need::Optional => None,
        Some((_, tags)) if need == Need::Optional && tags.is_null() => None,
        None => return Err(of_tags.missing(&map, TAGS)),
        Some((of_tags, tags)) => {
            let tags = json::strings(&of_tags, tags)?;
            if tags.len() != words.len() {
                let (there, here) = (words.len(), tags.len());
                return Err(format!(
                    "the field \"{name}\" has {there} entries and \"{of_tags}\" has {here}; expected a tag for each \
                     word"
                ));
            }
            Some(tags)
        }
    };
    Ok(Sentence { line, words, tags })
}
