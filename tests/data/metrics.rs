//! Every metric against its reference, on the cases and figures that `scripts/metrics_reference.py` wrote.

use electra_burn::metrics::ranking::{self, Ranking, Retrieved};
use electra_burn::metrics::squad::{self, JudgedAnswer, Score};
use electra_burn::metrics::{self, Confusion, Counts, EntityScores, MultiLabel};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The references work in f64 as well; their figures have ten digits in the fixture.
const TOLERANCE: f64 = 1e-6;

/// The cases of one section, and whether it holds all kinds that it should.
fn cases<T: for<'de> Deserialize<'de>>(section: &str, kinds: &[(&str, usize)]) -> Vec<(String, T)> {
    #[derive(Deserialize)]
    struct Case<T> {
        kind: String,
        #[serde(flatten)]
        case: T,
    }
    let mut all: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(include_str!("../fixtures/metrics.json")).unwrap();
    let found: Vec<Case<T>> = serde_json::from_value(all.remove(section).unwrap()).unwrap();
    let mut counted = BTreeMap::<&str, usize>::new();
    found.iter().for_each(|case| *counted.entry(&case.kind).or_default() += 1);
    assert_eq!(counted, kinds.iter().copied().collect(), "kinds of {section}");
    found.into_iter().map(|case| (case.kind, case.case)).collect()
}

#[track_caller]
fn close(what: &str, found: &[f64], expected: &[f64]) {
    let near = |(found, expected): (&f64, &f64)| (found - expected).abs() <= TOLERANCE;
    let all = found.len() == expected.len() && found.iter().zip(expected).all(near);
    assert!(all, "{what}: {found:?}, expected {expected:?}");
}

#[derive(Deserialize)]
struct ConfusionCase {
    classes: usize,
    gold: Vec<usize>,
    predicted: Vec<usize>,
    table: Vec<Vec<usize>>,
    accuracy: f64,
    precision: Vec<f64>,
    recall: Vec<f64>,
    f1: Vec<f64>,
    support: Vec<usize>,
    macro_f1: f64,
    micro_f1: f64,
    matthews: f64,
    positive: usize,
    binary_f1: f64,
}

#[test]
fn classes_agree_with_scikit_learn() {
    let hand = ["missing class", "only predicted", "one class", "constant prediction", "constant gold", "all wrong"];
    let kinds: Vec<_> = hand.map(|kind| (kind, 1)).into_iter().chain([("perfect", 1), ("random", 5)]).collect();
    for (kind, case) in cases::<ConfusionCase>("confusion", &kinds) {
        let confusion = Confusion::new(&case.gold, &case.predicted, case.classes).unwrap();
        assert_eq!(confusion.table, case.table, "{kind}");
        let classes: Vec<Counts> = (0..case.classes).map(|class| confusion.class(class)).collect();
        let each = |figure: fn(&Counts) -> f64| classes.iter().map(figure).collect::<Vec<_>>();
        close(&kind, &each(Counts::precision), &case.precision);
        close(&kind, &each(Counts::recall), &case.recall);
        close(&kind, &each(Counts::f1), &case.f1);
        assert_eq!(classes.iter().map(|class| class.gold).collect::<Vec<_>>(), case.support, "{kind}");
        close(&kind, &[confusion.accuracy()], &[case.accuracy]);
        close(&kind, &[confusion.macro_f1(), confusion.micro_f1()], &[case.macro_f1, case.micro_f1]);
        close(&kind, &[confusion.matthews().unwrap_or(0.0)], &[case.matthews]);
        close(&kind, &[confusion.f1_of(case.positive)], &[case.binary_f1]);
    }
}

#[derive(Deserialize)]
struct MultiLabelCase {
    gold: Vec<Vec<u8>>,
    predicted: Vec<Vec<u8>>,
    micro_f1: f64,
    macro_f1: f64,
    subset_accuracy: f64,
}

#[test]
fn labels_agree_with_scikit_learn() {
    let kinds = [("label that never occurs", 1), ("empty predictions", 1), ("no labels", 1), ("random", 3)];
    for (kind, case) in cases::<MultiLabelCase>("multi_label", &kinds) {
        let bools = |rows: &[Vec<u8>]| -> Vec<Vec<bool>> {
            rows.iter().map(|row| row.iter().map(|&label| label == 1).collect()).collect()
        };
        let scores = MultiLabel::new(&bools(&case.gold), &bools(&case.predicted)).unwrap();
        let found = [scores.micro_f1(), scores.macro_f1(), scores.subset_accuracy()];
        close(&kind, &found, &[case.micro_f1, case.macro_f1, case.subset_accuracy]);
    }
}

