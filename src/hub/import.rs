//! Weights from Hugging Face's files: `model.safetensors`, a sharded safetensors with its index, `pytorch_model.bin`.

use super::names;
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::files;
use crate::model::{ElectraForMaskedLm, Init};
use crate::tokenizer::Tokenizer;
use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::store::{
    ApplyError, ApplyResult, FloatCastAdapter, ModuleAdapter, ModuleSnapshot, PyTorchToBurnAdapter, PytorchStore,
    SafetensorsStore,
};
use burn::tensor::{DType, Device, Shape, Tensor};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How the tensors of a source were used, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TensorsUsed {
    /// Taken over.
    pub loaded: BTreeSet<String>,
    /// Not in the source; these parameters keep the values that they had.
    pub missing: BTreeSet<String>,
    /// In the source, but of no use for the module.
    pub ignored: BTreeSet<String>,
}

/// Loads the weights of `source`, a directory or a file, into `module`. 16-bit numbers become 32-bit ones.
///
/// # Errors
/// [`Error::Input`] for a source that is missing or damaged, for a tensor whose shape does not fit, with its name and
/// both shapes, and for one that holds NaN or an infinity.
pub fn load_weights<M: ModuleSnapshot>(module: &mut M, source: &Path) -> Result<TensorsUsed> {
    let mut all = TensorsUsed::default();
    for (number, file) in weight_files(source)?.iter().enumerate() {
        let result = load_file(module, file)?;
        if let Some(error) = result.errors.first() {
            return Err(Error::input(file, said(error)));
        }
        let missing: BTreeSet<String> = result.missing.into_iter().map(|(name, _)| name).collect();
        // Over several shards, what is missing in all of them is missing.
        all.missing = if number == 0 { missing } else { &all.missing & &missing };
        all.loaded.extend(result.applied);
        all.ignored.extend(result.unused);
    }
    if let Some(name) = all.ignored.iter().find(|name| !is_known(name, &all)) {
        let message = format!(
            "nothing reads the tensor {}; expected weights and a config.json that belong together, of an ELECTRA or a BERT",
            names::theirs(name)
        );
        return Err(Error::input(source, message));
    }
    let mut finite = Finite::default();
    module.visit(&mut finite);
    match finite.offender {
        Some(name) => {
            let name = names::theirs(&name);
            Err(Error::input(source, format!("{name} holds what is not a finite number")))
        }
        None => Ok(all),
    }
}

/// Whether a tensor that a module has no place for belongs to a head that it does not have, or is a buffer of numbers that follow
/// from the configuration.
fn is_known(name: &str, all: &TensorsUsed) -> bool {
    const HEADS: [&str; 9] = [
        "discriminator_predictions",
        "generator_predictions",
        "generator_lm_head",
        "classifier",
        "qa_outputs",
        "sequence_summary",
        "pooler",
        "cls",
        "dropout",
    ];
    let inside = name.strip_prefix("electra.pooler").map_or(name, |_| "pooler");
    let head = inside.split('.').next().unwrap_or(inside);
    let has = |head: &str| all.loaded.iter().chain(&all.missing).any(|own| own.split('.').next() == Some(head));
    let is_buffer = ["position_ids", "token_type_ids"].iter().any(|end| name.ends_with(end));
    // The word table again, under the name of the output layer that is tied to it.
    let is_tied = name == "generator_predictions.weight" || name == "generator_lm_head.weight";
    is_buffer || is_tied || (HEADS.contains(&head) && !has(head))
}

/// What is wrong with a tensor, by its name in the file.
fn said(error: &ApplyError) -> String {
    match error {
        ApplyError::ShapeMismatch { path, expected, found } => {
            let name = names::theirs(path);
            // Dense layers have their rows as columns in files.
            let is_dense = name.ends_with(".weight") && !name.contains("embeddings.");
            let of = |shape: &Shape| match shape.as_slice() {
                [rows, columns] if is_dense => format!("{columns} x {rows}"),
                sizes => sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(" x "),
            };
            format!("{name} has the shape {}; expected {} by config.json", of(found), of(expected))
        }
        ApplyError::DTypeMismatch { path, expected, found } => {
            format!("{} holds {found:?}; expected {expected:?}", names::theirs(path))
        }
        ApplyError::AdapterError { path, message } | ApplyError::LoadError { path, message } => {
            format!("{}: {message}", names::theirs(path))
        }
    }
}

/// Checks that the word table of `config` has a row for each id of `tokenizer`.
///
/// # Errors
/// [`Error::Input`] otherwise.
pub fn check_vocabulary(directory: &Path, tokenizer: &Tokenizer, config: &ModelConfig) -> Result<()> {
    let (words, rows) = (tokenizer.vocab_size(), config.vocab_size);
    match words > rows {
        true => Err(Error::input(directory, format!("the tokenizer has {words} tokens, the word table {rows} rows"))),
        false => Ok(()),
    }
}

/// The network that `make` makes of `config`, `class` in `transformers`, with the weights of `directory`; its word table has
/// a row for each token of `tokenizer`.
///
/// # Errors
/// [`Error::Input`] for files that are missing, damaged, or of another network or tokenizer.
pub fn open<M: ModuleSnapshot>(
    directory: &Path,
    config: &ModelConfig,
    tokenizer: &Tokenizer,
    device: &Device,
    class: &str,
    make: impl FnOnce(&ModelConfig, &mut Init) -> M,
) -> Result<M> {
    check_vocabulary(directory, tokenizer, config)?;
    let mut network = make(config, &mut Init::blank(config.layer_norm_eps, device));
    match load_weights(&mut network, directory)?.missing.first() {
        Some(missing) => {
            let missing = names::theirs(missing);
            Err(Error::input(directory, format!("the weights lack {missing}; expected those of an {class}")))
        }
        None => Ok(network),
    }
}

