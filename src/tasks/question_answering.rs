//! The span of a context that answers a question, or that none does (SQuAD 1.1 and 2.0).

use super::example::{Example, Gold, Input, Prediction};
use super::feature::{Feature, Target};
use super::network::{Head, Loss};
use super::read::{Answers, Loaded, Need, Reading, SquadQuestion, read_squad};
use super::task::{Encoding, Metrics, ResultTable, Work};
use crate::data::{Purpose, Rng};
use crate::error::Result;
use crate::metrics::squad;
use electra_runs::counted;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::path::Path;
use unicode_categories::UnicodeCategories;

/// The task with what was chosen on held-out questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuestionAnswering {
    /// Whether there are questions that the context does not answer (SQuAD 2.0).
    pub unanswerable: bool,
    /// There is no answer where its score lies above that of the best answer by more than this.
    pub no_answer_threshold: f64,
    /// Longest answer in tokens.
    #[serde(default = "max_answer_length")]
    pub max_answer_length: usize,
}

/// As the reference has it.
pub(super) fn max_answer_length() -> usize {
    30
}

/// Longest question in tokens, as the reference has it; the rest is cut off.
const MAX_QUERY: usize = 64;

/// Beginnings, and ends, that answers are made of, as the reference has it.
const BEAM: usize = 20;

impl QuestionAnswering {
    /// The task that the training data at `path` ask for, and its examples.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn prepare(path: &Path, reading: &Reading) -> Result<(Self, Loaded<Example>)> {
        let questions = read_squad(path, Answers { need: Need::Required, placed: true }, reading)?;
        let unanswerable = questions.rows.iter().any(|question| question.is_impossible);
        let task = Self { unanswerable, no_answer_threshold: 0.0, max_answer_length: max_answer_length() };
        Ok((task, examples(questions, reading.skip_bad_rows)?))
    }

    /// Mean F1 of answers in scripts without spaces, whose characters count as words do; nothing where no answer has such.
    fn f1_by_characters(&self, examples: &[Example], predictions: &[Prediction]) -> Option<f64> {
        let has_such = |example: &Example| match &example.gold {
            Some(Gold::Answers(golds)) => golds.iter().any(|(text, _)| text.chars().any(squad::stands_alone)),
            _ => false,
        };
        if !examples.iter().any(has_such) {
            return None;
        }
        let f1 = |(example, prediction): (&Example, &Prediction)| match (&example.gold, prediction) {
            (Some(Gold::Answers(golds)), Prediction::Answer { text, .. }) => {
                let golds: Vec<&str> = golds.iter().map(|(text, _)| text.as_str()).collect();
                Some(squad::f1_by_characters(text, &golds))
            }
            _ => None,
        };
        let all: Vec<f64> = examples.iter().zip(predictions).filter_map(f1).collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    }

    fn judged(&self, examples: &[Example], predictions: &[Prediction]) -> Vec<squad::JudgedAnswer> {
        let question = |(example, prediction): (&Example, &Prediction)| match (&example.gold, prediction) {
            (Some(Gold::Answers(golds)), Prediction::Answer { best, no_answer, .. }) => {
                let golds: Vec<&str> = golds.iter().map(|(text, _)| text.as_str()).collect();
                Some(squad::JudgedAnswer::new(best, &golds, *no_answer))
            }
            _ => None,
        };
        examples.iter().zip(predictions).filter_map(question).collect()
    }
}

/// The characters from `start` to `end`, and where they end with the marks that belong to the last one: tokenizers leave
/// accents, vowel signs and selectors of variants out of a token's span.
fn span(context: &str, start: usize, end: usize) -> (String, usize) {
    let mut characters = context.chars().skip(start);
    let mut text: String = characters.by_ref().take(end.saturating_sub(start)).collect();
    let marks: String = characters.take_while(|&c| !text.is_empty() && (c.is_mark() || c == '\u{200d}')).collect();
    let end = end + marks.chars().count();
    text.push_str(&marks);
    (text, end)
}

fn examples(mut questions: Loaded<SquadQuestion>, skip_bad_rows: bool) -> Result<Loaded<Example>> {
    let impossible = questions.rows.iter().filter(|question| question.is_impossible).count();
    if impossible > 0 {
        questions.notes.push(format!("{} without an answer in the context", counted(impossible, "question")));
    }
    questions.convert(skip_bad_rows, "questions", |question| {
        let gold = question
            .answers
            .map(|answers| Gold::Answers(answers.into_iter().map(|answer| (answer.text, answer.start)).collect()));
        let input = Input::Question { question: question.question, context: question.context };
        (None, Ok(Example { input, gold, group: question.id, line: 0 }))
    })
}

impl Work for QuestionAnswering {
    fn head(&self) -> Head {
        Head::Span
    }

    fn loss(&self) -> Loss {
        Loss::Softmax
    }

    fn labels(&self) -> &[String] {
        &[]
    }

