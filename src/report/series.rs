//! A curve of a report, and what is asked of all of its points.

use crate::curve::{self, Curve};

/// Step and value, to be drawn.
pub(super) type Point = (f64, f64);

/// A curve that stays small however many values it is given, and loses no peak.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    curve: Curve,
    ends: Option<(curve::Point, curve::Point)>,
}

impl Series {
    /// Adds a value; one that cannot be drawn is left out.
    pub fn add(&mut self, step: u64, value: f64) {
        if value.is_finite() {
            self.curve.add(step, value);
            let point = (step, value);
            self.ends = Some((self.ends.map_or(point, |(first, _)| first), point));
        }
    }

    /// First and last value with their steps.
    pub fn ends(&self) -> Option<(curve::Point, curve::Point)> {
        self.ends
    }

    /// The first of the smallest and of the largest values with their steps.
    pub fn extremes(&self) -> Option<(curve::Point, curve::Point)> {
        let points = self.curve.points();
        let least = points.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
        // Of equal ones the first, where `max_by` has the last.
        least.zip(points.iter().copied().min_by(|a, b| b.1.total_cmp(&a.1)))
    }

    /// The points to draw, by step.
    pub fn points(&self) -> Vec<Point> {
        self.curve.points().into_iter().map(|(step, value)| (step as f64, value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_points_stay_as_they_are() {
        let mut series = Series::default();
        assert_eq!((series.points(), series.ends(), series.extremes()), (vec![], None, None));
        for (step, value) in [(1, 3.0), (2, 1.0), (3, 2.0), (4, f64::NAN)] {
            series.add(step, value);
        }
        assert_eq!(series.points(), [(1.0, 3.0), (2.0, 1.0), (3.0, 2.0)]);
        assert_eq!(series.ends(), Some(((1, 3.0), (3, 2.0))));
        assert_eq!(series.extremes(), Some(((2, 1.0), (1, 3.0))));
    }

    #[test]
    fn a_million_points_become_a_thousand_with_every_peak() {
        let mut series = Series::default();
        let value = |step: u64| match step {
            777_777 | 888_888 => 50.0,
            123_456 => -50.0,
            step => (step as f64 / 1e5).sin(),
        };
        (0..1_000_000).for_each(|step| series.add(step, value(step)));
        let points = series.points();
        assert!((512..=2050).contains(&points.len()), "{}", points.len());
        assert!(points.contains(&(777_777.0, 50.0)) && points.contains(&(123_456.0, -50.0)));
        assert_eq!(series.extremes(), Some(((123_456, -50.0), (777_777, 50.0))), "the first of equal ones");
        assert_eq!((points[0].0, points[points.len() - 1].0), (0.0, 999_999.0));
        assert!(points.is_sorted_by(|a, b| a.0 <= b.0));
    }
}
