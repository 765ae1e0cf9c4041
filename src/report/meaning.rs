//! What the numbers of a run mean, in words for somebody who has not read the paper.

/// Which way a number should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    Lower,
    Higher,
    /// It is what it is.
    Neither,
}

/// What a number is called and says.
pub(super) struct Meaning {
    pub title: String,
    pub better: Better,
    pub what: &'static str,
}

use Better::{Higher, Lower, Neither};

/// Name, title, direction, meaning; in the order in which they are shown.
#[rustfmt::skip]
const MEANINGS: [(&str, &str, Better, &str); 39] = [
    ("loss", "Loss", Lower, "mean loss of the task, in nats or squared units"),
    ("accuracy", "Accuracy", Higher, "share of the answers that are right"),
    ("f1", "F1", Higher, "harmonic mean of precision and recall"),
    ("macro_f1", "Macro F1", Higher, "F1 of each class, every class counting the same"),
    ("micro_f1", "Micro F1", Higher, "F1 over all classes together"),
    ("precision", "Precision", Higher, "share of what was found that is right"),
    ("recall", "Recall", Higher, "share of what is there that was found"),
    ("matthews", "Matthews correlation", Higher, "0 for guesses, 1 for all right"),
    ("exact_match", "Exact match", Higher, "share of the answers that are the expected ones to the letter"),
    ("pearson", "Pearson correlation", Higher, "1 where predictions and scores lie on a line"),
    ("spearman", "Spearman correlation", Higher, "1 where predictions and scores have the same order"),
    ("mean_squared_error", "Mean squared error", Lower, "mean of the squared differences"),
    ("mean_absolute_error", "Mean absolute error", Lower, "mean of the differences without their sign"),
    ("map", "MAP", Higher, "mean average precision of the ranked lists"),
    ("mrr", "MRR", Higher, "mean of 1 / rank of the first right one"),
    ("ndcg@10", "NDCG@10", Higher, "gain of the first ten, those further up counting more, against the best order"),
    ("recall@10", "Recall@10", Higher, "share of the right ones among the first ten"),
    ("precision@1", "Precision@1", Higher, "share of lists whose first one is right"),
    ("hit_rate@1", "Hit rate@1", Higher, "share of sessions whose next item comes first"),
    ("hit_rate@10", "Hit rate@10", Higher, "share of sessions whose next item is among the first ten"),
    ("mlm_loss", "MLM loss", Lower, "how surprised the generator is by the hidden words, in nats; ln(vocabulary) is ignorance"),
    ("mlm_accuracy", "MLM accuracy", Higher, "share of the hidden words that the generator names first"),
    ("disc_loss", "Discriminator loss", Lower, "loss of the encoder over all tokens, in nats; worth something below the entropy"),
    ("disc_entropy", "Entropy of the replaced share", Neither, "loss of somebody who knows how many tokens were replaced, not which"),
    ("disc_gain", "Discriminator gain", Higher, "the entropy less the loss, in nats: what the encoder knows beyond how many tokens were replaced"),
    ("disc_gain_floor", "Floor of the gain", Neither, "the part of the gain that is had for knowing that special tokens are never replaced"),
    ("disc_gain_error", "Standard error of the gain", Neither, "of the gain, over tokens"),
    ("disc_auc", "Discriminator AUC", Higher, "chance that a replaced token looks more suspicious than an original one; 0.5 is chance"),
    ("disc_accuracy", "Discriminator accuracy", Higher, "share of the tokens judged rightly; calling all original gives 1 - replaced share"),
    ("disc_precision", "Discriminator precision", Higher, "share of the tokens called replaced that are"),
    ("disc_recall", "Discriminator recall", Higher, "share of the replaced tokens that are called so"),
    ("pairs_discriminator", "Minimal pairs, discriminator", Higher, "share of the pairs whose good sentence it takes for less replaced; 0.5 is chance"),
    ("pairs_generator", "Minimal pairs, generator", Higher, "share of the pairs whose good sentence it finds likelier; 0.5 is chance"),
    ("replaced", "Replaced share", Neither, "share of the tokens that another one stands in the place of"),
    ("learning_rate", "Learning rate", Neither, "of the last step"),
    ("grad_norm", "Gradient norm", Neither, "mean over steps, before clipping"),
    ("tokens_per_second", "Tokens a second", Higher, "real tokens, padding left out"),
    ("tokens_seen", "Tokens seen", Neither, "real tokens of all steps so far, padding left out"),
    ("skipped_steps", "Skipped steps", Neither, "steps whose loss or gradients were not finite"),
];

/// Where `name` stands in the order of what is shown; unknown names come behind the known metrics of tasks.
pub(super) fn place(name: &str) -> (usize, &str) {
    (MEANINGS.iter().position(|row| row.0 == name).map_or(19, |at| at), name)
}

/// What `name` means, as far as that is known.
pub(super) fn meaning(name: &str) -> Meaning {
    let unknown = || {
        let better = if name.ends_with("loss") || name.ends_with("error") { Lower } else { Higher };
        Meaning { title: name.to_owned(), better, what: "" }
    };
    MEANINGS.iter().find(|row| row.0 == name).map_or_else(unknown, |&(_, title, better, what)| Meaning {
        title: title.to_owned(),
        better,
        what,
    })
}
