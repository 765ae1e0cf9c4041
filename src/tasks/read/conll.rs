//! Sentences with a tag for every word.

use super::bad::{Collector, Loaded};
use super::form::{Layout, begins_as_json, json as json_layout};
use super::source::LabelledFile;
use super::table::objects;
use super::{Form, Need, Reading, json, shorten};
use crate::corpus::read::is_old_mac;
use crate::error::{Error, Result};
use electra_runs::counted;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::path::Path;

/// Names of the field or column that holds the words.
pub(super) const WORDS: &[&str] = &["tokens", "words", "token", "word", "form", "text"];

/// Names of the field or column that holds the tags.
const TAGS: &[&str] =
    &["tags", "ner_tags", "labels", "ner", "tag", "ner_tag", "label", "bio_tags", "pos_tags", "upos", "pos"];

/// What else a header may name.
const OTHERS: &[&str] =
    &["id", "sentence", "sentence_id", "lemma", "xpos", "feats", "head", "deprel", "chunk", "chunk_tags", "index"];

/// Words of a sentence that is hardly one.
const LONG: usize = 30;

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

/// Reads a word a line, or JSON.
///
/// In the first form, spaces or tabs separate the columns; a blank line ends a sentence. The word stands in the first column that
/// does not count the words, the tag in the last one; CoNLL-U's and GermEval's files are known by their columns. A bad line makes
/// its sentence a bad row.
///
/// # Errors
/// [`Error::Input`] for a file that cannot be read so, and for a bad row that is not to be left out.
pub fn read_conll(path: &Path, tags: Need, reading: &Reading) -> Result<Loaded<Sentence>> {
    let source = LabelledFile::open(path)?;
    let is_json = match reading.format {
        Some(form) => form == Form::Json,
        None => json::is_json(path) || begins_as_json(&source),
    };
    if is_json {
        return read_json(path, &source, json_layout(&source), tags, reading);
    }
    if reading.format.is_none() && json::extension(path).as_deref() == Some("csv") {
        let message = "this is CSV; expected a word and its tag a line between blanks or tabs, or arrays of both in JSON, or --format conll";
        return Err(Error::input(path, message));
    }
    if is_old_mac(source.bytes()) {
        return Err(Error::input(
            path,
            "its lines end in a carriage return alone; expected a line feed: `tr '\\r' '\\n' < FILE`",
        ));
    }
    let lines = Lines::of(&source);
    let columns = lines.columns(path, tags, reading)?;
    let mut sentences = Collector::new(path, reading.skip_bad_rows);
    for sentence in &lines.sentences {
        let (line, sentence) = columns.sentence(sentence);
        sentences.add(Some(line), sentence)?;
    }
    let mut loaded = sentences.finish("sentences")?;
    loaded.notes.push(columns.note(loaded.rows.first()));
    if let [only] = &loaded.rows[..]
        && only.words.len() > LONG
    {
        let words = counted(only.words.len(), "word");
        loaded.notes.push(format!("warning: the file is one sentence of {words}; a blank line ends a sentence"));
    }
    Ok(loaded)
}

/// A line of a sentence: its number, and its fields or what is wrong with it.
type Line<'a> = (usize, Outcome<Vec<&'a str>>);

/// The lines of a file by sentence.
struct Lines<'a> {
    /// The names of the columns, where the first line has them.
    header: Option<Vec<String>>,
    sentences: Vec<Vec<Line<'a>>>,
    /// Columns of the first line.
    width: usize,
}

impl<'a> Lines<'a> {
    fn of(source: &'a LabelledFile) -> Self {
        let has_tabs = |line: &str| line.trim_end().contains('\t');
        let is_word = |line: &&str| !is_end(line) && !line.starts_with('#');
        let only_tabs = source.lines().filter_map(|(_, line)| line.ok()).filter(is_word).take(1000).all(has_tabs);
        let split = |line: &'a str| -> Vec<&'a str> {
            if only_tabs { line.trim_end().split('\t').map(str::trim).collect() } else { fields(line).collect() }
        };
        let first = source.lines().filter_map(|(_, line)| line.ok()).find(is_word);
        let width = first.map_or(0, |line| split(line).len());
        let header = first.map(split).filter(|names| is_header(names));
        let lines = source.lines().filter_map(|(_, line)| line.ok()).filter(is_word).take(10_000);
        let ends: HashSet<&str> = lines.filter_map(|line| split(line).pop()).collect();
        let (mut sentences, mut open): (Vec<Vec<Line>>, Vec<Line>) = Default::default();
        let mut is_behind_header = header.is_none();
        for (number, line) in source.lines() {
            match line {
                Ok(line) if is_end(line) => {
                    if !open.is_empty() {
                        sentences.push(std::mem::take(&mut open));
                    }
                }
                Ok(line) if open.is_empty() && is_comment(line, &split(line), width, &ends) => {}
                Ok(_) if !is_behind_header => is_behind_header = true,
                line => open.push((number, line.map(split))),
            }
        }
        if !open.is_empty() {
            sentences.push(open);
        }
        Self { header: header.map(|names| names.into_iter().map(str::to_owned).collect()), sentences, width }
    }

