//! `metrics.jsonl` as curves of bounded size: whoever shows or judges a run reads its records here.

use crate::curve::Curve;
use crate::health::{Health, Validation, Verdict};
use crate::line::Lines;
use crate::{files, warnings};
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::path::Path;

/// Most notes that are kept, the newest.
const NOTES: usize = 200;

/// Damaged lines that are described, the first.
const DESCRIBED: usize = 3;

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// The step of its record.
    pub step: u64,
    /// A sentence.
    pub text: String,
}

/// How often something happened, and when it did last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Times.
    pub times: u64,
    /// The step of the last record that has it.
    pub last: u64,
}

/// A record without what is no number.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// Steps done.
    pub step: u64,
    /// `train` or `valid`.
    pub split: String,
    /// Name and value of every metric.
    pub values: Vec<(String, f64)>,
}

/// What the records of a run come to. A field for each thing that a report shows.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    lines: Lines,
    /// By split, then metric.
    curves: Vec<Vec<Curve>>,
    notes: VecDeque<Note>,
    health: Health,
    verdict: Verdict,
    /// Lines so far.
    number: usize,
    /// Lines that are records.
    pub records: u64,
    /// Lines that are not.
    pub damaged: u64,
    /// The first of them, by number from 1, and what is wrong with them.
    pub damage: Vec<(usize, String)>,
    /// The furthest step.
    pub step: u64,
    /// Steps that updated nothing.
    pub skipped_steps: Count,
    /// Steps whose loss lies far above what was usual.
    pub loss_spikes: Count,
    /// Real tokens up to the last record; 0 where the records do not know.
    pub tokens_seen: u64,
    /// The numbers of the last validation, with step and split, as an object.
    pub last_validation: Option<Value>,
    /// Tokens a second of every record that has them.
    speeds: Vec<f32>,
}

impl Metrics {
    /// Reads the file at `path`, a line at a time: the records, and the error that stopped reading.
    pub fn read(path: &Path) -> (Self, std::io::Result<()>) {
        let mut metrics = Self::default();
        let read = files::each_line(path, files::LINE, |_, line| {
            metrics.add_line(line);
            true
        });
        (metrics, read)
    }

    /// Adds the lines in `text`, which end with a newline each.
    pub fn add(&mut self, text: &[u8]) {
        text.split_inclusive(|&byte| byte == b'\n').for_each(|line| self.add_line(line));
    }

