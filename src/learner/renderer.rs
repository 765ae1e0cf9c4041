//! What is seen of a run: the dashboard where there is one, else a line for each summary.

use super::dashboard::{Split, State, Watch};
use super::metrics::SUMMARY;
use burn::train::LearnerSummary;
use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricAttributes, MetricDefinition, MetricId, NumericEntry};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation, MetricsRendererTraining,
};
use std::io::Write;

/// Hands the metrics to the dashboard, or writes the summary's lines.
pub(super) struct Renderer<W> {
    out: W,
    watch: Watch,
    summary: MetricId,
    /// The numbers by their id, with their names.
    names: Vec<(MetricId, String)>,
    /// What the items that come now are of.
    split: Split,
}

impl<W: Write> Renderer<W> {
    /// One that writes to `out` where `watch` has no dashboard.
    pub fn new(out: W, watch: Watch) -> Self {
        let summary = MetricId::new(SUMMARY.to_owned().into());
        Self { out, watch, summary, names: Vec::new(), split: Split::Train }
    }

    fn show(&mut self, split: Split, state: &MetricState) {
        match state {
            MetricState::Generic(entry) => {
                let entry_is_new = !entry.serialized_entry.is_not_available();
                if entry.metric_id == self.summary && entry_is_new {
                    let text = &entry.serialized_entry.formatted;
                    self.watch.tell(|state| state.add_summary(text));
                    if self.watch.wants_lines() {
                        // A closed pipe must not end a training run: the records go to the run directory in any case.
                        _ = writeln!(self.out, "{text}");
                    }
                }
            }
            MetricState::Numeric(entry, number) => {
                let name = self.names.iter().find(|(id, _)| *id == entry.metric_id);
                let value = match (split, number) {
                    // Of training each step counts, of a validation the whole. A mean over nothing is no number, which takes the
                    // place of the one before.
                    (Split::Train, Some(NumericEntry::Aggregated { aggregated_value, count })) => {
                        Some(if *count > 0 { *aggregated_value } else { f64::NAN })
                    }
                    (Split::Valid, Some(NumericEntry::Final(value))) => Some(*value),
                    _ => None,
                };
                if let (Some((_, name)), Some(value)) = (name, value) {
                    self.watch.tell(|state| state.add_value(split, name, value));
                }
            }
        }
    }
}

impl<W: Write + Send + Sync> MetricsRendererTraining for Renderer<W> {
    fn update_train(&mut self, state: MetricState) {
        self.show(Split::Train, &state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.show(Split::Valid, &state);
    }

    fn on_train_end(&mut self, _summary: Option<LearnerSummary>) -> Result<(), Box<dyn std::error::Error>> {
        Ok(())
    }
}

impl<W: Write + Send> TrainingProgressLogger for Renderer<W> {
    fn start(&mut self, _epochs: usize, _first: usize, _items: Option<usize>, _label: Option<&str>) {}
    fn update_epoch(&mut self, _epoch: usize) {}

    fn start_split(&mut self, split: &str, _items: usize) {
        self.split = if split == "train" { Split::Train } else { Split::Valid };
        self.watch.tell(|state| state.begin(self.split));
    }

    fn update_split(&mut self, _items_processed: usize) {
        if self.split == Split::Train {
            self.watch.tell(State::end_values);
        }
    }

    fn end_split(&mut self) {}
    fn end(&mut self) {}
    fn log_event_training(&mut self, _event: String) {}
}

impl<W: Write + Send + Sync> MetricsRendererEvaluation for Renderer<W> {
    fn update_test(&mut self, _name: EvaluationName, state: MetricState) {
        self.show(Split::Valid, &state);
    }
}

impl<W: Write + Send> EvaluationProgressLogger for Renderer<W> {
    fn start_global_progress(&mut self, _tests: usize) {}
    fn start_test(&mut self, _name: &str, _items: usize) {}
    fn update_test_progress(&mut self, _items_processed: usize) {}
    fn end_test(&mut self) {}
    fn end_global_progress(&mut self) {}
    fn log_event_evaluation(&mut self, _event: String) {}
}

impl<W: Write + Send + Sync> MetricsRenderer for Renderer<W> {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        if matches!(definition.attributes, MetricAttributes::Numeric(_)) {
            self.watch.tell(|state| state.add_plot(&definition.name));
            self.names.push((definition.metric_id, definition.name.to_string()));
        }
    }
}
