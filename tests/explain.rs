//! `electra explain`: attributions against cases worked out by hand, differences and a planted word, attention against the
//! layers that it comes from, and the program as a user runs it.

mod common;

use burn::tensor::{Device, Int, Tensor, TensorData};
use common::backends::CPU;
use common::keyword::{encoder, finetune, has_stone, keyword_table, with_stone, write};
use common::program::{directory, electra, read, refused, succeeds, text};
use electra_burn::config::{ModelConfig, TokenizerConfig};
use electra_burn::data::{Purpose, Rng};
use electra_burn::explain::{Ends, Explained, Explainer, Explanation, Options, TOLERANCE, Token};
use electra_burn::explain::{integrated_gradients, rollout};
use electra_burn::hub;
use electra_burn::kernels::{Dropout, feed_forward, linear, residual_norm};
use electra_burn::model::{Electra, ElectraForPreTraining, Init, Inputs};
use electra_burn::tasks::TokenClassification;
use electra_burn::tasks::{Classification, Input, Network, QuestionAnswering, RankingTask, Regression, Task};
use electra_burn::tokenizer::Tokenizer;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A device that records gradients.
fn recording() -> Device {
    common::device(CPU).autodiff()
}

fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed, Purpose::Init, 0, 0);
    (0..count).map(|_| rng.truncated_normal()).collect()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}

/// Of a linear function a token's attribution is its weights times its change; of a sum of squares the change of its own
/// squares, since nothing is shared between tokens.
#[test]
fn attributions_of_simple_functions_are_those_worked_out_by_hand() {
    let device = recording();
    let ends = Ends { from: vec![0.0, 0.0, 1.0, -1.0, 2.0, 0.5], to: vec![1.0, 2.0, 1.0, 1.0, 0.0, 0.5], tokens: 3 };
    let weights = Tensor::<3>::from_data([[[0.5, -1.0], [2.0, 3.0], [4.0, 7.0]]], &device);
    let found = integrated_gradients(&ends, 1, &device, |words| {
        let points = words.dims()[0] as i32;
        (words * weights.clone()).sum_dim(2).sum_dim(1).reshape([points])
    })
    .unwrap();
    // 0.5 * 1 - 1 * 2, 2 * 0 + 3 * 2, 4 * -2 + 7 * 0.
    for (found, expected) in found.attributions.iter().zip([-1.5, 6.0, -8.0]) {
        close(*found, expected, 1e-5, "linear");
    }
    assert_eq!(found.steps, 1, "one point is exact for a linear function");

    let found = integrated_gradients(&ends, 1, &device, |words| {
        let points = words.dims()[0] as i32;
        (words.clone() * words).sum_dim(2).sum_dim(1).reshape([points])
    })
    .unwrap();
    for (found, expected) in found.attributions.iter().zip([5.0, 0.0, -4.0]) {
        close(*found, expected, 1e-5, "squares");
    }

    // (x1 + x2)^4 of one dimension a token shares its change out by the tokens' changes, whatever the order: here 1 to 3.
    let ends = Ends { from: vec![0.0, 0.0], to: vec![0.5, 1.5], tokens: 2 };
    let found = integrated_gradients(&ends, 1, &device, |words| {
        let points = words.dims()[0] as i32;
        words.sum_dim(1).powi_scalar(4).reshape([points])
    })
    .unwrap();
    close(found.attributions[0], 4.0, 0.05, "a quarter of 16");
    close(found.attributions[1], 12.0, 0.15, "three quarters of 16");
    assert!(found.steps > 1 && found.completeness_error() <= TOLERANCE, "{found:?}");

    // What does not depend on the words has nothing to share out.
    let constant = Tensor::<1>::from_floats([2.0], &device);
    let found =
        integrated_gradients(&ends, 4, &device, |words| constant.clone().repeat_dim(0, words.dims()[0])).unwrap();
    assert_eq!((found.attributions.as_slice(), found.completeness_error()), (&[0.0, 0.0][..], 0.0));
    for wrong in [Ends { tokens: 0, ..ends.clone() }, Ends { tokens: 3, ..ends.clone() }, Ends { to: vec![], ..ends }] {
        let error = integrated_gradients(&wrong, 4, &device, |words| words.sum_dim(1).flatten(0, 2)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}

fn small_model() -> ModelConfig {
    let mut model = common::small_config().model.without_dropout();
    // Large enough weights that the outputs are far from linear.
    model.initializer_range = 0.3;
    model
}

fn ids(ids: &[i32], device: &Device) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(ids.to_vec(), [1, ids.len()]), device)
}

