//! The map between our parameter names and Hugging Face's: one table.

use super::Network;

/// Ours and theirs, as prefixes; `NETWORK` stands for `discriminator` or `generator`, `#` for a layer's number.
/// Burn's adapter translates what is inside a layer (`gamma` and `beta`, transposed weights).
const TABLE: [(&str, &str); 18] = [
    ("embeddings.word_embeddings", "electra.embeddings.word_embeddings"),
    ("embeddings.position_embeddings", "electra.embeddings.position_embeddings"),
    ("embeddings.token_type_embeddings", "electra.embeddings.token_type_embeddings"),
    ("embeddings.layer_norm", "electra.embeddings.LayerNorm"),
    ("NETWORK.embeddings_project", "electra.embeddings_project"),
    ("NETWORK.layers.#.attention.query", "electra.encoder.layer.#.attention.self.query"),
    ("NETWORK.layers.#.attention.key", "electra.encoder.layer.#.attention.self.key"),
    ("NETWORK.layers.#.attention.value", "electra.encoder.layer.#.attention.self.value"),
    ("NETWORK.layers.#.attention.dense", "electra.encoder.layer.#.attention.output.dense"),
    ("NETWORK.layers.#.attention.layer_norm", "electra.encoder.layer.#.attention.output.LayerNorm"),
    ("NETWORK.layers.#.intermediate", "electra.encoder.layer.#.intermediate.dense"),
    ("NETWORK.layers.#.output", "electra.encoder.layer.#.output.dense"),
    ("NETWORK.layers.#.layer_norm", "electra.encoder.layer.#.output.LayerNorm"),
    ("generator_head.dense", "generator_predictions.dense"),
    ("generator_head.layer_norm", "generator_predictions.LayerNorm"),
    ("generator_head.bias", "generator_lm_head.bias"),
    ("discriminator_head.dense_prediction", "discriminator_predictions.dense_prediction"),
    ("discriminator_head.dense", "discriminator_predictions.dense"),
];

/// A regular expression for our names of the parameters of `network`, its share of the embeddings included.
pub(super) fn belongs_to(network: Network) -> String {
    let name = network.name();
    format!(r"^(embeddings|{name}|{name}_head)\.")
}

/// Regular expressions over our names, and what replaces them.
pub(super) fn export_rules(network: Network) -> impl Iterator<Item = (String, String)> {
    TABLE.iter().map(move |(ours, theirs)| {
        let ours = ours.replace("NETWORK", network.name()).replace('.', r"\.");
        if ours.contains('#') {
            (format!(r"^{}(\.|$)", ours.replace('#', r"(\d+)")), format!("{}$2", theirs.replace('#', "${1}")))
        } else {
            (format!(r"^{ours}(\.|$)"), format!("{theirs}$1"))
        }
    })
}
