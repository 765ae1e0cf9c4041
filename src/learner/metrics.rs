//! Burn metrics over what a step saw: one plot for each number, and the summary that becomes lines and records.

use super::interval::{Interval, SharedInterval, locked, seconds};
use super::observation::Seen;
use super::record::Record;
use burn::tensor::TensorReadError;
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry, SerializedEntry,
};
use std::sync::Arc;
use std::time::Duration;

/// A number that the dashboard plots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    MlmLoss,
    MlmAccuracy,
    DiscLoss,
    DiscAuc,
    DiscAccuracy,
    DiscPrecision,
    DiscRecall,
    Entropy,
    Replaced,
    LearningRate,
    GradNorm,
    TokensPerSecond,
}

impl Number {
    /// Those of training and validation.
    pub const BOTH: [Self; 9] = [
        Self::DiscLoss,
        Self::DiscAuc,
        Self::MlmLoss,
        Self::MlmAccuracy,
        Self::DiscAccuracy,
        Self::DiscPrecision,
        Self::DiscRecall,
        Self::Entropy,
        Self::Replaced,
    ];
    /// Those of training alone.
    pub const TRAIN: [Self; 3] = [Self::LearningRate, Self::GradNorm, Self::TokensPerSecond];

    fn name(self) -> &'static str {
        match self {
            Self::MlmLoss => "MLM loss",
            Self::MlmAccuracy => "MLM accuracy",
            Self::DiscLoss => "Disc loss",
            Self::DiscAuc => "Disc AUC",
            Self::DiscAccuracy => "Disc accuracy",
            Self::DiscPrecision => "Disc precision",
            Self::DiscRecall => "Disc recall",
            Self::Entropy => "Entropy",
            Self::Replaced => "Replaced",
            Self::LearningRate => "Rate",
            Self::GradNorm => "Grad norm",
            Self::TokensPerSecond => "Tokens/s",
        }
    }

    fn higher_is_better(self) -> bool {
        use Number::{DiscAccuracy, DiscAuc, DiscPrecision, DiscRecall, MlmAccuracy, TokensPerSecond};
        matches!(self, MlmAccuracy | DiscAuc | DiscAccuracy | DiscPrecision | DiscRecall | TokensPerSecond)
    }

    /// The value, and the count that it is a mean over, so that means over steps are exact. AUC and entropy are no
    /// means: over several steps the plot shows the mean of their values, `metrics.jsonl` the value of all tokens.
    fn value(self, seen: &Seen, rate: f64) -> (f64, usize) {
        let tally = &seen.tally;
        let (hits, false_alarms) = tally.called_replaced();
        match self {
            Self::MlmLoss => (tally.mlm_loss(), tally.picked),
            Self::MlmAccuracy => (tally.mlm_accuracy(), tally.picked),
            Self::DiscLoss => (tally.disc_loss(), tally.tokens()),
            Self::DiscAuc => tally.disc_auc().map_or((0.5, 0), |auc| (auc, tally.tokens())),
            Self::DiscAccuracy => (tally.disc_accuracy(), tally.tokens()),
            Self::DiscPrecision => (tally.disc_precision(), hits + false_alarms),
            Self::DiscRecall => (tally.disc_recall(), tally.replaced.len()),
            Self::Entropy => (tally.entropy(), tally.tokens()),
            Self::Replaced => (tally.replaced_share(), tally.tokens()),
            Self::LearningRate => (rate, 1),
            Self::GradNorm => seen.grad_norm.map_or((0.0, 0), |norm| (norm, 1)),
            Self::TokensPerSecond => (tally.tokens() as f64 / seconds(seen.time.1 - seen.time.0), tally.tokens()),
        }
    }
}

fn rate(metadata: &MetricMetadata) -> f64 {
    metadata.lr.as_ref().map_or(0.0, |rate| rate.base())
}

/// Plots one number.
#[derive(Clone)]
pub(super) struct Plot {
    number: Number,
    name: MetricName,
    state: NumericMetricState,
}