    /// The good lines of the first sentences.
    fn sample(&self) -> impl Iterator<Item = &[Line<'a>]> {
        self.sentences.iter().take(500).map(Vec::as_slice)
    }

    /// The fields of column `at`, of the first sentences.
    fn column(&self, at: usize) -> impl Iterator<Item = &str> {
        self.sample().flatten().filter_map(move |(_, line)| line.as_ref().ok()?.get(at).copied())
    }

    /// Whether the first column counts the words of each sentence.
    fn is_counted(&self) -> bool {
        let counts = |sentence: &[Line]| {
            let numbers = sentence.iter().filter_map(|(_, line)| line.as_ref().ok()?.first().copied());
            let numbers: Option<Vec<usize>> =
                numbers.filter(|n| !n.contains(['-', '.'])).map(|n| n.parse().ok()).collect();
            numbers.is_some_and(|numbers| {
                numbers.first().is_some_and(|&first| first <= 1)
                    && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1)
            })
        };
        self.width > 1 && !self.sentences.is_empty() && self.sample().all(counts)
    }

    /// Whether column `at` has tags that mark entities, some of them inside one.
    fn is_tagged(&self, at: usize) -> bool {
        self.column(at).all(is_entity_tag) && self.column(at).any(|tag| tag != "O")
    }

    /// The only column of tags that mark entities.
    fn tagged(&self) -> Option<usize> {
        let mut all = (0..self.width).filter(|&at| self.is_tagged(at));
        all.next().filter(|_| all.next().is_none())
    }

    /// What stands before a colon in front of every word, as WikiANN names languages.
    fn prefix(&self, word: usize) -> Option<String> {
        const LEAST: usize = 5;
        let (prefix, _) = self.column(word).next()?.split_once(':')?;
        let is_language = (2..=12).contains(&prefix.len())
            && prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            && self.column(word).count() >= LEAST;
        let all = |field: &str| field.strip_prefix(prefix).is_some_and(|rest| rest.len() > 1 && rest.starts_with(':'));
        (is_language && self.column(word).all(all)).then(|| format!("{prefix}:"))
    }

    /// Which columns hold words and tags.
    fn columns(&self, path: &Path, tags: Need, reading: &Reading) -> Result<Chosen> {
        let wrong = |message: String| {
            let line = self.sentences.first().and_then(|sentence| Some(sentence.first()?.0));
            Error::Input { path: path.to_owned(), line, message }
        };
        let place = |asked: &Option<String>, names: &[&str], option: &str| -> Result<Option<usize>> {
            let named = |name: &str| self.header.as_ref()?.iter().position(|column| column.eq_ignore_ascii_case(name));
            let Some(asked) = asked else { return Ok(names.iter().find_map(|name| named(name))) };
            let number =
                asked.parse::<usize>().ok().filter(|number| (1..=self.width).contains(number)).map(|number| number - 1);
            let found = named(asked).or(number);
            found.map(Some).ok_or_else(|| {
                let columns =
                    self.header.as_ref().map_or_else(|| format!("1 to {}", self.width), |names| names.join(", "));
                wrong(format!("there is no column \"{asked}\", as {option} has it; the columns are: {columns}"))
            })
        };
        let is_counted = self.is_counted();
        let is_conllu = is_counted && self.width == 10;
        let word = place(&reading.word_column, WORDS, "--word-column")?;
        let word_is_given = word.is_some();
        let word = word.unwrap_or(usize::from(is_counted)).min(self.width.saturating_sub(1));
        let last = self.width.saturating_sub(1);
        // Of GermEval's two columns of tags, the first has the outer entities.
        let has_two = is_counted && self.width == 4 && [2, 3].into_iter().all(|at| self.column(at).all(is_entity_tag));
        let usual = match (is_conllu, has_two) {
            (true, _) => 3,
            (_, true) => 2,
            _ => last,
        };
        let tag = if tags == Need::Ignored { None } else { place(&reading.tag_column, TAGS, "--tag-column")? };
        // Some files have other columns after the tags, or tags before the words.
        let is_meant = word_is_given || tag.is_some() || is_conllu || self.header.is_some() || self.width < 2;
        let (word, usual) = match self.tagged().filter(|_| !is_meant && !self.is_tagged(usual)) {
            Some(at) if at == word => (if at == 0 { 1 } else { 0 }, at),
            Some(at) => (word, at),
            None => (word, usual),
        };
        let is_hidden = |at: &usize| self.column(*at).all(|tag| tag == "_" || tag == "-100");
        let tag = match tags {
            Need::Ignored => None,
            _ => tag.or(Some(usual)).filter(|at| *at != word && *at < self.width && !is_hidden(at)),
        };
        if tag.is_none() && tags == Need::Required && !self.sentences.is_empty() {
            let bad = self.sample().flatten().find_map(|(line, fields)| Some((*line, fields.as_ref().err()?.clone())));
            if let Some((line, message)) = bad {
                return Err(Error::Input { path: path.to_owned(), line: Some(line), message });
            }
            let word = self.column(word).next().unwrap_or_default();
            return Err(wrong(format!(
                "the word \"{word}\" has no tag; expected a word and its tag in the last column, or --tag-column"
            )));
        }
        let second = has_two && reading.tag_column.is_none();
        let prefix = self.prefix(word);
        Ok(Chosen { word, tag, width: self.width, is_counted, is_conllu, second, header: self.header.clone(), prefix })
    }
}

