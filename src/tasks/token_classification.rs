//! A tag for every word: named entities, parts of speech. As is usual, the first piece of a word speaks for it.

use super::example::{Example, Gold, Input, Prediction};
use super::feature::{Feature, NO_CLASS, Target};
use super::labels::{numbered, unknown};
use super::network::{Head, Loss};
use super::read::{Loaded, Need, Reading, Sentence, named, names as names_of, read_conll};
use super::scheme::{OUTSIDE, Scheme};
use super::shared::by_class;
use super::task::{Encoding, Metrics, ResultTable, Work};
use crate::error::{Error, Result};
use crate::metrics::{Confusion, EntityScores, softmax};
use crate::tokenizer::Piece;
use electra_runs::counted;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::Path;

/// The task with the tags of its training data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenClassification {
    /// `O` first, then by name.
    pub labels: Vec<String>,
}

/// The tag of a word that has no tag, as `datasets` writes it.
const HIDDEN: &str = "-100";

impl TokenClassification {
    /// The task that the tags of the training data at `path` ask for, and its examples.
    ///
    /// # Errors
    /// A file or row that cannot be used; one tag only.
    pub fn prepare(path: &Path, reading: &Reading) -> Result<(Self, Loaded<Example>)> {
        let sentences = examples(read_conll(path, Need::Required, reading)?, &names_of(reading)?, reading)?;
        let mut labels = names_of(reading)?;
        if labels.is_empty() {
            let tags: BTreeSet<&String> = sentences.rows.iter().flat_map(tags).filter(|tag| *tag != HIDDEN).collect();
            labels = tags.into_iter().cloned().collect();
            labels.sort_by_key(|label| label != OUTSIDE);
        }
        if labels.len() < 2 {
            let found = labels.first().map_or("none".into(), |label| format!("only \"{label}\""));
            return Err(Error::input(path, format!("tags: {found}; expected two or more")));
        }
        let task = Self { labels };
        let mut sentences = sentences;
        sentences.notes.extend(reading.labels.as_ref().map(|_| numbered(&task.labels, "tag", reading)));
        sentences.notes.push(format!("{} tags, {}", task.labels.len(), task.scheme().name()));
        if task.labels.iter().all(|label| label.parse::<i64>().is_ok()) {
            let warning = "warning: the tags are numbers, so there is no F1 of entities; --labels FILE names them";
            sentences.notes.push(warning.into());
        }
        Ok((task, sentences))
    }

    /// Whether `tag` stands where a test set hides one.
    fn is_mark(&self, tag: &str) -> bool {
        [HIDDEN, "-", "_"].contains(&tag) && self.number(tag).is_none()
    }

    fn number(&self, tag: &str) -> Option<usize> {
        self.labels.iter().position(|label| label == tag)
    }

    /// How tags mark entities, if they do.
    fn scheme(&self) -> Scheme {
        Scheme::of(&self.labels)
    }

    fn has_entities(&self) -> bool {
        self.scheme() != Scheme::Absent
    }

    /// Gold and predicted tags of the sentences that have both, but for those that are hidden.
    fn tags<'a>(&'a self, examples: &'a [Example], predictions: &[Prediction]) -> [Vec<Vec<&'a str>>; 2] {
        let pairs = examples.iter().zip(predictions).filter_map(|pair| match (&pair.0.gold, pair.1) {
            (Some(Gold::Tags(tags)), Prediction::Tags { classes, .. }) if tags.len() == classes.len() => {
                let known = tags.iter().zip(classes).filter(|(tag, _)| *tag != HIDDEN);
                Some(known.map(|(tag, &class)| (tag.as_str(), self.labels[class].as_str())).unzip())
            }
            _ => None,
        });
        let (gold, predicted) = pairs.unzip();
        [gold, predicted]
    }

    /// Words by gold and predicted tag, and the tags' names: those that the model knows before those that it does not.
    fn confusion(&self, [gold, predicted]: &[Vec<Vec<&str>>; 2]) -> (Option<Confusion>, Vec<String>) {
        let mut names = self.labels.clone();
        let unseen: BTreeSet<&str> = gold.iter().flatten().copied().filter(|tag| self.number(tag).is_none()).collect();
        names.extend(unseen.into_iter().map(str::to_owned));
        let number = |tag: &&str| names.iter().position(|name| name == tag).unwrap_or(0);
        let numbers = |tags: &Vec<Vec<&str>>| tags.iter().flatten().map(number).collect::<Vec<usize>>();
        let confusion = Confusion::new(&numbers(gold), &numbers(predicted), names.len());
        (confusion.filter(|confusion| confusion.total() > 0), names)
    }

    /// Entities, whatever marks them.
    fn entities(&self, [gold, predicted]: &[Vec<Vec<&str>>; 2]) -> Option<EntityScores> {
        let scheme = self.scheme();
        if scheme == Scheme::Absent || gold.is_empty() {
            return None;
        }
        let canonical = |tags: &[Vec<&str>]| -> Vec<Vec<String>> {
            let of = |tags: &Vec<&str>| tags.iter().map(|tag| scheme.canonical(tag).into_owned()).collect();
            tags.iter().map(of).collect()
        };
        EntityScores::new(&canonical(gold), &canonical(predicted))
    }
}