#[derive(Deserialize)]
struct RegressionCase {
    gold: Vec<f64>,
    predicted: Vec<f64>,
    pearson: Option<f64>,
    spearman: Option<f64>,
    mean_squared_error: f64,
    mean_absolute_error: f64,
}

#[test]
fn regressions_agree_with_scipy() {
    let hand = ["constant gold", "constant prediction", "one value", "two values", "perfect", "large offset", "ties"];
    let kinds: Vec<_> = hand.map(|kind| (kind, 1)).into_iter().chain([("random", 1), ("random ties", 2)]).collect();
    let mut undefined = 0;
    for (kind, case) in cases::<RegressionCase>("regression", &kinds) {
        let (gold, predicted) = (&case.gold, &case.predicted);
        let defined = |figure: Option<f64>| figure.into_iter().collect::<Vec<_>>();
        close(&kind, &defined(metrics::pearson(gold, predicted)), &defined(case.pearson));
        close(&kind, &defined(metrics::spearman(gold, predicted)), &defined(case.spearman));
        close(&kind, &defined(metrics::mean_squared_error(gold, predicted)), &[case.mean_squared_error]);
        close(&kind, &defined(metrics::mean_absolute_error(gold, predicted)), &[case.mean_absolute_error]);
        undefined += usize::from(case.pearson.is_none() && case.spearman.is_none());
    }
    assert_eq!(undefined, 3);
}

#[derive(Deserialize)]
struct EntitiesCase {
    gold: Vec<Vec<String>>,
    predicted: Vec<Vec<String>>,
    found: Vec<Vec<(String, usize, usize)>>,
    micro: [f64; 3],
    support: usize,
    macro_f1: f64,
    types: Vec<(String, f64, f64, f64, usize)>,
}

#[test]
fn entities_agree_with_seqeval() {
    let hand = [
        "IO",
        "IOB1",
        "I after O",
        "type changes without B",
        "empty predictions",
        "nothing anywhere",
        "to the end of a sequence",
        "BIOES broken",
        "BILOU broken",
        "bare letters",
        "odd tags",
        "stale start",
    ];
    let random = ["random IO", "random IOB1", "random IOB2", "random BIOES", "random BILOU", "random soup"];
    let kinds: Vec<_> = hand.into_iter().chain(random).map(|kind| (kind, 1)).collect();
    for (kind, case) in cases::<EntitiesCase>("entities", &kinds) {
        for (tags, expected) in case.predicted.iter().zip(&case.found) {
            let found = metrics::entities(tags).into_iter().map(|entity| (entity.kind, entity.first, entity.last));
            assert_eq!(&found.collect::<Vec<_>>(), expected, "{kind}: {tags:?}");
        }
        let scores = EntityScores::new(&case.gold, &case.predicted).unwrap();
        let figures = |counts: &Counts| [counts.precision(), counts.recall(), counts.f1()];
        close(&kind, &figures(&scores.all()), &case.micro);
        assert_eq!(scores.all().gold, case.support, "{kind}");
        close(&kind, &[scores.macro_f1()], &[case.macro_f1]);
        assert!(scores.types.keys().eq(case.types.iter().map(|row| &row.0)), "{kind}: {:?}", scores.types);
        for (counts, (name, precision, recall, f1, support)) in scores.types.values().zip(&case.types) {
            close(&format!("{kind}: {name}"), &figures(counts), &[*precision, *recall, *f1]);
            assert_eq!(counts.gold, *support, "{kind}: {name}");
        }
    }
}

#[derive(Deserialize)]
struct PairCase {
    prediction: String,
    golds: Vec<String>,
    normalized: String,
    v1: [f64; 2],
    v2: [f64; 2],
}

#[test]
fn answers_agree_with_the_scripts_of_squad() {
    let hand = ["articles", "punctuation", "white space", "several answers", "words repeat", "no overlap"];
    let hand = hand.into_iter().chain(["article inside a word", "empty prediction"]).map(|kind| (kind, 1));
    let several = [("unicode", 4), ("unanswerable", 2), ("answer that vanishes", 4), ("random", 60)];
    let mut apart = 0;
    for (kind, case) in cases::<PairCase>("squad_pairs", &hand.chain(several).collect::<Vec<_>>()) {
        assert_eq!(squad::normalize(&case.prediction), case.normalized, "{kind}");
        let what = format!("{kind}: {:?} of {:?}", case.prediction, case.golds);
        let (one, two) =
            (squad::score_v1(&case.prediction, &case.golds), squad::score_v2(&case.prediction, &case.golds));
        close(&what, &figures(&one), &case.v1);
        close(&what, &figures(&two), &case.v2);
        apart += usize::from(case.v1 != case.v2);
    }
    assert!(apart > 0, "no case where the two scripts differ");
}

