//! Forward passes, losses, gradients and a training trajectory against Hugging Face and PyTorch.
//!
//! The figures under `tests/fixtures/parity` come from a reference implementation by way of `scripts/pack_fixtures.py`.

use crate::common::backends::{Backend, Tolerance};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::store::ModuleSnapshot;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn::train::metric::Adaptor;
use burn::train::{ItemLazy, Learner};
use electra_burn::config::{ModelConfig, ObjectiveConfig, Source, load};
use electra_burn::data::{Counts, Draws, HostBatch, HostRows, StepBatch};
use electra_burn::hub::{load_weights, read_config};
use electra_burn::kernels::StepContext;
use electra_burn::learner::{Pretrainer, StepResult, WarmupLinear, optimizer, update};
use electra_burn::model::{
    Electra, ElectraForMaskedLm, ElectraForPreTraining, ElectraForQuestionAnswering, ElectraForSequenceClassification,
    ElectraForTokenClassification, ElectraPair, Init, Inputs, Padding,
};
use electra_burn::objective::Tally;
use safetensors::SafeTensors;
use std::path::{Path, PathBuf};
use std::sync::Arc;

crate::on_every_backend!(computes_what_hugging_face_computes, follows_the_reference_trajectory);

fn fixture(name: &str) -> PathBuf {
    Path::new("tests/fixtures/parity").join(name)
}

/// The tensors of a file.
struct Tensors(Vec<u8>);

impl Tensors {
    fn open(name: &str) -> Self {
        Self(std::fs::read(fixture(name)).unwrap_or_else(|e| panic!("{name}: {e}")))
    }

    fn parsed(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).unwrap()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let words = self.parsed().tensor(name).unwrap().data().to_vec();
        words.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    fn ints(&self, name: &str) -> Vec<i32> {
        let words = self.parsed().tensor(name).unwrap().data().to_vec();
        words.chunks_exact(4).map(|b| i32::from_le_bytes(b.try_into().unwrap())).collect()
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance, "{what} [{at}]: {f}, expected {e}");
    }
}

/// What counts as zero in a gradient.
const NOISE: f32 = 2e-7;

/// A model of `forward/`, its inputs and what is expected of it.
struct Case {
    name: &'static str,
    config: ModelConfig,
    inputs: Tensors,
    expected: Tensors,
    device: Device,
    tolerance: Tolerance,
    padding: Padding,
}

impl Case {
    fn new(name: &'static str, (backend, padding): (&Backend, Padding)) -> Self {
        let mut config = read_config(&fixture("forward").join(name)).unwrap();
        // The reference ran in evaluation mode, but its gradients need an autodiff device here.
        (config.hidden_dropout_prob, config.attention_probs_dropout_prob) = (0.0, 0.0);
        Self {
            name,
            config,
            inputs: Tensors::open("forward/inputs.safetensors"),
            expected: Tensors::open(&format!("forward/{name}/expected.safetensors")),
            device: backend.device.clone().autodiff(),
            tolerance: backend.tolerance,
            padding,
        }
    }

    /// The module with the case's weights, loaded as any checkpoint is.
    fn load<M: Module + ModuleSnapshot>(&self, make: impl FnOnce(&ModelConfig, &mut Init) -> M) -> M {
        let mut init = Init::new(0, 0.02, self.config.layer_norm_eps, &self.device);
        let mut module = make(&self.config, &mut init);
        let loaded = load_weights(&mut module, &fixture("forward").join(self.name)).unwrap();
        assert!(loaded.missing.is_empty(), "{}: missing {:?}", self.name, loaded.missing);
        assert!(loaded.ignored.is_empty(), "{}: ignored {:?}", self.name, loaded.ignored);
        assert_eq!(loaded.loaded.len(), module_values(&module).len());
        module
    }

    fn int<const D: usize>(&self, name: &str, shape: [usize; D]) -> Tensor<D, Int> {
        Tensor::from_data(TensorData::new(self.inputs.ints(name), shape), &self.device)
    }

    fn inputs(&self, ids: &str) -> Inputs {
        Inputs {
            input_ids: self.int(ids, [4, 24]),
            token_type_ids: Some(self.int("token_type_ids", [4, 24])),
            attention_mask: Some(self.int("attention_mask", [4, 24]).float()),
            padding: self.padding,
            words: None,
            order: None,
        }
    }

