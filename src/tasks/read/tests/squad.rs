//! Questions with answers.

use super::*;

/// A file with one question whose fields after the id are given; the question is on line 4.
fn with(folder: &Folder, rest: &str) -> PathBuf {
    let qas = format!("[{{\"id\": \"good\", \"question\": \"?\", \"answers\": []}},\n{{\"id\": \"q1\"{rest}}}]");
    let text = format!(
        "{{\"data\": [{{\"title\": \"t\", \"paragraphs\": [\n\
         {{\"context\": \"Der Bär schläft.\",\n\"qas\": {qas}}}]}}]}}"
    );
    folder.file("a.json", text)
}

#[test]
fn answers_begin_at_characters() {
    let folder = Folder::new();
    let rest = r#", "question": "Wer?", "answers":
        [{"text": "Bär", "answer_start": 4}, {"text": "schläft.", "answer_start": 8}]"#;
    let loaded = read_squad(&with(&folder, rest), Need::Required, false).unwrap();
    let [impossible, question] = loaded.rows.as_slice() else { panic!("{loaded:?}") };
    let answers = vec![Answer { text: "Bär".into(), start: 4 }, Answer { text: "schläft.".into(), start: 8 }];
    assert_eq!((question.id.as_str(), question.title.as_str(), question.question.as_str()), ("q1", "t", "Wer?"));
    assert_eq!((&*question.context, question.is_impossible), ("Der Bär schläft.", false));
    assert_eq!(question.answers, Some(answers));
    assert_eq!((&impossible.answers, impossible.is_impossible), (&Some(Vec::new()), true));
    assert!(std::sync::Arc::ptr_eq(&impossible.context, &question.context));
}

#[test]
fn sets_without_gold_are_read_on_request() {
    let folder = Folder::new();
    let path = with(&folder, ", \"question\": \"Wer?\"");
    assert_eq!(read_squad(&path, Need::Optional, false).unwrap().rows[1].answers, None);
    let message = "data[0].paragraphs[0].qas[1]: question \"q1\": there is no \"answers\"; expected an array";
    fails(read_squad(&path, Need::Required, false), &path, Some(4), message);
}

