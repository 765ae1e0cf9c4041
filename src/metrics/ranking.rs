//! Rankings of documents against relevance grades, as trec_eval judges them.
//!
//! A document is relevant from grade 1 on. Documents of equal score are ordered by their identifier, descending, so that the
//! order in which they are given does not matter. Relevant documents that were not retrieved count as found at no rank.

use super::counts;
use std::cmp::{Ordering, Reverse};

/// A document that was retrieved for a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retrieved<'a> {
    /// What tells it from the others: its identifier, or its text.
    pub id: &'a str,
    /// How relevant it is by the model; not a number comes last.
    pub score: f64,
    /// How relevant it is.
    pub grade: u32,
}

/// The documents of one query, ranked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking {
    /// Relevance grades by rank.
    grades: Vec<u32>,
    /// Grades of documents that were judged and not retrieved.
    unretrieved: Vec<u32>,
    relevant: usize,
    is_constant: bool,
}

impl Ranking {
    /// Ranks `documents` by score, highest first. `unretrieved` are the grades of the query's other judged documents.
    pub fn new(mut documents: Vec<Retrieved>, unretrieved: Vec<u32>) -> Self {
        let key = |document: &Retrieved| if document.score.is_nan() { f64::NEG_INFINITY } else { document.score };
        // Without NaN every pair compares.
        let order = |a: &Retrieved, b: &Retrieved| key(b).partial_cmp(&key(a)).unwrap_or(Ordering::Equal);
        documents.sort_by(|a, b| order(a, b).then_with(|| b.id.cmp(a.id)));
        let is_constant = documents.len() > 1 && order(&documents[0], &documents[documents.len() - 1]).is_eq();
        let grades: Vec<u32> = documents.iter().map(|document| document.grade).collect();
        let relevant = grades.iter().chain(&unretrieved).filter(|&&grade| grade > 0).count();
        Self { grades, unretrieved, relevant, is_constant }
    }

    /// Documents that were retrieved.
    pub fn retrieved(&self) -> usize {
        self.grades.len()
    }

    /// Whether there are several documents and all have the same score, so that their order says nothing.
    pub fn is_constant(&self) -> bool {
        self.is_constant
    }

    /// Relevant documents, retrieved or not.
    pub fn relevant(&self) -> usize {
        self.relevant
    }

    /// Mean over the relevant documents of the precision at their rank; 0 where there are none.
    pub fn average_precision(&self) -> f64 {
        let sum: f64 = self.ranks().enumerate().map(|(before, rank)| counts::share(before + 1, rank)).sum();
        if self.relevant == 0 { 0.0 } else { sum / self.relevant as f64 }
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
        let mut ideal = [&self.grades[..], &self.unretrieved].concat();
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

    /// A query whose documents have the identifiers 0, 1, ...
    fn query(scores: &[f64], grades: &[u32], unretrieved: &[u32]) -> Ranking {
        let ids: Vec<String> = (0..scores.len()).map(|at| at.to_string()).collect();
        let all = ids.iter().zip(scores).zip(grades);
        let documents = all.map(|((id, &score), &grade)| Retrieved { id, score, grade }).collect();
        Ranking::new(documents, unretrieved.to_vec())
    }

    #[test]
    fn a_case_worked_out_by_hand() {
        // By rank: 0, 2, 0, 1.
        let query = query(&[0.9, 0.1, 0.5, 0.7], &[0, 1, 0, 2], &[]);
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

    /// Finding 3 of the audit, with what pytrec_eval says of it.
    #[test]
    fn relevant_documents_that_were_not_retrieved_count() {
        let query = query(&[0.9], &[1], &[1, 0]);
        close(query.average_precision(), 0.5);
        close(query.recall(10), 0.5);
        assert!((query.ndcg(10) - 0.613).abs() < 1e-3);
        let nothing = Ranking::new(Vec::new(), vec![1]);
        assert_eq!((nothing.retrieved(), nothing.relevant(), nothing.average_precision()), (0, 1, 0.0));
    }

    /// Finding 9 of the audit: the order of the rows decided.
    #[test]
    fn equal_scores_go_by_identifier_and_no_number_comes_last() {
        let ranked = |scores: &[f64], grades: &[u32]| query(scores, grades, &[]).grades;
        assert_eq!(ranked(&[0.0, -0.0, 1.0, 0.0], &[1, 2, 3, 4]), [3, 4, 2, 1]);
        assert_eq!(ranked(&[f64::NAN, -1.0, -f64::NAN, 1.0], &[1, 2, 3, 4]), [4, 2, 3, 1]);
        let mut documents = ["b", "c", "a"].map(|id| Retrieved { id, score: 0.5, grade: u32::from(id == "a") });
        let forwards = Ranking::new(documents.to_vec(), Vec::new());
        documents.reverse();
        assert_eq!(Ranking::new(documents.to_vec(), Vec::new()), forwards);
        assert_eq!(forwards.grades, [0, 0, 1]);
        assert!(forwards.is_constant() && !query(&[0.1, 0.2], &[0, 1], &[]).is_constant());
        assert!(!query(&[0.1], &[0], &[]).is_constant());
    }

    #[test]
    fn a_query_without_a_relevant_document_counts_zero() {
        let queries = [query(&[0.3, 0.2], &[1, 0], &[]), query(&[0.3, 0.2], &[0, 0], &[0]), query(&[], &[], &[])];
        close(mean(&queries, Ranking::average_precision), 1.0 / 3.0);
        close(mean(&queries, |query| query.ndcg(5)), 1.0 / 3.0);
        close(mean(&[], Ranking::reciprocal_rank), 0.0);
        assert_eq!(without_relevant(&queries), 2);
    }
}
