//! Precision, recall and F1 from three counts: the same arithmetic for classes, labels, entities and words.

use std::iter::Sum;
use std::ops::Add;

/// How often something is, was predicted, and both at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Occurrences in gold, the support.
    pub gold: usize,
    /// Occurrences among the predictions.
    pub predicted: usize,
    /// Predictions that are right.
    pub hits: usize,
}

impl Counts {
    /// Share of the predictions that are right; 0 where there are none.
    pub fn precision(&self) -> f64 {
        share(self.hits, self.predicted)
    }

    /// Share of gold that was predicted; 0 where there is none.
    pub fn recall(&self) -> f64 {
        share(self.hits, self.gold)
    }

    /// Harmonic mean of precision and recall; 0 without a hit.
    pub fn f1(&self) -> f64 {
        share(2 * self.hits, self.gold + self.predicted)
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { gold: self.gold + other.gold, predicted: self.predicted + other.predicted, hits: self.hits + other.hits }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

/// `part / whole`, 0 of nothing.
pub(super) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Mean of any number of values, 0 of none.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1usize));
    if count == 0 { 0.0 } else { sum / count as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_case_worked_out_by_hand() {
        let counts = Counts { gold: 8, predicted: 5, hits: 4 };
        assert_eq!((counts.precision(), counts.recall()), (0.8, 0.5));
        assert!((counts.f1() - 8.0 / 13.0).abs() < 1e-15);
        let sum: Counts = [counts, Counts { gold: 2, predicted: 3, hits: 0 }].into_iter().sum();
        assert_eq!(sum, Counts { gold: 10, predicted: 8, hits: 4 });
    }

    #[test]
    fn shares_of_nothing_are_zero() {
        let nothing = Counts::default();
        assert_eq!((nothing.precision(), nothing.recall(), nothing.f1()), (0.0, 0.0, 0.0));
        assert_eq!((mean([].into_iter()), mean([1.0, 2.0].into_iter())), (0.0, 1.5));
    }
}
