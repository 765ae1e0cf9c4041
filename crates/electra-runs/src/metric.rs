//! The one table of metrics: name, title, unit, direction, meaning.

use crate::format::readable_count;

/// Which way a metric should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smaller values are better.
    Lower,
    /// Larger values are better.
    Higher,
    /// The metric describes, and is neither good nor bad.
    Neither,
}

use Direction::{Higher, Lower, Neither};

/// What a metric is called and says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricInfo<'a> {
    /// Its name in `metrics.jsonl`.
    pub name: &'a str,
    /// Its name for people.
    pub title: &'a str,
    /// Its unit; empty for shares and scores.
    pub unit: &'static str,
    /// Which way it should go.
    pub direction: Direction,
    /// What it says, for readers who have not read the paper; empty where that is not known.
    pub meaning: &'static str,
}

/// In the order in which they are shown.
#[rustfmt::skip]
const TABLE: [(&str, &str, &str, Direction, &str); 40] = [
    ("loss", "Loss", "", Lower, "mean loss of the task, in nats or squared units"),
    ("accuracy", "Accuracy", "", Higher, "share of the answers that are right"),
    ("f1", "F1", "", Higher, "harmonic mean of precision and recall"),
    ("macro_f1", "Macro F1", "", Higher, "F1 of each class, every class counting the same"),
    ("micro_f1", "Micro F1", "", Higher, "F1 over all classes together"),
    ("precision", "Precision", "", Higher, "share of what was found that is right"),
    ("recall", "Recall", "", Higher, "share of what is there that was found"),
    ("matthews", "Matthews correlation", "", Higher, "0 for guesses, 1 for all right"),
    ("exact_match", "Exact match", "", Higher, "share of the answers that are the expected ones to the letter"),
    ("pearson", "Pearson correlation", "", Higher, "1 where predictions and scores lie on a line"),
    ("spearman", "Spearman correlation", "", Higher, "1 where predictions and scores have the same order"),
    ("mean_squared_error", "Mean squared error", "", Lower, "mean of the squared differences"),
    ("mean_absolute_error", "Mean absolute error", "", Lower, "mean of the differences without their sign"),
    ("map", "MAP", "", Higher, "mean average precision of the ranked lists"),
    ("mrr", "MRR", "", Higher, "mean of 1 / rank of the first right one"),
    ("ndcg@10", "NDCG@10", "", Higher, "gain of the first ten, those further up counting more, against the best order"),
    ("recall@10", "Recall@10", "", Higher, "share of the right ones among the first ten"),
    ("precision@1", "Precision@1", "", Higher, "share of lists whose first one is right"),
    ("hit_rate@1", "Hit rate@1", "", Higher, "share of sessions whose next item comes first"),
    ("hit_rate@10", "Hit rate@10", "", Higher, "share of sessions whose next item is among the first ten"),
    ("mlm_loss", "MLM loss", "nats", Lower, "mean surprise of the generator at the masked words; ln(vocabulary) knows nothing"),
    ("mlm_accuracy", "MLM accuracy", "", Higher, "share of the masked words that the generator ranks first"),
    ("disc_loss", "Discriminator loss", "nats", Lower, "loss of the encoder over all tokens; it has learned something where this lies below the entropy"),
    ("disc_entropy", "Entropy of the replaced share", "nats", Neither, "loss of a judge who knows how many tokens were replaced, not which"),
    ("disc_gain", "Discriminator gain", "nats", Higher, "the entropy less the loss: what the encoder knows beyond how many tokens were replaced"),
    ("disc_gain_floor", "Floor of the gain", "nats", Neither, "the part of the gain that is had for knowing that special tokens are never replaced"),
    ("disc_gain_error", "Standard error of the gain", "nats", Neither, "of the gain, over tokens"),
    ("disc_auc", "Discriminator AUC", "", Higher, "chance that a replaced token looks more suspicious than an original one; 0.5 is chance"),
    ("disc_accuracy", "Discriminator accuracy", "", Higher, "share of the tokens judged rightly; calling all original gives 1 - replaced share"),
    ("disc_precision", "Discriminator precision", "", Higher, "share of the tokens called replaced that are"),
    ("disc_recall", "Discriminator recall", "", Higher, "share of the replaced tokens that are called so"),
    ("pairs_discriminator", "Minimal pairs, discriminator", "", Higher, "share of the pairs whose good sentence it takes for less replaced; 0.5 is chance"),
    ("pairs_generator", "Minimal pairs, generator", "", Higher, "share of the pairs whose good sentence it finds likelier; 0.5 is chance"),
    ("replaced", "Replaced share", "", Neither, "share of the tokens that differ from the original"),
    ("learning_rate", "Learning rate", "", Neither, "of the last step"),
    ("grad_norm", "Gradient norm", "", Neither, "mean over steps, before clipping"),
    ("tokens_per_second", "Tokens a second", "tokens/s", Higher, "real tokens, padding left out"),
    ("tokens_seen", "Tokens seen", "tokens", Neither, "real tokens of all steps so far, padding left out"),
    ("skipped_steps", "Skipped steps", "steps", Neither, "steps whose loss or gradients were not finite"),
    ("loss_spikes", "Loss spikes", "steps", Neither, "steps whose loss lies far above what was usual"),
];

/// Metrics of tasks in [`TABLE`]. Unknown ones, which are of tasks too, come after them.
const OF_TASKS: usize = 20;

/// The metric called `name`. An unknown one is a loss or an error by its name, or better when it is higher.
pub fn metric(name: &str) -> MetricInfo<'_> {
    match TABLE.iter().find(|row| row.0 == name) {
        Some(&(_, title, unit, direction, meaning)) => MetricInfo { name, title, unit, direction, meaning },
        None => {
            let direction = if name.ends_with("loss") || name.ends_with("error") { Lower } else { Higher };
            MetricInfo { name, title: name, unit: "", direction, meaning: "" }
        }
    }
}

/// By what metrics are sorted where they are shown.
pub fn metric_order(name: &str) -> (usize, &str) {
    let place = TABLE.iter().position(|row| row.0 == name);
    (place.map_or(OF_TASKS, |at| if at < OF_TASKS { at } else { at + 1 }), name)
}

/// A value with as many digits as matter.
pub fn format_value(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => value.to_string(),
        0.0 => "0".into(),
        ..0.001 => format!("{value:.2e}"),
        1000.0.. => {
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", readable_count(value.abs().round() as usize))
        }
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown_metrics_have_a_direction() {
        let direction = |name| metric(name).direction;
        assert_eq!(["disc_loss", "disc_auc", "replaced"].map(direction), [Lower, Higher, Neither]);
        assert_eq!(["f1[PER]", "my_loss", "worst_error"].map(direction), [Higher, Lower, Lower]);
        let mut names = ["disc_loss", "zeal", "mlm_loss", "f1[PER]", "loss", "hit_rate@10"];
        names.sort_by_key(|name| metric_order(name));
        assert_eq!(names, ["loss", "hit_rate@10", "f1[PER]", "zeal", "mlm_loss", "disc_loss"]);
    }

    #[test]
    fn values_have_the_digits_that_matter() {
        let shown = [0.0, 3e-5, 0.41051, -12_345.6, f64::NAN, f64::INFINITY].map(format_value);
        assert_eq!(shown, ["0", "3.00e-5", "0.4105", "-12,346", "NaN", "inf"]);
    }
}
