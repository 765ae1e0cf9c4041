//! Exact match and F1 of answers as the official evaluation scripts of SQuAD 1.1 and 2.0 have them, in 0..=1.
//!
//! The scripts differ where an answer is nothing but articles and punctuation: 2.0 drops such a gold answer and gives two
//! empty answers an F1 of 1, 1.1 keeps it and gives them 0.

use super::counts::{Counts, mean};
use std::collections::HashMap;

/// What one answer, or the mean of several, reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Score {
    /// 1 where the answer equals a gold answer once both are normalized, else 0.
    pub exact: f64,
    /// F1 of the words, each as often as it occurs.
    pub f1: f64,
}

/// An answer in lower case without ASCII punctuation and articles, its words a space apart.
pub fn normalize(answer: &str) -> String {
    let plain: String = answer.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    let mut kept = String::with_capacity(plain.len());
    // An article is a whole run of letters and digits: the "a" of "a–b" is one, that of "ab" is none.
    // Python takes vowel signs of Indic scripts and circled letters for no letters; that shows beside an article alone.
    for run in plain.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = run.trim_end_matches(|c: char| !c.is_alphanumeric());
        kept.push_str(if matches!(word, "a" | "an" | "the") { " " } else { word });
        kept.push_str(&run[word.len()..]);
    }
    kept.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// White space as Python's `str.split` has it: Unicode's, and the four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// The best that a prediction reaches among the gold answers, after SQuAD 1.1's script.
pub fn score_v1<S: AsRef<str>>(prediction: &str, golds: &[S]) -> Score {
    best(prediction, golds.iter().map(|gold| normalize(gold.as_ref())), 0.0)
}

/// The best that a prediction reaches among the gold answers, after SQuAD 2.0's script. No gold answer, or none but empty
/// ones, asks for the empty prediction.
pub fn score_v2<S: AsRef<str>>(prediction: &str, golds: &[S]) -> Score {
    let mut golds: Vec<String> = golds.iter().map(|g| normalize(g.as_ref())).filter(|g| !g.is_empty()).collect();
    if golds.is_empty() {
        golds.push(String::new());
    }
    best(prediction, golds.into_iter(), 1.0)
}

/// `both_empty`: F1 of an empty prediction against an empty gold answer.
fn best(prediction: &str, golds: impl Iterator<Item = String>, both_empty: f64) -> Score {
    let prediction = normalize(prediction);
    golds.fold(Score::default(), |best, gold| {
        let empty = gold.is_empty() && prediction.is_empty();
        let f1 = if empty { both_empty } else { shared_words(&gold, &prediction).f1() };
        Score { exact: best.exact.max(f64::from(u8::from(gold == prediction))), f1: best.f1.max(f1) }
    })
}

/// Whether a character counts as a word: of a script that puts no spaces between words.
pub fn stands_alone(character: char) -> bool {
    matches!(character as u32,
        0x0e00..=0x0eff // Thai, Lao
        | 0x1000..=0x109f // Myanmar
        | 0x1780..=0x17ff // Khmer
        | 0x3040..=0x30ff // Hiragana, Katakana
        | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff // Han
        | 0xac00..=0xd7af // Hangul
    )
}

/// The best F1 of a prediction among the gold answers where characters that [stand alone](stands_alone) count as words, as the
/// scripts of CMRC, DRCD and KorQuAD have it.
pub fn f1_by_characters<S: AsRef<str>>(prediction: &str, golds: &[S]) -> f64 {
    let spaced = |text: &str| -> String {
        normalize(text).chars().flat_map(|c| if stands_alone(c) { vec![' ', c, ' '] } else { vec![c] }).collect()
    };
    let prediction = spaced(prediction);
    let f1 = |gold: &S| {
        let gold = spaced(gold.as_ref());
        if gold.trim().is_empty() && prediction.trim().is_empty() { 1.0 } else { shared_words(&gold, &prediction).f1() }
    };
    let best = golds.iter().map(f1).fold(0.0, f64::max);
    if golds.is_empty() && prediction.trim().is_empty() { 1.0 } else { best }
}

fn shared_words(gold: &str, predicted: &str) -> Counts {
    let words = |text: &str| text.split(' ').filter(|word| !word.is_empty()).count();
    let mut left = HashMap::<&str, usize>::new();
    for word in gold.split(' ').filter(|word| !word.is_empty()) {
        *left.entry(word).or_default() += 1;
    }
    let mut counts = Counts { gold: words(gold), predicted: words(predicted), hits: 0 };
    for word in predicted.split(' ') {
        if let Some(left) = left.get_mut(word).filter(|left| **left > 0) {
            *left -= 1;
            counts.hits += 1;
        }
    }
    counts
}

