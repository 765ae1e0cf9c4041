//! Burn metrics over what a step saw: one plot for each number, and the summary that becomes lines and records.

use super::interval::{Interval, SharedInterval, locked, seconds};
use super::length::Length;
use super::record::RunRecord;
use super::statistics::{Number, Seen, Tally};
use burn::tensor::TensorReadError;
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry, SerializedEntry,
};
use electra_runs::{Health, TrainingFigures, Verdict, readable_duration, warnings};
use std::sync::Arc;

/// The numbers of training that do not depend on what is trained.
pub(super) fn training_numbers<T: Tally>() -> [Number<T>; 3] {
    let number = |name, higher_is_better, value| Number { name, higher_is_better, value };
    [
        number("Rate", false, |_, rate| (rate, 1)),
        number("Grad norm", false, |seen, _| seen.grad_norm.map_or((0.0, 0), |norm| (norm, 1))),
        number("Tokens/s", true, |seen, _| {
            let tokens = seen.tally.tokens();
            (tokens as f64 / seconds(seen.time.1 - seen.time.0), tokens)
        }),
    ]
}

fn rate(metadata: &MetricMetadata) -> f64 {
    metadata.lr.as_ref().map_or(0.0, |rate| rate.base())
}

/// Plots one number.
pub(super) struct Plot<T> {
    higher_is_better: bool,
    value: fn(&Seen<T>, f64) -> (f64, usize),
    name: MetricName,
    state: NumericMetricState,
    /// The last value; where all are means over nothing, this is what such a mean is taken for.
    last: f64,
}

impl<T> Plot<T> {
    pub fn new(number: &Number<T>) -> Self {
        let Number { name, higher_is_better, value } = *number;
        Self {
            higher_is_better,
            value,
            name: Arc::new(name.into()),
            state: NumericMetricState::default(),
            last: f64::NAN,
        }
    }

    fn format(&self) -> FormatOptions {
        FormatOptions::new(self.name.clone()).precision(4)
    }
}

// Derived, it would ask for `T: Clone`.
impl<T> Clone for Plot<T> {
    fn clone(&self) -> Self {
        let Self { name, state, .. } = self;
        Self { name: name.clone(), state: state.clone(), ..*self }
    }
}

impl<T: Tally> Metric for Plot<T> {
    type Input = Arc<Seen<T>>;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes { unit: None, higher_is_better: self.higher_is_better }.into()
    }

    fn update(&mut self, seen: &Arc<Seen<T>>, metadata: &MetricMetadata) -> Result<SerializedEntry, TensorReadError> {
        let (value, count) = (self.value)(seen, rate(metadata));
        self.state.update(value, count);
        self.last = value;
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.format()))
    }

    fn clear(&mut self) {
        self.state.reset();
        self.last = f64::NAN;
    }
}

impl<T: Tally> Numeric for Plot<T> {
    fn value(&self) -> Option<NumericEntry> {
        Some(self.state.current_value())
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(self.state.running_value())
    }

    fn final_value(&self) -> NumericEntry {
        match self.state.final_value() {
            NumericEntry::Final(mean) if mean.is_nan() => NumericEntry::Final(self.last),
            value => value,
        }
    }
}

/// How sums become a record: of a step, of `train` or `valid`.
pub(crate) type MakeRecord<T> = Arc<dyn Fn(usize, &str, &T) -> <T as Tally>::Record + Send + Sync>;

/// Name of the summary metric.
pub(super) const SUMMARY: &str = "Summary";

/// Pools what the steps of an interval saw. At the end of the interval its entry is the [`Record`], serialized as JSON
/// and formatted as a line; in between there is no entry.
#[derive(Clone)]
pub(super) struct Summary<T: Tally> {
    name: MetricName,
    split: &'static str,
    /// Steps in an interval; absent for a validation, which is one interval.
    log_every: Option<usize>,
    length: Length,
    interval: SharedInterval<T>,
    make: MakeRecord<T>,
    /// That of the validations so far.
    health: Health,
    told: Verdict,
    /// The line of the interval before, which the dashboard shows until the next.
    line: String,
}