/// The columns that are read.
struct Chosen {
    word: usize,
    tag: Option<usize>,
    width: usize,
    is_counted: bool,
    is_conllu: bool,
    /// Whether another column holds tags too.
    second: bool,
    header: Option<Vec<String>>,
    /// What is taken off every word.
    prefix: Option<String>,
}

impl Chosen {
    /// The line of a sentence, or of what is wrong with it, and the sentence.
    fn sentence(&self, lines: &[Line]) -> (usize, Outcome<Sentence>) {
        let first = lines.first().map_or(0, |(number, _)| *number);
        let (mut words, mut tags) = (Vec::with_capacity(lines.len()), Vec::with_capacity(lines.len()));
        for (number, fields) in lines {
            let fields = match fields {
                Ok(fields) => fields,
                Err(message) => return (*number, Err(message.clone())),
            };
            let found = fields.len();
            if found != self.width {
                let plural = if found == 1 { "" } else { "s" };
                let message = format!(
                    "the line has {found} column{plural}, but the first line of the file has {}; expected a word, its tag in the \
                     last column, and no spaces within them",
                    self.width
                );
                return (*number, Err(message));
            }
            // Words that are written as one, and words that are not written, have numbers of their own.
            if self.is_conllu && fields.first().is_some_and(|id| id.contains(['-', '.'])) {
                continue;
            }
            let bare = |word: &str| {
                let prefix = self.prefix.as_deref().unwrap_or_default();
                word.strip_prefix(prefix).filter(|rest| !rest.is_empty()).unwrap_or(word).to_owned()
            };
            words.extend(fields.get(self.word).map(|&word| bare(word)));
            let tag = self.tag.and_then(|at| fields.get(at)).copied();
            if let Some(tag) = tag.filter(|tag| tag.contains(' ')) {
                let message = format!("the tag {} has blanks; expected a word and its tag a line", shorten(tag));
                return (*number, Err(message));
            }
            tags.extend(tag.map(str::to_owned));
        }
        match words.is_empty() {
            true => (first, Err("the sentence has no word".into())),
            false => (first, Ok(Sentence { line: first, words, tags: self.tag.map(|_| tags) })),
        }
    }

    /// What was taken for what.
    fn note(&self, first: Option<&Sentence>) -> String {
        let name = |at: usize| match &self.header {
            Some(names) => names.get(at).cloned().unwrap_or_default(),
            None => (at + 1).to_string(),
        };
        let mut note = format!("columns: word = {}", name(self.word));
        match self.tag {
            Some(at) if self.is_conllu && at == 3 => note.push_str(", tag = 4, the part of speech of CoNLL-U"),
            Some(at) => note.push_str(&format!(", tag = {}", name(at))),
            None => {}
        }
        if self.is_counted {
            note.push_str("; column 1 counts the words");
        }
        if let Some(prefix) = &self.prefix {
            note.push_str(&format!("; \"{prefix}\" is taken off every word"));
        }
        if self.second {
            note.push_str("; column 4 has tags too, which --tag-column 4 takes");
        }
        note + &first.map_or_else(String::new, |sentence| format!("; first sentence: {}", shown(sentence)))
    }
}

/// The first words of a sentence with their tags.
fn shown(Sentence { words, tags, .. }: &Sentence) -> String {
    const SHOWN: usize = 4;
    let tag = |at: usize| tags.as_ref().and_then(|tags| tags.get(at));
    let word = |(at, word): (usize, &String)| tag(at).map_or_else(|| word.clone(), |tag| format!("{word}/{tag}"));
    let more = if words.len() > SHOWN { " ..." } else { "" };
    words.iter().enumerate().take(SHOWN).map(word).collect::<Vec<_>>().join(" ") + more
}

