//! How a run of pretraining does, by its last validations: whether the discriminator learns more than the base rate.

use serde_json::Value;
use std::collections::VecDeque;
use std::fmt;

/// What is looked at in a validation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Validation {
    /// Steps done.
    pub step: usize,
    /// Mean loss of the generator, in nats.
    pub mlm_loss: f64,
    /// Share of the picked positions where the generator's likeliest word is the original.
    pub mlm_accuracy: f64,
    /// By how much the discriminator's loss lies below what one knows who knows the replaced share and the special tokens, in
    /// nats.
    pub gain: f64,
    /// Standard error of the gain.
    pub error: f64,
}

/// The error of a gain in records of earlier versions, which lack it: about that of some ten thousand tokens.
const UNKNOWN_ERROR: f64 = 1e-3;

impl Validation {
    /// That of a record of `metrics.jsonl`; none for one of training, and for one without a discriminator.
    pub fn of(record: &Value) -> Option<Self> {
        // What is no number is null in JSON.
        let number = |name: &str| match record.get(name)? {
            Value::Null => Some(f64::NAN),
            value => value.as_f64(),
        };
        let is_judged = record["split"] == "valid" && number("replaced").is_some_and(|replaced| replaced > 0.0);
        if !is_judged {
            return None;
        }
        let gain = number("disc_gain").or_else(|| Some(number("disc_entropy")? - number("disc_loss")?))?;
        Some(Self {
            step: usize::try_from(record["step"].as_u64()?).ok()?,
            mlm_loss: number("mlm_loss")?,
            mlm_accuracy: number("mlm_accuracy").unwrap_or(0.0),
            gain: gain - number("disc_gain_floor").unwrap_or(0.0),
            error: number("disc_gain_error").unwrap_or(UNKNOWN_ERROR),
        })
    }
}

/// What the last validations come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verdict {
    /// There are too few validations since the first step.
    #[default]
    Unknown,
    /// The discriminator knows more than the share of replaced tokens, and that special ones are none.
    Learning,
    /// It does not, and never did.
    AtBaseRate,
    /// It does not any more.
    Collapsed,
    /// It does not, and the generator guesses so well that little is left to find.
    GeneratorTooStrong,
    /// The losses rise, or are no numbers.
    Diverging,
}

impl Verdict {
    /// Whether there are enough validations for one.
    pub fn is_known(self) -> bool {
        self != Self::Unknown
    }

    /// Whether something should be done about it.
    pub fn is_trouble(self) -> bool {
        !matches!(self, Self::Unknown | Self::Learning)
    }

    /// What to do about it; empty where nothing is to be done.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Unknown | Self::Learning => "",
            Self::AtBaseRate => {
                "early in a run this is normal; if it stays, lower the learning rate, raise model.initializer_range or narrow the \
                 generator"
            }
            Self::Collapsed => "begin from a checkpoint before it, with a lower learning rate",
            Self::GeneratorTooStrong => "narrow the generator",
            Self::Diverging => "begin from a checkpoint before it, with a lower learning rate or a longer warm-up",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "not known yet",
            Self::Learning => "learning",
            Self::AtBaseRate => "at the base rate",
            Self::Collapsed => "collapsed",
            Self::GeneratorTooStrong => "the generator is too strong",
            Self::Diverging => "diverging",
        })
    }
}

/// Validations that a verdict is about.
const LAST: usize = 3;

/// The validations of a run, taken in one after the other.
#[derive(Debug, Clone, Default)]
pub struct Health {
    last: VecDeque<Validation>,
    least_mlm_loss: Option<f64>,
    /// Whether the mean of three in a row has shown a gain.
    has_learned: bool,
}

impl Extend<Validation> for Health {
    fn extend<I: IntoIterator<Item = Validation>>(&mut self, validations: I) {
        validations.into_iter().for_each(|validation| self.add(validation));
    }
}

impl FromIterator<Validation> for Health {
    fn from_iter<I: IntoIterator<Item = Validation>>(validations: I) -> Self {
        let mut health = Self::default();
        health.extend(validations);
        health
    }
}

impl Health {
    /// Takes in the next validation. One before the first step says nothing.
    pub fn add(&mut self, validation: Validation) {
        if validation.step == 0 {
            return;
        }
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(validation);
        self.least_mlm_loss = Some(self.least_mlm_loss.unwrap_or(f64::INFINITY).min(validation.mlm_loss));
        self.has_learned |= self.last.len() == LAST && self.gain() > 4.0 * self.error();
    }

    /// Mean gain of the last validations, in nats.
    pub fn gain(&self) -> f64 {
        self.mean(|validation| validation.gain)
    }