/// A question of SQuAD 2.0 with its prediction judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedAnswer {
    /// What the prediction reaches where it is kept.
    pub score: Score,
    /// Whether the question has an answer.
    pub answerable: bool,
    /// Whether the prediction is not empty.
    pub answered: bool,
    /// How far the model believes that there is no answer: a probability, or any score that grows with it.
    pub no_answer: f64,
}

impl JudgedAnswer {
    /// Judges a prediction. A question without gold answers, or with empty ones only, has no answer.
    pub fn new<S: AsRef<str>>(prediction: &str, golds: &[S], no_answer: f64) -> Self {
        let answerable = golds.iter().any(|gold| !gold.as_ref().is_empty());
        Self { score: score_v2(prediction, golds), answerable, answered: !prediction.is_empty(), no_answer }
    }

    /// The score where a prediction is dropped whose `no_answer` exceeds the threshold.
    pub fn score_at(&self, threshold: f64) -> Score {
        let dropped = f64::from(u8::from(!self.answerable));
        if self.no_answer > threshold { Score { exact: dropped, f1: dropped } } else { self.score }
    }
}

/// Mean scores over a set of questions, and over those with and those without an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// All questions.
    pub all: Score,
    /// Those with an answer (the script's `HasAns`), where there are any.
    pub answerable: Option<Score>,
    /// Those without (`NoAns`), where there are any.
    pub unanswerable: Option<Score>,
}

/// The figures at a no-answer threshold; [`f64::INFINITY`] keeps every prediction.
pub fn report(questions: &[JudgedAnswer], threshold: f64) -> Report {
    let of = |answerable: &[bool]| {
        let asked = questions.iter().filter(|question| answerable.contains(&question.answerable));
        let scores: Vec<Score> = asked.map(|question| question.score_at(threshold)).collect();
        (!scores.is_empty()).then(|| mean_score(&scores))
    };
    Report { all: of(&[true, false]).unwrap_or_default(), answerable: of(&[true]), unanswerable: of(&[false]) }
}

/// Mean of the scores of several answers, 0 of none.
pub fn mean_score(scores: &[Score]) -> Score {
    Score { exact: mean(scores.iter().map(|s| s.exact)), f1: mean(scores.iter().map(|s| s.f1)) }
}

/// The threshold with the best mean of a figure, for example `|score| score.f1`, and that mean, as 2.0's
/// `find_best_thresh` has them.
///
/// The script's threshold is 0 where none beats dropping every prediction, which drops them all only if `no_answer` is
/// a probability. Of questions with equal `no_answer` it may count the first few only, in the order given; the mean is
/// then one that [`report`] does not reach.
pub fn best_threshold(questions: &[JudgedAnswer], figure: fn(&Score) -> f64) -> (f64, f64) {
    let mut order: Vec<&JudgedAnswer> = questions.iter().collect();
    order.sort_by(|a, b| a.no_answer.total_cmp(&b.no_answer));
    let mut sum = order.iter().filter(|question| !question.answerable).count() as f64;
    let (mut best, mut threshold) = (sum, 0.0);
    for question in order {
        sum += match (question.answerable, question.answered) {
            (true, _) => figure(&question.score),
            (false, true) => -1.0,
            (false, false) => 0.0,
        };
        if sum > best {
            (best, threshold) = (sum, question.no_answer);
        }
    }
    (threshold, best / questions.len().max(1) as f64)
}

