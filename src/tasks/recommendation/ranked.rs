//! The items for one session, in the order of one network or of both.

use super::refine::refined;

/// All items by number, which is their rank by frequency, from 0.
pub(super) struct Ranked {
    /// The first ones in their order, with their probabilities.
    first: Vec<(usize, f64)>,
    /// What the generator gives to each item.
    generator: Vec<f64>,
}

impl Ranked {
    /// The generator's ranking; `q` are its probabilities of the items, which need not add up to 1.
    pub(super) fn new(q: &[f32]) -> Self {
        let sum: f64 = q.iter().map(|&q| f64::from(q)).sum();
        Self { first: Vec::new(), generator: q.iter().map(|&q| f64::from(q) / sum.max(f64::MIN_POSITIVE)).collect() }
    }

    /// Whether the generator puts item `a` before item `b`; equally likely ones are ordered by frequency.
    fn order(&self, a: usize, b: usize) -> std::cmp::Ordering {
        self.generator[b].total_cmp(&self.generator[a]).then(a.cmp(&b))
    }

    /// The `count` items that the generator finds likeliest, likeliest first.
    pub(super) fn likeliest(&self, count: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..self.generator.len()).collect();
        if count < numbers.len() {
            numbers.select_nth_unstable_by(count, |&a, &b| self.order(a, b));
            numbers.truncate(count);
        }
        numbers.sort_unstable_by(|&a, &b| self.order(a, b));
        numbers
    }

    /// Puts `candidates`, the likeliest items, into the order that both networks give them; together they stay as
    /// probable as they were.
    pub(super) fn refine(&mut self, candidates: &[usize], logits: impl Iterator<Item = f32>, picked: f64) {
        let q = |number: usize| self.generator[number];
        let refine = |(&number, logit): (&usize, f32)| (number, refined(q(number), f64::from(logit), picked));
        let mut first: Vec<(usize, f64)> = candidates.iter().zip(logits).map(refine).collect();
        let (before, after): (f64, f64) =
            (candidates.iter().map(|&number| q(number)).sum(), first.iter().map(|(_, p)| p).sum());
        let scale = before / after.max(f64::MIN_POSITIVE);
        first.iter_mut().for_each(|(_, p)| *p *= scale);
        // A stable sort: equal ones stay as the generator has them.
        first.sort_by(|a, b| b.1.total_cmp(&a.1));
        self.first = first;
    }

    /// The rank of item `number`, from 1.
    pub(super) fn rank(&self, number: usize) -> usize {
        let among = self.first.iter().position(|&(other, _)| other == number);
        let before = |&other: &usize| self.order(other, number).is_lt();
        1 + among.unwrap_or_else(|| (0..self.generator.len()).filter(before).count())
    }

    /// The first `count` items with their probabilities.
    pub(super) fn top(&self, count: usize) -> Vec<(usize, f64)> {
        let mut top: Vec<(usize, f64)> = self.first.iter().copied().take(count).collect();
        if count > top.len() {
            let rest = self.likeliest(count).into_iter().skip(top.len());
            top.extend(rest.map(|number| (number, self.generator[number])));
        }
        top
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidates_are_ranked_anew_and_the_rest_stays_behind_them() {
        let mut ranked = Ranked::new(&[0.1, 0.4, 0.2, 0.2, 0.1]);
        assert_eq!(ranked.likeliest(3), [1, 2, 3]);
        assert_eq!([0, 1, 2, 3, 4].map(|number| ranked.rank(number)), [4, 1, 2, 3, 5]);
        // Item 1 looks replaced, item 3 does not.
        ranked.refine(&[1, 2, 3], [3.0, 0.0, -3.0].into_iter(), 0.3);
        assert_eq!([0, 1, 2, 3, 4].map(|number| ranked.rank(number)), [4, 3, 2, 1, 5]);
        let top = ranked.top(5);
        assert_eq!(top.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [3, 2, 1, 0, 4]);
        assert!((top.iter().map(|(_, probability)| probability).sum::<f64>() - 1.0).abs() < 1e-6);
        assert_eq!(ranked.top(9).len(), 5);
    }
}