    /// `[CLS] question [SEP] window of the context [SEP]`; windows overlap by a third.
    fn features(&self, input: &Input, gold: Option<&Gold>, example: usize, how: Encoding) -> Result<Vec<Feature>> {
        let Input::Question { question, context } = input else { return Ok(Vec::new()) };
        let mut question = how.tokenizer.encode(question)?;
        question.truncate(MAX_QUERY.min(how.max_length / 3));
        let pieces = how.tokenizer.encode(context)?;
        let room = how.max_length.saturating_sub(question.len() + 3).max(1);
        let step = (room - room / 3).max(1);
        // First and last piece of the answer.
        let answer = match gold {
            Some(Gold::Answers(answers)) => answers.first().and_then(|(text, start)| {
                let end = start + text.chars().count();
                let first = pieces.iter().position(|piece| piece.end > *start)?;
                let last = pieces.iter().rposition(|piece| piece.start < end)?;
                (first <= last).then_some((first, last))
            }),
            _ => None,
        };
        let mut features = Vec::new();
        let mut begin = 0;
        loop {
            let end = (begin + room).min(pieces.len());
            let window = &pieces[begin..end];
            let mut feature = Feature::new(how.tokenizer, &question, Some(window), example);
            if gold.is_some() {
                let inside = answer.filter(|(first, last)| *first >= begin && *last < end);
                let place = |piece: usize| feature.second + piece - begin;
                let (first, last) = inside.map_or((0, 0), |(first, last)| (place(first), place(last)));
                feature.target = Target::Span(first, last);
            }
            feature.spans = window.iter().map(|piece| piece.start..piece.end).collect();
            features.push(feature);
            if end == pieces.len() {
                return Ok(features);
            }
            begin += step;
        }
    }

    fn decode(&self, input: &Input, features: &[(&Feature, &[f32])]) -> Prediction {
        let mut best: Option<(f32, usize, usize)> = None;
        let mut nothing = f32::INFINITY;
        for (feature, logits) in features {
            let (first, last) = logits.split_at(logits.len() / 2);
            let (Some(a), Some(b)) = (first.first(), last.first()) else { continue };
            nothing = nothing.min(a + b);
            let places = feature.second..(feature.second + feature.spans.len()).min(first.len());
            let top = |scores: &[f32]| {
                let mut order: Vec<usize> = places.clone().collect();
                order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
                order.truncate(BEAM);
                order
            };
            let ends = top(last);
            for begin in top(first) {
                for &end in ends.iter().filter(|&&end| end >= begin && end - begin < self.max_answer_length) {
                    let score = first[begin] + last[end];
                    if best.is_none_or(|(other, ..)| score > other) {
                        let characters = |place: usize| &feature.spans[place - feature.second];
                        best = Some((score, characters(begin).start, characters(end).end));
                    }
                }
            }
        }
        let (score, start, end) = best.unwrap_or((f32::NEG_INFINITY, 0, 0));
        let (found, end) = match input {
            Input::Question { context, .. } => span(context, start, end),
            _ => (String::new(), end),
        };
        // Finite, since JSON knows no infinity: a context without a token has no answer.
        let no_answer = if best.is_some() { f64::from(nothing) - f64::from(score) } else { f64::MAX };
        let silent = self.unanswerable && no_answer > self.no_answer_threshold;
        let (text, start, end) = if silent { (String::new(), 0, 0) } else { (found.clone(), start, end) };
        let score = if score.is_finite() { f64::from(score) } else { f64::MIN };
        Prediction::Answer { text, start, end, score, no_answer, best: found }
    }

    fn metrics(&self, examples: &[Example], predictions: &[Prediction]) -> Metrics {
        let mut metrics = Metrics::new();
        let mut add = |name: &str, value: f64| _ = metrics.insert(name.to_owned(), value);
        if !examples.iter().any(|example| matches!(example.gold, Some(Gold::Answers(_)))) {
            return metrics;
        }
        if let Some(by_characters) = self.f1_by_characters(examples, predictions) {
            add("f1_by_characters", by_characters);
        }
        if self.unanswerable {
            let report = squad::report(&self.judged(examples, predictions), self.no_answer_threshold);
            add("exact_match", report.all.exact);
            add("f1", report.all.f1);
            for (name, part) in [("has_answer", report.answerable), ("no_answer", report.unanswerable)] {
                if let Some(part) = part {
                    add(&format!("{name}_exact_match"), part.exact);
                    add(&format!("{name}_f1"), part.f1);
                }
            }
        } else {
            let score = |(example, prediction): (&Example, &Prediction)| match (&example.gold, prediction) {
                (Some(Gold::Answers(golds)), Prediction::Answer { text, .. }) => {
                    let golds: Vec<&str> = golds.iter().map(|(text, _)| text.as_str()).collect();
                    Some(squad::score_v1(text, &golds))
                }
                _ => None,
            };
            let scores: Vec<_> = examples.iter().zip(predictions).filter_map(score).collect();
            let mean = squad::mean_score(&scores);
            add("exact_match", mean.exact);
            add("f1", mean.f1);
        }
        metrics
    }