/// The tags of an example.
fn tags(example: &Example) -> impl Iterator<Item = &String> {
    match &example.gold {
        Some(Gold::Tags(tags)) => tags.iter(),
        _ => [].iter(),
    }
}

/// Examples of sentences; tags that are numbers get their names.
fn examples(sentences: Loaded<Sentence>, given: &[String], reading: &Reading) -> Result<Loaded<Example>> {
    let name = |tag: String| match tag.as_str() {
        HIDDEN => Ok(tag),
        of_file => named(of_file, given).map(str::to_owned),
    };
    sentences.convert(reading.skip_bad_rows, "sentences", |Sentence { line, words, tags }| {
        let tags = tags.map(|tags| tags.into_iter().map(name).collect::<std::result::Result<_, _>>()).transpose();
        let example = tags.map(|tags: Option<Vec<String>>| Example {
            input: Input::Words(words),
            gold: tags.map(Gold::Tags),
            group: String::new(),
            line,
        });
        (Some(line), example)
    })
}

impl Work for TokenClassification {
    fn head(&self) -> Head {
        Head::Tokens(self.labels.len())
    }

    fn loss(&self) -> Loss {
        Loss::Softmax
    }

    fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Sentences that are longer than the model become several features, cut between words.
    fn features(&self, input: &Input, gold: Option<&Gold>, example: usize, how: Encoding) -> Result<Vec<Feature>> {
        let split: Vec<String>;
        let words = match input {
            Input::Words(words) => words,
            Input::Text(text) => {
                split = text.split_whitespace().map(str::to_owned).collect();
                &split
            }
            _ => return Ok(Vec::new()),
        };
        let room = how.max_length.saturating_sub(2).max(1);
        let tags = match gold {
            Some(Gold::Tags(tags)) => Some(tags),
            _ => None,
        };
        let mut features = Vec::new();
        let (mut pieces, mut positions, mut of) = (Vec::<Piece>::new(), Vec::new(), Vec::new());
        let mut finish = |pieces: &mut Vec<Piece>, positions: &mut Vec<usize>, of: &mut Vec<usize>| {
            if positions.is_empty() {
                return;
            }
            let mut feature = Feature::new(how.tokenizer, pieces, None, example);
            if let Some(tags) = tags {
                let class = |&word: &usize| self.number(&tags[word]).unwrap_or(NO_CLASS);
                feature.target = Target::Classes(of.iter().map(class).collect());
            }
            feature.positions = Some(std::mem::take(positions));
            feature.spans = of.drain(..).map(|word| word..word + 1).collect();
            pieces.clear();
            features.push(feature);
        };
        for (number, word) in words.iter().enumerate() {
            let mut of_word = how.tokenizer.encode(word)?;
            of_word.truncate(room);
            // Signs that the tokenizer drops leave a word without pieces, of which nothing can be said.
            if of_word.is_empty() {
                continue;
            }
            if pieces.len() + of_word.len() > room {
                finish(&mut pieces, &mut positions, &mut of);
            }
            positions.push(pieces.len() + 1);
            of.push(number);
            pieces.extend(of_word);
        }
        finish(&mut pieces, &mut positions, &mut of);
        Ok(features)
    }

    fn decode(&self, input: &Input, features: &[(&Feature, &[f32])]) -> Prediction {
        let words = match input {
            Input::Words(words) => words.len(),
            Input::Text(text) => text.split_whitespace().count(),
            _ => 0,
        };
        let (mut classes, mut probabilities) = (vec![self.number(OUTSIDE).unwrap_or(0); words], vec![1.0; words]);
        for (feature, logits) in features {
            for (span, logits) in feature.spans.iter().zip(logits.chunks(self.labels.len())) {
                let of_labels = softmax(logits);
                let best =
                    (1..of_labels.len()).fold(0, |best, at| if of_labels[at] > of_labels[best] { at } else { best });
                (classes[span.start], probabilities[span.start]) = (best, of_labels[best]);
            }
        }
        Prediction::Tags { classes, probabilities }
    }

