//! Ranks of the one item that came next, among all items: the figures of [`Ranking`](super::Ranking) without a list of all
//! items for every session.

use super::counts;

/// By session the rank of the item that came next, from 1; none where it is not among the items, which is a miss.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NextItems(pub Vec<Option<usize>>);

impl NextItems {
    /// Share of the sessions whose next item is among the first `k`. With one relevant item that is recall too.
    pub fn hit_rate(&self, k: usize) -> f64 {
        self.mean(|rank| f64::from(u8::from(rank <= k)))
    }

    /// Mean of 1 / log2(rank + 1), 0 after rank `k`.
    pub fn ndcg(&self, k: usize) -> f64 {
        self.mean(|rank| if rank <= k { 1.0 / ((rank + 1) as f64).log2() } else { 0.0 })
    }

    /// Mean of 1 / rank. With one relevant item that is mean average precision too.
    pub fn mrr(&self) -> f64 {
        self.mean(|rank| 1.0 / rank as f64)
    }

    /// Sessions whose next item is not among the items.
    pub fn misses(&self) -> usize {
        self.0.iter().filter(|rank| rank.is_none()).count()
    }

    fn mean(&self, figure: impl Fn(usize) -> f64) -> f64 {
        counts::mean(self.0.iter().map(|rank| rank.map_or(0.0, &figure)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ranking::{self, Ranking, Retrieved};
    use super::*;

    #[test]
    fn the_figures_are_those_of_rankings_with_one_relevant_item() {
        let ranks = [Some(1), Some(2), Some(10), Some(11), None, Some(30)];
        let scores: Vec<f64> = (0..30).map(|at| -f64::from(at)).collect();
        let grades = |rank: Option<usize>| -> Vec<u32> { (1..=30).map(|at| u32::from(Some(at) == rank)).collect() };
        let query = |rank: Option<usize>| {
            let documents = scores.iter().zip(grades(rank)).map(|(&score, grade)| Retrieved { id: "", score, grade });
            Ranking::new(documents.collect(), Vec::new())
        };
        let queries: Vec<Ranking> = ranks.iter().map(|&rank| query(rank)).collect();
        let next = NextItems(ranks.into());
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
        for k in [1, 10, 20] {
            close(next.hit_rate(k), ranking::mean(&queries, |query| query.hit(k)));
            close(next.hit_rate(k), ranking::mean(&queries, |query| query.recall(k)));
            close(next.ndcg(k), ranking::mean(&queries, |query| query.ndcg(k)));
        }
        close(next.mrr(), ranking::mean(&queries, Ranking::reciprocal_rank));
        close(next.mrr(), ranking::mean(&queries, Ranking::average_precision));
        assert_eq!(next.misses(), ranking::without_relevant(&queries));
        close(NextItems::default().mrr(), 0.0);
    }
}
