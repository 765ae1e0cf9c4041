//! A fine-tuned model that answers: a directory in, typed answers out.

use super::batch::{TaskBatch, TaskHostBatch};
use super::example::{Example, Input, Prediction};
use super::feature::Feature;
use super::foreign;
use super::network::Network;
use super::order::batches_by_length;
use super::registry::Task;
use super::task::{Encoding, Metrics};
use crate::config::{Kind, ModelConfig, Precision};
use crate::data::HostRows;
use crate::error::{Error, Result};
use crate::files::replace_whole;
use crate::hub;
use crate::kernels::StepContext;
use crate::tokenizer::Tokenizer;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rayon::prelude::*;
use serde_json::json;
use std::path::Path;

/// Features that the network reads in one pass.
const BATCH: usize = 64;

/// A network with its task and what is needed to feed it.
///
/// ```
/// use electra_burn::tasks::{Input, Predictor};
/// use electra_burn::device;
/// # use std::path::Path;
/// # let directory = tempfile::tempdir().unwrap();
/// # let fixture = Path::new("tests/fixtures/parity/forward/sequence_classification");
/// # std::fs::copy(fixture.join("model.safetensors"), directory.path().join("model.safetensors")).unwrap();
/// # let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "card", "loan"].map(String::from).into_iter();
/// # let words: Vec<String> = words.chain((7..512).map(|id| format!("word{id}"))).collect();
/// # std::fs::write(directory.path().join("words"), words.join("\n")).unwrap();
/// # let tokenizer = electra_burn::tokenizer::Tokenizer::from_vocabulary(&directory.path().join("words"), &Default::default());
/// # tokenizer?.save(directory.path(), 64)?;
/// # let config = std::fs::read(fixture.join("config.json")).unwrap();
/// # let mut config: serde_json::Value = serde_json::from_slice(&config).unwrap();
/// # let labels = ["card", "loan", "rate"];
/// # config["electra_burn_task"] = serde_json::json!({"task": "classification", "labels": labels, "multi_label": false});
/// # std::fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
/// # let directory = directory.path();
///
/// // A directory that `electra finetune` has written, runs/intent/model say.
/// let model = Predictor::open(directory, &device::select("auto")?.device)?;
/// let inputs = ["Where is my card?", "What does a loan cost?"].map(|text| Input::Text(text.into()));
/// for prediction in model.predict(&inputs)? {
///     let class = prediction.class().expect("the model classifies");
///     println!("{}", model.task.labels()[class]);
/// }
/// # assert_eq!(model.predict(&inputs)?.len(), 2);
/// # Ok::<(), electra_burn::Error>(())
/// ```
pub struct Predictor {
    /// The task.
    pub task: Task,
    /// What was taken for its task, where no file names one.
    pub note: Option<String>,
    /// Whether it was fine-tuned on pairs of texts; absent where that is not known.
    pub pairs: Option<bool>,
    /// What answers.
    pub network: Network,
    pub(super) config: ModelConfig,
    /// Splits texts.
    pub tokenizer: Tokenizer,
    pub(super) max_length: usize,
    /// Where the network computes.
    pub device: Device,
    /// Format of the operands of its products. As it is opened, that is `auto`, which stands for the widest that the device has:
    /// answers are rounded only where that is asked for.
    pub precision: Precision,
}

/// Name of the task in `config.json`.
const TASK: &str = "electra_burn_task";
/// Whether texts are pairs there.
const PAIRS: &str = "electra_burn_pairs";
/// Longest text in tokens there.
const MAX_LENGTH: &str = "electra_burn_max_length";

impl Predictor {
    /// Whether `directory` holds a model that was fine-tuned for a task.
    ///
    /// # Errors
    /// [`Error::Input`] for a `config.json` that is missing or damaged.
    pub fn is_at(directory: &Path) -> Result<bool> {
        let json = hub::read_json(&hub::place(directory, &["model"])?)?;
        Ok(json.get(TASK).is_some() || foreign::kind(&json).is_some())
    }

