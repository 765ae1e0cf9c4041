//! A score of relevance for a query and a document, read together (a cross-encoder), trained on each pair for itself and
//! judged query by query.

use super::example::{Example, Gold, Input, Prediction};
use super::feature::{Feature, Target};
use super::network::{Head, Loss};
use super::read::{
    Columns, DOCUMENT, Hidden, LABEL, LabelledTable as Rows, Loaded, Need, QUERY, QUERY_ID, Reading, TrecFiles,
    is_judgements, read_trec,
};
use super::shared::text_feature;
use super::task::{Cell, Encoding, Metrics, ResultTable, Work};
use crate::data::{Purpose, Rng};
use crate::error::{Error, Result};
use crate::metrics::ranking::{Retrieved, mean, without_relevant};
use crate::metrics::{Ranking, sigmoid};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The task with the highest grade of its training data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankingTask {
    /// Grades of relevance go from 0 to this.
    pub max_grade: u32,
}

impl RankingTask {
    /// The task that the grades of the training data at `path` ask for, and its examples.
    ///
    /// # Errors
    /// A file or row that cannot be used; one grade only.
    pub fn prepare(path: &Path, reading: &Reading) -> Result<(Self, Loaded<Example>)> {
        let examples = read(path, Need::Required, reading)?;
        let grades = examples.rows.iter().map(grade);
        let (least, most) = grades.fold((u32::MAX, 0), |(least, most), grade| (least.min(grade), most.max(grade)));
        if least >= most {
            return Err(Error::input(
                path,
                format!("all grades are {most}; expected two or more: documents that are relevant, and others"),
            ));
        }
        Ok((Self { max_grade: most }, examples))
    }

    /// The documents of each query, with their scores.
    fn queries(examples: &[Example], scores: impl Fn(usize) -> f64) -> Vec<Ranking> {
        let mut order: Vec<usize> = (0..examples.len()).filter(|&at| examples[at].gold.is_some()).collect();
        order.sort_by(|&a, &b| examples[a].group.cmp(&examples[b].group).then(a.cmp(&b)));
        let groups = order.chunk_by(|&a, &b| examples[a].group == examples[b].group);
        groups
            .map(|group| {
                let (mut documents, mut unretrieved) = (Vec::new(), Vec::new());
                for &at in group {
                    match &examples[at].gold {
                        Some(Gold::Relevance { grade, document, retrieved: true }) => {
                            documents.push(Retrieved { id: document, score: scores(at), grade: *grade });
                        }
                        _ => unretrieved.push(grade(&examples[at])),
                    }
                }
                Ranking::new(documents, unretrieved)
            })
            .collect()
    }
}

/// A figure of one query.
type Figure = fn(&Ranking) -> f64;

fn grade(example: &Example) -> u32 {
    match example.gold {
        Some(Gold::Relevance { grade, .. }) => grade,
        _ => 0,
    }
}

/// The score of each example.
fn score_of(predictions: &[Prediction]) -> impl Fn(usize) -> f64 {
    |at| match predictions.get(at) {
        Some(Prediction::Value { score }) => *score,
        _ => f64::NAN,
    }
}

