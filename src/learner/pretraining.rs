//! The numbers of pretraining, as the Learner sees them.

use super::statistics::{Number, Statistics, StepResult, Tally};
use crate::objective;
use burn::tensor::{Device, Tensor};
use electra_runs::Record;

impl Statistics for objective::Statistics {
    type Tally = objective::Tally;

    fn merge(&mut self, other: Self) {
        self.merge(other);
    }

    fn take(&mut self) -> Vec<Tensor<1>> {
        self.take()
    }

    fn to_device(self, device: &Device) -> Self {
        self.to_device(device)
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn tally(&self, values: &[f32]) -> objective::Tally {
        self.tally(values)
    }
}

type Value = fn(&StepResult<objective::Tally>, f64) -> (f64, usize);

const fn number(name: &'static str, value: Value) -> Number<objective::Tally> {
    Number { name, value }
}

/// A count of 0 means that a number is one of nothing.
static NUMBERS: [Number<objective::Tally>; 10] = [
    number("Disc loss", |seen, _| (seen.tally.disc_loss(), seen.tally.judged())),
    number("Disc AUC", |seen, _| seen.tally.disc_auc().map_or((0.5, 0), |auc| (auc, seen.tally.judged()))),
    number("Disc gain", |seen, _| (seen.tally.disc_gain(), seen.tally.judged())),
    number("MLM loss", |seen, _| (seen.tally.mlm_loss(), seen.tally.picked)),
    number("MLM accuracy", |seen, _| (seen.tally.mlm_accuracy(), seen.tally.picked)),
    number("Disc accuracy", |seen, _| (seen.tally.disc_accuracy(), seen.tally.judged())),
    number("Disc precision", |seen, _| {
        let (hits, false_alarms) = seen.tally.called_replaced();
        (seen.tally.disc_precision(), hits + false_alarms)
    }),
    number("Disc recall", |seen, _| (seen.tally.disc_recall(), seen.tally.replaced.len())),
    number("Entropy", |seen, _| (seen.tally.entropy(), seen.tally.judged())),
    number("Replaced", |seen, _| (seen.tally.replaced_share(), seen.tally.judged())),
];

impl Tally for objective::Tally {
    type Record = Record;

    const LOSS: &'static str = "MLM loss";

    fn numbers() -> &'static [Number<Self>] {
        &NUMBERS
    }

    fn merge(&mut self, other: &Self) {
        self.merge(other);
    }

    fn loss(&self) -> f64 {
        self.mlm_loss()
    }

    fn tokens(&self) -> usize {
        self.tokens
    }

    fn to_parts(&self) -> (Vec<f64>, Vec<(&'static str, &[f32])>) {
        let sums = vec![
            self.mlm_loss_sum,
            self.mlm_correct,
            self.picked as f64,
            self.tokens as f64,
            self.special as f64,
            self.disc_loss_sum,
        ];
        (sums, vec![("original", &self.original), ("replaced", &self.replaced)])
    }

    fn from_parts(sums: &[f64], list: impl Fn(&str) -> Option<Vec<f32>>) -> Option<Self> {
        let &[mlm_loss_sum, mlm_correct, picked, tokens, special, disc_loss_sum] = sums else { return None };
        let (original, replaced) = (list("original")?, list("replaced")?);
        let [picked, tokens, special] = [picked, tokens, special].map(|count| count as usize);
        Some(Self { mlm_loss_sum, mlm_correct, picked, tokens, special, disc_loss_sum, original, replaced })
    }
}
