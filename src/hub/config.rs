//! `config.json`: every field of Hugging Face's `ElectraConfig`.

use super::Network;
use super::import::{check_pointer, weight_files};
use crate::config::{Config, ModelConfig};
use crate::error::{Error, Result};
use crate::files;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// The `config.json` of `network` after `steps` steps.
pub(super) fn hugging_face(config: &Config, network: Network, pad_token_id: u32, steps: usize) -> Value {
    let (model, class) = match network {
        Network::Discriminator => (config.model.clone(), "ElectraForPreTraining"),
        Network::Generator => (config.generator_model(), "ElectraForMaskedLM"),
    };
    let mut json = architecture_json(&model, class, pad_token_id);
    json["electra_burn_steps"] = steps.into();
    json[TRAINED_LENGTH] = config.data.sequence_length.into();
    json
}

/// Longest sequence that the model was trained on: positions beyond it have untrained embeddings.
const TRAINED_LENGTH: &str = "electra_burn_sequence_length";

/// The `config.json` of an architecture in the class `class` of `transformers`, without what a head needs.
pub fn architecture_json(model: &ModelConfig, class: &str, pad_token_id: u32) -> Value {
    json!({
        "architectures": [class],
        "model_type": "electra",
        "vocab_size": model.vocab_size,
        "embedding_size": model.embedding_size,
        "hidden_size": model.hidden_size,
        "num_hidden_layers": model.num_hidden_layers,
        "num_attention_heads": model.num_attention_heads,
        "intermediate_size": model.intermediate_size,
        "hidden_act": "gelu",
        "hidden_dropout_prob": model.hidden_dropout_prob,
        "attention_probs_dropout_prob": model.attention_probs_dropout_prob,
        "max_position_embeddings": model.max_position_embeddings,
        "type_vocab_size": model.type_vocab_size,
        "initializer_range": model.initializer_range,
        "layer_norm_eps": model.layer_norm_eps,
        "summary_type": "first",
        "summary_use_proj": true,
        "summary_activation": "gelu",
        "summary_last_dropout": 0.1,
        "position_embedding_type": "absolute",
        "use_cache": true,
        "classifier_dropout": null,
        "is_decoder": false,
        "add_cross_attention": false,
        "bos_token_id": null,
        "eos_token_id": null,
        "pad_token_id": pad_token_id,
        "tie_word_embeddings": model.tie_word_embeddings,
        "torch_dtype": "float32",
        "electra_burn_version": env!("CARGO_PKG_VERSION"),
    })
}

/// The longest sequence that the model in `directory` was trained on, as far as it says so.
///
/// # Errors
/// [`Error::Input`] for a `config.json` that is missing or damaged.
pub fn trained_length(directory: &Path) -> Result<usize> {
    let json = read_json(directory)?;
    let longest = ["max_position_embeddings", TRAINED_LENGTH].map(|key| length(directory, &json, key));
    longest.into_iter().try_fold(usize::MAX, |shortest, length| Ok(shortest.min(length?)))
}

/// The number of tokens that `key` of the `config.json` in `directory` allows; any, where it says nothing.
///
/// # Errors
/// [`Error::Input`] for what is no number of tokens, and for fewer than three.
pub fn length(directory: &Path, json: &Value, key: &str) -> Result<usize> {
    let length = match &json[key] {
        Value::Null => return Ok(usize::MAX),
        value => value.as_u64().and_then(|length| usize::try_from(length).ok()),
    };
    length.filter(|length| *length >= 3).ok_or_else(|| {
        let message = format!("{key} is {}; expected 3 tokens or more, for [CLS], a token and [SEP]", json[key]);
        Error::input(directory.join("config.json"), message)
    })
}

/// The part of `config.json` that the function of a network depends on, where it is there; other fields are not looked at. A field for each
/// key.
#[derive(Deserialize)]
struct Given {
    vocab_size: Option<usize>,
    embedding_size: Option<usize>,
    hidden_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    intermediate_size: Option<usize>,
    hidden_act: Option<String>,
    position_embedding_type: Option<String>,
    is_decoder: Option<bool>,
    add_cross_attention: Option<bool>,
    hidden_dropout_prob: Option<f64>,
    attention_probs_dropout_prob: Option<f64>,
    max_position_embeddings: Option<usize>,
    type_vocab_size: Option<usize>,
    initializer_range: Option<f64>,
    layer_norm_eps: Option<f64>,
    tie_word_embeddings: Option<bool>,
    pruned_heads: Option<Value>,
}

/// Sizes where `config.json` says none: those of `ElectraConfig` and `BertConfig` in `transformers`.
struct Usual {
    hidden_size: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    /// BERT's embeddings are as wide as its layers.
    embedding_size: Option<usize>,
}

const ELECTRA: Usual =
    Usual { hidden_size: 256, num_attention_heads: 4, intermediate_size: 1024, embedding_size: Some(128) };
const BERT: Usual = Usual { hidden_size: 768, num_attention_heads: 12, intermediate_size: 3072, embedding_size: None };

/// The defaults of the kind of model that `json` is of; an error for another kind.
fn usual(path: &Path, json: &Value) -> Result<Usual> {
    let class = json["architectures"][0].as_str().unwrap_or_default();
    match (json["model_type"].as_str(), class) {
        (_, "ElectraForCausalLM" | "BertLMHeadModel") => {
            let message = format!(
                "the architecture is {class}, a decoder; expected an encoder, which sees both sides of a token"
            );
            Err(Error::input(path, message))
        }
        (Some("electra"), _) => Ok(ELECTRA),
        (Some("bert"), _) => Ok(BERT),
        (Some(other), _) => {
            Err(Error::input(path, format!("model_type is \"{other}\"; expected \"electra\" or \"bert\"")))
        }
        (None, class) if class.starts_with("Bert") => Ok(BERT),
        (None, _) => Ok(ELECTRA),
    }
}