/// The most silent threshold whose mean the best one does not exceed by more than the standard error of their difference
/// (the one-standard-error rule of Breiman et al., 1984). On few questions the best one owes part of its mean to chance,
/// and on questions of another kind than these a wrong answer is likelier than a wrong silence.
pub fn cautious_threshold(questions: &[JudgedAnswer], figure: fn(&Score) -> f64) -> f64 {
    let mut order: Vec<&JudgedAnswer> = questions.iter().collect();
    order.sort_by(|a, b| a.no_answer.total_cmp(&b.no_answer));
    // Silence, then every threshold that keeps one more: what it has gained over silence, and the squares of that.
    let lowest = order.first().map_or(0.0, |question| question.no_answer);
    let mut steps = vec![(lowest - 1.0, 0.0, 0.0)];
    let (mut sum, mut squares) = (0.0, 0.0);
    for (at, question) in order.iter().enumerate() {
        let gain = figure(&question.score) - f64::from(u8::from(!question.answerable));
        sum += gain;
        squares += gain * gain;
        // Of equal ones all are kept or none.
        if order.get(at + 1).is_none_or(|next| next.no_answer > question.no_answer) {
            steps.push((question.no_answer, sum, squares));
        }
    }
    let best = steps.iter().fold(
        (f64::NEG_INFINITY, 0.0),
        |best, &(_, sum, squares)| {
            if sum > best.0 { (sum, squares) } else { best }
        },
    );
    let count = order.len().max(1) as f64;
    let is_close = |&&(_, sum, squares): &&(f64, f64, f64)| {
        let difference: f64 = best.0 - sum;
        difference * difference * (1.0 + 1.0 / count) <= best.1 - squares
    };
    steps.iter().find(is_close).map_or(lowest - 1.0, |&(threshold, ..)| threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_within_chance_is_left_alone() {
        let right = |no_answer| JudgedAnswer::new("cat", &["cat"], no_answer);
        let wrong = |no_answer| JudgedAnswer::new("cat", &[""], no_answer);
        // After ten sure ones one wrong answer and two right ones: one more, and its standard error is 1.7.
        let mut questions: Vec<JudgedAnswer> = (0..10).map(|at| right(f64::from(at))).collect();
        questions.extend([wrong(10.0), right(11.0), right(12.0)]);
        assert_eq!(best_threshold(&questions, |score| score.f1).0, 12.0);
        assert_eq!(cautious_threshold(&questions, |score| score.f1), 9.0);
        // Twenty more are no chance.
        questions.extend((13..33).map(|at| right(f64::from(at))));
        assert_eq!(cautious_threshold(&questions, |score| score.f1), 32.0);
        // Nothing is better than silence; and equal scores stay together.
        let silent = cautious_threshold(&[wrong(0.5), right(0.5), wrong(0.7)], |score| score.f1);
        assert!(silent < 0.5, "{silent}");
        assert_eq!(cautious_threshold(&[right(0.5), right(0.5)], |score| score.f1), 0.5);
    }

    #[test]
    fn answers_are_normalized() {
        assert_eq!(normalize("  The Cat's\tpaw, an A–B! "), "cats paw –b");
        assert_eq!(normalize("Theatre; banana an_a"), "theatre banana ana");
        assert_eq!(normalize("THE \u{1f}a\u{a0}É"), "é");
        assert_eq!(normalize("a the."), "");
    }

    #[test]
    fn scores_worked_out_by_hand() {
        // Two of three words of the first, both of the second's four.
        let score = score_v2("red red cat", &["the red cat", "a cat sat on red"]);
        assert_eq!(score, Score { exact: 0.0, f1: 0.8 });
        assert_eq!(score_v1("Cat.", &["dog", "the cat"]), Score { exact: 1.0, f1: 1.0 });
        let none: [&str; 0] = [];
        assert_eq!((score_v1("x", &none).f1, score_v2("", &none).f1, score_v2("x", &[""]).f1), (0.0, 1.0, 0.0));
    }

    #[test]
    fn characters_count_where_there_are_no_spaces() {
        assert!((f1_by_characters("北", &["北京"]) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(f1_by_characters("서울", &["서울"]), 1.0);
        assert!((f1_by_characters("in 北京 1999", &["北京 in 2000"]) - 0.75).abs() < 1e-12);
        assert_eq!((f1_by_characters("", &[""]), f1_by_characters("x", &[""])), (1.0, 0.0));
    }

    #[test]
    fn the_scripts_differ_on_answers_that_vanish() {
        assert_eq!(score_v1("a", &["the"]), Score { exact: 1.0, f1: 0.0 });
        assert_eq!(score_v2("a", &["the"]), Score { exact: 1.0, f1: 1.0 });
        assert_eq!((score_v1("", &["the", "x"]).exact, score_v2("", &["the", "x"]).exact), (1.0, 0.0));
    }

    #[test]
    fn a_threshold_drops_what_should_not_be_answered() {
        let questions = [
            JudgedAnswer::new("cat", &["cat"], 0.1),
            JudgedAnswer::new("dog", &[""], 0.8),
            JudgedAnswer::new("a red dog", &["red cat"], 0.3),
        ];
        assert_eq!(report(&questions, 1.0).all, Score { exact: 1.0 / 3.0, f1: 0.5 });
        let kept = report(&questions, 0.3);
        assert_eq!((kept.all.f1, kept.unanswerable.unwrap().exact), (2.5 / 3.0, 1.0));
        assert_eq!(kept.answerable.unwrap(), Score { exact: 0.5, f1: 0.75 });
        assert_eq!(best_threshold(&questions, |score| score.exact), (0.1, 2.0 / 3.0));
        assert_eq!(best_threshold(&questions, |score| score.f1), (0.3, 2.5 / 3.0));
        assert_eq!(report(&questions[..1], 1.0).unanswerable, None);
    }
}
