//! A tag for every word: named entities, parts of speech. As is usual, the first piece of a word speaks for it.

use super::classification::{by_class, softmax};
use super::example::{Example, Gold, Input, Prediction};
use super::feature::{Feature, Target};
use super::network::{Head, Loss};
use super::read::{Loaded, Need, Sentence, read_conll};
use super::task::{Encoding, Metrics, ReadOptions, Table, Work};
use crate::error::{Error, Result};
use crate::metrics::{Confusion, EntityScores};
use crate::tokenizer::Piece;
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

/// The tag of a word that is no entity.
const OUTSIDE: &str = "O";

impl TokenClassification {
    /// The task that the tags of the training data at `path` ask for, and its examples.
    ///
    /// # Errors
    /// A file or row that cannot be used; one tag only.
    pub fn prepare(path: &Path, options: ReadOptions) -> Result<(Self, Loaded<Example>)> {
        let sentences = read_conll(path, Need::Required, options.skip_bad_rows)?;
        let tags: BTreeSet<&String> =
            sentences.rows.iter().flat_map(|sentence| sentence.tags.iter().flatten()).collect();
        let mut labels: Vec<String> = tags.into_iter().cloned().collect();
        labels.sort_by_key(|label| label != OUTSIDE);
        if let [label] = &labels[..] {
            return Err(Error::input(path, format!("the only tag is \"{label}\"; expected two or more")));
        }
        let task = Self { labels };
        let examples = task.examples(sentences, options.skip_bad_rows)?;
        Ok((task, examples))
    }

    fn examples(&self, sentences: Loaded<Sentence>, skip_bad_rows: bool) -> Result<Loaded<Example>> {
        sentences.convert(skip_bad_rows, "sentences", |Sentence { line, words, tags }| {
            let unknown = tags.iter().flatten().zip(&words).find(|(tag, _)| !self.labels.contains(tag));
            let example = match unknown {
                Some((tag, word)) => {
                    let known = self.labels.join(", ");
                    Err(format!("word \"{word}\": \"{tag}\" is no tag of the training data ({known})"))
                }
                None => {
                    Ok(Example { input: Input::Words(words), gold: tags.map(Gold::Tags), group: String::new(), line })
                }
            };
            (Some(line), example)
        })
    }

    fn number(&self, tag: &str) -> usize {
        self.labels.iter().position(|label| label == tag).unwrap_or(0)
    }

    /// Whether tags mark entities, by a prefix, rather than a property of every word.
    fn has_entities(&self) -> bool {
        self.labels.iter().any(|label| label.starts_with("B-") || label.starts_with("I-"))
    }

    /// Gold and predicted tags of the sentences that have both.
    fn tags<'a>(&'a self, examples: &'a [Example], predictions: &[Prediction]) -> [Vec<Vec<&'a str>>; 2] {
        let pairs = examples.iter().zip(predictions).filter_map(|pair| match (&pair.0.gold, pair.1) {
            (Some(Gold::Tags(tags)), Prediction::Tags { classes, .. }) if tags.len() == classes.len() => {
                let predicted = classes.iter().map(|&class| self.labels[class].as_str()).collect();
                Some((tags.iter().map(String::as_str).collect::<Vec<_>>(), predicted))
            }
            _ => None,
        });
        let (gold, predicted) = pairs.unzip();
        [gold, predicted]
    }

    fn confusion(&self, [gold, predicted]: &[Vec<Vec<&str>>; 2]) -> Option<Confusion> {
        let numbers = |tags: &Vec<Vec<&str>>| tags.iter().flatten().map(|tag| self.number(tag)).collect::<Vec<usize>>();
        Confusion::new(&numbers(gold), &numbers(predicted), self.labels.len())
    }
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
                feature.target = Target::Classes(of.iter().map(|&word| self.number(&tags[word])).collect());
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
        let (mut classes, mut probabilities) = (vec![self.number(OUTSIDE); words], vec![1.0; words]);
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
        if let Some(confusion) = self.confusion(&tags) {
            metrics.insert("accuracy".into(), confusion.accuracy());
            metrics.insert("macro_f1".into(), confusion.macro_f1());
        }
        if self.has_entities()
            && let Some(scores) = EntityScores::new(&tags[0], &tags[1])
        {
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
                tags.iter().for_each(|tag| counts[self.number(tag)] += 1);
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

    fn tables(&self, examples: &[Example], predictions: &[Prediction]) -> Vec<Table> {
        let tags = self.tags(examples, predictions);
        if self.has_entities() {
            let scores = EntityScores::new(&tags[0], &tags[1]);
            let table =
                |scores: EntityScores| by_class(scores.types.iter().map(|(name, counts)| (name.as_str(), *counts)));
            return scores.map(table).into_iter().collect();
        }
        let confusion = self.confusion(&tags);
        let classes = |confusion: Confusion| {
            by_class(self.labels.iter().enumerate().map(|(number, name)| (name.as_str(), confusion.class(number))))
        };
        confusion.map(classes).into_iter().collect()
    }

    fn read(&self, path: &Path, gold: Need, skip_bad_rows: bool) -> Result<Loaded<Example>> {
        self.examples(read_conll(path, gold, skip_bad_rows)?, skip_bad_rows)
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
