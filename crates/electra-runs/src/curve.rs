//! A curve in bounded memory: the smallest and the largest value of equal spans of steps.
//!
//! Values come one by one, in any number; when their steps outgrow the spans, spans are merged in pairs. So extremes are
//! never lost, whatever is drawn, and a curve of no more than [`SPANS`] / 2 evenly spaced values is kept as it is.

/// Most spans of a curve: about the pixels of a chart.
const SPANS: usize = 1024;

/// A value at a step.
pub type Point = (u64, f64);

/// Extremes of a span; the same point twice where it has one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    low: Point,
    high: Point,
}

impl Span {
    fn merge(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
        Some(Self {
            low: if b.low.1 < a.low.1 { b.low } else { a.low },
            high: if b.high.1 > a.high.1 { b.high } else { a.high },
        })
    }
}

/// The curve.
#[derive(Debug, Clone)]
pub struct Curve {
    /// Steps in a span.
    width: u64,
    spans: Vec<Option<Span>>,
    /// The first value that came, and the last.
    ends: Option<(Point, Point)>,
}

impl Default for Curve {
    fn default() -> Self {
        Self { width: 1, spans: Vec::new(), ends: None }
    }
}

impl Curve {
    /// Adds a value. Steps may come in any order.
    pub fn add(&mut self, step: u64, value: f64) {
        while step / self.width >= SPANS as u64 {
            self.halve();
        }
        let index = (step / self.width) as usize;
        if index >= self.spans.len() {
            self.spans.resize(index + 1, None);
        }
        let span = Span { low: (step, value), high: (step, value) };
        self.spans[index] = Span::merge(self.spans[index], Some(span));
        let point = (step, value);
        self.ends = Some((self.ends.map_or(point, |(first, _)| first), point));
    }

    /// Merges spans in pairs.
    pub fn halve(&mut self) {
        self.width *= 2;
        let pair = |pair: &[Option<Span>]| Span::merge(pair[0], pair.get(1).copied().flatten());
        self.spans = self.spans.chunks(2).map(pair).collect();
    }

    /// The extremes of every span by step, and the last value that came.
    pub fn points(&self) -> Vec<Point> {
        let mut points = Vec::with_capacity(2 * self.spans.len());
        for span in self.spans.iter().flatten() {
            let (first, second) = if span.low.0 <= span.high.0 { (span.low, span.high) } else { (span.high, span.low) };
            points.push(first);
            if second != first {
                points.push(second);
            }
        }
        if let Some((_, last)) = self.ends
            && points.last().is_some_and(|point| point.0 <= last.0 && *point != last)
        {
            points.push(last);
        }
        points
    }

    /// The first value that came, and the last.
    pub fn ends(&self) -> Option<(Point, Point)> {
        self.ends
    }

    /// The first of the smallest values, and the first of the largest.
    pub fn extremes(&self) -> Option<(Point, Point)> {
        let points = self.points();
        let least = points.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
        // Of equal ones the first, where `max_by` has the last.
        least.zip(points.iter().copied().min_by(|a, b| b.1.total_cmp(&a.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(values: impl IntoIterator<Item = Point>) -> Curve {
        let mut curve = Curve::default();
        values.into_iter().for_each(|(step, value)| curve.add(step, value));
        curve
    }

    #[test]
    fn a_short_curve_is_kept_as_it_is() {
        let values: Vec<Point> = (0..512).map(|n| (n * 50, (n as f64).sin())).collect();
        assert_eq!(curve(values.clone()).points(), values);
        assert!(Curve::default().points().is_empty());
    }

    #[test]
    fn a_long_curve_keeps_its_extremes_and_its_end() {
        let value = |n: u64| {
            if n == 654_321 {
                -7.0
            } else if n == 123_456 {
                99.0
            } else {
                (n % 10) as f64
            }
        };
        let points = curve((0..1_000_000).map(|n| (n, value(n)))).points();
        assert!(points.len() <= 2 * SPANS + 1 && points.len() > SPANS / 2, "{}", points.len());
        assert!(points.contains(&(654_321, -7.0)) && points.contains(&(123_456, 99.0)));
        assert_eq!(points.last(), Some(&(999_999, 9.0)));
        assert!(points.windows(2).all(|pair| pair[0].0 <= pair[1].0), "by step");
    }

    #[test]
    fn ends_and_extremes_are_found_among_a_million() {
        let value = |step: u64| match step {
            777_777 | 888_888 => 50.0,
            123_456 => -50.0,
            step => (step as f64 / 1e5).sin(),
        };
        let curve = curve((0..1_000_000).map(|step| (step, value(step))));
        assert_eq!(curve.extremes(), Some(((123_456, -50.0), (777_777, 50.0))), "the first of equal ones");
        assert_eq!(curve.ends(), Some(((0, 0.0), (999_999, value(999_999)))));
        assert_eq!((Curve::default().ends(), Curve::default().extremes()), (None, None));
    }

    #[test]
    fn any_order_and_any_step_will_do() {
        let points = curve([(u64::from(u32::MAX), 1.0), (5, 2.0), (0, 3.0)]).points();
        assert_eq!(points.last(), Some(&(u64::from(u32::MAX), 1.0)));
        assert_eq!(points.len(), 3, "{points:?}");
    }
}