    /// Opens a directory in Hugging Face's layout that holds a fine-tuned model. It is not trained any further: it has no
    /// dropout, and its weights ask for no gradients on a device that records them.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is missing or damaged, and for a model that was fine-tuned by another program, or
    /// not at all.
    pub fn open(directory: &Path, device: &Device) -> Result<Self> {
        Self::open_as(directory, None, device)
    }

    /// [`open`](Self::open) of a model that another program has fine-tuned for the task `kind`, which its `config.json` does not
    /// name: its labels are those of `id2label`. Without `kind` the class of the model says it.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and [`Error::Input`] for a model of another task.
    pub fn open_as(directory: &Path, kind: Option<Kind>, device: &Device) -> Result<Self> {
        let directory = &hub::place(directory, &["model"])?;
        let json = hub::read_json(directory)?;
        let path = directory.join("config.json");
        let config = hub::read_config(directory)?;
        let mut note = None;
        let task = match (json.get(TASK), kind) {
            (Some(task), _) => {
                let task: Task = serde_json::from_value(task.clone())
                    .map_err(|error| Error::input(&path, format!("`{TASK}`: {error}")))?;
                if let Some(kind) = kind.filter(|kind| *kind != task.kind()) {
                    let (found, asked) = (task.kind().name(), kind.name());
                    return Err(Error::input(&path, format!("the model was fine-tuned for {found}, not for {asked}")));
                }
                task
            }
            (None, Some(kind)) => foreign::task(&path, &json, kind)?,
            (None, None) => {
                let kind = foreign::kind(&json).ok_or_else(|| {
                    let message = "it has no head for a task; expected a model that `electra finetune` or another program has fine-tuned";
                    Error::input(&path, message)
                })?;
                let class = json["architectures"][0].as_str().unwrap_or_default();
                let (path, kind_name) = (path.display(), kind.name());
                note = Some(format!("{path}: no task is named; {class} is taken for {kind_name}, or --task says it"));
                foreign::task(&directory.join("config.json"), &json, kind)?
            }
        };
        let tokenizer = Tokenizer::load(directory)?;
        let longest = tokenizer.max_length().unwrap_or(usize::MAX).min(config.max_position_embeddings);
        let max_length = hub::length(directory, &json, MAX_LENGTH)?.min(longest);
        hub::check_vocabulary(directory, &tokenizer, &config)?;
        let mut network = Network::blank(task.head(), &config.without_dropout(), device);
        if let Some(missing) = network.load(directory)?.first() {
            let message = format!("the weights lack {missing}; expected those of an {}", network.class());
            return Err(Error::input(directory, message));
        }
        let pairs = json.get(PAIRS).and_then(serde_json::Value::as_bool);
        Ok(Self {
            task,
            note,
            pairs,
            network: network.no_grad(),
            config,
            tokenizer,
            max_length,
            device: device.clone(),
            precision: Precision::Auto,
        })
    }

    /// What speaks against `inputs` being texts for this model: many words that it does not know, pairs instead of single
    /// texts.
    ///
    /// # Errors
    /// The tokenizer's.
    pub fn doubts(&self, inputs: &[Input]) -> Result<Vec<String>> {
        let remark = self.tokenizer.unknown_remark(inputs.iter().flat_map(Input::texts))?;
        let mut doubts: Vec<String> = remark.map(|(_, remark)| format!("warning: {remark}")).into_iter().collect();
        let of = |pairs: bool| if pairs { "pairs of texts" } else { "single texts" };
        let is_other = |pairs: bool| {
            inputs.iter().any(|input| match input {
                Input::Pair(..) => !pairs,
                Input::Text(_) => pairs,
                _ => false,
            })
        };
        if let Some(pairs) = self.pairs.filter(|&pairs| is_other(pairs)) {
            doubts.push(format!("warning: the model was fine-tuned on {}, and these are {}", of(pairs), of(!pairs)));
        }
        Ok(doubts)
    }

