//! Suggestions for keys and values that a configuration does not have.

use crate::suggest::{distance, is_near, nearest, plain};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// What other programs call a key, and its name here.
const ELSEWHERE: [(&str, &str); 36] = [
    ("batch", "batch_size"),
    ("bs", "batch_size"),
    ("d_model", "hidden_size"),
    ("dim", "hidden_size"),
    ("dropout", "hidden_dropout_prob"),
    ("disc_weight", "discriminator_weight"),
    ("eps", "epsilon"),
    ("eval_every", "validate_every"),
    ("gen_weight", "generator_weight"),
    ("grad_accum", "accumulation"),
    ("grad_clip", "max_grad_norm"),
    ("gradient_accumulation_steps", "accumulation"),
    ("heads", "num_attention_heads"),
    ("layers", "num_hidden_layers"),
    ("lr", "learning_rate"),
    ("mask_prob", "mask_probability"),
    ("max_grad", "max_grad_norm"),
    ("max_length", "sequence_length"),
    ("max_seq_length", "sequence_length"),
    ("max_steps", "steps"),
    ("mlm_probability", "mask_probability"),
    ("n_heads", "num_attention_heads"),
    ("n_layers", "num_hidden_layers"),
    ("num_heads", "num_attention_heads"),
    ("num_layers", "num_hidden_layers"),
    ("num_steps", "steps"),
    ("num_train_epochs", "epochs"),
    ("num_train_steps", "steps"),
    ("per_device_train_batch_size", "batch_size"),
    ("save_every", "checkpoint_every"),
    ("save_steps", "checkpoint_every"),
    ("total_steps", "steps"),
    ("logging_steps", "log_every"),
    ("eval_steps", "validate_every"),
    ("seq_len", "sequence_length"),
    ("warmup", "warmup_steps"),
];

/// `message` of serde about a configuration of type `T`, with the key or value that was probably meant.
pub(super) fn improved<T: DeserializeOwned>(message: &str) -> String {
    let message = message.trim_end().replace('\n', " ");
    let found = if let Some((name, _)) = named(&message, "unknown field ") {
        let section = message.rsplit_once(" in `").and_then(|(_, rest)| rest.strip_suffix('`'));
        nearest_key(section.unwrap_or_default(), name, &keys::<T>())
    } else if let Some((name, expected)) = named(&message, "unknown variant ") {
        nearest(name, between_backticks(expected)).map(str::to_owned)
    } else {
        None
    };
    found.map_or_else(|| message.clone(), |found| format!("{message}; did you mean `{found}`?"))
}

/// The name after `what`, and the rest of the message.
fn named<'a>(message: &'a str, what: &str) -> Option<(&'a str, &'a str)> {
    message.split_once(what)?.1.strip_prefix('`')?.split_once('`')
}

fn between_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Every key of a configuration of type `T`, with dots, as its own errors name them.
pub(super) fn keys<T: DeserializeOwned>() -> Vec<String> {
    // No key is called `?`.
    let expected = |table: Table| -> Vec<String> {
        let Err(error) = T::deserialize(Value::Table(table)) else { return Vec::new() };
        let message = error.to_string();
        let Some(("?", rest)) = named(&message, "unknown field ") else { return Vec::new() };
        let rest = rest.split(" in `").next().unwrap_or_default();
        between_backticks(rest.split('\n').next().unwrap_or_default()).map(str::to_owned).collect()
    };
    let strange = || Table::from_iter([("?".to_owned(), Value::Boolean(true))]);
    let mut keys = Vec::new();
    for name in expected(strange()) {
        let below = expected(Table::from_iter([(name.clone(), Value::Table(strange()))]));
        match below.is_empty() {
            true => keys.push(name),
            false => keys.extend(below.into_iter().map(|key| format!("{name}.{key}"))),
        }
    }
    keys
}