impl<T: Tally> Summary<T> {
    /// Of training, continuing `interval`.
    pub fn train(log_every: usize, length: Length, interval: SharedInterval<T>, make: MakeRecord<T>) -> Self {
        Self { interval, ..Self::new("train", Some(log_every), length, make) }
    }

    /// Of validations, after those that `health` knows.
    pub fn valid(length: Length, make: MakeRecord<T>, health: Health) -> Self {
        Self { told: health.verdict(), health, ..Self::new("valid", None, length, make) }
    }

    fn new(split: &'static str, log_every: Option<usize>, length: Length, make: MakeRecord<T>) -> Self {
        Self {
            name: Arc::new(SUMMARY.into()),
            split,
            log_every,
            length,
            interval: SharedInterval::default(),
            make,
            health: Health::default(),
            told: Verdict::Unknown,
            line: "-".into(),
        }
    }

    /// Ends the interval, if one has begun.
    fn finish(&mut self) -> SerializedEntry {
        let Some(interval) = locked(&self.interval).finish() else { return self.nothing_new() };
        let step = interval.last_step;
        let mut record = (self.make)(step, self.split, &interval.tally);
        let mut line = format!("{} {step:>7}{} | {}", self.split, self.length.of(), record.summary());
        if self.log_every.is_some() {
            let elapsed = interval.seconds.max(1e-9);
            let tokens_per_second = interval.tally.tokens() as f64 / elapsed;
            let grad_norm = interval.grad_norms / interval.steps as f64;
            let left = self.length.left(step, elapsed / interval.steps as f64);
            line += &format!(
                " | lr {:.2e} grad {grad_norm:.2} | {tokens_per_second:.0} tokens/s, {} left",
                interval.rate,
                readable_duration(left)
            );
            let count = interval.skipped;
            if count > 0 {
                line += &format!("\nwarning: {}", warnings::skipped_steps(count as u64));
            }
            if let Some(spike) = &interval.spike {
                line += &format!(
                    "\nwarning: the {} jumped to {:.3} at step {}, from about {:.3}",
                    T::LOSS,
                    spike.loss,
                    spike.step,
                    spike.usual
                );
            }
            record.set_training(TrainingFigures {
                learning_rate: Some(interval.rate),
                grad_norm: Some(grad_norm),
                tokens_per_second: Some(tokens_per_second),
                tokens_seen: Some(interval.tokens_seen),
                skipped_steps: (count > 0).then_some(count),
                loss_spikes: interval.spike.map(|_| interval.spikes),
            });
        } else {
            if let Some(validation) = record.validation() {
                self.health.add(validation);
            }
            // Said when it changes, not at every validation that it lasts.
            let verdict = self.health.verdict();
            if let Some(sentence) = self.health.sentence().filter(|_| verdict != self.told) {
                line += if verdict.is_trouble() { "\nwarning: " } else { "\n" };
                line += &sentence;
            }
            self.told = verdict;
        }
        let json = serde_json::to_string(&record).expect("a record is plain numbers and strings");
        self.line.clone_from(&line);
        SerializedEntry::new(line, json)
    }

    /// An entry that is neither logged nor printed.
    fn nothing_new(&self) -> SerializedEntry {
        SerializedEntry::new(self.line.clone(), SerializedEntry::NOT_AVAILABLE.into())
    }
}

impl<T: Tally> Metric for Summary<T> {
    type Input = Arc<Seen<T>>;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn update(&mut self, seen: &Arc<Seen<T>>, metadata: &MetricMetadata) -> Result<SerializedEntry, TensorReadError> {
        locked(&self.interval).add(seen, rate(metadata));
        let ends = self.log_every.is_some_and(|every| seen.step.is_multiple_of(every));
        Ok(if ends { self.finish() } else { self.nothing_new() })
    }