fn figures(score: &Score) -> [f64; 2] {
    [score.exact, score.f1]
}

#[derive(Deserialize)]
struct SetCase {
    threshold: f64,
    questions: Vec<(String, Vec<String>, f64)>,
    all: [f64; 2],
    answerable: Option<[f64; 2]>,
    unanswerable: Option<[f64; 2]>,
    best_exact: [f64; 2],
    best_f1: [f64; 2],
}

#[test]
fn reports_and_thresholds_agree_with_the_script_of_squad_2() {
    let hand = ["all answerable", "none answerable", "nothing beats silence", "equal probabilities"];
    let hand = hand.into_iter().chain(["answer that vanishes", "scores below zero"]).map(|kind| (kind, 1));
    for (kind, case) in cases::<SetCase>("squad_sets", &hand.chain([("random", 4)]).collect::<Vec<_>>()) {
        let judge = |(prediction, golds, no_answer): &(String, Vec<String>, f64)| {
            let question = JudgedAnswer::new(prediction, golds, *no_answer);
            if golds.is_empty() {
                assert_eq!(question, JudgedAnswer::new(prediction, &[""], *no_answer), "both ways to say unanswerable");
            }
            question
        };
        let questions: Vec<JudgedAnswer> = case.questions.iter().map(judge).collect();
        let report = squad::report(&questions, case.threshold);
        close(&kind, &figures(&report.all), &case.all);
        for (found, expected) in [(report.answerable, case.answerable), (report.unanswerable, case.unanswerable)] {
            let found = found.as_ref().map(figures);
            close(&kind, found.as_ref().map_or(&[], |f| f), expected.as_ref().map_or(&[], |e| e));
        }
        close(&kind, &<[f64; 2]>::from(squad::best_threshold(&questions, |score| score.exact)), &case.best_exact);
        close(&kind, &<[f64; 2]>::from(squad::best_threshold(&questions, |score| score.f1)), &case.best_f1);
    }
}

/// A query: what was retrieved, `[document, score, grade]`, and grades of what was judged and not retrieved.
type Query = (Vec<(String, f64, Option<u32>)>, Vec<u32>);

#[derive(Deserialize)]
struct RankingCase {
    kind: String,
    k: usize,
    queries: Vec<Query>,
    each: Vec<[f64; 6]>,
    means: [f64; 6],
    without_relevant: usize,
}

/// Findings 3 and 9 of the audit among them: 200 random queries with ties, grades, unretrieved and unjudged documents.
#[test]
fn rankings_agree_with_trec_eval() {
    let cases: Vec<RankingCase> = serde_json::from_str(include_str!("../fixtures/ranking.json")).unwrap();
    let (mut random, mut without) = (0, 0);
    for case in cases {
        let (kind, k) = (&case.kind, case.k);
        let ranking = |(retrieved, unretrieved): &Query| {
            let document =
                |(id, score, grade): &'_ (String, f64, Option<u32>)| (id.clone(), *score, grade.unwrap_or(0));
            let mut documents: Vec<_> = retrieved.iter().map(document).collect();
            let rank = |documents: &[(String, f64, u32)]| {
                let all = documents.iter().map(|(id, score, grade)| Retrieved { id, score: *score, grade: *grade });
                Ranking::new(all.collect(), unretrieved.clone())
            };
            let forwards = rank(&documents);
            documents.reverse();
            assert_eq!(rank(&documents), forwards, "{kind}: the order of the rows decides");
            forwards
        };
        let queries: Vec<Ranking> = case.queries.iter().map(ranking).collect();
        let figures = |query: &Ranking| {
            let (map, mrr) = (query.average_precision(), query.reciprocal_rank());
            [map, mrr, query.ndcg(k), query.recall(k), query.precision(k), query.hit(k)]
        };
        for (at, (query, expected)) in queries.iter().zip(&case.each).enumerate() {
            close(&format!("{kind}, query {at}"), &figures(query), expected);
        }
        let means: [f64; 6] = std::array::from_fn(|at| ranking::mean(&queries, |query| figures(query)[at]));
        close(kind, &means, &case.means);
        assert_eq!(ranking::without_relevant(&queries), case.without_relevant, "{kind}");
        without += case.without_relevant;
        random += if kind == "random" { queries.len() } else { 0 };
    }
    assert!(random >= 200 && without > 10, "{random} random queries, {without} without a relevant document");
}
