//! What is reported of steps: their numbers, and the summary of an interval, which becomes a record and a line.

use super::interval::{Interval, SharedInterval, locked, seconds};
use super::length::Length;
use super::record::{Recorder, RunRecord};
use super::statistics::{Number, StepResult, Tally};
use burn::tensor::TensorReadError;
use burn::train::metric::{Metric, MetricMetadata, MetricName, SerializedEntry};
use electra_runs::{Health, TrainingFigures, Verdict, readable_duration, warnings};
use std::sync::Arc;

/// The numbers of training that do not depend on what is trained.
fn training_numbers<T: Tally>() -> [Number<T>; 3] {
    let number = |name, value| Number { name, value };
    [
        number("Rate", |_, rate| (rate, 1)),
        number("Grad norm", |seen, _| seen.grad_norm.map_or((0.0, 0), |norm| (norm, 1))),
        number("Tokens/s", |seen, _| {
            let tokens = seen.tally.tokens();
            (tokens as f64 / seconds(seen.time.1 - seen.time.0), tokens)
        }),
    ]
}

/// Names of the numbers that are reported, in their order.
pub(super) fn names_of_numbers<T: Tally>() -> Vec<&'static str> {
    let training = training_numbers::<T>();
    T::numbers().iter().chain(&training).map(|number| number.name).collect()
}

/// The numbers of a step at learning rate `rate`. A mean over nothing is NaN.
pub(super) fn step_numbers<T: Tally>(seen: &StepResult<T>, rate: f64) -> Vec<(&'static str, f64)> {
    let training = training_numbers::<T>();
    let all = T::numbers().iter().chain(&training);
    all.map(|number| match (number.value)(seen, rate) {
        (_, 0) => (number.name, f64::NAN),
        (value, _) => (number.name, value),
    })
    .collect()
}

/// The numbers of a validation.
pub(super) fn validation_numbers<T: Tally>(seen: &StepResult<T>) -> Vec<(&'static str, f64)> {
    T::numbers().iter().map(|number| (number.name, (number.value)(seen, 0.0).0)).collect()
}

/// How sums become a record: of a step, of `train` or `valid`.
pub(crate) type MakeRecord<T> = Arc<dyn Fn(usize, &str, &T) -> <T as Tally>::Record + Send + Sync>;

/// The metric that Burn's Learner has: it pools what the steps of an interval saw, and makes a record at the end of the interval.
#[derive(Clone)]
pub(super) struct Summary<T: Tally> {
    split: &'static str,
    /// Steps in an interval; absent for a validation, which is one interval.
    log_every: Option<usize>,
    length: Length,
    interval: SharedInterval<T>,
    make: MakeRecord<T>,
    recorder: Arc<Recorder>,
    /// That of the validations so far.
    health: Health,
    told: Verdict,
}

impl<T: Tally> Summary<T> {
    /// Of training, continuing `interval`.
    pub(super) fn train(
        log_every: usize,
        length: Length,
        interval: SharedInterval<T>,
        make: MakeRecord<T>,
        recorder: Arc<Recorder>,
    ) -> Self {
        let (health, told) = (Health::default(), Verdict::Unknown);
        Self { split: "train", log_every: Some(log_every), length, interval, make, recorder, health, told }
    }

    /// Of validations, after those that `health` knows.
    pub(super) fn valid(length: Length, make: MakeRecord<T>, recorder: Arc<Recorder>, health: Health) -> Self {
        let (interval, told) = (SharedInterval::default(), health.verdict());
        Self { split: "valid", log_every: None, length, interval, make, recorder, health, told }
    }

    /// Ends the interval, if one has begun.
    fn finish(&mut self) {
        let Some(interval) = locked(&self.interval).finish() else { return };
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
        self.recorder.take((step, self.split), &record, &line);
    }
}

/// Burn takes no entry from here: the record is on its way already.
fn no_entry() -> SerializedEntry {
    SerializedEntry::new(String::new(), SerializedEntry::NOT_AVAILABLE.into())
}

impl<T: Tally> Metric for Summary<T> {
    type Input = Arc<StepResult<T>>;

    fn name(&self) -> MetricName {
        Arc::new("Summary".into())
    }

    fn update(
        &mut self,
        seen: &Arc<StepResult<T>>,
        metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        locked(&self.interval).add(seen, metadata.lr.as_ref().map_or(0.0, |rate| rate.base()));
        if self.log_every.is_some_and(|every| seen.step.is_multiple_of(every)) {
            self.finish();
        }
        Ok(no_entry())
    }

    /// The end of a window: that of the interval for a validation and at the end of the run.
    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        if self.log_every.is_some() {
            let mut interval = locked(&self.interval);
            interval.end_window();
            if !self.length.is_over(interval.last_step) {
                return Ok(no_entry());
            }
        }
        self.finish();
        Ok(no_entry())
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
    use crate::learner::failure::Failure;
    use crate::learner::observer::{Observers, RecordEvent, TrainObserver};
    use crate::learner::{Record, record_of};
    use crate::objective::Tally;
    use burn::train::Interrupter;
    use electra_runs::read_records;
    use std::path::PathBuf;
    use std::sync::Mutex;
    use std::time::Duration;