    /// Standard error of it. All are of the same held-out text, so that their errors do not cancel.
    pub fn error(&self) -> f64 {
        self.mean(|validation| validation.error)
    }

    fn mean(&self, of: impl Fn(&Validation) -> f64) -> f64 {
        self.last.iter().map(of).sum::<f64>() / self.last.len() as f64
    }

    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        let mlm_loss = self.mean(|validation| validation.mlm_loss);
        if self.last.iter().any(|validation| !validation.mlm_loss.is_finite() || !validation.gain.is_finite()) {
            return Verdict::Diverging;
        }
        if self.last.len() < LAST {
            return Verdict::Unknown;
        }
        // Half a nat above the best is a text that the generator has forgotten; a tenth below the base rate is worse than to
        // know nothing.
        if mlm_loss > self.least_mlm_loss.unwrap_or(mlm_loss) + 0.5 || self.gain() < -0.1 {
            return Verdict::Diverging;
        }
        match self.gain() > 2.0 * self.error() {
            true => Verdict::Learning,
            false if self.has_learned => Verdict::Collapsed,
            false if self.mean(|validation| validation.mlm_accuracy) > 0.5 => Verdict::GeneratorTooStrong,
            false => Verdict::AtBaseRate,
        }
    }

    /// The verdict with what it rests on and what to do, in a sentence; none where it is not known yet.
    pub fn sentence(&self) -> Option<String> {
        let verdict = self.verdict();
        let advice = match verdict.advice() {
            "" => String::new(),
            advice => format!("; {advice}"),
        };
        let (gain, error) = (self.gain(), self.error());
        verdict.is_known().then(|| {
            format!(
                "{verdict}: the discriminator gains {gain:.4} ± {error:.4} nats a token on who knows the replaced share and the \
                 special tokens (mean of {} validations){advice}",
                self.last.len()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(gains: &[f64]) -> Vec<Verdict> {
        let mut health = Health::default();
        let verdict = |(at, &gain): (usize, &f64)| {
            health.add(Validation { step: at, mlm_loss: 5.0, mlm_accuracy: 0.2, gain, error: 0.001 });
            health.verdict()
        };
        gains.iter().enumerate().map(verdict).collect()
    }

    #[test]
    fn three_validations_decide_by_their_error() {
        use Verdict::{AtBaseRate, Collapsed, Learning, Unknown};
        // The first is of step 0. Noise of one validation turns nothing.
        let found = verdicts(&[-0.27, 0.0005, 0.001, 0.0004, 0.004, 0.008, 0.012, 0.0, 0.0, 0.0002, 0.0001]);
        let (base, up) = (AtBaseRate, Learning);
        assert_eq!(found, [Unknown, Unknown, Unknown, base, base, up, up, up, up, Collapsed, Collapsed]);
    }

    #[test]
    fn losses_that_rise_or_are_no_numbers_diverge() {
        let of = |losses: &[f64], accuracy: f64, gain: f64| {
            let mut health = Health::default();
            for (at, &mlm_loss) in losses.iter().enumerate() {
                health.add(Validation { step: at + 1, mlm_loss, mlm_accuracy: accuracy, gain, error: 0.001 });
            }
            health.verdict()
        };
        assert_eq!(of(&[5.0, 5.2, 5.3, 5.4, 5.6, 5.8], 0.2, 0.01), Verdict::Diverging);
        assert_eq!(of(&[5.0, f64::NAN], 0.2, 0.01), Verdict::Diverging);
        assert_eq!(of(&[5.0, 5.0, 5.0], 0.2, -0.2), Verdict::Diverging);
        assert_eq!(of(&[2.0, 2.0, 2.0], 0.7, 0.0), Verdict::GeneratorTooStrong);
        assert_eq!(of(&[5.0, 5.1, 5.0], 0.2, 0.01), Verdict::Learning);
    }

    #[test]
    fn records_of_earlier_versions_have_a_verdict_too() {
        let record = |step: usize, loss: f64| serde_json::json!({"step": step, "split": "valid", "mlm_loss": 5.0, "disc_loss": loss, "disc_entropy": 0.42, "replaced": 0.15});
        let records: Vec<Value> =
            [0.7, 0.40, 0.39, 0.38].iter().enumerate().map(|(at, &loss)| record(at, loss)).collect();
        let health: Health = records.iter().filter_map(Validation::of).collect();
        assert_eq!(health.verdict(), Verdict::Learning);
        assert!(health.sentence().unwrap().starts_with("learning: the discriminator gains 0.0300 ± 0.0010 nats"));
        let of_task = serde_json::json!({"step": 9, "split": "valid", "loss": 0.3, "accuracy": 0.9});
        assert_eq!((Validation::of(&of_task), Health::default().sentence()), (None, None));
    }
}