/// Reads a table of queries and documents, or the judgements of a TREC set whose queries and documents lie beside them.
fn read(path: &Path, gold: Need, reading: &Reading) -> Result<Loaded<Example>> {
    if is_judgements(path) {
        return read_judgements(path, reading.skip_bad_rows);
    }
    let table = Rows::open(path, reading)?;
    let (query, document) = match &reading.text_columns[..] {
        [] => ([QUERY, &["question"]].concat(), [DOCUMENT, &["sentence", "text"]].concat()),
        [query, document] => (vec![query.as_str()], vec![document.as_str()]),
        other => {
            let message = format!("{} columns; expected two, of queries and of documents", other.len());
            return Err(Error::config("data.text_columns", message));
        }
    };
    let label = reading.label_column.as_ref().map_or_else(|| LABEL.to_vec(), |label| vec![label.as_str()]);
    let columns = Columns::new()
        .text(&query, Need::Required)
        .text(&document, Need::Required)
        .text(QUERY_ID, Need::Optional)
        .text(&label, gold);
    let rows = table.read(&columns, reading.skip_bad_rows)?;
    let taken = |names: &[&str]| table.column(names).unwrap_or("none").to_owned();
    let note = match gold {
        Need::Ignored => format!("columns: query = {}, document = {}", taken(&query), taken(&document)),
        _ => format!("columns: query = {}, document = {}, grade = {}", taken(&query), taken(&document), taken(&label)),
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for grade in rows.rows.iter().filter_map(|record| record.text(3)) {
        *counts.entry(grade.trim().to_owned()).or_default() += 1;
    }
    let hidden = if gold == Need::Required { Hidden::default() } else { Hidden::in_numbers(&counts) };
    let mut examples = rows.convert(reading.skip_bad_rows, "rows", |record| {
        let text = |column| record.text(column).unwrap_or_default().to_owned();
        let document = record.text(1).unwrap_or_default();
        let grade = record.text(3).filter(|grade| gold != Need::Ignored && !hidden.has(grade.trim()));
        let gold = grade.map(|text| match text.trim().parse::<f64>() {
            Ok(grade) if grade >= 0.0 && grade.fract() == 0.0 && grade < 1e6 => {
                Ok(Gold::Relevance { grade: grade as u32, document: document.to_owned(), retrieved: true })
            }
            _ => Err(format!("column \"label\": \"{text}\" is no grade; expected 0, 1, 2, ...")),
        });
        let group = record.text(2).or_else(|| record.text(0)).unwrap_or_default().to_owned();
        let input = Input::Pair(text(0), text(1));
        let example = gold.transpose().map(|gold| Example { input, gold, group, line: record.line });
        (Some(record.line), example)
    })?;
    examples.notes.push(note);
    examples.notes.extend(hidden.note(&counts, "row"));
    let doubt = doubt(&examples.rows, "");
    examples.notes.extend(doubt);
    Ok(examples)
}

/// The files that the judgements at `path` are about.
fn trec_files(path: &Path) -> Result<TrecFiles> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let above = folder.parent().unwrap_or(folder);
    let find = |stems: &[&str]| -> Option<PathBuf> {
        let names = stems.iter().flat_map(|stem| ["tsv", "jsonl"].map(|extension| format!("{stem}.{extension}")));
        names.flat_map(|name| [folder.join(&name), above.join(&name)]).find(|path| path.is_file())
    };
    let missing = |what: &str| Error::input(path, format!("there is no {what}.tsv or {what}.jsonl beside it"));
    Ok(TrecFiles {
        queries: find(&["queries"]).ok_or_else(|| missing("queries"))?,
        documents: find(&["documents", "corpus", "collection"]).ok_or_else(|| missing("documents"))?,
        qrels: path.to_owned(),
        // Whatever bears the name is meant; what cannot be read is an error.
        run: Some(path.with_extension("run")).filter(|run| run.symlink_metadata().is_ok()),
    })
}

/// Every file that the data at `path` are read from.
///
/// # Errors
/// [`Error::Input`] for judgements without queries or documents.
pub(super) fn sources(path: &Path) -> Result<Vec<PathBuf>> {
    if !is_judgements(path) {
        return Ok(vec![path.to_owned()]);
    }
    let TrecFiles { queries, documents, qrels, run } = trec_files(path)?;
    Ok([qrels, queries, documents].into_iter().chain(run).collect())
}

/// What to say where every order of the documents is right.
fn doubt(examples: &[Example], way: &str) -> Option<String> {
    let is_ranked = |example: &&Example| matches!(example.gold, Some(Gold::Relevance { retrieved: true, .. }));
    let ranked = || examples.iter().filter(is_ranked);
    (ranked().count() > 1 && ranked().all(|example| grade(example) > 0)).then(|| {
        format!(
            "warning: every document to rank is relevant, so that any order of them is right and the figures say nothing; expected \
             documents that are not relevant too{way}"
        )
    })
}

fn read_judgements(path: &Path, skip_bad_rows: bool) -> Result<Loaded<Example>> {
    let files = trec_files(path)?;
    let topics = read_trec(&files, skip_bad_rows)?;
    let without = topics.rows.iter().filter(|topic| topic.documents.is_empty()).count();
    let mut examples = Vec::new();
    for topic in topics.rows {
        let mut add = |text: &str, grade: i32, document: String, retrieved: bool| {
            let input = Input::Pair(topic.query.to_string(), text.to_owned());
            let gold = Some(Gold::Relevance { grade: grade.max(0) as u32, document, retrieved });
            examples.push(Example { input, gold, group: topic.id.clone(), line: 0 });
        };
        topic.documents.into_iter().for_each(|document| add(&document.text, document.grade, document.id, true));
        topic.unretrieved.into_iter().for_each(|grade| add("", grade, String::new(), false));
    }
    if !examples.iter().any(|example| matches!(example.gold, Some(Gold::Relevance { retrieved: true, .. }))) {
        return Err(Error::input(path, "no query has a document to rank"));
    }
    let mut notes = vec![format!("queries in {}, documents in {}", files.queries.display(), files.documents.display())];
    if let Some(run) = &files.run {
        notes.push(format!("documents to rank are those of {}", run.display()));
    }
    notes.extend(doubt(&examples, &format!("; a run is read from {}", path.with_extension("run").display())));
    if without > 0 {
        notes.push(format!("judged queries without a document to rank, which count 0: {without}"));
    }
    Ok(Loaded { path: topics.path, rows: examples, skipped: topics.skipped, notes })
}

