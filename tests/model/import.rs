//! Hugging Face's files, in and out: spellings, shards, formats, and damage.

use crate::common::backends::CPU;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use electra_burn::hub::{self, TensorsUsed, load_weights, read_config, save_weights};
use electra_burn::model::{ElectraForMaskedLm, ElectraForPreTraining, ElectraForSequenceClassification, Init};
use electra_burn::{Error, Result};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use std::path::{Path, PathBuf};

fn fixture(model: &str) -> PathBuf {
    std::path::absolute(Path::new("tests/fixtures/parity/forward").join(model)).expect("a working directory")
}

/// Name, type, shape and bytes of every tensor in a file.
type Content = Vec<(String, Dtype, Vec<usize>, Vec<u8>)>;

fn read(path: &Path) -> Content {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut all: Content =
        file.iter().map(|(name, t)| (name.to_owned(), t.dtype(), t.shape().to_vec(), t.data().to_vec())).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn write(path: &Path, content: &Content) {
    let views = content
        .iter()
        .map(|(name, dtype, shape, bytes)| (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}

/// The weights of a discriminator's file under other names or in other types.
fn rewritten(change: impl Fn(&mut Content)) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut content = read(&fixture("discriminator").join("model.safetensors"));
    change(&mut content);
    write(&directory.path().join("model.safetensors"), &content);
    directory
}

fn discriminator(source: &Path) -> Result<(ElectraForPreTraining, TensorsUsed)> {
    let config = read_config(&fixture("discriminator"))?;
    let device = crate::common::device(CPU);
    let mut model = ElectraForPreTraining::new(&config, &mut Init::new(0, 0.02, config.layer_norm_eps, &device));
    let loaded = load_weights(&mut model, source)?;
    Ok((model, loaded))
}

#[derive(Default)]
struct Values(Vec<f32>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(param.val().into_data().iter::<f32>());
    }
}

fn values<M: Module>(module: &M) -> Vec<f32> {
    let mut all = Values::default();
    module.visit(&mut all);
    all.0
}

/// `source` gives the weights of the fixture, every one of them, within `tolerance`.
fn is_the_fixture(source: &Path, tolerance: f32) {
    let (model, loaded) = discriminator(source).unwrap();
    assert!(loaded.missing.is_empty() && loaded.ignored.is_empty(), "{loaded:?}");
    let expected = values(&discriminator(&fixture("discriminator")).unwrap().0);
    assert_eq!(values(&model).len(), expected.len());
    for (found, expected) in values(&model).iter().zip(&expected) {
        assert!((found - expected).abs() <= tolerance * expected.abs(), "{found}, expected {expected}");
    }
}

#[test]
fn import_and_export_keep_every_bit() {
    let device = crate::common::device(CPU);
    let directory = tempfile::tempdir().unwrap();
    let same = |model: &str, written: &Path| {
        assert!(read(written) == read(&fixture(model).join("model.safetensors")), "{model} has changed");
    };
    let config = |model: &str| read_config(&fixture(model)).unwrap();
    let mut init = Init::new(0, 0.02, 1e-12, &device);

    let file = directory.path().join("discriminator.safetensors");
    save_weights(&discriminator(&fixture("discriminator")).unwrap().0, &file).unwrap();
    same("discriminator", &file);

    let file = directory.path().join("generator.safetensors");
    let mut generator = ElectraForMaskedLm::new(&config("generator_proj"), &mut init);
    load_weights(&mut generator, &fixture("generator_proj")).unwrap();
    save_weights(&generator, &file).unwrap();
    same("generator_proj", &file);

    let file = directory.path().join("classifier.safetensors");
    let mut classifier = ElectraForSequenceClassification::new(&config("sequence_classification"), 3, &mut init);
    load_weights(&mut classifier, &fixture("sequence_classification")).unwrap();
    save_weights(&classifier, &file).unwrap();
    same("sequence_classification", &file);
}

#[test]
fn prefixes_and_old_names_are_understood() {
    let rename = |f: fn(&str) -> String| rewritten(|content| content.iter_mut().for_each(|t| t.0 = f(&t.0)));
    is_the_fixture(rename(|name| format!("discriminator.{name}")).path(), 0.0);
    is_the_fixture(rename(|name| name.replace("electra.", "bert.")).path(), 0.0);
    is_the_fixture(rename(|name| name.replace("electra.", "")).path(), 0.0);
    is_the_fixture(rename(|name| format!("module._orig_mod.{name}")).path(), 0.0);
    let old =
        |name: &str| name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    is_the_fixture(rename(old).path(), 0.0);
}

#[test]
fn half_precision_becomes_single() {
    let halved = rewritten(|content| {
        for (_, dtype, _, bytes) in content.iter_mut() {
            *dtype = Dtype::BF16;
            // The upper half of a single is a bf16, cut off instead of rounded: up to 2^-7 relative.
            *bytes = bytes.chunks_exact(4).flat_map(|b| [b[2], b[3]]).collect();
        }
    });
    is_the_fixture(halved.path(), 1.0 / 128.0);
}

#[test]
fn shards_and_pytorch_files_load() {
    let directory = tempfile::tempdir().unwrap();
    let all = read(&fixture("discriminator").join("model.safetensors"));
    let (first, second) = all.split_at(all.len() / 2);
    let mut map = serde_json::Map::new();
    for (file, part) in [("a.safetensors", first), ("b.safetensors", second)] {
        write(&directory.path().join(file), &part.to_vec());
        part.iter().for_each(|t| _ = map.insert(t.0.clone(), file.into()));
    }
    let index = serde_json::json!({"metadata": {}, "weight_map": map});
    std::fs::write(directory.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
    is_the_fixture(directory.path(), 0.0);

    let config = read_config(&fixture("generator_proj")).unwrap();
    let device = crate::common::device(CPU);
    let load = |file: &str| {
        let mut model = ElectraForMaskedLm::new(&config, &mut Init::new(0, 0.02, 1e-12, &device));
        let loaded = load_weights(&mut model, &fixture("generator_proj").join(file)).unwrap();
        assert!(loaded.missing.is_empty(), "{:?}", loaded.missing);
        assert_eq!(model.electra.embeddings.word_table().dtype(), burn::tensor::DType::F32);
        values(&model)
    };
    let expected = load("model.safetensors");
    assert!(load("pytorch_model.bin") == expected);
    // Half precision in a file becomes single in the module: 2^-11 relative, and less than 1e-7 near zero.
    for (found, expected) in load("half.bin").iter().zip(&expected) {
        assert!((found - expected).abs() <= expected.abs() / 2048.0 + 1e-7, "{found}, expected {expected}");
    }
}

#[test]
fn what_is_missing_or_ignored_is_told() {
    let with = |name: &'static str| {
        rewritten(move |content| {
            content.retain(|t| !t.0.starts_with("discriminator_predictions"));
            content.push((name.into(), Dtype::F32, vec![1], vec![0; 4]));
        })
    };
    let other = with("bert.pooler.dense.bias");
    let (_, loaded) = discriminator(other.path()).unwrap();
    assert_eq!(loaded.missing.len(), 4, "{:?}", loaded.missing);
    assert!(loaded.missing.iter().all(|name| name.starts_with("discriminator_predictions.")));
    assert_eq!(loaded.ignored.iter().collect::<Vec<_>>(), ["pooler.dense.bias"]);
    // What no network has is not passed over.
    refused(with("lm_head.weight").path(), &["nothing reads the tensor lm_head.weight"]);
    let deeper = "electra.encoder.layer.7.output.dense.bias";
    refused(with(deeper).path(), &[&format!("nothing reads the tensor {deeper}")]);
}

fn refused(source: &Path, parts: &[&str]) {
    let error: Error = discriminator(source).map(|_| ()).unwrap_err();
    assert!(error.is_wrong_input(), "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "expected \"{part}\" in: {error}");
    }
}