    /// Keeps the summaries of records.
    struct Keep(Arc<Mutex<Vec<String>>>);

    impl TrainObserver for Keep {
        fn on_record(&mut self, record: &RecordEvent) -> crate::Result<()> {
            self.0.lock().unwrap().push(record.summary.to_owned());
            Ok(())
        }
    }

    /// A recorder, with the file that it writes and the summaries that observers receive.
    struct Kept {
        recorder: Arc<Recorder>,
        path: PathBuf,
        summaries: Arc<Mutex<Vec<String>>>,
        _directory: tempfile::TempDir,
    }

    fn kept() -> Kept {
        let directory = tempfile::tempdir().unwrap();
        let (path, summaries) = (directory.path().join("metrics.jsonl"), Arc::default());
        let observers = Observers::new().with(Keep(Arc::clone(&summaries)));
        let failure = Failure::new(Interrupter::new());
        let recorder = Arc::new(Recorder::open(&path, Default::default(), observers, failure).unwrap());
        Kept { recorder, path, summaries, _directory: directory }
    }

    fn metadata() -> MetricMetadata {
        let progress = burn::data::dataloader::Progress::new(1, 1, None);
        MetricMetadata { progress, iteration: None, lr: Some(1e-3.into()) }
    }

    fn make() -> MakeRecord<Tally> {
        Arc::new(record_of)
    }

    /// A step or validation whose discriminator separates replaced tokens from original ones by `gap`.
    fn seen(step: usize, gap: f32) -> Arc<StepResult<Tally>> {
        let original: Vec<f32> = (0..850).map(|i| (i % 10) as f32 * 0.01 - 1.7).collect();
        let replaced: Vec<f32> = (0..150).map(|i| (i % 10) as f32 * 0.01 - 1.7 + gap).collect();
        let disc_loss_sum = crate::objective::entropy(0.15) * 1000.0 * if gap > 0.0 { 0.8 } else { 1.001 };
        let (mlm_loss_sum, mlm_correct, picked, tokens) = (60.0, 3.0, 10, 1000);
        let special = 0;
        let tally = Tally { mlm_loss_sum, mlm_correct, picked, tokens, special, disc_loss_sum, original, replaced };
        let now = std::time::Instant::now();
        Arc::new(StepResult { step, tally, grad_norm: Some(2.0), bad: None, time: (now, now + Duration::from_secs(1)) })
    }

    #[test]
    fn records_come_at_the_interval_and_at_the_end() {
        let (interval, kept) = (SharedInterval::default(), kept());
        let steps =
            || -> Vec<usize> { read_records::<Record>(&kept.path).unwrap().iter().map(|record| record.step).collect() };
        let mut summary = Summary::train(2, Length::of_steps(7), interval.clone(), make(), kept.recorder.clone());
        (1..=5).for_each(|step| _ = summary.update(&seen(step, 0.0), &metadata()).unwrap());
        assert_eq!(steps(), [2, 4]);
        let said = kept.summaries.lock().unwrap().clone();
        assert!(said[0].starts_with("train       2/7 | mlm 6.000 acc 0.300 | disc"), "{said:?}");

        // A window that ends here ends no interval, and a process that ends here takes it along.
        _ = summary.compute().unwrap();
        assert_eq!(steps(), [2, 4]);
        let saved = locked(&interval).clone();
        let restored = Interval::from_bytes(&saved.to_bytes().unwrap()).unwrap();
        assert_eq!(restored, saved);
        let (length, restored) = (Length::of_steps(7), Arc::new(Mutex::new(restored)));
        let mut summary = Summary::train(100, length, restored, make(), kept.recorder.clone());
        summary.update(&seen(7, 0.0), &metadata()).unwrap();
        // Nothing is recorded twice.
        (0..2).for_each(|_| _ = summary.compute().unwrap());
        assert_eq!(steps(), [2, 4, 7]);

        let rest: Record = read_records(&kept.path).unwrap().pop().unwrap();
        assert_eq!((rest.step, rest.training.learning_rate, rest.training.grad_norm), (7, Some(1e-3), Some(2.0)));
        assert_eq!((rest.replaced, rest.disc_entropy), (0.15, crate::objective::entropy(0.15)));
    }

    #[test]
    fn a_collapsed_discriminator_is_announced_when_it_collapses() {
        let kept = kept();
        let mut summary = Summary::valid(Length::of_steps(100), make(), kept.recorder.clone(), Health::default());
        let mut told = |step, gap| {
            summary.update(&seen(step, gap), &metadata()).unwrap();
            _ = summary.compute().unwrap();
            summary.clear();
            let line = kept.summaries.lock().unwrap().pop().unwrap();
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

    #[test]
    fn a_mean_over_nothing_is_no_number() {
        let mut step = (*seen(1, 0.0)).clone();
        (step.grad_norm, step.tally) = (None, Tally::default());
        let numbers = step_numbers(&step, 0.5);
        assert_eq!(numbers.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names_of_numbers::<Tally>());
        let of = |name: &str| numbers.iter().find(|(found, _)| *found == name).unwrap().1;
        assert_eq!(of("Rate"), 0.5);
        assert!(of("Grad norm").is_nan() && of("MLM loss").is_nan(), "{numbers:?}");
    }
}