impl Plot {
    pub fn new(number: Number) -> Self {
        Self { number, name: Arc::new(number.name().into()), state: NumericMetricState::default() }
    }

    fn format(&self) -> FormatOptions {
        FormatOptions::new(self.name.clone()).precision(4)
    }
}

impl Metric for Plot {
    type Input = Arc<Seen>;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes { unit: None, higher_is_better: self.number.higher_is_better() }.into()
    }

    fn update(&mut self, seen: &Arc<Seen>, metadata: &MetricMetadata) -> Result<SerializedEntry, TensorReadError> {
        let (value, count) = self.number.value(seen, rate(metadata));
        self.state.update(value, count);
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.format()))
    }

    fn clear(&mut self) {
        self.state.reset();
    }
}

impl Numeric for Plot {
    fn value(&self) -> Option<NumericEntry> {
        Some(self.state.current_value())
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(self.state.running_value())
    }

    fn final_value(&self) -> NumericEntry {
        self.state.final_value()
    }
}

/// Pools what the steps of an interval saw. At the end of the interval its entry is the [`Record`], serialized as JSON
/// and formatted as a line; in between there is no entry.
#[derive(Clone)]
pub(super) struct Summary {
    name: MetricName,
    split: &'static str,
    /// Steps in an interval; absent for a validation, which is one interval.
    log_every: Option<usize>,
    total_steps: usize,
    interval: SharedInterval,
    collapsed: bool,
    /// The line of the interval before, which the dashboard shows until the next.
    line: String,
}

impl Summary {
    /// Name of the metric.
    pub const NAME: &'static str = "Summary";

    /// Of training, going on with `interval`.
    pub fn train(log_every: usize, total_steps: usize, interval: SharedInterval) -> Self {
        Self { interval, ..Self::new("train", Some(log_every), total_steps) }
    }

    pub fn valid(total_steps: usize) -> Self {
        Self::new("valid", None, total_steps)
    }

    fn new(split: &'static str, log_every: Option<usize>, total_steps: usize) -> Self {
        Self {
            name: Arc::new(Self::NAME.into()),
            split,
            log_every,
            total_steps,
            interval: SharedInterval::default(),
            collapsed: false,
            line: "-".into(),
        }
    }

