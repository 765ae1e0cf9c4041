//! A curve that stays small however many points it is given, and loses no peak.

/// Step and value.
pub(super) type Point = (f64, f64);

/// Most buckets of a curve; each has two points.
const BUCKETS: usize = 512;

/// A curve: of every so many points in a row the smallest and the largest, and what is asked of all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    /// Smallest and largest value.
    buckets: Vec<(Point, Point)>,
    /// Points that a bucket stands for; 0 before the first one.
    width: usize,
    /// Points in the last bucket.
    filled: usize,
    ends: Option<(Point, Point)>,
    extremes: Option<(Point, Point)>,
}

impl Series {
    /// Adds a point; those that cannot be drawn are left out.
    pub fn add(&mut self, point: Point) {
        if !point.0.is_finite() || !point.1.is_finite() {
            return;
        }
        self.ends = Some((self.ends.map_or(point, |(first, _)| first), point));
        self.extremes = Some(self.extremes.map_or((point, point), |of| widened(of, (point, point))));
        self.width = self.width.max(1);
        match self.buckets.last_mut().filter(|_| self.filled < self.width) {
            Some(last) => *last = widened(*last, (point, point)),
            None => {
                if self.buckets.len() == BUCKETS {
                    self.buckets = self.buckets.chunks(2).map(|pair| widened(pair[0], pair[pair.len() - 1])).collect();
                    self.width *= 2;
                }
                self.buckets.push((point, point));
                self.filled = 0;
            }
        }
        self.filled += 1;
    }

    /// First and last point.
    pub fn ends(&self) -> Option<(Point, Point)> {
        self.ends
    }

    /// The first of the smallest and of the largest points.
    pub fn extremes(&self) -> Option<(Point, Point)> {
        self.extremes
    }

    /// The points to draw, by step.
    pub fn points(&self) -> Vec<Point> {
        let mut points: Vec<Point> = self.buckets.iter().flat_map(|&(least, most)| [least, most]).collect();
        points.extend(self.ends.iter().flat_map(|&(first, last)| [first, last]));
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup();
        points
    }
}

/// Smallest and largest of both.
fn widened(one: (Point, Point), other: (Point, Point)) -> (Point, Point) {
    (if other.0.1 < one.0.1 { other.0 } else { one.0 }, if other.1.1 > one.1.1 { other.1 } else { one.1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_points_stay_as_they_are() {
        let mut series = Series::default();
        assert_eq!((series.points(), series.ends()), (vec![], None));
        let points = [(1.0, 3.0), (2.0, 1.0), (3.0, 2.0)];
        points.into_iter().chain([(4.0, f64::NAN)]).for_each(|point| series.add(point));
        assert_eq!(series.points(), points);
        assert_eq!(series.ends(), Some((points[0], points[2])));
        assert_eq!(series.extremes(), Some((points[1], points[0])));
    }

    #[test]
    fn a_million_points_become_a_thousand_with_every_peak() {
        let mut series = Series::default();
        let value = |step: usize| match step {
            777_777 => 50.0,
            123_456 => -50.0,
            step => (step as f64 / 1e5).sin(),
        };
        (0..1_000_000).for_each(|step| series.add((step as f64, value(step))));
        let points = series.points();
        assert!((512..=2 * BUCKETS + 2).contains(&points.len()), "{}", points.len());
        assert!(points.contains(&(777_777.0, 50.0)) && points.contains(&(123_456.0, -50.0)));
        assert_eq!((points[0].0, points[points.len() - 1].0), (0.0, 999_999.0));
        assert!(points.is_sorted_by(|a, b| a.0 <= b.0));
    }
}
