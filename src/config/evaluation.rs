//! What a validation judges beside held-out text.

use super::NONE;
use serde::{Deserialize, Deserializer, Serialize};

/// What a validation of pretraining judges beside held-out text; a resumed run may change it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationConfig {
    /// Minimal pairs that both networks judge at every validation: a file as `electra score --pairs` reads it, or `english`,
    /// those that are compiled in; `none` takes it away. The share of pairs whose good sentence scores higher is a metric; 0.5 is
    /// chance.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "unless_none")]
    pub pairs: Option<String>,
}

fn unless_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Some(String::deserialize(deserializer)?).filter(|name| name != NONE))
}
