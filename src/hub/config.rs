//! `config.json`: every field of Hugging Face's `ElectraConfig`.

use super::Network;
use crate::config::Config;
use serde_json::{Value, json};

/// The `config.json` of `network`.
pub(super) fn hugging_face(config: &Config, network: Network, pad_token_id: u32) -> Value {
    let (model, architecture) = match network {
        Network::Discriminator => (config.model.clone(), "ElectraForPreTraining"),
        Network::Generator => (config.generator_model(), "ElectraForMaskedLM"),
    };
    json!({
        "architectures": [architecture],
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
        "pad_token_id": pad_token_id,
        "tie_word_embeddings": true,
        "torch_dtype": "float32",
    })
}
