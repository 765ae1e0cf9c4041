//! `electra explain`: what must hold of every explanation, a planted word, and the program as a user runs it. What
//! explanations are made of is held to cases worked out by hand in `attributions.rs`.

use crate::common::backends::CPU;
use crate::common::keyword::{encoder, finetune, has_stone, keyword_table, with_stone, write};
use crate::common::program::{directory, electra, read, refused, succeeds, text};
use crate::common::{close, small_model};
use electra_burn::config::{ModelConfig, TokenizerConfig};
use electra_burn::explain::{AttributedToken, Explained, Explainer, Explanation, Options, TOLERANCE, rollout};
use electra_burn::hub;
use electra_burn::model::{ElectraForPreTraining, Init};
use electra_burn::tasks::TokenClassification;
use electra_burn::tasks::{Classification, Input, Network, QuestionAnswering, RankingTask, Regression, Task};
use electra_burn::tokenizer::Tokenizer;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A tokenizer of text that is compiled in.
fn tokenizer() -> &'static Tokenizer {
    static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
    TOKENIZER.get_or_init(|| {
        let text = include_str!("../../assets/corpus/01-nature.txt").to_owned();
        Tokenizer::train(std::iter::once(Ok(text)), 300, &TokenizerConfig::default()).unwrap()
    })
}

/// Writes a model with random weights, a discriminator where there is no task.
fn random_model(directory: &Path, name: &str, task: Option<Task>, seed: u64) -> PathBuf {
    let model = ModelConfig { vocab_size: 300, max_position_embeddings: 32, ..small_model() };
    let (path, device) = (directory.join(name), crate::common::device(CPU));
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
    for AttributedToken { token, place, .. } in tokens {
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
            let explainer = Explainer::open(&path, &crate::common::device(CPU)).unwrap();
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
    let device = crate::common::device(CPU);
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
    let explainer = Explainer::open(keyword_model(), &crate::common::device(CPU)).unwrap();
    let texts = held_out();
    assert_eq!(texts.len(), 100);
    let mut first = 0;
    for text in &texts {
        let options = Options { label: Some("stone".into()), ..Options::default() };
        let explanation = explainer.explain(&Input::Text(text.clone()), &options).unwrap().swap_remove(0);
        assert!(explanation.completeness_error <= TOLERANCE, "{text}: {}", explanation.completeness_error);
        // A word's attribution is that of its pieces.
        let of_word = |begin: usize, end: usize| -> f64 {
            let within =
                |token: &&AttributedToken| token.place.is_some_and(|place| place.start >= begin && place.end <= end);
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
    refused(&run(&at.join("nowhere"), &["the sea"]), &["nowhere", "there is no such directory"]);
}