#[test]
fn damage_is_named() {
    let empty = tempfile::tempdir().unwrap();
    refused(empty.path(), &["no weights here", "model.safetensors"]);

    let truncated = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(fixture("discriminator").join("model.safetensors")).unwrap();
    std::fs::write(truncated.path().join("model.safetensors"), &bytes[..bytes.len() / 2]).unwrap();
    refused(truncated.path(), &["model.safetensors"]);
    std::fs::write(truncated.path().join("model.safetensors"), b"\xff\xff\xff\xff\xff\xff\xff\x7f{}").unwrap();
    refused(truncated.path(), &["model.safetensors"]);

    let narrow = rewritten(|content| {
        let word_table = content.iter_mut().find(|t| t.0.ends_with("word_embeddings.weight")).unwrap();
        (word_table.2, word_table.3) = (vec![256, 32], word_table.3[..256 * 32 * 4].to_vec());
    });
    refused(narrow.path(), &["word_embeddings.weight has the shape 256 x 32; expected 512 x 32 by config.json"]);
    let short = rewritten(|content| {
        let dense = content.iter_mut().find(|t| t.0.ends_with("layer.0.intermediate.dense.weight")).unwrap();
        let (rows, columns) = (dense.2[0] / 2, dense.2[1]);
        (dense.2, dense.3) = (vec![rows, columns], dense.3[..rows * columns * 4].to_vec());
    });
    refused(
        short.path(),
        &["layer.0.intermediate.dense.weight has the shape 64 x 64; expected 128 x 64 by config.json"],
    );
    let partial = rewritten(|content| content.retain(|t| !t.0.ends_with("layer.0.attention.self.query.weight")));
    std::fs::copy(fixture("discriminator").join("config.json"), partial.path().join("config.json")).unwrap();
    let target = partial.path().join("out");
    let error = hub::import(partial.path(), &target, 1, &crate::common::device(CPU)).unwrap_err().to_string();
    assert!(error.contains("the weights lack electra.encoder.layer.0.attention.self.query.weight"), "{error}");
    assert!(!target.exists());

    let poisoned = rewritten(|content| content[3].3[..4].copy_from_slice(&f32::NAN.to_le_bytes()));
    let name = read(&poisoned.path().join("model.safetensors"))[3].0.clone();
    refused(poisoned.path(), &["not a finite number", name.rsplit('.').nth(1).unwrap()]);
}

#[test]
fn a_configuration_without_a_field_has_the_usual_value() {
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(fixture("discriminator").join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = read_config(&fixture("discriminator")).unwrap();
    // As `transformers` fills it in, whatever is absent.
    for key in ["type_vocab_size", "layer_norm_eps", "hidden_dropout_prob", "initializer_range", "model_type"] {
        let mut config = config.clone();
        config.as_object_mut().unwrap().remove(key);
        std::fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
        assert_eq!(read_config(directory.path()).unwrap(), expected, "{key}");
    }
    config.as_object_mut().unwrap().remove("hidden_size");
    std::fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
    assert_eq!(read_config(directory.path()).unwrap().hidden_size, 256);
    config["hidden_size"] = 64.into();
    config["hidden_act"] = "relu".into();
    std::fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
    assert!(read_config(directory.path()).unwrap_err().to_string().contains("relu"));
}
