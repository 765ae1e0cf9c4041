//! What a model directory holds, from its files alone.

use super::config::{architecture, read_config, read_json};
use super::import::weight_files;
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::files;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// What a model directory holds.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The class in `transformers`.
    pub class: String,
    /// Sizes.
    pub config: ModelConfig,
    /// Parameters of each block: `embeddings`, `encoder`, and the heads by name.
    pub blocks: BTreeMap<String, usize>,
    /// Tensors of each number format.
    pub dtypes: BTreeMap<String, usize>,
    /// Where the model comes from, as far as `config.json` says.
    pub provenance: Vec<(String, String)>,
}

/// Reads `config.json` and the headers of the safetensors files in `directory`.
///
/// # Errors
/// [`Error::Input`] for a file that is missing, damaged or of another format.
pub fn inspect(directory: &Path) -> Result<Inspection> {
    let json = read_json(directory)?;
    let (class, _) = architecture(&directory.join("config.json"), &json)?;
    let (mut blocks, mut dtypes) = (BTreeMap::new(), BTreeMap::new());
    for file in weight_files(directory)? {
        for (name, tensor) in header(&file)? {
            let shape = tensor["shape"].as_array().cloned().unwrap_or_default();
            let size: usize =
                shape.iter().filter_map(Value::as_u64).fold(1usize, |size, n| size.saturating_mul(n as usize));
            let dtype = tensor["dtype"].as_str().unwrap_or("?");
            *dtypes.entry(dtype.to_owned()).or_default() += 1;
            // Buffers of integers, such as position_ids, are no parameters.
            if dtype.contains('F') {
                let of_block: &mut usize = blocks.entry(block(&name)).or_default();
                *of_block = of_block.saturating_add(size);
            }
        }
    }
    let provenance = ["_name_or_path", "transformers_version", "electra_burn_version", "electra_burn_steps"];
    let told = provenance.iter().filter_map(|key| Some(((*key).to_owned(), json.get(key)?.to_string())));
    Ok(Inspection { class, config: read_config(directory)?, blocks, dtypes, provenance: told.collect() })
}

/// The block that a tensor belongs to.
fn block(name: &str) -> String {
    let inner = ["electra.", "discriminator.", "generator.", "bert."].iter().find_map(|p| name.strip_prefix(p));
    let first = inner.unwrap_or(name).split('.').next().unwrap_or(name);
    if first == "embeddings_project" { "encoder".into() } else { first.to_owned() }
}

/// Name and description of every tensor in a safetensors file.
fn header(path: &Path) -> Result<Vec<(String, Value)>> {
    let damaged = |what: &str| Error::input(path, format!("{what}; expected a safetensors file"));
    let mut file = files::open(path).map_err(|error| Error::input(path, error.to_string()))?;
    let size = file.metadata().map_err(|error| Error::input(path, error.to_string()))?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| damaged("it ends within the first 8 bytes"))?;
    let length = u64::from_le_bytes(length);
    if length > size {
        return Err(damaged("its header is longer than the file"));
    }
    let mut text = vec![0; length as usize];
    file.read_exact(&mut text).map_err(|_| damaged("it ends within its header"))?;
    let json: Value = serde_json::from_slice(&text).map_err(|_| damaged("its header is no JSON"))?;
    let tensors = json.as_object().ok_or_else(|| damaged("its header is no object"))?;
    Ok(tensors.iter().filter(|(name, _)| *name != "__metadata__").map(|(n, t)| (n.clone(), t.clone())).collect())
}