/// [`open`] of a masked language model, whose output layer is the word table unless the weights or `config.json` say otherwise.
///
/// # Errors
/// Those of [`open`]; [`Error::Input`] for an output layer that is not tied and not there.
pub fn open_masked_lm(
    directory: &Path,
    config: &ModelConfig,
    tokenizer: &Tokenizer,
    device: &Device,
) -> Result<ElectraForMaskedLm> {
    check_vocabulary(directory, tokenizer, config)?;
    let mut network = ElectraForMaskedLm::new(config, &mut Init::blank(config.layer_norm_eps, device));
    match load_masked_lm(&mut network, config, directory)?.missing.first() {
        Some(missing) => {
            let missing = names::theirs(missing);
            let message = format!("the weights lack {missing}; expected those of an ElectraForMaskedLM");
            Err(Error::input(directory, message))
        }
        None => Ok(network),
    }
}

/// [`load_weights`] of a masked language model. An output layer that is not tied to the word table has its own weight in the
/// network then; one that is tied, or equal to it, has none.
pub(super) fn load_masked_lm(
    network: &mut ElectraForMaskedLm,
    config: &ModelConfig,
    source: &Path,
) -> Result<TensorsUsed> {
    let table = network.electra.embeddings.word_table();
    let head = &mut network.generator_predictions;
    head.weight = Some(Param::from_tensor(Tensor::zeros(table.dims(), &table.device())));
    let mut loaded = load_weights(network, source)?;
    const WEIGHT: &str = "generator_predictions.weight";
    let is_absent = loaded.missing.contains(WEIGHT);
    let table = network.electra.embeddings.word_table();
    let head = &mut network.generator_predictions;
    let is_table = || {
        let weight = head.weight.as_ref().map(|weight| weight.val());
        weight.is_some_and(|weight| (weight - table).abs().max().into_data().iter::<f32>().all(|most| most == 0.0))
    };
    if config.tie_word_embeddings && (is_absent || is_table()) {
        head.weight = None;
        loaded.missing.remove(WEIGHT);
        loaded.loaded.remove(WEIGHT);
    }
    Ok(loaded)
}

/// Finds a parameter that holds NaN or an infinity.
#[derive(Default)]
struct Finite {
    path: Vec<String>,
    offender: Option<String>,
}

impl ModuleVisitor for Finite {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let sum: f32 = param.val().inner().abs().sum().into_data().iter::<f32>().sum();
        if !sum.is_finite() && self.offender.is_none() {
            self.offender = Some(self.path.join("."));
        }
    }
}

/// Makes all parameters 32-bit.
struct Single;

impl ModuleMapper for Single {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.cast(DType::F32))
    }
}

/// Checks that a file with weights is not a pointer to them.
///
/// # Errors
/// [`Error::Input`] for one that is, or cannot be read.
pub(super) fn check_pointer(file: &Path) -> Result<()> {
    let mut first = [0; 64];
    let read = files::open(file).and_then(|mut opened| opened.read(&mut first));
    read.map_err(|error| Error::input(file, error.to_string()))?;
    match first.starts_with(b"version https://git-lfs") {
        true => {
            let message = "this is a pointer of Git LFS and not the weights themselves; `git lfs pull` fetches them";
            Err(Error::input(file, message))
        }
        false => Ok(()),
    }
}

fn load_file<M: ModuleSnapshot>(module: &mut M, file: &Path) -> Result<ApplyResult> {
    check_pointer(file)?;
    if file.extension().is_some_and(|extension| extension == "bin") {
        let store = PytorchStore::from_file(file).validate(false).allow_partial(true).map_indices_contiguous(false);
        let mut store = names::import_rules().fold(store, |store, (from, to)| store.with_key_remapping(from, to));
        let result = module.load_from(&mut store).map_err(|error| Error::input(file, error.to_string()))?;
        // This store takes no adapter that casts.
        *module = module.clone().map(&mut Single);
        Ok(result)
    } else {
        let adapter = PyTorchToBurnAdapter.chain(FloatCastAdapter::to(DType::F32));
        let store = SafetensorsStore::from_file(file).validate(false).with_from_adapter(adapter).allow_partial(true);
        let mut store = names::import_rules().fold(store, |store, (from, to)| store.with_key_remapping(from, to));
        module.load_from(&mut store).map_err(|error| Error::input(file, error.to_string()))
    }
}

/// The files that hold the weights of `source`.
pub(super) fn weight_files(source: &Path) -> Result<Vec<PathBuf>> {
    if source.is_file() {
        return Ok(vec![source.to_owned()]);
    }
    let index = source.join("model.safetensors.index.json");
    if index.is_file() {
        return shards(source, &index);
    }
    let found =
        ["model.safetensors", "pytorch_model.bin"].map(|name| source.join(name)).into_iter().find(|p| p.is_file());
    found.map(|file| vec![file]).ok_or_else(|| {
        Error::input(source, "no weights here; expected model.safetensors, its index, or pytorch_model.bin")
    })
}

fn shards(directory: &Path, index: &Path) -> Result<Vec<PathBuf>> {
    let text = files::read_text(index, files::SMALL).map_err(|error| Error::input(index, error.to_string()))?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| Error::input(index, e.to_string()))?;
    let map = json["weight_map"].as_object().ok_or_else(|| Error::input(index, "it has no object `weight_map`"))?;
    let names: BTreeSet<&str> = map.values().filter_map(serde_json::Value::as_str).collect();
    names
        .into_iter()
        .map(|name| match files::is_plain_name(name) {
            true => Ok(directory.join(name)),
            false => Err(Error::input(index, format!("it names {name:?}; expected the name of a file beside it"))),
        })
        .collect()
}
