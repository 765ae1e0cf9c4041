//! Graded documents for ranking, in the files of TREC and BEIR.

use super::bad::{Collector, Loaded, Skipped};
use super::judgements::{Link, Texts, read_qrels, read_run, read_texts};
use crate::error::Result;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a collection.
#[derive(Debug, Clone)]
pub struct TrecFiles {
    /// `id<TAB>text`, or JSON lines with `_id` or `id`, and `text`.
    pub queries: PathBuf,
    /// The same; JSON lines may have a `title`, which goes before the text.
    pub documents: PathBuf,
    /// `query 0 document grade`, or BEIR's three columns after their header.
    pub qrels: PathBuf,
    /// `query Q0 document rank score tag`: what is to be ranked in place of what was judged.
    pub run: Option<PathBuf>,
}

/// A query and the documents to rank for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The query's id.
    pub id: String,
    /// The query.
    pub query: Arc<str>,
    /// Those that were judged, in the order of the qrels; or those of the run, the best first, which may be none.
    pub documents: Vec<Candidate>,
    /// Grades of judged documents that the run lacks: recall and ideal gains count them.
    pub unretrieved: Vec<i32>,
}

/// A document to rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The document's id.
    pub id: String,
    /// Its text, which topics share.
    pub text: Arc<str>,
    /// Its grade; 0 where it was not judged.
    pub grade: i32,
}

/// Reads a collection, with a topic for each query that was judged: others cannot be scored.
pub fn read_trec(files: &TrecFiles, skip_bad_rows: bool) -> Result<Loaded<Topic>> {
    let mut skipped = Skipped::default();
    let qrels = take(read_qrels(&files.qrels, skip_bad_rows)?, &mut skipped);
    let run = match &files.run {
        Some(path) => Some((path.as_path(), take(read_run(path, skip_bad_rows)?, &mut skipped))),
        None => None,
    };
    // A collection can be far larger than what is ranked, and only the latter is kept.
    let ranked = run.as_ref().map_or(&qrels, |(_, links)| links);
    let documents: HashSet<_> = ranked.iter().map(|link| link.document.as_str()).collect();
    let queries: HashSet<_> = qrels.iter().chain(ranked).map(|link| link.query.as_str()).collect();
    let known = Known {
        queries: take_texts(&files.queries, "queries", &queries, skip_bad_rows, &mut skipped)?,
        documents: take_texts(&files.documents, "documents", &documents, skip_bad_rows, &mut skipped)?,
    };
    let judged = known.links(&files.qrels, &qrels, run.is_none(), skip_bad_rows, &mut skipped)?;
    let mut topics = Topics::default();
    if let Some((path, run)) = &run {
        let mut grades: HashMap<_, _> = judged.iter().map(|link| (link.pair(), link.grade)).collect();
        for link in &judged {
            topics.of(link, &known);
        }
        for link in known.links(path, run, true, skip_bad_rows, &mut skipped)? {
            if topics.places.contains_key(&link.query) {
                let grade = grades.remove(&link.pair()).unwrap_or(0);
                topics.add(link, grade, &known);
            }
        }
        for link in judged.iter().filter(|link| grades.contains_key(&link.pair())) {
            if let Some(topic) = topics.of(link, &known) {
                topic.unretrieved.push(link.grade);
            }
        }
    } else {
        for link in judged {
            topics.add(link, link.grade, &known);
        }
    }
    Ok(Loaded { path: files.qrels.clone(), rows: topics.rows, skipped, notes: Vec::new() })
}

fn take<T>(loaded: Loaded<T>, skipped: &mut Skipped) -> Vec<T> {
    skipped.merge(loaded.skipped);
    loaded.rows
}

fn take_texts(path: &Path, what: &str, asked: &HashSet<&str>, skip: bool, skipped: &mut Skipped) -> Result<Texts> {
    let (texts, bad) = read_texts(path, what, asked, skip)?;
    skipped.merge(bad);
    Ok(texts)
}

/// The queries and documents that there are.
struct Known {
    queries: Texts,
    documents: Texts,
}

impl Known {
    /// The links whose query, and where it matters document, is there; the others are bad rows.
    fn links<'a>(
        &self,
        path: &Path,
        links: &'a [Link],
        with_documents: bool,
        skip: bool,
        skipped: &mut Skipped,
    ) -> Result<Vec<&'a Link>> {
        let mut rows = Collector::new(path, skip);
        for link in links {
            let row = if !self.queries.contains_key(&link.query) {
                Err(format!("there is no query \"{}\" in the file of queries", link.query))
            } else if with_documents && !self.documents.contains_key(&link.document) {
                Err(format!("there is no document \"{}\" in the file of documents", link.document))
            } else {
                Ok(link)
            };
            rows.add(Some(link.line), row)?;
        }
        Ok(take(rows.finish("lines")?, skipped))
    }
}

/// Topics in the order of their first judgement.
#[derive(Default)]
struct Topics {
    rows: Vec<Topic>,
    places: HashMap<String, usize>,
}

impl Topics {
    /// The topic of a link, which is made where it is new; `None` where its query is not known.
    fn of(&mut self, link: &Link, known: &Known) -> Option<&mut Topic> {
        let place = match self.places.get(&link.query) {
            Some(&place) => place,
            None => {
                let (id, query) = (link.query.clone(), known.queries.get(&link.query)?.clone());
                self.places.insert(id.clone(), self.rows.len());
                self.rows.push(Topic { id, query, documents: Vec::new(), unretrieved: Vec::new() });
                self.rows.len() - 1
            }
        };
        self.rows.get_mut(place)
    }

    fn add(&mut self, link: &Link, grade: i32, known: &Known) {
        if let (Some(text), Some(topic)) = (known.documents.get(&link.document), self.of(link, known)) {
            topic.documents.push(Candidate { id: link.document.clone(), text: text.clone(), grade });
        }
    }
}
