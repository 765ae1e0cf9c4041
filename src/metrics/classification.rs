//! One class of several per example, and any number of labels per example, as scikit-learn counts them with
//! `zero_division=0`.

use super::counts::{Counts, mean, share};

/// The confusion matrix of a classifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    /// Examples by gold class (row) and predicted class (column), `[classes][classes]`.
    pub table: Vec<Vec<usize>>,
}

impl Confusion {
    /// Counts the pairs of gold and predicted classes. `None` where the two are not equally long or a class is not below
    /// `classes`.
    pub fn new(gold: &[usize], predicted: &[usize], classes: usize) -> Option<Self> {
        if gold.len() != predicted.len() {
            return None;
        }
        let mut table = vec![vec![0; classes]; classes];
        for (&row, &column) in gold.iter().zip(predicted) {
            *table.get_mut(row)?.get_mut(column)? += 1;
        }
        Some(Self { table })
    }

    /// Examples.
    pub fn total(&self) -> usize {
        self.table.iter().flatten().sum()
    }

    /// Share of the examples whose class was predicted.
    pub fn accuracy(&self) -> f64 {
        share(self.right(), self.total())
    }

    /// The counts of a class against all others, for its precision, recall, F1 and support; zeros for one that is not in
    /// the table.
    pub fn class(&self, class: usize) -> Counts {
        let Some(row) = self.table.get(class) else { return Counts::default() };
        Counts { gold: row.iter().sum(), predicted: self.table.iter().map(|row| row[class]).sum(), hits: row[class] }
    }

    /// F1 of a class, the binary F1 where it is the positive one of two.
    pub fn f1_of(&self, class: usize) -> f64 {
        self.class(class).f1()
    }

    /// Mean F1 of the classes that occur in gold or among the predictions.
    pub fn macro_f1(&self) -> f64 {
        mean(self.classes().filter(|class| class.gold + class.predicted > 0).map(|class| class.f1()))
    }

    /// F1 of the classes' pooled counts: the accuracy, since every example has one class and one prediction.
    pub fn micro_f1(&self) -> f64 {
        self.classes().sum::<Counts>().f1()
    }

    /// Correlation coefficient of Matthews, for more than two classes as Gorodkin (2004) has it, in -1..=1. It is 0 where
    /// the predictions know one class only, as in scikit-learn, and absent where gold does.
    pub fn matthews(&self) -> Option<f64> {
        let total = self.total() as f64;
        let products = |of: fn(&Counts) -> (usize, usize)| {
            self.classes().map(|class| of(&class)).map(|(a, b)| a as f64 * b as f64).sum::<f64>()
        };
        let covariance = self.right() as f64 * total - products(|c| (c.gold, c.predicted));
        let gold = total * total - products(|c| (c.gold, c.gold));
        let predicted = total * total - products(|c| (c.predicted, c.predicted));
        match (gold > 0.0, predicted > 0.0) {
            (false, _) => None,
            (true, false) => Some(0.0),
            (true, true) => Some(covariance / (gold.sqrt() * predicted.sqrt())),
        }
    }

    fn right(&self) -> usize {
        self.table.iter().enumerate().map(|(class, row)| row[class]).sum()
    }

    fn classes(&self) -> impl Iterator<Item = Counts> {
        (0..self.table.len()).map(|class| self.class(class))
    }
}

/// What a multi-label classifier got right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultiLabel {
    /// The counts of each label.
    pub labels: Vec<Counts>,
    /// Examples.
    pub examples: usize,
    /// Examples whose labels are all right.
    pub exact: usize,
}

impl MultiLabel {
    /// From `[examples][labels]` each. `None` where the two have different shapes or rows of different lengths.
    pub fn new(gold: &[Vec<bool>], predicted: &[Vec<bool>]) -> Option<Self> {
        let width = gold.first().map_or(0, Vec::len);
        if gold.len() != predicted.len() || gold.iter().chain(predicted).any(|row| row.len() != width) {
            return None;
        }
        let mut labels = vec![Counts::default(); width];
        for (gold, predicted) in gold.iter().zip(predicted) {
            for (label, (&gold, &predicted)) in labels.iter_mut().zip(gold.iter().zip(predicted)) {
                label.gold += usize::from(gold);
                label.predicted += usize::from(predicted);
                label.hits += usize::from(gold && predicted);
            }
        }
        let exact = gold.iter().zip(predicted).filter(|(gold, predicted)| gold == predicted).count();
        Some(Self { labels, examples: gold.len(), exact })
    }

    /// F1 of the labels' pooled counts.
    pub fn micro_f1(&self) -> f64 {
        self.labels.iter().copied().sum::<Counts>().f1()
    }

    /// Mean F1 of all labels; one that never occurs counts 0.
    pub fn macro_f1(&self) -> f64 {
        mean(self.labels.iter().map(Counts::f1))
    }

    /// Share of the examples whose labels are all right.
    pub fn subset_accuracy(&self) -> f64 {
        share(self.exact, self.examples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
    }

    #[test]
    fn two_classes_worked_out_by_hand() {
        // Positive: 3 found, 1 missed, 2 false alarms; 4 rightly rejected.
        let gold = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0];
        let predicted = [1, 1, 1, 0, 1, 1, 0, 0, 0, 0];
        let confusion = Confusion::new(&gold, &predicted, 2).unwrap();
        assert_eq!(confusion.table, [[4, 2], [1, 3]]);
        assert_eq!(confusion.class(1), Counts { gold: 4, predicted: 5, hits: 3 });
        close(confusion.accuracy(), 0.7);
        close(confusion.micro_f1(), 0.7);
        close(confusion.f1_of(1), 6.0 / 9.0);
        close(confusion.macro_f1(), (6.0 / 9.0 + 8.0 / 11.0) / 2.0);
        // (3 * 4 - 2 * 1) / sqrt(5 * 4 * 6 * 5)
        close(confusion.matthews().unwrap(), 10.0 / 600f64.sqrt());
    }

    #[test]
    fn a_class_that_nobody_mentions_does_not_count_and_one_only_predicted_does() {
        let confusion = Confusion::new(&[0, 0], &[0, 1], 3).unwrap();
        close(confusion.macro_f1(), (2.0 / 3.0 + 0.0) / 2.0);
        assert_eq!(confusion.matthews(), None, "gold has one class");
        assert_eq!(Confusion::new(&[0, 1], &[0, 0], 2).unwrap().matthews(), Some(0.0));
        close(confusion.f1_of(7), 0.0);
    }

    #[test]
    fn labels_worked_out_by_hand() {
        let gold = [vec![true, false, false], vec![true, true, false]];
        let predicted = [vec![true, false, false], vec![false, true, true]];
        let scores = MultiLabel::new(&gold, &predicted).unwrap();
        close(scores.micro_f1(), 4.0 / 6.0);
        close(scores.macro_f1(), (2.0 / 3.0 + 1.0 + 0.0) / 3.0);
        close(scores.subset_accuracy(), 0.5);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        assert_eq!(Confusion::new(&[0], &[0, 1], 2), None);
        assert_eq!(Confusion::new(&[0, 2], &[0, 1], 2), None);
        assert_eq!(Confusion::new(&[0, 1], &[0, 2], 2), None);
        assert_eq!(MultiLabel::new(&[vec![true]], &[]), None);
        assert_eq!(MultiLabel::new(&[vec![true]], &[vec![true, false]]), None);
        assert_eq!(Confusion::new(&[], &[], 2).unwrap().accuracy(), 0.0);
    }
}
