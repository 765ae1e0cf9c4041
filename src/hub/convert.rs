//! Import: a checkpoint of any spelling and format, rewritten in Hugging Face's current layout.

use super::config::{architecture, read_config, read_json};
use super::import::{TensorsUsed, load_masked_lm, load_weights};
use super::names;
use super::save_weights;
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::files::write_whole;
use crate::model::{
    Electra, ElectraForMaskedLm, ElectraForMultipleChoice, ElectraForPreTraining, ElectraForQuestionAnswering,
    ElectraForSequenceClassification, ElectraForTokenClassification, ElectraModel, Init,
};
use crate::tokenizer::Tokenizer;
use burn::store::ModuleSnapshot;
use burn::tensor::Device;
use serde_json::{Value, json};
use std::path::Path;

/// Files of a tokenizer, which are taken over as they are.
const TOKENIZER: [&str; 5] =
    ["tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json", "added_tokens.json"];

/// What an import has made.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The class in `transformers`, for example `ElectraForPreTraining`.
    pub class: String,
    /// Number of parameters.
    pub parameters: usize,
    /// How the tensors of the source were used.
    pub tensors: TensorsUsed,
    /// Whether its `config.json` says what it was fine-tuned for.
    pub has_task: bool,
}

/// Reads `source`, a directory or a weights file with its `config.json` beside it, and writes it to `output`, which must
/// not exist. Parameters that the source lacks, for example a head, are drawn from `seed`.
///
/// # Errors
/// [`Error::Input`] for a source that is missing, damaged or not an ELECTRA or BERT; [`Error::Output`] for an output that
/// exists.
pub fn import(source: &Path, output: &Path, seed: u64, device: &Device) -> Result<Imported> {
    let directory = if source.is_dir() { source } else { source.parent().unwrap_or(Path::new(".")) };
    let config = read_config(directory)?;
    let mut json = read_json(directory)?;
    let (class, num_labels) = architecture(&directory.join("config.json"), &json)?;
    let mut init = Init::new(seed, config.initializer_range, config.layer_norm_eps, device);
    let init = &mut init;
    describe(&mut json, &class, &config);
    let job =
        Conversion { source, directory, output, json: &json, class: &class, positions: config.max_position_embeddings };
    match class.as_str() {
        "ElectraForPreTraining" => job.run(ElectraForPreTraining::new(&config, init)),
        "ElectraForMaskedLM" => {
            let mut model = ElectraForMaskedLm::new(&config, init);
            let tensors = load_masked_lm(&mut model, &config, source)?;
            let is_tied = model.generator_predictions.weight.is_none();
            let json = &with_tie(&json, is_tied);
            Conversion { json, ..job }.write(model, tensors)
        }
        "ElectraForSequenceClassification" => job.run(ElectraForSequenceClassification::new(&config, num_labels, init)),
        "ElectraForTokenClassification" => job.run(ElectraForTokenClassification::new(&config, num_labels, init)),
        "ElectraForMultipleChoice" => job.run(ElectraForMultipleChoice::new(&config, init)),
        "ElectraForQuestionAnswering" => job.run(ElectraForQuestionAnswering::new(&config, init)),
        _ => job.run(ElectraModel { electra: Electra::new(&config, init) }),
    }
}

/// Makes `json` say what is written; fields that we do not know stay as they are.
fn describe(json: &mut Value, class: &str, config: &ModelConfig) {
    json["architectures"] = json!([class]);
    json["model_type"] = "electra".into();
    json["embedding_size"] = config.embedding_size.into();
    for key in ["dtype", "torch_dtype"] {
        if json.get(key).is_some() {
            json[key] = "float32".into();
        }
    }
}

/// The same, saying whether the output layer is the word table.
fn with_tie(json: &Value, is_tied: bool) -> Value {
    let mut json = json.clone();
    json["tie_word_embeddings"] = is_tied.into();
    json
}

struct Conversion<'a> {
    source: &'a Path,
    directory: &'a Path,
    output: &'a Path,
    json: &'a Value,
    class: &'a str,
    /// Longest sequence that has positions.
    positions: usize,
}

impl Conversion<'_> {
    fn run<M: ModuleSnapshot>(&self, mut model: M) -> Result<Imported> {
        let tensors = load_weights(&mut model, self.source)?;
        self.write(model, tensors)
    }

    fn write<M: ModuleSnapshot>(&self, model: M, tensors: TensorsUsed) -> Result<Imported> {
        if tensors.loaded.is_empty() {
            return Err(Error::input(self.source, format!("no tensor in it fits an {}", self.class)));
        }
        // A head may be new; an encoder with a part of its weights is damaged.
        if let Some(missing) = tensors.missing.iter().find(|name| name.starts_with("electra.")) {
            let missing = names::theirs(missing);
            return Err(Error::input(self.source, format!("the weights lack {missing}; expected all of the encoder")));
        }
        write_whole(self.output, |target| {
            save_weights(&model, &target.join("model.safetensors"))?;
            let config = target.join("config.json");
            std::fs::write(&config, format!("{:#}\n", self.json)).map_err(Error::io(&config))?;
            for name in TOKENIZER {
                let (from, to) = (self.directory.join(name), target.join(name));
                if from.is_file() {
                    std::fs::copy(&from, &to).map_err(Error::io(&from))?;
                }
            }
            // What other programs read in one file.
            if self.directory.join("vocab.txt").is_file() && !self.directory.join("tokenizer.json").is_file() {
                Tokenizer::load(self.directory)?.save(target, self.positions)?;
            }
            Ok::<_, Error>(())
        })?;
        let has_task = self.json.get("electra_burn_task").is_some();
        Ok(Imported { class: self.class.to_owned(), parameters: model.num_params(), tensors, has_task })
    }
}
