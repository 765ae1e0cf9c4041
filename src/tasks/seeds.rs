//! The same run with several seeds: a small data set says little with one (paper, section 3.1: the median of ten).

use super::finetune::finetune;
use super::report::FinetuneReport;
use super::task::Metrics;
use crate::config::FinetuneConfig;
use crate::error::{Error, Result};
use crate::files;
use crate::learner::RunOptions;
use electra_runs::layout::{CONFIG, MODEL, RESULTS};
use electra_runs::{Direction, metric};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Median and spread of a metric over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The middle value, or the mean of the two.
    pub median: f64,
    /// Smallest value.
    pub least: f64,
    /// Largest value.
    pub most: f64,
}

/// What several seeds have come to.
pub struct SeedsReport {
    /// By seed.
    pub runs: Vec<(u64, FinetuneReport)>,
    /// Over all of them, on the test data, or else on dev.
    pub metrics: BTreeMap<String, Spread>,
}

/// Runs `config` with `seeds` seeds from its own on, each in a directory below that of `options`: whatever was finished
/// before is not done again. The best model on dev is copied to `model/`.
///
/// # Errors
/// Those of [`finetune`].
pub fn finetune_seeds(config: &FinetuneConfig, seeds: usize, options: RunOptions) -> Result<SeedsReport> {
    let mut runs: Vec<(u64, FinetuneReport)> = Vec::new();
    for seed in config.seed..config.seed + seeds as u64 {
        let of_seed = FinetuneConfig { seed, ..config.clone() };
        let directory = options.output.join(format!("seed-{seed}"));
        let resume = options.resume && directory.join(CONFIG).is_file();
        let report = finetune(&of_seed, RunOptions { output: directory, resume, ..options.clone() })?;
        let stopped = report.interrupted.is_some();
        runs.push((seed, report));
        if stopped {
            return Ok(SeedsReport { runs, metrics: BTreeMap::new() });
        }
    }
    let all: Vec<&Metrics> = runs.iter().map(|(_, report)| report.judged()).collect();
    let names = all.first().into_iter().flat_map(|metrics| metrics.keys());
    let metrics =
        names.filter_map(|name| Some((name.clone(), spread(all.iter().map(|m| m.get(name).copied()))?))).collect();
    let (report, output) = (SeedsReport { runs, metrics }, &options.output);
    files::write_file(&output.join(RESULTS), format!("{:#}\n", report.to_json()).as_bytes())?;
    if let Some(seed) = report.best_seed() {
        copy(&output.join(format!("seed-{seed}")).join(MODEL), &output.join(MODEL))?;
    }
    Ok(report)
}

/// Median and spread of `values`; absent where there is none, or one is absent.
pub(super) fn spread(values: impl Iterator<Item = Option<f64>>) -> Option<Spread> {
    let mut values: Vec<f64> = values.collect::<Option<_>>()?;
    values.sort_by(f64::total_cmp);
    let (least, most) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median =
        if values.len().is_multiple_of(2) { (values[middle - 1] + values[middle]) / 2.0 } else { values[middle] };
    Some(Spread { median, least, most })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    files::replace_whole(to, |target| copy_into(from, target))
}

fn copy_into(from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(from).map_err(Error::io(from))? {
        let entry = entry.map_err(Error::io(from))?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            std::fs::create_dir(&place).map_err(Error::io(&place))?;
            copy_into(&path, &place)?;
        } else {
            std::fs::copy(&path, &place).map_err(Error::io(&place))?;
        }
    }
    Ok(())
}

impl SeedsReport {
    /// The seed whose best validation is the best, the first of equal ones; one without a value comes last.
    pub fn best_seed(&self) -> Option<u64> {
        let goodness = |report: &FinetuneReport| {
            let sign = if metric(&report.metric).direction == Direction::Lower { -1.0 } else { 1.0 };
            report.best_value.filter(|value| !value.is_nan()).map_or(f64::NEG_INFINITY, |value| sign * value)
        };
        let mut best: Option<(u64, f64)> = None;
        for (seed, goodness) in self.runs.iter().map(|(seed, report)| (*seed, goodness(report))) {
            if best.is_none_or(|(_, other)| goodness > other) {
                best = Some((seed, goodness));
            }
        }
        best.map(|(seed, _)| seed)
    }

    /// What `results.json` holds.
    pub fn to_json(&self) -> Value {
        let spread = |(name, s): (&String, &Spread)| {
            (name.clone(), json!({"median": s.median, "least": s.least, "most": s.most}))
        };
        let metrics: serde_json::Map<String, Value> = self.metrics.iter().map(spread).collect();
        let runs: serde_json::Map<String, Value> =
            self.runs.iter().map(|(seed, report)| (seed.to_string(), report.to_json())).collect();
        json!({"metrics": metrics, "best_seed": self.best_seed(), "seeds": runs})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finding 4 of the audit: the last seed was taken for the best.
    #[test]
    fn the_best_seed_has_the_best_validation() {
        let best = |metric: &str, values: &[Option<f64>]| {
            let report = |best_value| FinetuneReport { metric: metric.into(), best_value, ..FinetuneReport::default() };
            let runs = (42..).zip(values.iter().copied().map(report)).collect();
            SeedsReport { runs, metrics: BTreeMap::new() }.best_seed()
        };
        assert_eq!(best("loss", &[Some(0.691), Some(0.690), Some(0.690), Some(0.7)]), Some(43));
        assert_eq!(best("accuracy", &[Some(0.5), Some(0.9), Some(0.9), None]), Some(43));
        assert_eq!(best("accuracy", &[Some(f64::NAN), None, Some(0.1)]), Some(44));
        assert_eq!(best("accuracy", &[]), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |values: &[f64]| spread(values.iter().map(|&value| Some(value)));
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Some(Spread { median: 2.5, least: 1.0, most: 4.0 }));
        assert_eq!(of(&[]), None);
        assert_eq!(spread([Some(1.0), None].into_iter()), None);
    }
}