fn electra_of(model: &ModelConfig, seed: u64, device: &Device) -> Electra {
    Electra::new(model, &mut Init::new(seed, model.initializer_range, model.layer_norm_eps, device))
}

/// The gradient by the words that are put in the place of ids against central differences; the words of the ids give what
/// the ids give.
#[test]
fn gradients_of_words_are_those_of_differences() {
    let device = recording();
    let model = small_model();
    let network = electra_of(&model, 5, &device);
    let tokens = [2, 11, 23, 38, 7, 3];
    let input_ids = ids(&tokens, &device);
    let factors = Tensor::<3>::from_data(
        TensorData::new(random(tokens.len() * model.hidden_size, 6), [1, tokens.len(), model.hidden_size]),
        &device,
    );
    let types = ids(&[0, 0, 0, 1, 1, 1], &device);
    let output = |words: Option<Tensor<3>>| {
        let inputs = Inputs { words, token_type_ids: Some(types.clone()), ..Inputs::new(input_ids.clone(), None) };
        (network.forward(inputs) * factors.clone()).sum()
    };
    let words = network.embeddings.word_embeddings.forward(input_ids.clone()).detach();
    let start = values(words.clone());
    assert_eq!(values(output(None)), values(output(Some(words.clone()))));

    let words = words.require_grad();
    let gradient = values(words.grad(&output(Some(words.clone())).backward()).expect("the words have a gradient"));
    let largest = gradient.iter().fold(0f32, |most, value| most.max(value.abs()));
    let shape = [1, tokens.len(), model.embedding_size];
    let step = 5e-3;
    for at in 0..start.len() {
        let moved = |by: f32| {
            let mut words = start.clone();
            words[at] += by;
            values(output(Some(Tensor::from_data(TensorData::new(words, shape), &device))))[0]
        };
        let difference = (moved(step) - moved(-step)) / (2.0 * step);
        // Single precision leaves 1e-6 of outputs near 10, which the step makes 1e-3, beside the error of the formula.
        let what = format!("coordinate {at}, largest {largest}");
        close(f64::from(gradient[at]), f64::from(difference), f64::from(largest) * 0.01 + 5e-3, &what);
    }
}

/// The whole encoder rebuilt from its attention weights gives what the encoder gives, with fused kernels and padding too.
#[test]
fn attention_weights_add_up_to_one_and_reproduce_the_layers() {
    let device = common::device(CPU);
    let model = small_model();
    let network = electra_of(&model, 8, &device);
    let none = Dropout::new(0.0);
    let input_ids = ids(&[2, 11, 23, 38, 7, 3, 0, 0], &device);
    let mask = Tensor::<2>::from_data([[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]], &device);
    for (input_ids, mask, real) in [(input_ids.clone(), Some(mask), 6), (input_ids, None, 8)] {
        let inputs = Inputs::new(input_ids, mask);
        let maps = network.attentions(inputs.clone());
        assert_eq!(maps.len(), model.num_hidden_layers);
        let (heads, seq) = (model.num_attention_heads, 8);
        let mut x = linear(
            network.encoder.embeddings_project.as_ref().expect("the sizes differ"),
            network.embeddings.forward(&inputs),
        );
        for (layer, weights) in network.encoder.layers.iter().zip(maps) {
            assert_eq!(weights.dims(), [1, heads, seq, seq]);
            for row in values(weights.clone()).chunks(seq) {
                close(f64::from(row.iter().sum::<f32>()), 1.0, 1e-5, "a row of weights");
                assert!(row[real..].iter().all(|weight| *weight == 0.0), "padding is looked at");
            }
            let (attention, width) = (&layer.attention, model.hidden_size / heads);
            let value = linear(&attention.value, x.clone()).reshape([1, seq, heads, width]).swap_dims(1, 2);
            let context = weights.matmul(value).swap_dims(1, 2).reshape([1, seq, model.hidden_size]);
            let dense = linear(&attention.dense, context);
            let normal = residual_norm(&attention.layer_norm, model.layer_norm_eps, &none, dense, x);
            let output = feed_forward(&layer.intermediate, &layer.output, normal.clone());
            x = residual_norm(&layer.layer_norm, model.layer_norm_eps, &none, output, normal);
        }
        let expected = values(network.forward(inputs).narrow(1, 0, real));
        for (found, expected) in values(x.narrow(1, 0, real)).iter().zip(expected) {
            close(f64::from(*found), f64::from(expected), 2e-5, "the last hidden state");
        }
    }
}