    /// Writes the model to `directory` in Hugging Face's layout, replacing an older one; `card` is its `README.md`.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be written.
    pub fn save(&self, directory: &Path, card: &str) -> Result<()> {
        let class = self.network.class();
        let mut json = hub::architecture_json(&self.config, class, self.tokenizer.special().pad);
        let labels = match self.task.labels() {
            [] => vec!["LABEL_0".to_owned()],
            labels => labels.to_vec(),
        };
        if class != "ElectraForQuestionAnswering" {
            let numbered = labels.iter().enumerate();
            json["id2label"] = numbered.clone().map(|(id, label)| (id.to_string(), json!(label))).collect();
            json["label2id"] = numbered.map(|(id, label)| (label.clone(), json!(id))).collect();
        }
        match &self.task {
            Task::Classification(task) if task.multi_label => {
                json["problem_type"] = "multi_label_classification".into();
            }
            Task::Classification(_) => json["problem_type"] = "single_label_classification".into(),
            Task::Regression(_) => json["problem_type"] = "regression".into(),
            _ => (),
        }
        json[TASK] = serde_json::to_value(&self.task).map_err(Error::internal)?;
        json[MAX_LENGTH] = self.max_length.into();
        if let Some(pairs) = self.pairs {
            json[PAIRS] = pairs.into();
        }
        replace_whole(directory, |target| {
            self.network.save(&target.join("model.safetensors"))?;
            self.tokenizer.save(target, self.config.max_position_embeddings)?;
            for (name, text) in [("config.json", format!("{json:#}\n")), ("README.md", card.to_owned())] {
                let path = target.join(name);
                std::fs::write(&path, text).map_err(Error::io(&path))?;
            }
            Ok(())
        })
    }

    /// What the model says about each of `inputs`, in their order.
    ///
    /// # Errors
    /// The tokenizer's and the device's.
    pub fn predict(&self, inputs: &[Input]) -> Result<Vec<Prediction>> {
        self.predict_in(self.precision, inputs)
    }

    /// By how much the numbers of the answers to `inputs` differ at most from those with products in the widest format of the
    /// device: probabilities, or scores where the task has no probabilities. NaN where one of them is no number.
    ///
    /// # Errors
    /// Those of [`predict`](Self::predict).
    pub fn rounding(&self, inputs: &[Input]) -> Result<f64> {
        let [rounded, exact] = [self.precision, Precision::Auto].map(|precision| self.predict_in(precision, inputs));
        let (rounded, exact) = (rounded?, exact?);
        let pairs = rounded.iter().zip(&exact).flat_map(|(a, b)| a.numbers().into_iter().zip(b.numbers()));
        let larger = |most: f64, next: f64| if next > most || next.is_nan() { next } else { most };
        Ok(pairs.map(|(a, b)| (a - b).abs()).fold(0.0, larger))
    }

    fn predict_in(&self, precision: Precision, inputs: &[Input]) -> Result<Vec<Prediction>> {
        let features = self.features(inputs)?;
        let (pad, context) = (self.tokenizer.special().pad, StepContext::inference(precision));
        let logits = outputs_of(&features, pad, &self.device, |batch| self.network.logits(batch, &context))?;
        let logits: Vec<&[f32]> = logits.iter().map(Vec::as_slice).collect();
        let inputs: Vec<&Input> = inputs.iter().collect();
        Ok(decode_all(&self.task, &inputs, &features, &logits))
    }

