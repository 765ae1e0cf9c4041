//! Rankings of documents against relevance grades, as trec_eval judges them.
//!
//! A document is relevant from grade 1 on. Documents of equal score keep the order in which they were given; trec_eval
//! orders them by their identifier, descending. Every relevant document is taken to be among those given.

use super::counts;
use std::cmp::{Ordering, Reverse};

/// The documents of one query, ranked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking {
    /// Relevance grades by rank.
    grades: Vec<u32>,
    relevant: usize,
}

impl Ranking {
    /// Ranks documents by score, highest first; one whose score is not a number comes last. `None` where scores and
    /// grades are not equally many.
    pub fn new(scores: &[f64], grades: &[u32]) -> Option<Self> {
        if scores.len() != grades.len() {
            return None;
        }
        let key = |score: f64| if score.is_nan() { f64::NEG_INFINITY } else { score };
        let mut ranked: Vec<_> = scores.iter().map(|&score| key(score)).zip(grades.iter().copied()).collect();
        // A stable sort; without NaN every pair compares.
        ranked.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal));
        let grades: Vec<u32> = ranked.into_iter().map(|(_, grade)| grade).collect();
        let relevant = grades.iter().filter(|&&grade| grade > 0).count();
        Some(Self { grades, relevant })
    }

    /// Relevant documents.
    pub fn relevant(&self) -> usize {
        self.relevant
    }

    /// Mean over the relevant documents of the precision at their rank; 0 where there are none.
    pub fn average_precision(&self) -> f64 {
        counts::mean(self.ranks().enumerate().map(|(before, rank)| counts::share(before + 1, rank)))
    }

    /// One over the rank of the first relevant document; 0 where there is none.
    pub fn reciprocal_rank(&self) -> f64 {
        self.ranks().next().map_or(0.0, |rank| 1.0 / rank as f64)
    }

    /// Normalised discounted cumulative gain of the first `k` documents: the sum of grade / log2(rank + 1) as a share of
    /// the largest that any order reaches; 0 without a relevant document.
    pub fn ndcg(&self, k: usize) -> f64 {
        let gain = |grades: &[u32]| -> f64 {
            let ranked = grades.iter().take(k).zip(2u32..);
            ranked.map(|(&grade, after)| f64::from(grade) / f64::from(after).log2()).sum()
        };
        let mut ideal = self.grades.clone();
        ideal.sort_unstable_by_key(|&grade| Reverse(grade));
        let best = gain(&ideal);
        if best > 0.0 { gain(&self.grades) / best } else { 0.0 }
    }

    /// Share of the relevant documents among the first `k`; 0 where there are none.
    pub fn recall(&self, k: usize) -> f64 {
        counts::share(self.found(k), self.relevant)
    }

    /// Relevant documents among the first `k`, over `k`, however few were given.
    pub fn precision(&self, k: usize) -> f64 {
        counts::share(self.found(k), k)
    }

    /// 1 where a relevant document is among the first `k`, else 0. trec_eval calls it success.
    pub fn hit(&self, k: usize) -> f64 {
        if self.found(k) > 0 { 1.0 } else { 0.0 }
    }

    /// The ranks of the relevant documents, from 1.
    fn ranks(&self) -> impl Iterator<Item = usize> {
        self.grades.iter().zip(1..).filter(|(grade, _)| **grade > 0).map(|(_, rank)| rank)
    }

    fn found(&self, k: usize) -> usize {
        self.ranks().take_while(|&rank| rank <= k).count()
    }
}

/// Mean of a figure over all queries, those without a relevant document included: they count 0, and
/// [`without_relevant`] says how many they are. 0 where there are no queries.
pub fn mean(queries: &[Ranking], figure: impl Fn(&Ranking) -> f64) -> f64 {
    counts::mean(queries.iter().map(figure))
}

/// Queries without a relevant document, which evaluations of answer selection leave out.
pub fn without_relevant(queries: &[Ranking]) -> usize {
    queries.iter().filter(|query| query.relevant == 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
    }

    #[test]
    fn a_case_worked_out_by_hand() {
        // By rank: 0, 2, 0, 1.
        let query = Ranking::new(&[0.9, 0.1, 0.5, 0.7], &[0, 1, 0, 2]).unwrap();
        close(query.average_precision(), (1.0 / 2.0 + 2.0 / 4.0) / 2.0);
        close(query.reciprocal_rank(), 0.5);
        close(query.recall(3), 0.5);
        close(query.precision(3), 1.0 / 3.0);
        close(query.precision(8), 2.0 / 8.0);
        close(query.hit(1) + query.hit(2), 1.0);
        let best = 2.0 + 1.0 / 3f64.log2();
        close(query.ndcg(10), (2.0 / 3f64.log2() + 1.0 / 5f64.log2()) / best);
        close(query.ndcg(1), 0.0);
    }

    #[test]
    fn equal_scores_keep_their_order_and_no_number_comes_last() {
        let ranked = |scores: &[f64], grades: &[u32]| Ranking::new(scores, grades).unwrap().grades;
        assert_eq!(ranked(&[0.0, -0.0, 1.0, 0.0], &[1, 2, 3, 4]), [3, 1, 2, 4]);
        assert_eq!(ranked(&[f64::NAN, -1.0, -f64::NAN, 1.0], &[1, 2, 3, 4]), [4, 2, 1, 3]);
        assert_eq!(Ranking::new(&[1.0], &[]), None);
    }

    #[test]
    fn a_query_without_a_relevant_document_counts_zero() {
        let queries = [Ranking::new(&[0.3, 0.2], &[1, 0]), Ranking::new(&[0.3, 0.2], &[0, 0]), Ranking::new(&[], &[])];
        let queries = queries.map(Option::unwrap);
        close(mean(&queries, Ranking::average_precision), 1.0 / 3.0);
        close(mean(&queries, |query| query.ndcg(5)), 1.0 / 3.0);
        close(mean(&[], Ranking::reciprocal_rank), 0.0);
        assert_eq!(without_relevant(&queries), 2);
    }
}