    /// The last hidden states of `electra`, held against the expected ones.
    fn hidden(&self, electra: &Electra, ids: &str) -> Tensor<3> {
        let hidden = electra.forward(self.inputs(ids), &StepContext::default());
        self.check("last_hidden_state", hidden.clone());
        hidden
    }

    fn check<const D: usize>(&self, what: &str, found: Tensor<D>) {
        let (mut found, mut expected) = (values(found), self.expected.floats(what));
        let real = self.inputs.ints("attention_mask");
        if self.padding == Padding::Skip && expected.len().is_multiple_of(real.len()) {
            let width = expected.len() / real.len();
            let of_real = |values: &[f32]| {
                values.chunks(width).zip(&real).filter(|(_, real)| **real == 1).flat_map(|(v, _)| v).copied().collect()
            };
            (found, expected) = (of_real(&found), of_real(&expected));
        }
        assert_close(&format!("{} {what}", self.name), &found, &expected, self.tolerance.outputs);
    }

    /// Mean cross-entropy of the rows whose label is not -100.
    fn cross_entropy(&self, logits: Tensor<2>, labels: &[i32]) -> Tensor<1> {
        let rows: Vec<i32> = (0..labels.len()).filter(|&i| labels[i] >= 0).map(|i| i as i32).collect();
        let labels: Vec<i32> = labels.iter().copied().filter(|&label| label >= 0).collect();
        let n = rows.len();
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [n]), &self.device);
        let labels = Tensor::<2, Int>::from_data(TensorData::new(labels, [n, 1]), &self.device);
        log_softmax(logits.select(0, rows), 1).gather(1, labels).mean().neg()
    }

    /// Holds the loss and all its gradients against the expected ones.
    fn check_backward<M: Module + ModuleSnapshot>(&self, module: &M, loss: Tensor<1>) {
        let tolerance = self.tolerance;
        let what = format!("{} loss", self.name);
        assert_close(&what, &values(loss.clone()), &self.expected.floats("loss"), tolerance.loss);

        // The expected gradients are loaded as if they were weights, by the same names and in the same layout.
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("gradients.safetensors");
        std::fs::write(&file, unpacked(&Tensors::open(&format!("forward/{}/gradients.safetensors", self.name))))
            .unwrap();
        let mut expected = module.clone().map(&mut Zero);
        let loaded = load_weights(&mut expected, &file).unwrap();
        assert!(loaded.ignored.is_empty(), "{}: ignored {:?}", self.name, loaded.ignored);
        assert!(loaded.missing.is_empty(), "{}: missing {:?}", self.name, loaded.missing);

        let grads = GradientsParams::from_grads(loss.backward(), module);
        let mut found = Collect { grads: Some(&grads), ..Collect::default() };
        module.visit(&mut found);
        let expected = module_values(&expected);
        assert_eq!(found.all.len(), expected.len());
        for ((name, found), (same, expected)) in found.all.iter().zip(&expected) {
            assert_eq!(name, same);
            let what = format!("{} gradient of {name}", self.name);
            let largest = expected.iter().fold(0.0f32, |largest, e| largest.max(e.abs()));
            // Some gradients are zero in exact arithmetic and rounding noise near 1e-8 in the reference: the keys' bias
            // shifts all scores of a query alike, and so does a shift of all answer scores.
            let allowed = (tolerance.gradients * largest).max(NOISE);
            assert_close(&what, found, expected, allowed);
        }
    }
}

/// Gradients as 32-bit numbers in a safetensors file.
fn unpacked(packed: &Tensors) -> Vec<u8> {
    let all = packed.parsed();
    let names: Vec<&str> = all.names().into_iter().filter(|name| !name.ends_with(".scale")).collect();
    let data: Vec<(&str, Vec<usize>, Vec<u8>)> = names
        .iter()
        .map(|name| {
            let tensor = all.tensor(name).unwrap();
            let scale = packed.floats(&format!("{name}.scale"))[0];
            let value = |b: &[u8]| f32::from(i16::from_le_bytes(b.try_into().unwrap())) * scale;
            let bytes = tensor.data().chunks_exact(2).flat_map(|b| value(b).to_le_bytes()).collect();
            (*name, tensor.shape().to_vec(), bytes)
        })
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        (*name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

struct Zero;

impl ModuleMapper for Zero {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.zeros_like())
    }
}