/// A tokenizer of text that is compiled in.
fn tokenizer() -> &'static Tokenizer {
    static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
    TOKENIZER.get_or_init(|| {
        let text = include_str!("../assets/corpus/01-nature.txt").to_owned();
        Tokenizer::train(std::iter::once(Ok(text)), 300, &TokenizerConfig::default()).unwrap()
    })
}

/// Writes a model with random weights, a discriminator where there is no task.
fn random_model(directory: &Path, name: &str, task: Option<Task>, seed: u64) -> PathBuf {
    let model = ModelConfig { vocab_size: 300, max_position_embeddings: 32, ..small_model() };
    let (path, device) = (directory.join(name), common::device(CPU));
    std::fs::create_dir_all(&path).unwrap();
    let weights = path.join("model.safetensors");
    let class = match &task {
        None => {
            let mut init = Init::new(seed, model.initializer_range, model.layer_norm_eps, &device);
            hub::save_weights(&ElectraForPreTraining::new(&model, &mut init), &weights).unwrap();
            "ElectraForPreTraining"
        }
        Some(task) => {
            let network = Network::new(task.head(), &model, seed, &device);
            network.save(&weights).unwrap();
            network.class()
        }
    };
    let mut json = hub::architecture_json(&model, class, 0);
    // Explanations must not depend on a dropout that only training has.
    json["hidden_dropout_prob"] = 0.5.into();
    json["attention_probs_dropout_prob"] = 0.5.into();
    if let Some(task) = task {
        json["electra_burn_task"] = serde_json::to_value(task).unwrap();
        json["electra_burn_max_length"] = 32.into();
    }
    std::fs::write(path.join("config.json"), json.to_string()).unwrap();
    tokenizer().save(&path, model.max_position_embeddings).unwrap();
    path
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn question_answering() -> Task {
    Task::QuestionAnswering(QuestionAnswering { unanswerable: false, no_answer_threshold: 0.0, max_answer_length: 30 })
}

fn tagger() -> Task {
    Task::TokenClassification(TokenClassification { labels: names(&["O", "B-x", "I-x"]) })
}

fn classifier(multi_label: bool) -> Task {
    Task::Classification(Classification { labels: names(&["a", "b", "c"]), multi_label })
}

/// What must hold of every explanation.
fn check(explanation: &Explanation, what: &str) {
    let Explanation { tokens, output, baseline_output, .. } = explanation;
    let sum: f64 = tokens.iter().map(|token| token.attribution).sum();
    let difference = output - baseline_output;
    assert!(difference.abs() > 1e-3, "{what}: nothing to share out");
    close(sum, difference, 0.01 * difference.abs(), what);
    close(explanation.attributed, sum, 1e-9, what);
    assert!(explanation.completeness_error <= TOLERANCE);
    close(tokens.iter().map(|token| token.rollout).sum(), 1.0, 1e-5, "rollout");
    for token in tokens.iter().filter(|token| token.place.is_none()) {
        assert!(["[CLS]", "[SEP]"].contains(&token.token.as_str()), "{token:?} has no place");
        assert_eq!(token.attribution, 0.0, "{what}");
    }
    assert!(tokens.iter().any(|token| token.attribution != 0.0));
    // Places are those of the texts: without signs and capitals the characters are the tokens.
    for Token { token, place, .. } in tokens {
        let Some(place) = place else { continue };
        let characters = explanation.texts[place.text].chars().skip(place.start).take(place.end - place.start);
        assert_eq!(characters.collect::<String>().to_lowercase(), token.trim_start_matches("##"), "{what}");
    }
    let maps = explanation.attention.as_ref().expect("attention was asked for");
    for row in maps.iter().flatten().flatten() {
        close(f64::from(row.iter().sum::<f32>()), 1.0, 1e-5, "attention");
    }
    for position in 0..tokens.len() {
        close(rollout(maps, position).iter().sum(), 1.0, 1e-5, "a row of the rollout");
    }
}

#[test]
fn attributions_add_up_for_every_head() {
    let directory = directory();
    let text = || Input::Text("The river carried the water to the sea.".into());
    let pair = || Input::Pair("The river and the sea".into(), "a stone in the water".into());
    let words = || Input::Words(names(&["The", "river", "carried", "water"]));
    let question =
        || Input::Question { question: "what is in the water".into(), context: "a stone lies in the water".into() };
    let heads: [(&str, Option<Task>, Vec<Input>); 7] = [
        ("discriminator", None, vec![text()]),
        ("classification", Some(classifier(false)), vec![text(), pair()]),
        ("multi-label", Some(classifier(true)), vec![text()]),
        ("regression", Some(Task::Regression(Regression {})), vec![text(), pair()]),
        ("ranking", Some(Task::Ranking(RankingTask { max_grade: 1 })), vec![pair()]),
        ("token-classification", Some(tagger()), vec![words(), text()]),
        ("question-answering", Some(question_answering()), vec![question()]),
    ];
    for (name, task, inputs) in heads {
        for seed in 1..4 {
            let path = random_model(directory.path(), &format!("{name}-{seed}"), task.clone(), seed);
            let explainer = Explainer::open(&path, &common::device(CPU)).unwrap();
            let options = Options { attention: true, ..Options::default() };
            for input in &inputs {
                let explanations = explainer.explain(input, &options).unwrap();
                assert!(!explanations.is_empty());
                for explanation in &explanations {
                    check(explanation, &format!("{name}, seed {seed}: {}", explanation.explained));
                }
                let again = explainer.explain(input, &options).unwrap();
                assert_eq!(explanations, again, "{name}: an explanation is a function of the text");
            }
        }
    }
}

/// The output that is explained is the one that the model gives, and the chosen one where something is chosen.
#[test]
fn the_explained_output_is_the_models() {
    let directory = directory();
    let device = common::device(CPU);
    let open = |name: &str, task: Option<Task>| {
        let path = random_model(directory.path(), name, task, 7);
        (Explainer::open(&path, &device).unwrap(), path)
    };
    let explain = |explainer: &Explainer, input: &Input, options: Options| explainer.explain(input, &options).unwrap();
    let said = "The river carried the water to the sea.";

    let (explainer, path) = open("discriminator", None);
    let verdicts = electra_burn::predict::Detector::open(&path, &device).unwrap().detect(said).unwrap();
    let most = (0..verdicts.len()).max_by(|&a, &b| verdicts[a].replaced.total_cmp(&verdicts[b].replaced)).unwrap();
    let found = &explain(&explainer, &Input::Text(said.into()), Options::default())[0];
    assert_eq!((&found.positions[..], found.tokens.len()), (&[most + 1][..], verdicts.len() + 2));
    close(found.probability.unwrap(), verdicts[most].replaced, 1e-5, "the most suspicious token");
    let third = Options { token: Some(3), ..Options::default() };
    let found = &explain(&explainer, &Input::Text(said.into()), third)[0];
    assert_eq!(found.explained, Explained::Replaced { number: 3, token: verdicts[2].piece.token.clone() });
    close(found.probability.unwrap(), verdicts[2].replaced, 1e-5, "the third token");

    let (explainer, path) = open("classification", Some(classifier(false)));
    let predictor = electra_burn::tasks::Predictor::open(&path, &device).unwrap();
    let predicted = predictor.predict(&[Input::Text(said.into())]).unwrap().swap_remove(0);
    let electra_burn::tasks::Prediction::Class { probabilities } = &predicted else { panic!("{predicted:?}") };
    let best = predicted.class().unwrap();
    let found = &explain(&explainer, &Input::Text(said.into()), Options::default())[0];
    assert_eq!(found.explained, Explained::Label { label: ["a", "b", "c"][best].into() });
    close(found.probability.unwrap(), probabilities[best], 1e-5, "the predicted label");
    let chosen = Options { label: Some("c".into()), ..Options::default() };
    let found = &explain(&explainer, &Input::Text(said.into()), chosen)[0];
    close(found.probability.unwrap(), probabilities[2], 1e-5, "the chosen label");
    // Another baseline is another question.
    let padded = &explain(
        &explainer,
        &Input::Text(said.into()),
        Options { baseline: "pad".parse().unwrap(), ..Options::default() },
    )[0];
    assert!(padded.baseline_output != found.baseline_output);

    let (explainer, path) = open("tags", Some(tagger()));
    let predictor = electra_burn::tasks::Predictor::open(&path, &device).unwrap();
    let words = Input::Words(said.split_whitespace().map(str::to_owned).collect());
    let predicted = predictor.predict(std::slice::from_ref(&words)).unwrap().swap_remove(0);
    let electra_burn::tasks::Prediction::Tags { classes, probabilities } = &predicted else { panic!("{predicted:?}") };
    let second = &explain(&explainer, &words, Options { token: Some(2), ..Options::default() })[0];
    assert_eq!(
        second.explained,
        Explained::Tag { label: ["O", "B-x", "I-x"][classes[1]].into(), number: 2, word: "river".into() }
    );
    close(second.probability.unwrap(), probabilities[1], 1e-5, "the second word's tag");
    let entities = classes.iter().filter(|class| **class != 0).count();
    assert_eq!(explain(&explainer, &words, Options::default()).len(), entities.max(1));

    let (explainer, path) = open("answers", Some(question_answering()));
    let predictor = electra_burn::tasks::Predictor::open(&path, &device).unwrap();
    // Longer than the model, so that it is read in windows.
    let context = "a stone lies in the water and the river carries it to the sea ".repeat(3);
    let question = Input::Question { question: "what is in the water".into(), context: context.trim().into() };
    let predicted = predictor.predict(std::slice::from_ref(&question)).unwrap().swap_remove(0);
    let electra_burn::tasks::Prediction::Answer { text, start, end, score, .. } = &predicted else {
        panic!("{predicted:?}")
    };
    let found = &explain(&explainer, &question, Options::default())[0];
    assert_eq!(found.explained, Explained::Answer { text: text.clone() });
    close(found.output, *score, 1e-4, "the answer");
    let place = |at: usize| found.tokens[at].place.unwrap();
    assert_eq!((place(found.positions[0]).start, place(*found.positions.last().unwrap()).end), (*start, *end));
}

/// A fine-tuned model for the planted word.
fn keyword_model() -> &'static Path {
    static RUN: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = RUN.get_or_init(|| {
        let directory = directory();
        let path = directory.path();
        let (train, dev) = (keyword_table(path, "train.tsv", 400, 1), keyword_table(path, "dev.tsv", 100, 2));
        succeeds(&finetune(path, "classification", &train, &dev, &["--epochs", "20"]));
        let model = path.join("run").join("model");
        (directory, model)
    });
    path
}

