//! What is seen of a run off a terminal: one line for each summary.

use super::metrics::SUMMARY;
use burn::train::LearnerSummary;
use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricDefinition, MetricId};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation, MetricsRendererTraining,
};
use std::io::Write;

/// Writes the summary metric's lines.
pub(super) struct Lines<W> {
    out: W,
    summary: MetricId,
}

impl<W: Write> Lines<W> {
    pub fn new(out: W) -> Self {
        Self { out, summary: MetricId::new(SUMMARY.to_owned().into()) }
    }

    fn show(&mut self, state: &MetricState) {
        if let MetricState::Generic(entry) = state
            && entry.metric_id == self.summary
            && !entry.serialized_entry.is_not_available()
        {
            // A closed pipe must not end a training run: the records go to the run directory in any case.
            _ = writeln!(self.out, "{}", entry.serialized_entry.formatted);
        }
    }
}

impl<W: Write + Send + Sync> MetricsRendererTraining for Lines<W> {
    fn update_train(&mut self, state: MetricState) {
        self.show(&state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.show(&state);
    }

    fn on_train_end(&mut self, _summary: Option<LearnerSummary>) -> Result<(), Box<dyn std::error::Error>> {
        Ok(())
    }
}

impl<W: Write + Send> TrainingProgressLogger for Lines<W> {
    fn start(&mut self, _epochs: usize, _first: usize, _items: Option<usize>, _label: Option<&str>) {}
    fn update_epoch(&mut self, _epoch: usize) {}
    fn start_split(&mut self, _split: &str, _items: usize) {}
    fn update_split(&mut self, _items_processed: usize) {}
    fn end_split(&mut self) {}
    fn end(&mut self) {}
    fn log_event_training(&mut self, _event: String) {}
}

impl<W: Write + Send + Sync> MetricsRendererEvaluation for Lines<W> {
    fn update_test(&mut self, _name: EvaluationName, state: MetricState) {
        self.show(&state);
    }
}

impl<W: Write + Send> EvaluationProgressLogger for Lines<W> {
    fn start_global_progress(&mut self, _tests: usize) {}
    fn start_test(&mut self, _name: &str, _items: usize) {}
    fn update_test_progress(&mut self, _items_processed: usize) {}
    fn end_test(&mut self) {}
    fn end_global_progress(&mut self) {}
    fn log_event_evaluation(&mut self, _event: String) {}
}

impl<W: Write + Send + Sync> MetricsRenderer for Lines<W> {
    fn manual_close(&mut self) {}
    fn register_metric(&mut self, _definition: MetricDefinition) {}
}