/// All parameters by path, or their gradients.
#[derive(Default)]
struct Collect<'a> {
    grads: Option<&'a GradientsParams>,
    path: Vec<String>,
    all: Vec<(String, Vec<f32>)>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let found = match self.grads {
            None => values(param.val()),
            Some(grads) => values(grads.get::<D>(param.id).expect("every parameter has a gradient")),
        };
        self.all.push((self.path.join("."), found));
    }
}

fn module_values<M: Module>(module: &M) -> Vec<(String, Vec<f32>)> {
    let mut all = Collect::default();
    module.visit(&mut all);
    all.all
}

fn discriminator(on: (&Backend, Padding)) {
    let case = Case::new("discriminator", on);
    let model = case.load(ElectraForPreTraining::new);
    let logits = model.logits(case.hidden(&model.electra, "input_ids"), &StepContext::default());
    case.check("logits", logits.clone());
    let mask = case.int("attention_mask", [4, 24]).float();
    let labels = case.int("discriminator_labels", [4, 24]).float();
    let losses = logits.clone().clamp_min(0.0) - logits.clone() * labels + logits.abs().neg().exp().log1p();
    case.check_backward(&model, (losses * mask.clone()).sum() / mask.sum());
}

fn generator(name: &'static str, on: (&Backend, Padding)) {
    let case = Case::new(name, on);
    let model = case.load(ElectraForMaskedLm::new);
    let logits = model.logits(case.hidden(&model.electra, "masked_input_ids"), &StepContext::default());
    case.check("logits", logits.clone());
    case.check_backward(&model, case.cross_entropy(logits, &case.inputs.ints("mlm_labels")));
}

fn sequence_classification(on: (&Backend, Padding)) {
    let case = Case::new("sequence_classification", on);
    let model = case.load(|config, init| ElectraForSequenceClassification::new(config, 3, init));
    // The head reads the first tokens alone, so that these may be all that is computed.
    let context = StepContext::default();
    for hidden in
        [case.hidden(&model.electra, "input_ids"), model.electra.forward_first(case.inputs("input_ids"), &context)]
    {
        let logits = model.logits(hidden, &context);
        case.check("logits", logits.clone());
        case.check_backward(&model, case.cross_entropy(logits, &case.inputs.ints("sequence_labels")));
    }
}

fn token_classification(on: (&Backend, Padding)) {
    let case = Case::new("token_classification", on);
    let model = case.load(|config, init| ElectraForTokenClassification::new(config, 5, init));
    let logits = model.logits(case.hidden(&model.electra, "input_ids"), &StepContext::default());
    case.check("logits", logits.clone());
    case.check_backward(&model, case.cross_entropy(logits.reshape([96, 5]), &case.inputs.ints("token_labels")));
}

fn question_answering(on: (&Backend, Padding)) {
    let case = Case::new("question_answering", on);
    let model = case.load(ElectraForQuestionAnswering::new);
    let logits = model.logits(case.hidden(&model.electra, "input_ids"), &StepContext::default());
    let [start, end] = [0, 1].map(|at| logits.clone().narrow(2, at, 1).reshape([4, 24]));
    case.check("start_logits", start.clone());
    case.check("end_logits", end.clone());
    let start = case.cross_entropy(start, &case.inputs.ints("start_positions"));
    let end = case.cross_entropy(end, &case.inputs.ints("end_positions"));
    case.check_backward(&model, (start + end) / 2.0);
}

fn computes_what_hugging_face_computes(backend: &Backend) {
    for padding in [Padding::Compute, Padding::Skip] {
        let on = (backend, padding);
        discriminator(on);
        generator("generator", on);
        generator("generator_proj", on);
        sequence_classification(on);
        token_classification(on);
        // The reference lets an answer begin at padding, so that padding is part of its loss.
        if padding == Padding::Compute {
            question_answering(on);
        }
    }
}

/// Batch `step` of the trajectory, with the samples that the reference drew.
fn trajectory_batch(all: &Tensors, step: usize) -> HostBatch {
    let of = |name: &str| all.ints(&format!("{step:02}.{name}"));
    let (input_ids, mask) = (of("input_ids"), of("attention_mask"));
    let (positions, samples) = (of("masked_positions"), of("sampled_ids"));
    let weights = all.floats(&format!("{step:02}.masked_weights"));
    let real = |i: &usize| weights[*i] > 0.0;
    let picked: Vec<i32> = (0..weights.len()).filter(real).map(|i| (i / 4 * 24) as i32 + positions[i]).collect();
    let mut masked_ids = input_ids.clone();
    picked.iter().for_each(|&at| masked_ids[at as usize] = 4);
    HostBatch {
        shape: [4, 24],
        masked_ids,
        input_ids,
        counts: Counts { picked: picked.len(), tokens: mask.iter().filter(|&&m| m == 1).count() },
        token_type_ids: None,
        attention_mask: Some(mask.into_iter().map(|m| m as f32).collect()),
        draws: Draws::Ids((0..weights.len()).filter(real).map(|i| samples[i]).collect()),
        picked,
        deterministic: false,
    }
}

