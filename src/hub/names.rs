//! The map between our parameter names and Hugging Face's: one table, used in both directions.

/// Ours and theirs, as prefixes; `#` stands for a layer's number. What is not listed has the same name in both. Burn's
/// adapters translate what is inside a layer (LayerNorm's `gamma` and `beta`, transposed weights).
const TABLE: [(&str, &str); 13] = [
    ("electra.embeddings.layer_norm", "electra.embeddings.LayerNorm"),
    ("electra.encoder.embeddings_project", "electra.embeddings_project"),
    ("electra.encoder.layers.#.attention.query", "electra.encoder.layer.#.attention.self.query"),
    ("electra.encoder.layers.#.attention.key", "electra.encoder.layer.#.attention.self.key"),
    ("electra.encoder.layers.#.attention.value", "electra.encoder.layer.#.attention.self.value"),
    ("electra.encoder.layers.#.attention.dense", "electra.encoder.layer.#.attention.output.dense"),
    ("electra.encoder.layers.#.attention.layer_norm", "electra.encoder.layer.#.attention.output.LayerNorm"),
    ("electra.encoder.layers.#.intermediate", "electra.encoder.layer.#.intermediate.dense"),
    ("electra.encoder.layers.#.output", "electra.encoder.layer.#.output.dense"),
    ("electra.encoder.layers.#.layer_norm", "electra.encoder.layer.#.output.LayerNorm"),
    ("generator_predictions.layer_norm", "generator_predictions.LayerNorm"),
    ("generator_predictions.bias", "generator_lm_head.bias"),
    // Of an output layer that is not tied to the word table.
    ("generator_predictions.weight", "generator_lm_head.weight"),
];

/// Regular expressions over our names, and what replaces them.
pub(super) fn export_rules() -> impl Iterator<Item = (String, String)> {
    TABLE.iter().map(|(ours, theirs)| rule(ours, theirs))
}

/// Regular expressions over their names, and what replaces them, to be applied in order: prefixes that checkpoints
/// carry or lack, names of old TensorFlow checkpoints, then the table.
pub(super) fn import_rules() -> impl Iterator<Item = (String, String)> {
    let spellings = [
        // What wrappers put in front: data parallelism, compilation, training frameworks.
        (r"^(?:(?:module|_orig_mod|model)\.)+", ""),
        (r"^(?:discriminator|generator|bert)\.", ""),
        (r"^(embeddings|encoder|embeddings_project)\.", "electra.$1."),
        (r"LayerNorm\.gamma$", "LayerNorm.weight"),
        (r"LayerNorm\.beta$", "LayerNorm.bias"),
    ];
    let spellings = spellings.into_iter().map(|(from, to)| (from.to_owned(), to.to_owned()));
    spellings.chain(TABLE.iter().map(|(ours, theirs)| rule(theirs, ours)))
}

/// Their name of a parameter of ours, as people find it in their files.
pub(super) fn theirs(name: &str) -> String {
    let found = TABLE.iter().find_map(|(ours, theirs)| {
        let (before, after) = ours.split_once('#').unwrap_or((ours, ""));
        let rest = name.strip_prefix(before)?;
        let (layer, rest) = if after.is_empty() { ("", rest) } else { rest.split_at(rest.find('.')?) };
        let rest = rest.strip_prefix(after).filter(|rest| rest.is_empty() || rest.starts_with('.'))?;
        Some(format!("{}{rest}", theirs.replace('#', layer)))
    });
    let name = found.unwrap_or_else(|| name.to_owned());
    let inside = name.strip_suffix(".gamma").map(|name| format!("{name}.weight"));
    inside.or_else(|| name.strip_suffix(".beta").map(|name| format!("{name}.bias"))).unwrap_or(name)
}

/// Replaces the prefix `from` by `to`, keeping the layer's number and what follows.
fn rule(from: &str, to: &str) -> (String, String) {
    let pattern = from.replace('.', r"\.").replace('#', r"(?P<layer>\d+)");
    (format!(r"^{pattern}(?P<rest>\.|$)"), format!("{}${{rest}}", to.replace('#', "${layer}")))
}

#[cfg(test)]
mod tests {
    use super::theirs;

    #[test]
    fn our_names_become_theirs() {
        for (ours, expected) in [
            ("electra.encoder.layers.3.attention.query.weight", "electra.encoder.layer.3.attention.self.query.weight"),
            ("electra.encoder.layers.11.output.bias", "electra.encoder.layer.11.output.dense.bias"),
            ("electra.embeddings.layer_norm.gamma", "electra.embeddings.LayerNorm.weight"),
            ("generator_predictions.weight", "generator_lm_head.weight"),
            ("generator_predictions.dense.weight", "generator_predictions.dense.weight"),
            ("classifier.out_proj.bias", "classifier.out_proj.bias"),
        ] {
            assert_eq!(theirs(ours), expected);
        }
    }
}