/// The key that `name` in `section` was probably meant to be, a section included: the same name elsewhere, its name in another
/// program, or the one with the fewest mistakes.
fn nearest_key(section: &str, name: &str, keys: &[String]) -> Option<String> {
    let name = plain(name);
    let is_here = keys.iter().any(|key| key.rsplit('.').next() == Some(&name));
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == name).filter(|_| !is_here);
    let ours = elsewhere.map_or(name.as_str(), |(_, ours)| ours);
    let parts = |key: &'_ str| {
        let (section, last) = key.rsplit_once('.').unwrap_or(("", key));
        (section.to_owned(), last.to_owned())
    };
    let sections = keys.iter().filter(|_| section.is_empty()).map(|key| parts(key).0).filter(|name| !name.is_empty());
    let mut best: Option<(usize, String)> = None;
    for key in keys.iter().cloned().chain(sections) {
        let (of, last) = parts(&key);
        let mistakes = distance(ours, &last);
        if !is_near(mistakes, ours) {
            continue;
        }
        // A key of another section counts as half a mistake more, so that one of this section comes first.
        let all = 2 * mistakes + usize::from(of != section);
        if best.as_ref().is_none_or(|(least, _)| all < *least) {
            best = Some((all, key));
        }
    }
    best.map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, FinetuneConfig};

    #[test]
    fn every_key_is_known() {
        let known = keys::<Config>();
        for key in ["seed", "model.hidden_size", "training.time_budget", "training.keep_best", "evaluation.pairs"] {
            assert!(known.iter().any(|known| known == key), "{key} is not among {known:?}");
        }
        assert!(known.len() > 60, "{known:?}");
        assert!(keys::<FinetuneConfig>().iter().any(|key| key == "data.max_answer_length"));
    }

    #[test]
    fn keys_are_suggested() {
        let keys = keys::<Config>();
        for (asked, expected) in [
            ("training.stepss", "training.steps"),
            ("training.step", "training.steps"),
            ("training.setps", "training.steps"),
            ("data.steps", "training.steps"),
            ("steps", "training.steps"),
            ("max_steps", "training.steps"),
            ("learning_rate", "optimizer.learning_rate"),
            ("training.learning_rate", "optimizer.learning_rate"),
            ("optimizer.lr", "optimizer.learning_rate"),
            ("optimizer.learningrate", "optimizer.learning_rate"),
            ("optimizer.learning-rate", "optimizer.learning_rate"),
            ("lr", "optimizer.learning_rate"),
            ("optimiser", "optimizer"),
            ("modle", "model"),
            ("model.hiden_size", "model.hidden_size"),
            ("model.dim", "model.hidden_size"),
            ("model.layers", "model.num_hidden_layers"),
            ("model.n_heads", "model.num_attention_heads"),
            ("model.dropout", "model.hidden_dropout_prob"),
            ("model.vocabsize", "model.vocab_size"),
            ("generator.num_layers", "generator.num_hidden_layers"),
            ("data.batchsize", "data.batch_size"),
            ("batch_size", "data.batch_size"),
            ("training.batch_size", "data.batch_size"),
            ("data.seq_len", "data.sequence_length"),
            ("data.max_seq_length", "data.sequence_length"),
            ("data.mlm_probability", "data.mask_probability"),
            ("data.mask_prob", "data.mask_probability"),
            ("data.validation_shar", "data.validation_share"),
            ("training.gradient_accumulation_steps", "training.accumulation"),
            ("training.warmup_steps", "schedule.warmup_steps"),
            ("schedule.warmup", "schedule.warmup_steps"),
            ("training.time_buget", "training.time_budget"),
            ("training.precison", "training.precision"),
            ("training.seed", "seed"),
            ("objective.temprature", "objective.temperature"),
            ("logging.tensorbord", "logging.tensorboard"),
            ("training.eval_steps", "training.validate_every"),
        ] {
            let (section, name) = asked.rsplit_once('.').unwrap_or(("", asked));
            assert_eq!(nearest_key(section, name, &keys).as_deref(), Some(expected), "{asked}");
        }
        for asked in ["xyzzy", "training.something_else", "q"] {
            let (section, name) = asked.rsplit_once('.').unwrap_or(("", asked));
            assert_eq!(nearest_key(section, name, &keys), None, "{asked}");
        }
    }

    #[test]
    fn values_are_suggested() {
        let message =
            "unknown variant `bf61`, expected one of `auto`, `f32`, `tf32`, `f16`, `bf16` in `training.precision`";
        assert_eq!(improved::<Config>(message), format!("{message}; did you mean `bf16`?"));
        let message = "invalid type: string \"many\", expected usize in `training.steps`";
        assert_eq!(improved::<Config>(message), message);
    }
}