/// Twenty joint steps from the same weights with the same samples, through the code that a run goes through: objective,
/// clipping, schedule, optimizer.
fn follows_the_reference_trajectory(backend: &Backend) {
    trajectory(&backend.device, "f32", backend.tolerance.trajectory);
}

/// The same with operands in bf16, which keeps 8 bits: 2e-3 an operand, in sums of hundreds.
#[test]
fn follows_the_reference_trajectory_in_bf16() {
    trajectory(&Device::flex(), "bf16", 2e-2);
}

fn trajectory(device: &Device, precision: &str, tolerance: f64) {
    let device = device.clone().autodiff();
    let network = |network: &str| fixture("trajectory").join(network);
    let architecture = |which: &str| read_config(&network(which)).unwrap();
    let mut init = Init::new(0, 0.02, 1e-12, &device);
    let mut generator = ElectraForMaskedLm::new(&architecture("generator"), &mut init);
    let mut discriminator = ElectraForPreTraining::new(&architecture("discriminator"), &mut init);
    load_weights(&mut generator, &network("generator")).unwrap();
    load_weights(&mut discriminator, &network("discriminator")).unwrap();

    let precision = format!("training.precision=\"{precision}\"");
    let set = ["training.steps=20", "schedule.warmup_steps=5", "optimizer.learning_rate=5e-4", &precision];
    let config = load(&Source { set: set.map(String::from).into(), ..Source::default() }).unwrap();
    assert_eq!(config.objective, ObjectiveConfig::default());
    let trainer = Pretrainer::from_pair(ElectraPair::from_networks(generator, discriminator), &config);
    let mut learner = Learner::new(trainer, optimizer(&config.optimizer), WarmupLinear::new(&config));

    let text = std::fs::read_to_string(fixture("trajectory/expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let batches = Tensors::open("trajectory/batches.safetensors");
    for (step, expected) in expected["steps"].as_array().unwrap().iter().enumerate() {
        let host = trajectory_batch(&batches, step);
        let input = StepBatch::new(step + 1, 0, vec![host.to_device(&device.clone().inner())]);
        let seen = update(&mut learner, input, config.optimizer.max_grad_norm).unwrap().sync().unwrap();
        let seen: Arc<StepResult<Tally>> = seen.adapt();
        let close = |what: &str, found: f64| {
            let expected = expected[what].as_f64().unwrap();
            assert!((found - expected).abs() <= tolerance * expected, "step {step}: {what} {found}, not {expected}");
        };
        close("generator_loss", seen.tally.mlm_loss());
        close("discriminator_loss", seen.tally.disc_loss());
        close("grad_norm", seen.grad_norm.unwrap());
        close("lr", learner.lr_current().base());
    }

    let last = Tensors::open("trajectory/final.safetensors");
    let pair = learner.model().pair;
    let check = |name: &str, found: Tensor<2>| {
        assert_close(name, &values(found), &last.floats(name), tolerance as f32);
    };
    check("discriminator.electra.embeddings.word_embeddings.weight", pair.embeddings.word_table());
    // Dense weights lie the other way round in PyTorch.
    let query = &pair.discriminator.layers[1].attention.query;
    check("discriminator.electra.encoder.layer.1.attention.self.query.weight", query.weight.val().transpose());
    let prediction = &pair.discriminator_head.dense_prediction;
    check("discriminator.discriminator_predictions.dense_prediction.weight", prediction.weight.val().transpose());
    let intermediate = &pair.generator.layers[0].intermediate;
    check("generator.electra.encoder.layer.0.intermediate.dense.weight", intermediate.weight.val().transpose());
    let dense = &pair.generator_head.dense;
    check("generator.generator_predictions.dense.weight", dense.weight.val().transpose());
    check("generator.generator_lm_head.bias", pair.generator_head.bias.val().unsqueeze());
}