    fn metrics(&self, examples: &[Example], predictions: &[Prediction]) -> Metrics {
        let tags = self.tags(examples, predictions);
        let mut metrics = Metrics::new();
        if let (Some(confusion), _) = self.confusion(&tags) {
            metrics.insert("accuracy".into(), confusion.accuracy());
            metrics.insert("macro_f1".into(), confusion.macro_f1());
        }
        if let Some(scores) = self.entities(&tags) {
            let all = scores.all();
            metrics.insert("precision".into(), all.precision());
            metrics.insert("recall".into(), all.recall());
            metrics.insert("f1".into(), all.f1());
            metrics.insert("macro_f1".into(), scores.macro_f1());
        }
        metrics
    }

    fn main_metric(&self) -> &'static str {
        if self.has_entities() { "f1" } else { "accuracy" }
    }

    fn baseline(&self, train: &[Example], examples: &[Example]) -> (&'static str, Vec<Prediction>) {
        let mut counts = vec![0usize; self.labels.len()];
        for example in train {
            if let Some(Gold::Tags(tags)) = &example.gold {
                tags.iter().filter_map(|tag| self.number(tag)).for_each(|class| counts[class] += 1);
            }
        }
        let most = (0..counts.len()).max_by_key(|&label| counts[label]).unwrap_or(0);
        let prediction = |example: &Example| match &example.input {
            Input::Words(words) => {
                Prediction::Tags { classes: vec![most; words.len()], probabilities: vec![1.0; words.len()] }
            }
            _ => Prediction::Tags { classes: Vec::new(), probabilities: Vec::new() },
        };
        ("the most frequent tag", examples.iter().map(prediction).collect())
    }

    fn tables(&self, examples: &[Example], predictions: &[Prediction]) -> Vec<ResultTable> {
        let tags = self.tags(examples, predictions);
        if let Some(scores) = self.entities(&tags) {
            return vec![by_class(scores.types.iter().map(|(name, counts)| (name.as_str(), *counts)))];
        }
        let (confusion, names) = self.confusion(&tags);
        let classes = |confusion: Confusion| {
            by_class(names.iter().enumerate().map(|(number, name)| (name.as_str(), confusion.class(number))))
        };
        confusion.map(classes).into_iter().collect()
    }

    fn read(&self, path: &Path, gold: Need, reading: &Reading) -> Result<Loaded<Example>> {
        let sentences = read_conll(path, gold, reading)?;
        let mut given = names_of(reading)?;
        let is_number = |tag: &String| tag.parse::<usize>().is_ok();
        let mut all =
            sentences.rows.iter().flat_map(|sentence| sentence.tags.iter().flatten()).filter(|tag| *tag != HIDDEN);
        // Numbers that the model does not have are those of its labels.
        if given.is_empty()
            && !self.labels.iter().any(is_number)
            && all.next().is_some_and(is_number)
            && all.all(is_number)
        {
            given.clone_from(&self.labels);
        }
        let by_number = (!given.is_empty()).then(|| numbered(&given, "tag", reading));
        let mut sentences = examples(sentences, &given, reading)?;
        sentences.notes.extend(by_number);
        if gold != Need::Ignored && sentences.rows.iter().flat_map(tags).all(|tag| self.is_mark(tag)) {
            if gold == Need::Required {
                return Err(Error::input(path, "no word has a tag, or all have a mark in its place; expected tags"));
            }
            sentences.rows.iter_mut().for_each(|example| example.gold = None);
        }
        let hidden = sentences.rows.iter().flat_map(tags).filter(|tag| *tag == HIDDEN).count();
        if hidden > 0 {
            sentences.notes.push(format!("{} without a tag (\"{HIDDEN}\")", counted(hidden, "word")));
        }
        let is_unseen = |tag: &&String| *tag != HIDDEN && self.number(tag).is_none();
        let unseen = || sentences.rows.iter().flat_map(tags).filter(is_unseen);
        let all = sentences.rows.iter().flat_map(tags).filter(|tag| *tag != HIDDEN).count();
        let note = unknown((unseen().count(), all), "word", "tags", &unseen().map(String::as_str).collect());
        sentences.notes.extend(note);
        Ok(sentences)
    }

    fn to_json(&self, input: &Input, prediction: &Prediction, _top_k: usize) -> Json {
        let words: Vec<&str> = match input {
            Input::Words(words) => words.iter().map(String::as_str).collect(),
            Input::Text(text) => text.split_whitespace().collect(),
            _ => Vec::new(),
        };
        match prediction {
            Prediction::Tags { classes, probabilities } => {
                let tags: Vec<&String> = classes.iter().map(|&class| &self.labels[class]).collect();
                json!({"words": words, "tags": tags, "probabilities": probabilities})
            }
            _ => Json::Null,
        }
    }
}