    fn add_line(&mut self, line: &[u8]) {
        self.number += 1;
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return;
        }
        let (step, split) = match self.lines.read(line) {
            Ok(found) => found,
            Err(message) => {
                self.damaged += 1;
                if self.damage.len() < DESCRIBED {
                    self.damage.push((self.number, message));
                }
                return;
            }
        };
        self.records += 1;
        self.step = self.step.max(step);
        if split >= self.curves.len() {
            self.curves.resize(split + 1, Vec::new());
        }
        let curves = &mut self.curves[split];
        for &(metric, value) in &self.lines.numbers {
            if metric >= curves.len() {
                curves.resize(metric + 1, Curve::default());
            }
            curves[metric].add(step, value);
        }
        self.count(step);
        self.judge(step, split);
    }

    /// Counts what the record that was read last says of training.
    fn count(&mut self, step: u64) {
        self.speeds.extend(self.lines.value("tokens_per_second").map(|speed| speed as f32));
        self.tokens_seen = self.lines.value("tokens_seen").map_or(self.tokens_seen, |tokens| tokens as u64);
        if let Some(count) = self.counted("skipped_steps") {
            self.skipped_steps = Count { times: self.skipped_steps.times.saturating_add(count), last: step };
            self.note(step, warnings::skipped_steps(count));
        }
        if let Some(count) = self.counted("loss_spikes") {
            self.loss_spikes = Count { times: self.loss_spikes.times.saturating_add(count), last: step };
            self.note(step, warnings::loss_spikes(count));
        }
    }

    fn counted(&self, name: &str) -> Option<u64> {
        self.lines.value(name).filter(|count| *count > 0.0).map(|count| count as u64)
    }

    /// Takes the record that was read last into the verdict, where it is a validation.
    fn judge(&mut self, step: u64, split: usize) {
        if self.lines.splits.name(split) != "valid" {
            return;
        }
        let named = |&(metric, value): &(usize, f64)| (self.lines.metrics.name(metric).to_owned(), value.into());
        let mut record: Map<String, Value> = self.lines.numbers.iter().map(named).collect();
        record.extend(self.lines.nulls.iter().map(|&metric| (self.lines.metrics.name(metric).to_owned(), Value::Null)));
        record.extend([("step".to_owned(), step.into()), ("split".to_owned(), "valid".into())]);
        let record = Value::Object(record);
        if let Some(validation) = Validation::of(&record) {
            self.health.add(validation);
        }
        self.last_validation = Some(record);
        let verdict = self.health.verdict();
        if let Some(sentence) = self.health.sentence().filter(|_| verdict.is_trouble() && verdict != self.verdict) {
            self.note(step, sentence);
        }
        self.verdict = verdict;
    }

    fn note(&mut self, step: u64, text: String) {
        self.notes.push_back(Note { step, text });
        let beyond = self.notes.len().saturating_sub(NOTES);
        self.notes.drain(..beyond);
    }

    /// What a person should know, in the order of the records.
    pub fn notes(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter()
    }

    /// How the discriminator does.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Values that have no curve, since there are too many names.
    pub fn left_out(&self) -> u64 {
        self.lines.left_out
    }

    /// The curve of the metric `name` in `split`.
    pub fn get(&self, name: &str, split: &str) -> Option<&Curve> {
        let (split, metric) = (self.lines.splits.find(split)?, self.lines.metrics.find(name)?);
        self.curves.get(split)?.get(metric).filter(|curve| curve.ends().is_some())
    }

    /// Split, metric and curve, in the order in which they came.
    pub fn curves(&self) -> impl Iterator<Item = (&str, &str, &Curve)> {
        self.lines.splits.iter().zip(&self.curves).flat_map(|(split, curves)| {
            let named = self.lines.metrics.iter().zip(curves).filter(|(_, curve)| curve.ends().is_some());
            named.map(move |(metric, curve)| (split, metric, curve))
        })
    }

    /// The metrics that `split` has.
    pub fn names<'a>(&'a self, split: &'a str) -> impl Iterator<Item = &'a str> {
        self.curves().filter(move |(of, ..)| *of == split).map(|(_, name, _)| name)
    }

    /// The value of a metric in the last validation that has it.
    pub fn last(&self, name: &str) -> Option<f64> {
        Some(self.get(name, "valid")?.ends()?.1.1)
    }

    /// The middle one of the speeds, in tokens a second.
    pub fn median_speed(&self) -> Option<f64> {
        let mut speeds = self.speeds.clone();
        if speeds.is_empty() {
            return None;
        }
        let middle = speeds.len() / 2;
        let (_, median, _) = speeds.select_nth_unstable_by(middle, f32::total_cmp);
        Some(f64::from(*median))
    }
}