/// A hundred texts that training has not seen, all with the word.
fn held_out() -> Vec<String> {
    let texts = with_stone(400, 3).into_iter().filter(|words| has_stone(words));
    texts.map(|words| words.join(" ")).take(100).collect()
}

#[test]
fn a_planted_word_comes_first_and_its_deletion_counts() {
    let explainer = Explainer::open(keyword_model(), &common::device(CPU)).unwrap();
    let texts = held_out();
    assert_eq!(texts.len(), 100);
    let mut first = 0;
    for text in &texts {
        let options = Options { label: Some("stone".into()), ..Options::default() };
        let explanation = explainer.explain(&Input::Text(text.clone()), &options).unwrap().swap_remove(0);
        assert!(explanation.completeness_error <= TOLERANCE, "{text}: {}", explanation.completeness_error);
        // A word's attribution is that of its pieces.
        let of_word = |begin: usize, end: usize| -> f64 {
            let within = |token: &&Token| token.place.is_some_and(|place| place.start >= begin && place.end <= end);
            explanation.tokens.iter().filter(within).map(|token| token.attribution).sum()
        };
        let mut begin = 0;
        let mut best = ("", f64::NEG_INFINITY);
        for word in text.split(' ') {
            let attribution = of_word(begin, begin + word.len());
            begin += word.len() + 1;
            if attribution > best.1 {
                best = (word, attribution);
            }
        }
        first += usize::from(best.0 == "stone");
    }
    assert!(first >= 95, "the word comes first in {first} of 100 texts");

    let inputs: Vec<Input> = texts.into_iter().take(40).map(Input::Text).chain([Input::Text(String::new())]).collect();
    let found = explainer.faithfulness(&inputs, &Options::default()).unwrap();
    assert_eq!((found.explained, found.left_out), (40, 1));
    let (deletion, random) = (&found.deletion, &found.random_deletion);
    assert!(deletion.area < random.area - 0.1, "{found:#?}");
    assert!(
        deletion.values.iter().zip(&random.values).all(|(by_attribution, random)| *by_attribution <= random + 0.02)
    );
    assert!(found.insertion.area > found.random_insertion.area + 0.1, "{found:#?}");
    // Nothing deleted is everything inserted, and the other way round.
    for curve in [&found.deletion, &found.random_deletion] {
        close(curve.values[0], found.insertion.values[10], 1e-6, "the whole text");
        close(curve.values[10], found.insertion.values[0], 1e-6, "no text");
    }
    assert_eq!(found, explainer.faithfulness(&inputs, &Options::default()).unwrap(), "the random orders have a seed");
}