/// Only these two separate: other white space, such as a no-break space, may be a word.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', '\t']).filter(|field| !field.is_empty())
}

/// Whether a line ends a sentence: it is blank or marks a document.
fn is_end(line: &str) -> bool {
    fields(line).next().is_none_or(|first| first.starts_with("-DOCSTART-"))
}

/// Whether a line of these fields is a comment in a file of `width` columns whose other lines end in `ends`: it has the form
/// `# key = value`, or begins with a lone `#` and has another width or an end that no word has, or with other signs after it
/// and has another width (`###MEDLINE:1`, `#begin document`). A mere `#` may be a word.
fn is_comment(line: &str, fields: &[&str], width: usize, ends: &HashSet<&str>) -> bool {
    if !line.starts_with('#') {
        return false;
    }
    let has_width = fields.len() == width;
    let is_other = !has_width || fields.last().is_some_and(|end| !ends.contains(end));
    match line.strip_prefix("# ").or_else(|| line.strip_prefix("#\t")) {
        Some(rest) => {
            let has_value = rest.split_once('=').is_some_and(|(key, _)| key.ends_with(' ') && !key.trim().is_empty());
            has_value || (width > 1 && is_other)
        }
        None => width > 1 && (!has_width || line.starts_with("##") && is_other),
    }
}

/// Whether `names` are those of columns, words and tags among them.
fn is_header(names: &[&str]) -> bool {
    let is = |name: &str, of: &[&str]| of.contains(&name.to_lowercase().as_str());
    names.len() > 1
        && names.iter().any(|name| is(name, WORDS))
        && names.iter().any(|name| is(name, TAGS))
        && names.iter().all(|name| is(name, WORDS) || is(name, TAGS) || is(name, OTHERS))
}

/// Whether a tag has the form of those that mark entities.
fn is_entity_tag(tag: &str) -> bool {
    tag == "O" || ["B-", "I-", "E-", "S-", "L-", "U-", "M-"].iter().any(|start| tag.starts_with(start))
}

/// Sentences in the objects of JSON.
fn read_json(
    path: &Path,
    source: &LabelledFile,
    layout: Layout,
    need: Need,
    reading: &Reading,
) -> Result<Loaded<Sentence>> {
    let one = |asked: &Option<String>, usual: &[&str]| -> Vec<String> {
        asked.as_ref().map_or_else(|| usual.iter().map(|&name| name.to_owned()).collect(), |name| vec![name.clone()])
    };
    let names = [one(&reading.word_column, WORDS), one(&reading.tag_column, TAGS)];
    let mut chosen: [json::Chosen; 2] = Default::default();
    let mut sentences = Collector::new(path, reading.skip_bad_rows);
    for (line, object) in objects(path, source, layout)? {
        sentences.add(Some(line), object.and_then(|map| from_json(line, &map, need, &names, &mut chosen)))?;
    }
    let mut loaded = sentences.finish("sentences")?;
    let [word, tag] = chosen.map(|chosen| chosen.name().unwrap_or_default().to_owned());
    let tag = if tag.is_empty() { tag } else { format!(", tag = {tag}") };
    let first = loaded.rows.first().map(shown).unwrap_or_default();
    loaded.notes.push(format!("fields: word = {word}{tag}; first sentence: {first}"));
    Ok(loaded)
}

/// `chosen` are the names of words and tags in the file.
fn from_json(
    line: usize,
    map: &Map<String, Value>,
    need: Need,
    names: &[Vec<String>; 2],
    chosen: &mut [json::Chosen; 2],
) -> Outcome<Sentence> {
    let [of_words, of_tags] = chosen;
    let (name, words) = of_words.field(map, &names[0]).ok_or_else(|| of_words.missing(map, &names[0]))?;
    if words.is_string() && name == "text" {
        return Err(format!(
            "the field \"{name}\" is a text; expected arrays of words and of their tags, since entities by their offsets are not read"
        ));
    }
    let words = json::strings(&name, words)?;
    if words.is_empty() {
        return Err(format!("the field \"{name}\" is empty; expected the words of a sentence"));
    }
    if need == Need::Ignored {
        return Ok(Sentence { line, words, tags: None });
    }
    let tags = match of_tags.field(map, &names[1]) {
        None if need == Need::Optional => None,
        Some((_, tags)) if need == Need::Optional && tags.is_null() => None,
        None => return Err(of_tags.missing(map, &names[1])),
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