/// The records in `text`; what is none is left out.
pub fn read_numbers(text: &[u8]) -> Vec<Numbers> {
    let mut lines = Lines::default();
    let mut records = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let Ok((step, split)) = lines.read(line) else { continue };
        let named = |&(metric, value): &(usize, f64)| (lines.metrics.name(metric).to_owned(), value);
        let values = lines.numbers.iter().map(named).collect();
        records.push(Numbers { step, split: lines.splits.name(split).to_owned(), values });
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{NAMES, SPLITS};
    use serde_json::json;

    fn metrics(text: &str) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.add(text.as_bytes());
        metrics
    }

    #[test]
    fn numbers_are_metrics_and_damage_is_counted() {
        let metrics = metrics(
            "{\"step\":1,\"split\":\"train\",\"loss\":2.5,\"name\":\"x\",\"auc\":null,\"list\":[1],\"map\":{\"a\":1},\"ok\":true}\n\
             {\"step\":2,\"split\":\"valid\",\"f1\":0.123456789,\"loss\":-1}\n\n\
             {\"step\":3,\"spl\n{\"step\":-1,\"split\":\"train\"}\n{\"step\":1.5,\"split\":\"train\"}\n[]\n\u{0}\n{\"step\":4}\n\
             {\"step\":5,\"split\":\"train\",\"loss\":1} {}\n{\"step\":6,\"split\":7}\n",
        );
        assert_eq!((metrics.records, metrics.damaged, metrics.step), (2, 8, 2));
        assert!(metrics.damage[0].1.starts_with("EOF"), "{:?}", metrics.damage);
        assert_eq!(metrics.damage[1], (5, "it has no step".into()));
        let all: Vec<_> = metrics.curves().map(|(split, name, curve)| (split, name, curve.points())).collect();
        let expected = [
            ("train", "loss", vec![(1, 2.5)]),
            ("valid", "loss", vec![(2, -1.0)]),
            ("valid", "f1", vec![(2, 0.123456789)]),
        ];
        assert_eq!(all, expected);
        assert!(metrics.get("f1", "train").is_none() && metrics.get("f1", "valid").is_some());
        assert_eq!(metrics.names("valid").collect::<Vec<_>>(), ["loss", "f1"]);
    }

    #[test]
    fn a_file_of_nonsense_stays_small() {
        let line = |n| format!("{{\"step\":{n},\"split\":\"s{n}\",\"m{n}\":1,\"loss_spikes\":1}}\n");
        let metrics = metrics(&(0..2000).map(line).collect::<String>());
        let (names, splits) = (metrics.lines.metrics.iter().count(), metrics.lines.splits.iter().count());
        assert!(names <= NAMES && splits <= SPLITS && metrics.notes.len() <= NOTES);
        assert!(metrics.left_out() > 1500, "{}", metrics.left_out());
    }

    #[test]
    fn what_a_person_should_know_is_noted_when_it_begins() {
        let valid = |(at, loss): (usize, &f64)| {
            let record = json!({
                "step": 10 * at, "split": "valid", "mlm_loss": 5.0, "disc_loss": loss, "disc_entropy": 0.42, "replaced": 0.15,
            });
            format!("{record}\n")
        };
        // Three at the base rate, three that learn, three that do not any more; the first is of step 0.
        let losses = [0.69, 0.42, 0.42, 0.42, 0.38, 0.38, 0.38, 0.42, 0.42, 0.42];
        let text = losses.iter().enumerate().map(valid).collect::<String>()
            + "{\"step\":100,\"split\":\"train\",\"skipped_steps\":3,\"loss_spikes\":1,\"tokens_per_second\":30,\"tokens_seen\":7}\n\
               {\"step\":110,\"split\":\"train\",\"skipped_steps\":1,\"tokens_per_second\":50}\n";
        let metrics = metrics(&text);
        let steps: Vec<u64> = metrics.notes().map(|note| note.step).collect();
        assert_eq!(steps, [30, 90, 100, 100, 110]);
        assert_eq!(metrics.skipped_steps, Count { times: 4, last: 110 });
        assert_eq!((metrics.loss_spikes, metrics.tokens_seen), (Count { times: 1, last: 100 }, 7));
        assert_eq!((metrics.median_speed(), metrics.last("disc_loss")), (Some(50.0), Some(0.42)));
    }

    #[test]
    fn a_loss_that_is_no_number_diverges() {
        let line = "{\"step\":9,\"split\":\"valid\",\"mlm_loss\":null,\"disc_loss\":null,\"disc_entropy\":0.42,\"replaced\":0.15}\n";
        let metrics = metrics(line);
        assert_eq!(metrics.health().verdict(), Verdict::Diverging);
        assert_eq!(metrics.last_validation.as_ref().unwrap()["mlm_loss"], Value::Null);
        assert_eq!(metrics.notes().count(), 1);
    }

    #[test]
    fn appended_lines_are_read_alone() {
        let records = read_numbers(
            b"{\"step\":1,\"split\":\"train\",\"loss\":2.5}\nbroken\n{\"step\":2,\"split\":\"valid\",\"f1\":1}\n",
        );
        let expected = Numbers { step: 2, split: "valid".into(), values: vec![("f1".into(), 1.0)] };
        assert_eq!((records.len(), &records[1]), (2, &expected));
    }
}
