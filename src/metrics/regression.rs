//! Figures of predicted numbers: correlations as SciPy has them, errors as scikit-learn has them.
//!
//! Absent where undefined: unequal lengths, too few values, a constant input to a correlation, values that are not
//! finite.

use std::cmp::Ordering;

/// Pearson's correlation, in -1..=1.
pub fn pearson(gold: &[f64], predicted: &[f64]) -> Option<f64> {
    if gold.len() != predicted.len() {
        return None;
    }
    let (gold, predicted) = (deviations(gold)?, deviations(predicted)?);
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norm = (product(&gold, &gold) * product(&predicted, &predicted)).sqrt();
    // Rounding may carry a perfect correlation past 1.
    Some((product(&gold, &predicted) / norm).clamp(-1.0, 1.0))
}

/// Spearman's rank correlation, in -1..=1: Pearson's of the ranks, equal values sharing the mean of theirs.
pub fn spearman(gold: &[f64], predicted: &[f64]) -> Option<f64> {
    pearson(&ranks(gold)?, &ranks(predicted)?)
}

/// Mean squared error, in the square of the values' unit.
pub fn mean_squared_error(gold: &[f64], predicted: &[f64]) -> Option<f64> {
    mean_error(gold, predicted, |difference| difference * difference)
}

/// Mean absolute error, in the values' unit.
pub fn mean_absolute_error(gold: &[f64], predicted: &[f64]) -> Option<f64> {
    mean_error(gold, predicted, f64::abs)
}

fn mean_error(gold: &[f64], predicted: &[f64], of: fn(f64) -> f64) -> Option<f64> {
    if gold.len() != predicted.len() || gold.is_empty() {
        return None;
    }
    let sum: f64 = gold.iter().zip(predicted).map(|(gold, predicted)| of(predicted - gold)).sum();
    Some(sum / gold.len() as f64).filter(|mean| mean.is_finite())
}

/// Differences from the mean, in units of the largest, so that no square of them leaves the range of f64. Absent where
/// all values are equal.
fn deviations(values: &[f64]) -> Option<Vec<f64>> {
    // Not left to the differences: the rounded mean of equal values need not be their value.
    let first = values.first()?;
    if values.iter().all(|value| value == first) {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let largest = values.iter().map(|value| (value - mean).abs()).fold(0.0, f64::max);
    let deviations: Vec<f64> = values.iter().map(|value| (value - mean) / largest).collect();
    deviations.iter().all(|deviation| deviation.is_finite()).then_some(deviations)
}

/// The rank of each value, from 1; equal values share the mean of theirs. Absent where a value is not a number.
fn ranks(values: &[f64]) -> Option<Vec<f64>> {
    if values.iter().any(|value| value.is_nan()) {
        return None;
    }
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].partial_cmp(&values[b]).unwrap_or(Ordering::Equal));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|&at| ranks[at] = rank);
        before += equal.len();
    }
    Some(ranks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-12), "{found:?}, expected {expected}");
    }

    #[test]
    fn a_case_worked_out_by_hand() {
        // Deviations -1.5, -0.5, 0.5, 1.5 and -1, -1, 0, 2: product 5, squares 5 and 6.
        let (gold, predicted) = ([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 2.0, 4.0]);
        close(pearson(&gold, &predicted), 5.0 / 30f64.sqrt());
        close(mean_squared_error(&gold, &[1.0, 0.0, 3.0, 5.0]), 5.0 / 4.0);
        close(mean_absolute_error(&gold, &[1.0, 0.0, 3.0, 5.0]), 3.0 / 4.0);
        // The ranks of the second are 1.5, 1.5, 3, 4: product 4.5, squares 5 and 4.5.
        assert_eq!(ranks(&predicted), Some(vec![1.5, 1.5, 3.0, 4.0]));
        close(spearman(&gold, &predicted), 4.5 / 22.5f64.sqrt());
    }

    #[test]
    fn ranks_see_order_alone() {
        let gold = [0.1, 0.2, 0.3, 0.4];
        close(spearman(&gold, &gold.map(f64::exp)), 1.0);
        close(spearman(&gold, &[9.0, 8.0, f64::NEG_INFINITY, f64::NEG_INFINITY]), -4.5 / 22.5f64.sqrt());
        assert_eq!(ranks(&[0.0, -0.0]), Some(vec![1.5, 1.5]));
    }

    #[test]
    fn the_scale_does_not_matter_to_a_correlation() {
        let values = [1.0, 2.0, 4.0];
        close(pearson(&values.map(|v| v * 1e-300), &values.map(|v| v * 1e300)), 1.0);
    }

    #[test]
    fn undefined_figures_are_absent() {
        // 0.1 + 0.1 + 0.1 is not three times 0.1.
        assert_eq!(pearson(&[0.1; 3], &[1.0, 2.0, 3.0]), None);
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[0.1; 3]), None);
        assert_eq!(pearson(&[1.0], &[2.0]), None);
        assert_eq!(pearson(&[1.0, 2.0], &[2.0, 3.0, 4.0]), None);
        assert_eq!(spearman(&[1.0, 2.0], &[2.0, 3.0, 4.0]), None);
        assert_eq!(pearson(&[1.0, f64::INFINITY], &[2.0, 3.0]), None);
        assert_eq!(spearman(&[1.0, f64::NAN], &[2.0, 3.0]), None);
        assert_eq!(mean_squared_error(&[], &[]), None);
        assert_eq!(mean_absolute_error(&[1.0], &[]), None);
        assert_eq!(mean_absolute_error(&[1.0], &[f64::NAN]), None);
    }
}