impl Work for RankingTask {
    fn head(&self) -> Head {
        Head::Sequence(1)
    }

    fn loss(&self) -> Loss {
        Loss::Sigmoid
    }

    fn labels(&self) -> &[String] {
        &[]
    }

    fn features(&self, input: &Input, gold: Option<&Gold>, example: usize, how: Encoding) -> Result<Vec<Feature>> {
        let target = match gold {
            Some(Gold::Relevance { retrieved: false, .. }) => return Ok(Vec::new()),
            Some(Gold::Relevance { grade, .. }) => {
                Target::Values(vec![(f64::from(*grade) / f64::from(self.max_grade.max(1))).min(1.0) as f32])
            }
            _ => Target::Absent,
        };
        text_feature(input, target, example, how)
    }

    fn decode(&self, _input: &Input, features: &[(&Feature, &[f32])]) -> Prediction {
        let logit = features.first().and_then(|(_, logits)| logits.first().copied());
        Prediction::Value { score: logit.map_or(f64::NAN, |logit| sigmoid(logit.into())) }
    }

    fn metrics(&self, examples: &[Example], predictions: &[Prediction]) -> Metrics {
        let queries = Self::queries(examples, score_of(predictions));
        let figures: [(&str, Figure); 6] = [
            ("map", Ranking::average_precision),
            ("mrr", Ranking::reciprocal_rank),
            ("ndcg@10", |ranking| ranking.ndcg(10)),
            ("recall@10", |ranking| ranking.recall(10)),
            ("precision@1", |ranking| ranking.precision(1)),
            ("hit_rate@10", |ranking| ranking.hit(10)),
        ];
        figures.into_iter().map(|(name, figure)| (name.to_owned(), mean(&queries, figure))).collect()
    }

    fn main_metric(&self) -> &'static str {
        "map"
    }

    fn baseline(&self, _train: &[Example], examples: &[Example]) -> (&'static str, Vec<Prediction>) {
        let mut rng = Rng::new(1, Purpose::Order, 0, 0);
        let random = examples.iter().map(|_| Prediction::Value { score: f64::from(rng.uniform()) }).collect();
        ("a random order", random)
    }

    fn tables(&self, examples: &[Example], predictions: &[Prediction]) -> Vec<ResultTable> {
        let queries = Self::queries(examples, score_of(predictions));
        let count = |of: fn(&Ranking) -> bool| queries.iter().filter(|query| of(query)).count();
        let documents: usize = queries.iter().map(Ranking::retrieved).sum();
        let columns = [
            ("queries", queries.len()),
            ("documents", documents),
            ("judged documents that were not retrieved", examples.len() - documents),
            ("queries without a relevant document", without_relevant(&queries)),
            ("queries with nothing retrieved", count(|query| query.retrieved() == 0)),
            ("queries whose documents all have the same score", count(Ranking::is_constant)),
        ];
        vec![ResultTable {
            title: "queries".into(),
            columns: columns.map(|(name, _)| name.to_owned()).into(),
            rows: vec![columns.map(|(_, count)| Cell::Count(count)).into()],
        }]
    }

    fn read(&self, path: &Path, gold: Need, reading: &Reading) -> Result<Loaded<Example>> {
        read(path, gold, reading)
    }

    fn initial_bias(&self, examples: &[Example]) -> Option<Vec<f32>> {
        let sum: f64 = examples.iter().map(|example| f64::from(grade(example)) / f64::from(self.max_grade)).sum();
        let share = (sum / examples.len().max(1) as f64).clamp(1e-3, 1.0 - 1e-3);
        Some(vec![(share / (1.0 - share)).ln() as f32])
    }

    fn to_json(&self, _input: &Input, prediction: &Prediction, _top_k: usize) -> Json {
        match prediction {
            Prediction::Value { score } => json!({"score": score}),
            _ => Json::Null,
        }
    }
}
