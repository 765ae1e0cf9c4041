//! The points of a curve, however long the run is: when there are too many, neighbours become their mean.

/// Most points that are kept: about two for each column of braille on a wide terminal.
const MOST: usize = 512;

/// A curve, from left to right.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    points: Vec<(f64, f64)>,
    /// Values that a point is the mean of.
    per_point: usize,
    /// Sum of the values since the last whole point, and their number.
    open: (f64, f64),
    counted: usize,
    last: Option<f64>,
}

impl Default for Series {
    fn default() -> Self {
        Self { points: Vec::new(), per_point: 1, open: (0.0, 0.0), counted: 0, last: None }
    }
}

impl Series {
    /// Adds a value at `x`, which lies right of all before. One that is not finite cannot be drawn, and leaves no last value.
    pub fn add(&mut self, x: f64, y: f64) {
        self.last = Some(y).filter(|y| y.is_finite());
        if self.last.is_none() {
            return;
        }
        self.open = (self.open.0 + x, self.open.1 + y);
        self.counted += 1;
        if self.counted < self.per_point {
            return;
        }
        let count = self.counted as f64;
        self.points.push((self.open.0 / count, self.open.1 / count));
        (self.open, self.counted) = ((0.0, 0.0), 0);
        if self.points.len() > MOST {
            let mean = |pair: &[(f64, f64)]| ((pair[0].0 + pair[1].0) / 2.0, (pair[0].1 + pair[1].1) / 2.0);
            let whole = self.points.len() / 2 * 2;
            // A point without a neighbour goes on as half of the next one.
            if let [(x, y)] = self.points[whole..] {
                let count = self.per_point as f64;
                (self.open, self.counted) = ((x * count, y * count), self.per_point);
            }
            self.points = self.points[..whole].chunks(2).map(mean).collect();
            self.per_point *= 2;
        }
    }

    /// The points.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The last value.
    pub fn last(&self) -> Option<f64> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_steps_fit_and_keep_their_shape() {
        let mut series = Series::default();
        for step in 1..=1_000_000 {
            series.add(f64::from(step), f64::from(step) * 0.5);
        }
        let points = series.points();
        assert!((MOST / 2..=MOST).contains(&points.len()), "{}", points.len());
        assert!(points.is_sorted_by(|a, b| a.0 < b.0));
        assert!(points.iter().all(|(x, y)| (y - x / 2.0).abs() < 1e-6), "means of a line lie on it");
        assert!(points[0].0 < 3000.0 && points[points.len() - 1].0 > 996_000.0);
        assert_eq!(series.last(), Some(500_000.0));
    }

    #[test]
    fn no_value_is_lost_or_counted_twice() {
        let mut series = Series::default();
        (0..MOST + 1).for_each(|x| series.add(x as f64, x as f64));
        let sum: f64 = series.points.iter().map(|(_, y)| y * series.per_point as f64).sum::<f64>() + series.open.1;
        assert_eq!(sum, (0..=MOST).sum::<usize>() as f64);
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let mut series = Series::default();
        series.add(1.0, f64::NAN);
        series.add(2.0, f64::INFINITY);
        assert_eq!((series.points(), series.last()), (&[][..], None));
        series.add(3.0, 0.5);
        series.add(4.0, f64::NAN);
        assert_eq!((series.points(), series.last()), (&[(3.0, 0.5)][..], None), "0.5 is the value no more");
    }
}
