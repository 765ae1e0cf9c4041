//! The best validation of a run by a metric, and how long ago it was.

use crate::metric::{Direction, metric};
use serde_json::Value;

/// A validation as it stands in `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// Its step.
    pub step: usize,
    /// Its value of the metric.
    pub value: f64,
}

/// The best of `records` by the metric called `name`, among the validations whose step `counts`: of equal ones that with the smallest
/// loss, then the first. None where no validation has the metric.
pub fn best(records: &[Value], name: &str, counts: impl Fn(usize) -> bool) -> Option<Best> {
    let sign = if metric(name).direction == Direction::Lower { -1.0 } else { 1.0 };
    let found = validations(records).filter_map(|(step, record)| {
        let value = record[name].as_f64().filter(|value| value.is_finite())?;
        let loss = ["loss", "disc_loss"].iter().find_map(|name| record[*name].as_f64()).unwrap_or(f64::INFINITY);
        counts(step).then_some((Best { step, value }, (sign * value, -loss)))
    });
    // Of equal ones the first, where `max_by` has the last.
    let better = |one: (Best, (f64, f64)), other: (Best, (f64, f64))| if other.1 > one.1 { other } else { one };
    found.reduce(better).map(|(best, _)| best)
}

/// The validations of `records` after `step`.
pub fn validations_after(records: &[Value], step: usize) -> usize {
    validations(records).filter(|(other, _)| *other > step).count()
}

fn validations(records: &[Value]) -> impl Iterator<Item = (usize, &Value)> {
    let validation = |record: &&Value| record["split"] == "valid";
    records.iter().filter(validation).filter_map(|record| Some((record["step"].as_u64()? as usize, record)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_of_the_best_with_the_smallest_loss_wins() {
        let record = |step: usize, f1: f64, loss: f64| json!({"step": step, "split": "valid", "f1": f1, "loss": loss});
        let mut records = vec![record(10, 0.5, 0.3), record(20, 0.7, 0.4), record(30, 0.7, 0.2), record(40, 0.7, 0.2)];
        records.push(json!({"step": 50, "split": "valid", "f1": null, "loss": 0.1}));
        records.push(json!({"step": 60, "split": "train", "f1": 1.0}));
        let step = |name: &str| best(&records, name, |_| true).map(|best| best.step);
        assert_eq!([step("f1"), step("loss"), step("accuracy")], [Some(30), Some(50), None]);
        assert_eq!(best(&records, "f1", |step| step < 30), Some(Best { step: 20, value: 0.7 }));
        assert_eq!((validations_after(&records, 30), validations_after(&records, 60)), (2, 0));
    }
}
