//! The model card: what the model is, how it was trained, and the figures of its own run.

use super::Network;
use crate::config::{Config, UNBOUNDED};
use electra_runs::Outcome;
use std::fmt::Write;

/// The `README.md` of `network`.
pub(super) fn card(config: &Config, network: Network, outcome: &Outcome) -> String {
    let (title, class, what) = match network {
        Network::Discriminator => (
            "ELECTRA discriminator",
            "ElectraForPreTraining",
            "The encoder to fine-tune. Its pretraining head says for every token whether it was replaced.",
        ),
        Network::Generator => (
            "ELECTRA generator",
            "ElectraForMaskedLM",
            "The small masked language model that made the replacements. It fills in [MASK].",
        ),
    };
    let (name, version) = (network.name(), env!("CARGO_PKG_VERSION"));
    let mut card = format!(
        "---\nlibrary_name: transformers\ntags:\n- electra\n- electra-burn\n---\n\n# {title}\n\n{what}\n\n\
         Pretrained by replaced token detection (Clark et al., ICLR 2020) with electra-burn {version}.\n\n\
         ```python\nfrom transformers import AutoTokenizer, {class}\n\n\
         tokenizer = AutoTokenizer.from_pretrained(\"{name}\")\nmodel = {class}.from_pretrained(\"{name}\")\n```\n\n\
         ## Training\n\n| | |\n|---|---|\n",
    );
    let mut row = |what: &str, value: String| card.push_str(&format!("| {what} | {value} |\n"));
    let facts = &outcome.facts;
    if let Some(corpus) = &facts.corpus {
        row("training text", format!("{} documents, {} tokens", corpus.documents, corpus.tokens));
        let held_out = format!("{} documents, {} tokens", corpus.held_out_documents, corpus.held_out_tokens);
        row("held-out text", held_out);
    }
    let training = &config.training;
    let of = if training.steps == UNBOUNDED { String::new() } else { format!(" of {}", training.steps) };
    let budget = training.time_budget;
    let budget = budget.map(|budget| format!(", in a time budget of {}", humantime::format_duration(budget)));
    row("steps", format!("{}{of}{}", outcome.steps, budget.unwrap_or_default()));
    if let Some((step, tokens)) = outcome.tokens_seen() {
        let up_to = if step < outcome.steps { format!(", up to step {step}") } else { String::new() };
        row("tokens seen", format!("{tokens}, padding not counted{up_to}"));
    }
    let (batches, data) = (config.training.accumulation, &config.data);
    row("batch", format!("{batches} x {} sequences of {} tokens", data.batch_size, data.sequence_length));
    row("peak learning rate", config.optimizer.learning_rate.to_string());
    row("seed", config.seed.to_string());
    if !facts.sessions.is_empty() {
        row("device", facts.devices().join(", then "));
    }
    if let Some(time) = facts.time() {
        row("time of the run", time);
    }
    if let Some(last) = outcome.last_validation() {
        let auc = last.disc_auc.map_or_else(|| "not defined".into(), |auc| format!("{auc:.4}"));
        let gain = last.disc_gain.zip(last.disc_gain_error).map_or_else(String::new, |(gain, error)| {
            format!("| gain on the entropy (nats) | {gain:.4} ± {error:.4} |\n")
        });
        let pairs = [("discriminator", last.pairs_discriminator), ("generator", last.pairs_generator)];
        let pair =
            |(network, share): (&str, Option<f64>)| Some(format!("| minimal pairs, {network} | {:.4} |\n", share?));
        let pairs: String = pairs.into_iter().filter_map(pair).collect();
        // Writing to a string cannot fail.
        _ = write!(
            card,
            "\n## Held-out documents, step {}\n\n| metric | value |\n|---|---|\n\
             | MLM loss (nats) | {:.4} |\n| MLM accuracy | {:.4} |\n\
             | discriminator loss (nats) | {:.4} |\n| entropy of the replaced share (nats) | {:.4} |\n{gain}\
             | discriminator AUC | {auc} |\n| precision | {:.4} |\n| recall | {:.4} |\n| replaced share | {:.4} |\n{pairs}",
            last.step,
            last.mlm_loss,
            last.mlm_accuracy,
            last.disc_loss,
            last.disc_entropy,
            last.disc_precision,
            last.disc_recall,
            last.replaced,
        );
        if let Some(sentence) = outcome.health().sentence() {
            _ = write!(card, "\nVerdict: {sentence}\n");
        }
    }
    card
}
