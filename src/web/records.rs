//! Lines of `metrics.jsonl`, whatever was trained: every number is a metric. What is not a record is counted and left out.

use crate::curve::Curve;
use crate::learner::{Health, Validation, Verdict};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::fmt;

/// Most metrics, and splits, of a run: what a damaged file makes beyond them is left out.
const METRICS: usize = 64;
const SPLITS: usize = 4;

/// Longest name of either.
const NAME: usize = 64;

/// Most notes that are kept, the newest.
const NOTES: usize = 200;

/// Most points of all curves that are sent: about half a MiB.
const POINTS: usize = 30_000;

/// Strings by small numbers.
#[derive(Debug, Clone, Default)]
struct Names(Vec<String>);

impl Names {
    /// The number of `name`, new or not; none where there are `most` others already.
    fn number(&mut self, name: &str, most: usize) -> Option<usize> {
        let found = self.0.iter().position(|other| other == name);
        if found.is_none() && self.0.len() < most && name.len() <= NAME {
            self.0.push(name.to_owned());
            return Some(self.0.len() - 1);
        }
        found
    }
}

/// One line, in the numbers of a [`Table`].
#[derive(Debug, Clone, Default)]
struct Record {
    step: Option<u64>,
    split: Option<usize>,
    numbers: Vec<(usize, f64)>,
}

/// Something that a person should be told of.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// The step of its record.
    pub step: u64,
    /// A sentence.
    pub text: String,
}

/// What the lines come to.
#[derive(Debug, Clone, Default)]
pub struct Table {
    splits: Names,
    metrics: Names,
    /// By split, then metric.
    curves: Vec<Vec<Curve>>,
    notes: VecDeque<Note>,
    health: Health,
    verdict: Verdict,
    /// Lines that are records.
    pub lines: u64,
    /// Lines that are not.
    pub damaged: u64,
    record: Record,
}

impl Table {
    /// Adds the lines in `text`, which end with a newline each.
    pub fn add(&mut self, text: &[u8]) {
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            self.add_line(line);
        }
    }

    fn add_line(&mut self, line: &[u8]) {
        let Some((step, split)) = self.parse(line) else {
            self.damaged += 1;
            return;
        };
        self.lines += 1;
        if split >= self.curves.len() {
            self.curves.resize(split + 1, Vec::new());
        }
        let curves = &mut self.curves[split];
        for &(metric, value) in &self.record.numbers {
            if metric >= curves.len() {
                curves.resize(metric + 1, Curve::default());
            }
            curves[metric].add(step, value);
        }
        self.note(step, split);
    }

    /// Fills `self.record`; its step and split.
    fn parse(&mut self, line: &[u8]) -> Option<(u64, usize)> {
        let Self { splits, metrics, record, .. } = self;
        record.numbers.clear();
        (record.step, record.split) = (None, None);
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let whole = Fields { splits, metrics, record }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
        whole.ok().and(record.step).zip(record.split)
    }

    fn value(&self, name: &str) -> Option<f64> {
        let metric = self.metrics.0.iter().position(|other| other == name)?;
        self.record.numbers.iter().find(|(other, _)| *other == metric).map(|(_, value)| *value)
    }

    /// Says what the record that was parsed last should be said of.
    fn note(&mut self, step: u64, split: usize) {
        let mut notes = Vec::new();
        if let Some(count) = self.value("skipped_steps").filter(|count| *count > 0.0) {
            notes.push(format!("{count} steps were skipped, since loss or gradients were not finite"));
        }
        if let Some(count) = self.value("loss_spikes").filter(|count| *count > 0.0) {
            notes.push(format!("the loss jumped far above what was usual ({count} times since the record before)"));
        }
        if self.splits.0[split] == "valid" {
            let numbers =
                self.record.numbers.iter().map(|&(metric, value)| (self.metrics.0[metric].clone(), value.into()));
            let mut record: Map<String, Value> = numbers.collect();
            record.extend([("step".to_owned(), step.into()), ("split".to_owned(), "valid".into())]);
            if let Some(validation) = Validation::of(&record.into()) {
                self.health.add(validation);
            }
            let verdict = self.health.verdict();
            if verdict.is_trouble() && verdict != self.verdict {
                notes.extend(self.health.sentence());
            }
            self.verdict = verdict;
        }
        self.notes.extend(notes.into_iter().map(|text| Note { step, text }));
        let beyond = self.notes.len().saturating_sub(NOTES);
        self.notes.drain(..beyond);
    }

    /// How the discriminator does; nothing where that is not known.
    pub fn verdict(&self) -> Value {
        match self.verdict {
            Verdict::Unknown => Value::Null,
            verdict => {
                json!({"words": verdict.to_string(), "trouble": verdict.is_trouble(), "sentence": self.health.sentence()})
            }
        }
    }

    /// What a person should be told of, by step.
    pub fn notes(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter()
    }

    /// The curves by split and metric, in few enough points to be sent.
    pub fn curves(&self) -> Value {
        let points: usize = self.curves.iter().flatten().map(|curve| curve.points().len()).sum();
        let halvings = points.div_ceil(POINTS).max(1).next_power_of_two().trailing_zeros();
        let mut all = Map::new();
        for (split, curves) in self.splits.0.iter().zip(&self.curves) {
            let mut of_split = Map::new();
            for (metric, curve) in self.metrics.0.iter().zip(curves) {
                let mut curve = curve.clone();
                (0..halvings).for_each(|_| curve.halve());
                let (steps, values): (Vec<u64>, Vec<f64>) =
                    curve.points().into_iter().map(|(step, value)| (step, rounded(value))).unzip();
                if !steps.is_empty() {
                    of_split.insert(metric.clone(), json!({"steps": steps, "values": values}));
                }
            }
            all.insert(split.clone(), of_split.into());
        }
        all.into()
    }
}

