//! What the server has done, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper ends of the buckets of times, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0];

/// Counts since the start.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// By route and status.
    requests: Mutex<BTreeMap<(String, u16), u64>>,
    /// By route.
    times: Mutex<BTreeMap<String, Times>>,
    batches: AtomicU64,
    inputs: AtomicU64,
}

#[derive(Debug, Default)]
struct Times {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    seconds: f64,
}

impl Figures {
    /// Counts an answered request.
    pub(super) fn request(&self, route: &str, status: u16, time: Duration) {
        let seconds = time.as_secs_f64();
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route.to_owned(), status)).or_default() += 1;
        drop(requests);
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let times = times.entry(route.to_owned()).or_default();
        times.count += 1;
        times.seconds += seconds;
        for (bucket, end) in times.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(seconds <= end);
        }
    }

    /// Counts a batch of `inputs` inputs.
    pub(super) fn batch(&self, inputs: usize) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.inputs.fetch_add(inputs as u64, Ordering::Relaxed);
    }

    /// All of them.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |line: std::fmt::Arguments| writeln!(text, "{line}").unwrap_or_default();
        line(format_args!("# HELP electra_requests_total Requests that were answered, by route and status."));
        line(format_args!("# TYPE electra_requests_total counter"));
        for ((route, status), count) in self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            line(format_args!("electra_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}"));
        }
        line(format_args!("# HELP electra_request_seconds Time from the head of a request to its answer, by route."));
        line(format_args!("# TYPE electra_request_seconds histogram"));
        for (route, times) in self.times.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            for (count, end) in times.buckets.iter().zip(BUCKETS) {
                line(format_args!("electra_request_seconds_bucket{{route=\"{route}\",le=\"{end}\"}} {count}"));
            }
            let Times { count, seconds, .. } = times;
            line(format_args!("electra_request_seconds_bucket{{route=\"{route}\",le=\"+Inf\"}} {count}"));
            line(format_args!("electra_request_seconds_sum{{route=\"{route}\"}} {seconds}"));
            line(format_args!("electra_request_seconds_count{{route=\"{route}\"}} {count}"));
        }
        for (name, help, value) in [
            ("electra_batches_total", "Batches that were computed.", &self.batches),
            ("electra_inputs_total", "Inputs in them.", &self.inputs),
        ] {
            line(format_args!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {}", value.load(Ordering::Relaxed)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_is_below_their_end() {
        let figures = Figures::default();
        figures.request("/predict", 200, Duration::from_millis(2));
        figures.request("/predict", 422, Duration::from_secs(60));
        figures.batch(3);
        let text = figures.to_text();
        for line in [
            "electra_requests_total{route=\"/predict\",status=\"200\"} 1",
            "electra_requests_total{route=\"/predict\",status=\"422\"} 1",
            "electra_request_seconds_bucket{route=\"/predict\",le=\"0.001\"} 0",
            "electra_request_seconds_bucket{route=\"/predict\",le=\"0.0025\"} 1",
            "electra_request_seconds_bucket{route=\"/predict\",le=\"10\"} 1",
            "electra_request_seconds_bucket{route=\"/predict\",le=\"+Inf\"} 2",
            "electra_request_seconds_count{route=\"/predict\"} 2",
            "electra_batches_total 1",
            "electra_inputs_total 3",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in {text}");
        }
    }
}