/// The architecture in the `config.json` of `directory`.
///
/// # Errors
/// [`Error::Input`] for a file that is missing, lacks a field or asks for what ELECTRA has not.
pub fn read_config(directory: &Path) -> Result<ModelConfig> {
    let path = directory.join("config.json");
    let json = read_json(directory)?;
    let usual = usual(&path, &json)?;
    let given = Given::deserialize(json).map_err(|error| Error::input(&path, error.to_string()))?;
    if let Some(kind) = given.position_embedding_type.filter(|kind| kind != "absolute") {
        return Err(Error::input(&path, format!("position_embedding_type is \"{kind}\"; expected \"absolute\"")));
    }
    let decodes = [("is_decoder", given.is_decoder), ("add_cross_attention", given.add_cross_attention)];
    if let Some((name, _)) = decodes.into_iter().find(|(_, given)| *given == Some(true)) {
        let message = format!("{name} is true; expected an encoder, which sees both sides of a token");
        return Err(Error::input(&path, message));
    }
    // The second is what `transformers` calls the same function.
    if let Some(act) = given.hidden_act.filter(|act| act != "gelu" && act != "gelu_python") {
        return Err(Error::input(&path, format!("hidden_act is \"{act}\"; expected \"gelu\"")));
    }
    let has_some = |value: &Value| value.as_object().is_some_and(|heads| !heads.is_empty());
    if given.pruned_heads.as_ref().is_some_and(has_some) {
        return Err(Error::input(&path, "pruned_heads has some; expected a model with all its heads"));
    }
    let hidden_size = given.hidden_size.unwrap_or(usual.hidden_size);
    let model = ModelConfig {
        vocab_size: given.vocab_size.unwrap_or(30522),
        embedding_size: given.embedding_size.or(usual.embedding_size).unwrap_or(hidden_size),
        hidden_size,
        num_hidden_layers: given.num_hidden_layers.unwrap_or(12),
        num_attention_heads: given.num_attention_heads.unwrap_or(usual.num_attention_heads),
        intermediate_size: given.intermediate_size.unwrap_or(usual.intermediate_size),
        max_position_embeddings: given.max_position_embeddings.unwrap_or(512),
        type_vocab_size: given.type_vocab_size.unwrap_or(2),
        hidden_dropout_prob: given.hidden_dropout_prob.unwrap_or(0.1),
        attention_probs_dropout_prob: given.attention_probs_dropout_prob.unwrap_or(0.1),
        layer_norm_eps: given.layer_norm_eps.unwrap_or(1e-12),
        initializer_range: given.initializer_range.unwrap_or(0.02),
        tie_word_embeddings: given.tie_word_embeddings.unwrap_or(true),
    };
    if let Some(problem) = model.problems().first() {
        return Err(Error::input(&path, format!("{}: {}", problem.key, problem.message)));
    }
    // Half precision is the least that weights come in.
    let needed = 2 * (model.embedding_parameters() + model.layer_parameters()) as u64;
    let found = weight_bytes(directory);
    if found.is_some_and(|found| needed > found) {
        weight_files(directory)?.iter().try_for_each(|file| check_pointer(file))?;
        let message =
            format!("its sizes ask for {needed} bytes of weights or more, those beside it have {}", found.unwrap_or(0));
        return Err(Error::input(&path, message));
    }
    Ok(model)
}

/// Bytes of the files with weights in `directory`, if there are any.
fn weight_bytes(directory: &Path) -> Option<u64> {
    let files = std::fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let weights = files.filter(|path| path.extension().is_some_and(|end| end == "safetensors" || end == "bin"));
    weights.filter_map(|path| Some(std::fs::metadata(path).ok()?.len())).reduce(u64::saturating_add)
}

/// The `config.json` of `directory` as it is.
pub fn read_json(directory: &Path) -> Result<Value> {
    let path = directory.join("config.json");
    let text = files::read_text(&path, files::SMALL).map_err(|error| Error::input(&path, error.to_string()))?;
    match serde_json::from_str(&text).map_err(|error| Error::input(&path, error.to_string()))? {
        json @ Value::Object(_) => Ok(json),
        _ => Err(Error::input(&path, "this is no JSON object; expected the configuration of a model")),
    }
}

/// The class in `transformers` that the configuration at `path` asks for, and its number of labels. A BERT becomes the
/// bare encoder.
pub(super) fn architecture(path: &Path, json: &Value) -> Result<(String, usize)> {
    const CLASSES: [&str; 7] = [
        "ElectraForPreTraining",
        "ElectraForMaskedLM",
        "ElectraForMultipleChoice",
        "ElectraForSequenceClassification",
        "ElectraForTokenClassification",
        "ElectraForQuestionAnswering",
        "ElectraModel",
    ];
    let labels = json["id2label"].as_object().map(serde_json::Map::len);
    let labels = labels.or_else(|| json["num_labels"].as_u64().map(|n| n as usize)).unwrap_or(2);
    let class = json["architectures"][0].as_str().unwrap_or("ElectraModel");
    match class {
        bert if bert.starts_with("Bert") => Ok(("ElectraModel".into(), labels)),
        class if CLASSES.contains(&class) => Ok((class.to_owned(), labels)),
        other => Err(Error::input(
            path,
            format!("the architecture is {other}; expected a BERT or one of {}", CLASSES.join(", ")),
        )),
    }
}