#[test]
fn the_program_explains_as_text_json_and_html() {
    let directory = directory();
    let at = directory.path();
    let model = keyword_model().to_string_lossy();
    let explain = |arguments: &[&str]| {
        let output = electra(at, &[&["explain", "--device", CPU, "--model", &model], arguments].concat());
        succeeds(&output);
        text(&output.stdout)
    };
    let said = "the <script> & \"a";
    let lines = explain(&[said, "in the water"]);
    assert!(!lines.contains('\x1b'), "no colours where there is no terminal: {lines}");
    assert_eq!(lines.matches("attributions add up to").count(), 2, "{lines}");

    let json: Value = serde_json::from_str(&explain(&["--json", "--attention", "--html", "page.html", said])).unwrap();
    let explanation = &json["explanations"][0];
    assert_eq!((&json["baseline"], &explanation["texts"][0]), (&"[MASK]".into(), &said.into()));
    let tokens = explanation["tokens"].as_array().unwrap();
    let maps: Vec<Vec<Vec<Vec<f64>>>> = serde_json::from_value(explanation["attention"].clone()).unwrap();
    assert!(maps.iter().flatten().all(|head| head.len() == tokens.len() && head[0].len() == tokens.len()));
    let sum: f64 = tokens.iter().map(|token| token["attribution"].as_f64().unwrap()).sum();
    let value = |key: &str| explanation[key].as_f64().unwrap();
    let difference = value("output") - value("baseline_output");
    close(sum, difference, 0.01 * difference.abs(), "completeness");

    let page = read(at.join("page.html"));
    assert!(!page.contains("<script"), "the text is markup");
    for part in ["&lt;", "&amp;", "&quot;", "color-scheme: light dark", "<svg", "<!DOCTYPE html>"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("http"), "the page needs nothing else");
    let without = explain(&["--json", said]);
    assert!(!without.contains("\"attention\""));

    // One input a line, and a file of the task; blank lines are no inputs.
    write(at.join("lines.txt"), "the stone\n\nin wood\n");
    let count = |file: &str| explain(&["--file", file]).matches("attributions").count();
    assert_eq!(count("lines.txt"), 2);
    let table = keyword_table(at, "test.tsv", 30, 9);
    assert_eq!(count(&table), 30);

    let found: Value = serde_json::from_str(&explain(&["--evaluate", &table, "--limit", "20", "--json"])).unwrap();
    assert_eq!(found["explained"], 20);
    assert_eq!(found["deletion"]["values"].as_array().unwrap().len(), 11);
    let lines = explain(&["--evaluate", &table, "--limit", "5"]);
    assert!(lines.contains("100 %") && lines.contains("area") && lines.contains("at random"), "{lines}");

    // A discriminator, from a file too.
    let model = encoder().to_string_lossy();
    let output = electra(at, &["explain", "--device", CPU, "--model", &model, "--evaluate", "lines.txt", "--json"]);
    succeeds(&output);
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["explained"], 2);
}

