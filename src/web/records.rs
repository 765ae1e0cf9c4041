//! Records of a run as pages take them.

use electra_runs::{Metrics, Verdict, read_numbers};
use serde_json::{Map, Value, json};

/// Most points of all curves that are sent: about half a MiB.
const POINTS: usize = 30_000;

/// How the discriminator does; nothing where that is not known.
pub(super) fn verdict(metrics: &Metrics) -> Value {
    let health = metrics.health();
    match health.verdict() {
        Verdict::Unknown => Value::Null,
        verdict => {
            json!({"words": verdict.to_string(), "trouble": verdict.is_trouble(), "sentence": health.sentence()})
        }
    }
}

/// The curves by split and metric, in few enough points to be sent.
pub(super) fn curves(metrics: &Metrics) -> Value {
    let points: usize = metrics.curves().map(|(_, _, curve)| curve.points().len()).sum();
    let halvings = points.div_ceil(POINTS).max(1).next_power_of_two().trailing_zeros();
    let mut all = Map::new();
    for (split, metric, curve) in metrics.curves() {
        let mut curve = curve.clone();
        (0..halvings).for_each(|_| curve.halve());
        let (steps, values): (Vec<u64>, Vec<f64>) =
            curve.points().into_iter().map(|(step, value)| (step, rounded(value))).unzip();
        all.entry(split).or_insert_with(|| json!({}))[metric] = json!({"steps": steps, "values": values});
    }
    all.into()
}

/// The records in `text`, each whole, for a page that has those before; and whether one is more than another point.
pub(super) fn appended(text: &[u8]) -> (Vec<Value>, bool) {
    let mut notable = false;
    let record = |record: electra_runs::Numbers| {
        let values: Map<String, Value> =
            record.values.into_iter().map(|(metric, value)| (metric, rounded(value).into())).collect();
        notable |=
            record.split == "valid" || values.contains_key("skipped_steps") || values.contains_key("loss_spikes");
        json!({"step": record.step, "split": record.split, "values": values})
    };
    let records = read_numbers(text).into_iter().map(record).collect();
    (records, notable)
}

/// Seven digits, which is more than a chart shows.
fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(text: &str) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.add(text.as_bytes());
        metrics
    }

    #[test]
    fn curves_are_sorted_by_split_and_metric() {
        let metrics = metrics(
            "{\"step\":1,\"split\":\"train\",\"loss\":2.5}\n{\"step\":2,\"split\":\"valid\",\"f1\":0.123456789,\"loss\":-1}\n",
        );
        let expected = json!({
            "train": {"loss": {"steps": [1], "values": [2.5]}},
            "valid": {"f1": {"steps": [2], "values": [0.1234568]}, "loss": {"steps": [2], "values": [-1.0]}},
        });
        assert_eq!((curves(&metrics), verdict(&metrics)), (expected, Value::Null));
    }

    #[test]
    fn many_metrics_of_many_steps_are_sent_in_few_points() {
        let many = (0..20_000).map(|n| format!("{{\"step\":{n},\"split\":\"train\"{}}}\n", fields(n)));
        let sent = curves(&metrics(&many.collect::<String>())).to_string().len();
        assert!(sent < 900_000, "{sent} bytes");
    }

    fn fields(n: usize) -> String {
        (0..40).map(|m| format!(",\"metric_{m}\":{}", ((n * 7919 + m) % 1000) as f64 / 777.0)).collect()
    }

    #[test]
    fn news_are_records_and_say_whether_they_are_notable() {
        let train = b"{\"step\":1,\"split\":\"train\",\"loss\":2.5}\n";
        assert_eq!(appended(train), (vec![json!({"step": 1, "split": "train", "values": {"loss": 2.5}})], false));
        assert!(appended(b"{\"step\":1,\"split\":\"valid\",\"loss\":2.5}\n").1);
        assert!(appended(b"{\"step\":1,\"split\":\"train\",\"loss_spikes\":1}\n").1);
    }
}