    fn main_metric(&self) -> &'static str {
        "f1"
    }

    fn baseline(&self, _train: &[Example], examples: &[Example]) -> (&'static str, Vec<Prediction>) {
        // Where there always is an answer, the whole context holds it.
        let prediction = |example: &Example| {
            let best = match &example.input {
                Input::Question { context, .. } if !self.unanswerable => context.to_string(),
                _ => String::new(),
            };
            let end = best.chars().count();
            Prediction::Answer { text: best.clone(), start: 0, end, score: 0.0, no_answer: f64::MAX, best }
        };
        let name = if self.unanswerable { "no answer" } else { "the whole context" };
        (name, examples.iter().map(prediction).collect())
    }

    fn tables(&self, _examples: &[Example], _predictions: &[Prediction]) -> Vec<ResultTable> {
        Vec::new()
    }

    fn read(&self, path: &Path, gold: Need, reading: &Reading) -> Result<Loaded<Example>> {
        examples(read_squad(path, Answers { need: gold, placed: false }, reading)?, reading.skip_bad_rows)
    }

    fn tune(&mut self, examples: &[Example], predictions: &[Prediction]) {
        if self.unanswerable {
            let questions = self.judged(examples, predictions);
            self.no_answer_threshold = squad::cautious_threshold(&questions, |score| score.f1);
        }
    }

    /// Windows with an answer, and as many without: of a long context nearly all have none.
    fn training_features(&self, features: Vec<Feature>, seed: u64) -> Vec<Feature> {
        let has_answer = |feature: &Feature| feature.target != Target::Span(0, 0);
        let (mut kept, without): (Vec<Feature>, Vec<Feature>) = features.into_iter().partition(has_answer);
        let example = without.first().map_or(0, |feature| feature.example);
        let mut rng = Rng::new(seed, Purpose::Order, 0, example as u64);
        let wanted = kept.len().max(1);
        let mut without = without;
        while without.len() > wanted {
            without.swap_remove(rng.below(without.len()));
        }
        kept.extend(without);
        kept
    }

    fn to_json(&self, _input: &Input, prediction: &Prediction, _top_k: usize) -> Json {
        match prediction {
            Prediction::Answer { text, start, end, score, no_answer, .. } => {
                json!({"answer": text, "start": start, "end": end, "score": score, "no_answer": no_answer})
            }
            _ => Json::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TokenizerConfig;
    use crate::tokenizer::Tokenizer;
    use std::collections::BTreeSet;

    /// Words whose last letter has a mark, a vowel sign or a selector, which the tokenizer leaves out of its span.
    const WORDS: [(&str, &str); 13] = [
        ("Latin", "cafe\u{301}"),
        ("Greek", "\u{3b1}\u{3b3}\u{3b1}\u{3b8}\u{3b7}\u{301}"),
        ("Cyrillic", "\u{43c}\u{43e}\u{438}\u{306}"),
        ("Arabic", "\u{643}\u{62a}\u{627}\u{628}\u{64b}"),
        ("Hebrew", "\u{5e9}\u{5dc}\u{5d5}\u{5b9}"),
        ("Devanagari", "\u{930}\u{93e}\u{939}\u{941}"),
        ("Bengali", "\u{9ac}\u{9c1}"),
        ("Tamil", "\u{ba8}\u{bc0}"),
        ("Telugu", "\u{c28}\u{c40}"),
        ("Thai", "\u{e17}\u{e35}\u{e48}"),
        ("Korean", "\u{1112}\u{1161}\u{11ab}"),
        ("Japanese", "\u{304b}\u{3099}"),
        ("emoji", "\u{2764}\u{fe0f}"),
    ];

    #[test]
    fn an_answer_ends_behind_the_marks_of_its_last_letter() {
        let letters: BTreeSet<char> = WORDS.iter().flat_map(|(_, word)| word.chars()).chain("runs".chars()).collect();
        let letters = letters.iter().flat_map(|c| [c.to_string(), format!("##{c}")]);
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
        let vocabulary: Vec<String> = special.into_iter().chain(letters).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vocabulary.join("\n")).unwrap();
        let tokenizer = Tokenizer::from_vocabulary(file.path(), &TokenizerConfig::default()).unwrap();
        let mut shorter = 0;
        for (script, word) in WORDS {
            let context = format!("{word} runs");
            let length = word.chars().count();
            let pieces = tokenizer.encode(&context).unwrap();
            let last = pieces.iter().rfind(|piece| piece.start < length).unwrap();
            shorter += usize::from(last.end < length);
            assert_eq!(span(&context, 0, last.end), (word.to_owned(), length), "{script}");
        }
        assert!(shorter > 8, "the tokenizer's own span ends before the marks in {shorter} scripts alone");
        assert_eq!(span("ab c", 0, 2), ("ab".to_owned(), 2), "nothing else is added");
    }
}