    /// The end of a window: that of the interval for a validation and at the end of the run.
    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        if self.log_every.is_some() {
            let mut interval = locked(&self.interval);
            interval.end_window();
            if !self.length.is_over(interval.last_step) {
                drop(interval);
                return Ok(self.nothing_new());
            }
        }
        Ok(self.finish())
    }

    fn clear(&mut self) {
        if self.log_every.is_none() {
            *locked(&self.interval) = Interval::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::{Record, record_of};
    use crate::objective::Tally;
    use std::sync::Mutex;
    use std::time::Duration;

    fn metadata() -> MetricMetadata {
        let progress = burn::data::dataloader::Progress::new(1, 1, None);
        MetricMetadata { progress, iteration: None, lr: Some(1e-3.into()) }
    }

    fn make() -> MakeRecord<Tally> {
        Arc::new(record_of)
    }

    /// A step or validation whose discriminator separates replaced tokens from original ones by `gap`.
    fn seen(step: usize, gap: f32) -> Arc<Seen<Tally>> {
        let original: Vec<f32> = (0..850).map(|i| (i % 10) as f32 * 0.01 - 1.7).collect();
        let replaced: Vec<f32> = (0..150).map(|i| (i % 10) as f32 * 0.01 - 1.7 + gap).collect();
        let disc_loss_sum = crate::objective::entropy(0.15) * 1000.0 * if gap > 0.0 { 0.8 } else { 1.001 };
        let (mlm_loss_sum, mlm_correct, picked, tokens) = (60.0, 3.0, 10, 1000);
        let special = 0;
        let tally = Tally { mlm_loss_sum, mlm_correct, picked, tokens, special, disc_loss_sum, original, replaced };
        let now = std::time::Instant::now();
        Arc::new(Seen { step, tally, grad_norm: Some(2.0), bad: None, time: (now, now + Duration::from_secs(1)) })
    }

    #[test]
    fn records_come_at_the_interval_and_at_the_end() {
        let interval = SharedInterval::default();
        let mut summary = Summary::train(2, Length::of_steps(7), interval.clone(), make());
        let entries: Vec<_> = (1..=5).map(|step| summary.update(&seen(step, 0.0), &metadata()).unwrap()).collect();
        let is_record: Vec<bool> = entries.iter().map(|entry| !entry.is_not_available()).collect();
        assert_eq!(is_record, [false, true, false, true, false]);
        assert!(entries[1].formatted.starts_with("train       2/7 | mlm 6.000 acc 0.300 | disc"), "{:?}", entries[1]);
        assert_eq!(entries[2].formatted, entries[1].formatted, "the dashboard keeps showing the last line");

        // A window that ends here ends no interval, and a process that ends here takes it along.
        assert!(summary.compute().unwrap().is_not_available());
        let saved = locked(&interval).clone();
        let restored = Interval::from_bytes(&saved.to_bytes().unwrap()).unwrap();
        assert_eq!(restored, saved);
        let mut summary = Summary::train(100, Length::of_steps(7), Arc::new(Mutex::new(restored)), make());
        summary.update(&seen(7, 0.0), &metadata()).unwrap();

        let rest: Record = serde_json::from_str(&summary.compute().unwrap().serialized).unwrap();
        assert_eq!((rest.step, rest.training.learning_rate, rest.training.grad_norm), (7, Some(1e-3), Some(2.0)));
        assert_eq!((rest.replaced, rest.disc_entropy), (0.15, crate::objective::entropy(0.15)));
        assert!(summary.compute().unwrap().is_not_available(), "nothing is recorded twice");
    }

    #[test]
    fn a_collapsed_discriminator_is_announced_when_it_collapses() {
        let mut summary = Summary::valid(Length::of_steps(100), make(), Health::default());
        let mut told = |step, gap| {
            summary.update(&seen(step, gap), &metadata()).unwrap();
            let line = summary.compute().unwrap().formatted;
            summary.clear();
            line.split_once('\n').map(|(_, told)| told.split(':').take(2).collect::<String>())
        };
        let base_rate = Some("warning at the base rate".to_owned());
        assert_eq!([told(0, 0.0), told(10, 0.0), told(20, 0.0)], [None, None, None]);
        assert_eq!([told(30, 0.0), told(40, 0.0)], [base_rate, None]);
        // Three that gain a fifth of the entropy turn it, and are followed by a collapse.
        let turned: Vec<_> = (5..8).filter_map(|at| told(10 * at, 0.05)).collect();
        assert!(turned.len() == 1 && turned[0].starts_with("learning"), "{turned:?}");
        let collapsed: Vec<_> = (8..11).filter_map(|at| told(10 * at, 0.0)).collect();
        assert!(collapsed.len() == 1 && collapsed[0].starts_with("warning collapsed"), "{collapsed:?}");
    }
}
