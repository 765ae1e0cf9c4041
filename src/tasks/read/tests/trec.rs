//! Collections of graded documents.

use super::*;

const QUERIES: &str = "q1\twhat is a bear\nq2\twhere is it\nq3\tnobody judged this\n";
const DOCUMENTS: &str = "{\"_id\": \"d1\", \"title\": \"Bear\", \"text\": \"An animal.\"}\n\n\
                         {\"id\": 2, \"text\": \"Here.\"}\n\
                         {\"id\": \"d3\", \"title\": \"Only a title\", \"text\": \"\"}\n";
const QRELS: &str = "q1 0 d1 2\nq2\t0\t2\t1\n\nq1 0 d3 -1\n";

fn files(folder: &Folder, qrels: &str, run: Option<&str>) -> TrecFiles {
    TrecFiles {
        queries: folder.file("queries.tsv", QUERIES),
        documents: folder.file("documents.jsonl", DOCUMENTS),
        qrels: folder.file("qrels.txt", qrels),
        run: run.map(|run| folder.file("run.txt", run)),
    }
}

fn topic(id: &str, query: &str, documents: &[(&str, &str, i32)], unretrieved: &[i32]) -> Topic {
    let candidate = |&(id, text, grade): &(&str, &str, i32)| Candidate { id: id.into(), text: text.into(), grade };
    let documents = documents.iter().map(candidate).collect();
    Topic { id: id.into(), query: query.into(), documents, unretrieved: unretrieved.into() }
}

#[test]
fn what_was_judged_is_ranked() {
    let folder = Folder::new();
    let expected = [
        topic("q1", "what is a bear", &[("d1", "Bear An animal.", 2), ("d3", "Only a title", -1)], &[]),
        topic("q2", "where is it", &[("2", "Here.", 1)], &[]),
    ];
    assert_eq!(read_trec(&files(&folder, QRELS, None), false).unwrap().rows, expected);
    let beir = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq2\t2\t1\nq1\td3\t-1\n";
    assert_eq!(read_trec(&files(&folder, beir, None), false).unwrap().rows, expected);
}

#[test]
fn a_run_says_what_is_ranked() {
    let folder = Folder::new();
    let run = "q1 Q0 2 2 0.5 tag\nq1 Q0 d1 1 7e-1 tag\nq3 Q0 2 1 0.9 tag\n";
    // A judged document that the run lacks need not be in the collection.
    let qrels = format!("{QRELS}q1 0 gone 1\n");
    let expected = [
        topic("q1", "what is a bear", &[("d1", "Bear An animal.", 2), ("2", "Here.", 0)], &[-1, 1]),
        topic("q2", "where is it", &[], &[1]),
    ];
    assert_eq!(read_trec(&files(&folder, &qrels, Some(run)), false).unwrap().rows, expected);
}

#[test]
fn bad_lines_of_qrels_are_named() {
    let folder = Folder::new();
    for (bad, message) in [
        ("q1 d1 2", "the line has 3 columns; expected query 0 document grade"),
        ("q1 0 2 high", "the grade is \"high\"; expected a whole number"),
        ("q1 0 d1 0", "the query \"q1\" has had the document \"d1\" before; expected it once"),
        ("q9 0 d1 0", "there is no query \"q9\" in the file of queries"),
        ("q1 0 d9 0", "there is no document \"d9\" in the file of documents"),
    ] {
        let files = files(&folder, &format!("{QRELS}{bad}\n"), None);
        fails(read_trec(&files, false), &files.qrels, Some(5), message);
        let loaded = read_trec(&files, true).unwrap();
        let messages = vec![format!("qrels.txt:5: {message}")];
        assert_eq!((loaded.rows.len(), names(&folder, &loaded.skipped)), (2, messages));
    }
    let beir = files(&folder, "query-id corpus-id score\nq1 0 d1 2\n", None);
    let message = "the line has 4 columns; expected query-id corpus-id score";
    fails(read_trec(&beir, false), &beir.qrels, Some(2), message);
    let empty = files(&folder, "\n", None);
    fails(read_trec(&empty, false), &empty.qrels, None, "there are no judgements");
    let header = files(&folder, "query-id corpus-id score\n", None);
    fails(read_trec(&header, false), &header.qrels, None, "there are no judgements after the header");
}

#[test]
fn bad_lines_of_a_run_are_named() {
    let folder = Folder::new();
    let good = "q1 Q0 d1 1 0.7 tag\n";
    for (bad, message) in [
        ("q1 d1 0.7", "the line has 3 columns; expected query Q0 document rank score tag"),
        ("q1 Q0 2 1 best tag", "the score is \"best\"; expected a number"),
        ("q1 Q0 2 1 NaN tag", "the score is \"NaN\"; expected a number"),
        ("q1 Q0 d1 2 0.6 tag", "the query \"q1\" has had the document \"d1\" before; expected it once"),
        ("q9 Q0 d1 2 0.6 tag", "there is no query \"q9\" in the file of queries"),
        ("q1 Q0 d9 2 0.6 tag", "there is no document \"d9\" in the file of documents"),
    ] {
        let files = files(&folder, QRELS, Some(&format!("{good}{bad}\n")));
        let run = files.run.clone().unwrap();
        fails(read_trec(&files, false), &run, Some(2), message);
        let loaded = read_trec(&files, true).unwrap();
        assert_eq!((loaded.skipped.count, names(&folder, &loaded.skipped)), (1, vec![format!("run.txt:2: {message}")]));
    }
}

#[test]
fn bad_texts_are_named() {
    let folder = Folder::new();
    let fields = "expected an id, a tab and a text";
    for (bad, message) in [
        ("q1", format!("the line has no tab; {fields}")),
        (" \tx", format!("the id is empty; {fields}")),
        ("q1\tx\ty", format!("the line has 3 fields; {fields}")),
        ("q1\tx", "the id \"q1\" has come before; expected one text under each id".into()),
    ] {
        let mut files = files(&folder, QRELS, None);
        files.queries = folder.file("b.tsv", format!("{QUERIES}{bad}\n"));
        fails(read_trec(&files, false), &files.queries, Some(4), &message);
        let loaded = read_trec(&files, true).unwrap();
        assert_eq!((loaded.rows.len(), names(&folder, &loaded.skipped)), (2, vec![format!("b.tsv:4: {message}")]));
    }
    for (bad, message) in [
        ("{\"text\": \"x\"}", "there is no field \"_id\" or \"id\"; the fields are: text"),
        ("{\"_id\": [], \"text\": \"x\"}", "the field \"_id\" is an array; expected a string"),
        ("{\"_id\": \"d1\"}", "there is no field \"text\"; the fields are: _id"),
        ("{\"_id\": \"d1\", \"text\": {}}", "the field \"text\" is an object; expected a string"),
        ("{\"_id\": \"d1\", \"text\": \" \"}", "the text of \"d1\" is empty; expected a text"),
        ("[]", "the line is an array; expected one JSON object a line"),
    ] {
        let mut files = files(&folder, QRELS, None);
        files.documents = folder.file("b.jsonl", format!("{bad}\n{DOCUMENTS}"));
        fails(read_trec(&files, false), &files.documents, Some(1), message);
    }
}
