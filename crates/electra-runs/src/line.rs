//! A line of `metrics.jsonl`, whatever was trained: every number is a metric. Reading one keeps nothing of it but numbers.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Most names of metrics of a run, and of splits: what a damaged file makes beyond them is left out.
pub(crate) const NAMES: usize = 256;
pub(crate) const SPLITS: usize = 4;

/// Longest name of either.
const NAME: usize = 64;

/// Strings by small numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// The number of `name`, new or not; none where there are `most` others already.
    fn number(&mut self, name: &str, most: usize) -> Option<usize> {
        let found = self.find(name);
        if found.is_none() && self.0.len() < most && name.len() <= NAME {
            self.0.push(name.to_owned());
            return Some(self.0.len() - 1);
        }
        found
    }

    /// The number of `name`, where it has one.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|other| other == name)
    }

    /// The name of `number`.
    pub(crate) fn name(&self, number: usize) -> &str {
        &self.0[number]
    }

    /// All names, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Reads lines, one at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    pub splits: Names,
    pub metrics: Names,
    /// Of the line that was read last: numbers of metrics, and values.
    pub numbers: Vec<(usize, f64)>,
    /// Of the same line: metrics that are null, as what is no number is in JSON.
    pub nulls: Vec<usize>,
    /// Values that were left out, since there are too many names.
    pub left_out: u64,
    step: Option<u64>,
    split: Option<usize>,
}

impl Lines {
    /// Reads `line` into `numbers`; its step and the number of its split.
    ///
    /// # Errors
    /// Why it is no record.
    pub(crate) fn read(&mut self, line: &[u8]) -> Result<(u64, usize), String> {
        self.numbers.clear();
        self.nulls.clear();
        (self.step, self.split) = (None, None);
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let whole = Fields(self).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        whole.map_err(|error| error.to_string())?;
        Ok((self.step.ok_or("it has no step")?, self.split.ok_or("it has no split")?))
    }

    /// The value of the metric called `name` in the line that was read last.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        let metric = self.metrics.find(name)?;
        self.numbers.iter().find(|(other, _)| *other == metric).map(|(_, value)| *value)
    }
}

struct Fields<'a>(&'a mut Lines);

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
        let lines = self.0;
        while let Some(key) = map.next_key_seed(Key(&mut lines.metrics))? {
            match key {
                Field::Step => lines.step = map.next_value_seed(Number)?.and_then(counted_step),
                Field::Split => lines.split = map.next_value_seed(Split(&mut lines.splits))?,
                Field::Metric(metric) => {
                    let value = map.next_value_seed(Number)?;
                    lines.left_out += u64::from(metric.is_none() && value.is_some());
                    match value {
                        Some(value) if value.is_finite() => lines.numbers.extend(metric.map(|metric| (metric, value))),
                        Some(_) => lines.nulls.extend(metric),
                        None => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// A number of steps that was counted; others come from damage.
fn counted_step(value: f64) -> Option<u64> {
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
            _ => Field::Metric(self.0.number(key, NAMES)),
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

/// A number where there is one, NaN for null; anything else is passed over.
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
        Ok(Some(f64::NAN))
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