/// The records in `text`, each whole, for a page that has those before; and whether one is more than another point.
pub fn appended(text: &[u8]) -> (Vec<Value>, bool) {
    let (mut table, mut records, mut notable) = (Table::default(), Vec::new(), false);
    for line in text.split(|&byte| byte == b'\n') {
        let Some((step, split)) = table.parse(line) else { continue };
        let split = &table.splits.0[split];
        let values: Map<String, Value> = table
            .record
            .numbers
            .iter()
            .map(|&(metric, value)| (table.metrics.0[metric].clone(), rounded(value).into()))
            .collect();
        notable |= split == "valid" || values.contains_key("skipped_steps") || values.contains_key("loss_spikes");
        records.push(json!({"step": step, "split": split, "values": values}));
    }
    (records, notable)
}

/// Seven digits, which is more than a chart shows.
fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

/// Reads a line into the record without keeping anything of it.
struct Fields<'a> {
    splits: &'a mut Names,
    metrics: &'a mut Names,
    record: &'a mut Record,
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("an object with step and split")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key(self.metrics))? {
            match key {
                Field::Step => self.record.step = map.next_value_seed(Number)?.and_then(step),
                Field::Split => self.record.split = map.next_value_seed(Split(self.splits))?,
                Field::Metric(metric) => {
                    let value = map.next_value_seed(Number)?.filter(|value| value.is_finite());
                    self.record.numbers.extend(metric.zip(value));
                }
            }
        }
        Ok(())
    }
}

/// A number of steps that was counted; others come from damage.
fn step(value: f64) -> Option<u64> {
    (value >= 0.0 && value < 2f64.powi(53) && value.fract() == 0.0).then_some(value as u64)
}

/// What stands before a colon.
enum Field {
    Step,
    Split,
    /// Absent where there are too many.
    Metric(Option<usize>),
}

struct Key<'a>(&'a mut Names);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Field;

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Field, E> {
        Ok(match key {
            "step" => Field::Step,
            "split" => Field::Split,
            _ => Field::Metric(self.0.number(key, METRICS)),
        })
    }
}

struct Split<'a>(&'a mut Names);

impl<'de> DeserializeSeed<'de> for Split<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Split<'_> {
    type Value = Option<usize>;

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("the name of a split")
    }

    fn visit_str<E>(self, split: &str) -> Result<Self::Value, E> {
        Ok(self.0.number(split, SPLITS))
    }
}

/// A number where there is one; anything else is passed over.
struct Number;

impl<'de> DeserializeSeed<'de> for Number {
    type Value = Option<f64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Number {
    type Value = Option<f64>;

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("a value")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value as f64))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        let mut table = Table::default();
        table.add(text.as_bytes());
        table
    }

    #[test]
    fn numbers_are_metrics_and_damage_is_counted() {
        let table = table(
            "{\"step\":1,\"split\":\"train\",\"loss\":2.5,\"name\":\"x\",\"auc\":null,\"list\":[1],\"map\":{\"a\":1},\"ok\":true}\n\
             {\"step\":2,\"split\":\"valid\",\"f1\":0.123456789,\"loss\":-1}\n\n\
             {\"step\":3,\"spl\n{\"step\":-1,\"split\":\"train\"}\n{\"step\":1.5,\"split\":\"train\"}\n[]\n\u{0}\n{\"step\":4}\n\
             {\"step\":5,\"split\":\"train\",\"loss\":1} {}\n{\"step\":6,\"split\":7}\n",
        );
        assert_eq!((table.lines, table.damaged), (2, 8));
        let expected = json!({
            "train": {"loss": {"steps": [1], "values": [2.5]}},
            "valid": {"f1": {"steps": [2], "values": [0.1234568]}, "loss": {"steps": [2], "values": [-1.0]}},
        });
        assert_eq!(table.curves(), expected);
    }

    #[test]
    fn a_file_of_nonsense_stays_small() {
        let line = |n| format!("{{\"step\":{n},\"split\":\"s{n}\",\"m{n}\":1,\"loss_spikes\":1}}\n");
        let table = table(&(0..2000).map(line).collect::<String>());
        assert!(table.metrics.0.len() <= METRICS && table.splits.0.len() <= SPLITS && table.notes.len() <= NOTES);
        let many = (0..20_000).map(|n| format!("{{\"step\":{n},\"split\":\"train\"{}}}\n", fields(n)));
        let sent = super::tests::table(&many.collect::<String>()).curves().to_string().len();
        assert!(sent < 900_000, "{sent} bytes");
    }

    fn fields(n: usize) -> String {
        (0..40).map(|m| format!(",\"metric_{m}\":{}", ((n * 7919 + m) % 1000) as f64 / 777.0)).collect()
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
            + "{\"step\":100,\"split\":\"train\",\"skipped_steps\":3,\"loss_spikes\":1}\n";
        let steps: Vec<u64> = table(&text).notes().map(|note| note.step).collect();
        assert_eq!(steps, [30, 90, 100, 100]);
    }
}