#[test]
fn wrong_input_is_refused() {
    let directory = directory();
    let at = directory.path();
    let run = |model: &Path, arguments: &[&str]| {
        let model = model.to_string_lossy();
        electra(at, &[&["explain", "--device", CPU, "--model", &model], arguments].concat())
    };
    let discriminator = random_model(at, "discriminator", None, 1);
    let classifier = random_model(at, "classifier", Some(classifier(false)), 1);
    let tagger = random_model(at, "tagger", Some(tagger()), 1);
    let answers = random_model(at, "answers", Some(question_answering()), 1);
    let ranking = random_model(at, "ranking", Some(Task::Ranking(RankingTask { max_grade: 1 })), 1);
    let long = "the sea and the river ".repeat(20);
    for model in [&discriminator, &classifier, &tagger] {
        refused(&run(model, &[""]), &["the text has no tokens"]);
        refused(&run(model, &["the sea", " "]), &["text 2: the text has no tokens"]);
    }
    for model in [&discriminator, &classifier] {
        refused(&run(model, &[&long]), &["the text has", "the model takes at most 30"]);
    }
    refused(&run(&discriminator, &["--token", "9", "the sea"]), &["no token 9", "1 to 3"]);
    refused(&run(&discriminator, &["--token", "0", "the sea"]), &["no token 0", "1 to 3"]);
    refused(&run(&discriminator, &["--label", "a", "the sea"]), &["no label \"a\"", "discriminator"]);
    refused(&run(&classifier, &["--token", "1", "the sea"]), &["a token was chosen"]);
    refused(&run(&classifier, &["--label", "moon", "the sea"]), &["no label \"moon\"", "a, b, c"]);
    refused(&run(&tagger, &["--token", "3", "the sea"]), &["no word 3", "1 to 2"]);
    refused(&run(&answers, &["the sea"]), &["a question and a context"]);
    refused(&run(&answers, &["--label", "a", "what\tthe sea"]), &["no label \"a\"", "the model has none"]);
    refused(&run(&ranking, &["the sea"]), &["a query and a document"]);
    refused(&run(&ranking, &[&format!("the sea\t{long}")]), &["the pair of texts has", "at most 29"]);
    refused(&run(&classifier, &["--steps", "0", "the sea"]), &["--steps"]);
    refused(&run(&classifier, &["--baseline", "moon", "the sea"]), &["mask or pad"]);
    refused(&run(&classifier, &["--attention", "the sea"]), &["--json and --html"]);
    refused(&run(&classifier, &["--html", "nowhere/page.html", "the sea"]), &["nowhere/page.html"]);
    refused(&run(&classifier, &["--file", "nowhere.txt"]), &["nowhere.txt"]);
    refused(&run(&classifier, &["--limit", "3", "the sea"]), &["--evaluate"]);
    write(at.join("empty.txt"), "\n\n");
    refused(&run(&classifier, &["--file", "empty.txt"]), &["no text to explain"]);
    refused(&run(&classifier, &["--evaluate", "empty.txt"]), &["no text has a token"]);
    refused(&run(&at.join("nowhere"), &["the sea"]), &["nowhere", "config.json"]);
}