    /// A vector of `hidden_size` numbers for each of `texts`: the mean of its last hidden states, special tokens among
    /// them; a text is cut to the length that the model was fine-tuned for.
    ///
    /// # Errors
    /// The tokenizer's and the device's.
    pub fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let of =
            |(number, text): (usize, &String)| Feature::of_texts(&self.tokenizer, text, None, self.max_length, number);
        let features: Vec<Feature> = texts.par_iter().enumerate().map(of).collect::<Result<_>>()?;
        let (pad, context) = (self.tokenizer.special().pad, StepContext::inference(self.precision));
        outputs_of(&features, pad, &self.device, |batch| {
            let hidden = self.network.electra().forward(batch.inputs.clone(), &context);
            let means = match &batch.inputs.attention_mask {
                None => hidden.mean_dim(1),
                Some(mask) => {
                    let mask = mask.clone().unsqueeze_dim::<3>(2);
                    (hidden * mask.clone()).sum_dim(1) / mask.sum_dim(1)
                }
            };
            means.squeeze_dim(1)
        })
    }

    /// The metrics of the model on `examples`, and its predictions.
    ///
    /// # Errors
    /// Those of [`predict`](Self::predict).
    pub fn evaluate(&self, examples: &[Example]) -> Result<(Metrics, Vec<Prediction>)> {
        let inputs: Vec<Input> = examples.iter().map(|example| example.input.clone()).collect();
        let predictions = self.predict(&inputs)?;
        Ok((self.task.metrics(examples, &predictions), predictions))
    }

    /// What the network reads of each of `inputs`, in their order: one feature or several.
    ///
    /// # Errors
    /// The tokenizer's.
    pub fn features(&self, inputs: &[Input]) -> Result<Vec<Feature>> {
        let how = Encoding { tokenizer: &self.tokenizer, max_length: self.max_length };
        let task = &self.task;
        let of = |(number, input)| task.features(input, None, number, how);
        let features: Vec<Vec<Feature>> = inputs.par_iter().enumerate().map(of).collect::<Result<_>>()?;
        let features: Vec<Feature> = features.into_iter().flatten().collect();
        check_pairs(&features, &self.config).map_err(Error::Usage)?;
        Ok(features)
    }
}

/// Checks that a model with one token type is not asked about pairs, which the second type marks.
pub(super) fn check_pairs(features: &[Feature], config: &ModelConfig) -> std::result::Result<(), String> {
    match config.type_vocab_size < 2 && features.iter().any(|feature| feature.second < feature.ids.len()) {
        true => {
            Err("the model has one token type (type_vocab_size is 1) and takes no pairs; expected single texts".into())
        }
        false => Ok(()),
    }
}

/// What `network` gives for each of `features`, in their order, where it gives `[lines, width]` for a batch; rows are padded
/// with `pad`, so that what it says about every position is as long as the longest row of its batch.
///
/// # Errors
/// The device's.
pub fn outputs_of(
    features: &[Feature],
    pad: u32,
    device: &Device,
    network: impl Fn(&TaskBatch) -> Tensor<2>,
) -> Result<Vec<Vec<f32>>> {
    let lengths: Vec<usize> = features.iter().map(|feature| feature.ids.len()).collect();
    let mut outputs: Vec<Vec<f32>> = vec![Vec::new(); features.len()];
    for numbers in batches_by_length(&lengths, BATCH) {
        let batch = TaskHostBatch::new(features, &numbers, pad).to_device(device);
        let of_batch = network(&batch);
        let width = of_batch.dims()[1];
        let read = of_batch.try_into_data().map_err(Error::backend)?;
        let mut values = read.iter::<f32>();
        for (feature, lines) in batch.rows {
            outputs[feature] = values.by_ref().take(lines * width).collect();
        }
    }
    Ok(outputs)
}

/// What the network says about each of `inputs`, whose features lie in their order, with their logits.
pub(super) fn decode_all(task: &Task, inputs: &[&Input], features: &[Feature], logits: &[&[f32]]) -> Vec<Prediction> {
    let mut of_input: Vec<Vec<(&Feature, &[f32])>> = vec![Vec::new(); inputs.len()];
    for (feature, logits) in features.iter().zip(logits) {
        of_input[feature.example].push((feature, logits));
    }
    inputs.par_iter().zip(of_input).map(|(input, features)| task.decode(input, &features)).collect()
}