    /// Ends the interval, if one has begun.
    fn finish(&mut self) -> SerializedEntry {
        let Some(interval) = locked(&self.interval).finish() else { return self.nothing_new() };
        let step = interval.last_step;
        let mut record = Record::new(step, self.split, &interval.tally);
        let mut line = format!("{} {step:>7}/{} | {}", self.split, self.total_steps, record.summary());
        if self.log_every.is_some() {
            let elapsed = interval.seconds.max(1e-9);
            let tokens_per_second = interval.tally.tokens() as f64 / elapsed;
            let grad_norm = interval.grad_norms / interval.steps as f64;
            let left =
                Duration::from_secs_f64(elapsed / interval.steps as f64 * self.total_steps.saturating_sub(step) as f64);
            line += &format!(
                " | lr {:.2e} grad {grad_norm:.2} | {tokens_per_second:.0} tokens/s, {} left",
                interval.rate,
                readable(left)
            );
            if interval.skipped > 0 {
                let count = interval.skipped;
                line += &format!("\nwarning: {count} steps were skipped, since loss or gradients were not finite");
                record.skipped_steps = Some(count);
            }
            if let Some(spike) = &interval.spike {
                line += &format!(
                    "\nwarning: the MLM loss jumped to {:.3} at step {}, from about {:.3}",
                    spike.loss, spike.step, spike.usual
                );
                record.loss_spikes = Some(interval.spikes);
            }
            record.learning_rate = Some(interval.rate);
            record.grad_norm = Some(grad_norm);
            record.tokens_per_second = Some(tokens_per_second);
        } else {
            // Said once when it begins, not at every validation that it lasts.
            let warning = record.collapse_warning().filter(|_| step > 0);
            if let Some(warning) = warning.as_ref().filter(|_| !self.collapsed) {
                line += &format!(" \nwarning: {warning}");
            }
            self.collapsed = warning.is_some();
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

/// A duration as people say it: `42s`, `3m 05s`, `2h 10m`, `5d 04h`.
pub(super) fn readable(duration: Duration) -> String {
    let s = duration.as_secs();
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m {:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h {:02}m", s / 3600, s / 60 % 60),
        _ => format!("{}d {:02}h", s / 86_400, s / 3600 % 24),
    }
}

impl Metric for Summary {
    type Input = Arc<Seen>;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn update(&mut self, seen: &Arc<Seen>, metadata: &MetricMetadata) -> Result<SerializedEntry, TensorReadError> {
        locked(&self.interval).add(seen, rate(metadata));
        let ends = self.log_every.is_some_and(|every| seen.step.is_multiple_of(every));
        Ok(if ends { self.finish() } else { self.nothing_new() })
    }

    /// The end of a window: that of the interval for a validation and at the end of the run.
    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        if self.log_every.is_some() {
            let mut interval = locked(&self.interval);
            interval.end_window();
            if interval.last_step < self.total_steps {
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
    use crate::objective::Tally;
    use std::sync::Mutex;

    fn metadata() -> MetricMetadata {
        let progress = burn::data::dataloader::Progress::new(1, 1, None);
        MetricMetadata { progress, iteration: None, lr: Some(1e-3.into()) }
    }

    /// A step or validation whose discriminator separates replaced tokens from original ones by `gap`.
    fn seen(step: usize, gap: f32) -> Arc<Seen> {
        let original: Vec<f32> = (0..850).map(|i| (i % 10) as f32 * 0.01 - 1.7).collect();
        let replaced: Vec<f32> = (0..150).map(|i| (i % 10) as f32 * 0.01 - 1.7 + gap).collect();
        let disc_loss_sum = crate::objective::entropy(0.15) * 1000.0 * if gap > 0.0 { 0.8 } else { 1.001 };
        let tally = Tally { mlm_loss_sum: 60.0, mlm_correct: 3.0, picked: 10, disc_loss_sum, original, replaced };
        let now = std::time::Instant::now();
        Arc::new(Seen { step, tally, grad_norm: Some(2.0), bad: None, time: (now, now + Duration::from_secs(1)) })
    }

    #[test]
    fn records_come_at_the_interval_and_at_the_end() {
        let interval = SharedInterval::default();
        let mut summary = Summary::train(2, 7, interval.clone());
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
        let mut summary = Summary::train(100, 7, Arc::new(Mutex::new(restored)));
        summary.update(&seen(7, 0.0), &metadata()).unwrap();

        let rest: Record = serde_json::from_str(&summary.compute().unwrap().serialized).unwrap();
        assert_eq!((rest.step, rest.learning_rate, rest.grad_norm), (7, Some(1e-3), Some(2.0)));
        assert_eq!((rest.replaced, rest.disc_entropy), (0.15, crate::objective::entropy(0.15)));
        assert!(summary.compute().unwrap().is_not_available(), "nothing is recorded twice");
    }

    #[test]
    fn a_collapsed_discriminator_is_announced_when_it_collapses() {
        let mut summary = Summary::valid(100);
        let mut warned = |step, gap| {
            summary.update(&seen(step, gap), &metadata()).unwrap();
            let line = summary.compute().unwrap().formatted;
            summary.clear();
            line.contains(
                "warning: the discriminator says no more than the base rate: its loss 0.4231 is the entropy 0.4227",
            )
        };
        let warnings =
            [warned(0, 0.0), warned(10, 0.0), warned(20, 0.0), warned(30, 0.05), warned(40, 0.0), warned(50, 0.0)];
        assert_eq!(warnings, [false, true, false, false, true, false]);
    }

    #[test]
    fn durations_are_readable() {
        let say = |s| readable(Duration::from_secs(s));
        assert_eq!([say(5), say(185), say(7800), say(446_400)], ["5s", "3m 05s", "2h 10m", "5d 04h"]);
    }
}