#[test]
fn bad_questions_are_named_with_their_place() {
    let folder = Folder::new();
    let answer = |answer: &str| {
        format!(", \"question\": \"Wer?\", \"answers\": [{{\"text\": \"Bär\", \"answer_start\": 4}}, {answer}]")
    };
    let (here, there) = (": question \"q1\": ", ".answers[1]: question \"q1\": ");
    for (rest, message) in [
        (
            answer(r#"{"text": "Bär", "answer_start": 5}"#),
            format!("{there}the context has \"är \" at character 5; expected the answer's text, \"Bär\""),
        ),
        (
            answer(r#"{"text": ".!", "answer_start": 15}"#),
            format!("{there}the context has \".\" at character 15; expected the answer's text, \".!\""),
        ),
        (
            answer(r#"{"text": "x", "answer_start": 16}"#),
            format!("{there}answer_start is 16; expected less than 16, the characters of the context"),
        ),
        (
            answer(r#"{"text": "x", "answer_start": -1}"#),
            format!("{there}answer_start is \"-1\"; expected a number of characters"),
        ),
        (answer(r#"{"text": "x"}"#), format!("{there}there is no \"answer_start\"; expected a number of characters")),
        (answer(r#"{"answer_start": 1}"#), format!("{there}there is no \"text\"; expected a string")),
        (answer(r#"{"text": ""}"#), format!("{there}the field \"text\" is empty; expected a text")),
        (String::new(), format!("{here}there is no \"question\"; expected a string")),
        (r#", "question": {}"#.into(), format!("{here}the field \"question\" is an object; expected a string")),
        (
            r#", "question": "?", "answers": {}"#.into(),
            format!("{here}\"answers\" has no array \"text\"; expected texts and where they start"),
        ),
        (
            format!("{}, \"is_impossible\": true", answer(r#"{"text": "Bär", "answer_start": 4}"#)),
            format!("{here}is_impossible is true, but there are answers; expected none"),
        ),
        (
            r#", "question": "?", "answers": [], "is_impossible": false"#.into(),
            format!("{here}is_impossible is false, but there are no answers; expected one at least"),
        ),
        (
            r#", "question": "?", "answers": [], "is_impossible": 0"#.into(),
            format!("{here}is_impossible is a number; expected true or false"),
        ),
    ] {
        let path = with(&folder, &rest);
        let message = format!("data[0].paragraphs[0].qas[1]{message}");
        fails(read_squad(&path, Need::Required, false), &path, Some(4), &message);
        let loaded = read_squad(&path, Need::Required, true).unwrap();
        let messages = vec![format!("a.json:4: {message}")];
        assert_eq!((loaded.rows.len(), names(&folder, &loaded.skipped)), (1, messages));
    }
}

#[test]
fn ids_come_once() {
    let folder = Folder::new();
    let question = "{\"id\": \"q1\", \"question\": \"?\", \"answers\": []}";
    let path = with(
        &folder,
        &format!(
            ", \"question\": \"?\", \"answers\": []}},\n{question},\n{question}, \
             {{\"id\": 7, \"question\": \"?\", \"answers\": []"
        ),
    );
    let message = "data[0].paragraphs[0].qas[2]: the id \"q1\" has come before; expected one question under each id";
    fails(read_squad(&path, Need::Required, false), &path, Some(5), message);
    let loaded = read_squad(&path, Need::Required, true).unwrap();
    assert_eq!(loaded.rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["good", "q1", "7"]);
    assert!(names(&folder, &loaded.skipped)[1].starts_with("a.json:6: data[0].paragraphs[0].qas[3]: "));
}

#[test]
fn the_frame_is_checked() {
    let folder = Folder::new();
    let deep = |inner: &str| format!("{{\"data\": [{{\"paragraphs\": [{inner}]}}]}}");
    for (text, line, message) in [
        (
            "{\n\"data\": [\n}",
            Some(3),
            "expected value at line 3 column 1; expected JSON in the form of SQuAD, or a question a row".to_owned(),
        ),
        ("{}", None, "there is no \"data\"; expected an array, as SQuAD has it".into()),
        ("{\"data\": {}}", None, "\"data\" is an object; expected an array, as SQuAD has it".into()),
        ("{\"data\": []}", None, "there are no questions".into()),
        ("{\"data\": [{}]}", None, "data[0]: there is no \"paragraphs\"; expected an array".into()),
        (&deep("{}"), None, "data[0].paragraphs[0]: there is no \"context\"; expected a string".into()),
        (
            &deep("{\"context\": \"\"}"),
            None,
            "data[0].paragraphs[0]: the field \"context\" is empty; expected a text".into(),
        ),
        (&deep("{\"context\": \"x\"}"), None, "data[0].paragraphs[0]: there is no \"qas\"; expected an array".into()),
        (
            &deep("{\"context\": \"x\", \"qas\": [{\"question\": \"?\"}]}"),
            None,
            "data[0].paragraphs[0].qas[0]: there is no \"id\"; expected a string".into(),
        ),
    ] {
        let path = folder.file("a.json", text);
        fails(read_squad(&path, Need::Required, false), &path, line, &message);
    }
    let path = folder.file("b.json", b"{\n\"x\": \"caf\xe9\"}");
    let message =
        "byte 10 of the line, 0xE9, is not UTF-8; expected text in UTF-8, as `iconv -f latin1 -t UTF-8 FILE` writes it";
    fails(read_squad(&path, Need::Required, false), &path, Some(2), message);
}

#[test]
fn questions_come_in_rows_too() {
    let folder = Folder::new();
    let row = |id: &str, start: usize| {
        format!(
            "{{\"id\": \"{id}\", \"context\": \"Der Bär.\", \"question\": \"Wer?\", \"answers\": {{\"text\": [\"Bär\"], \"answer_start\": [{start}]}}}}"
        )
    };
    let lines = folder.file("a.jsonl", format!("{}\n{}\n", row("a", 4), row("b", 4)));
    let array = folder.file("a.json", format!("[{},\n{}]", row("a", 4), row("b", 4)));
    for path in [lines, array] {
        let rows = read_squad(&path, Need::Required, false).unwrap().rows;
        assert_eq!((rows.len(), &rows[1].answers), (2, &Some(vec![Answer { text: "Bär".into(), start: 4 }])));
    }
    // Whoever predicts does not look at answers, nor at ids; whoever judges needs the texts alone.
    let wrong = folder.file("b.jsonl", format!("{}\n{}\n", row("a", 99), row("a", 4)));
    let of = |need: Need| super::super::read_squad(&wrong, Answers { need, placed: false }, &reading(false));
    assert_eq!(of(Need::Ignored).unwrap().rows.len(), 2);
    assert!(of(Need::Required).unwrap_err().to_string().contains("the id \"a\" has come before"));
    assert!(read_squad(&wrong, Need::Required, false).unwrap_err().to_string().contains("answer_start is 99"));
}
