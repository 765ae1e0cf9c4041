//! Sentences with tags.

use super::*;

fn sentence(line: usize, texts: &[&str], tags: &[&str]) -> Sentence {
    Sentence { line, words: words(texts), tags: (!tags.is_empty()).then(|| words(tags)) }
}

#[test]
fn the_first_column_is_the_word_and_the_last_the_tag() {
    let folder = Folder::new();
    let lines = [
        "\u{feff}-DOCSTART- -X- O",
        "",
        "# sent_id = 1",
        "# newdoc id = a",
        "EU NNP B-ORG\r",
        "rejects\tVBZ  O ",
        "\t",
        "",
        "# NN O",
        "# = O",
        "\u{a0} NN O",
        "-DOCSTART- -X- O",
        "# text = x",
        "end NN O",
    ];
    let path = folder.file("a.conll", lines.join("\n"));
    let expected = [
        sentence(5, &["EU", "rejects"], &["B-ORG", "O"]),
        sentence(9, &["#", "#", "\u{a0}"], &["O", "O", "O"]),
        sentence(14, &["end"], &["O"]),
    ];
    assert_eq!(read_conll(&path, Need::Required, false).unwrap().rows, expected);
}

#[test]
fn sets_without_tags_have_words_only() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "one\ntwo\n\nthree\n");
    let expected = [sentence(1, &["one", "two"], &[]), sentence(4, &["three"], &[])];
    assert_eq!(read_conll(&path, Need::Optional, false).unwrap().rows, expected);
    let message = "the word \"one\" has no tag; expected a word and its tag in the last column";
    fails(read_conll(&path, Need::Required, false), &path, Some(1), message);
    let path = folder.file("a.jsonl", "{\"words\": [\"one\"]}\n");
    assert_eq!(read_conll(&path, Need::Optional, false).unwrap().rows, [sentence(1, &["one"], &[])]);
}

#[test]
fn a_line_of_another_width_makes_its_sentence_bad() {
    let folder = Folder::new();
    let after = "but the first line of the file has 2; expected a word, its tag in the last column, and no spaces \
                 within them";
    for (bad, found) in [("New York B-LOC", "3 columns"), ("York", "1 column")] {
        let path = folder.file("a.conll", format!("\nin O\n\nold O\n{bad}\nx\n. O\n\n\nend O\n"));
        let message = format!("the line has {found}, {after}");
        fails(read_conll(&path, Need::Optional, false), &path, Some(5), &message);
        let loaded = read_conll(&path, Need::Required, true).unwrap();
        assert_eq!(loaded.rows, [sentence(2, &["in"], &["O"]), sentence(10, &["end"], &["O"])]);
        assert_eq!((loaded.skipped.count, names(&folder, &loaded.skipped)), (1, vec![format!("a.conll:5: {message}")]));
    }
    // The last sentence need not be followed by a blank line.
    let path = folder.file("b.conll", "in O\n\nYork");
    fails(read_conll(&path, Need::Required, false), &path, Some(3), &format!("the line has 1 column, {after}"));
}

#[test]
fn other_conll_errors_name_the_line() {
    let folder = Folder::new();
    let path = folder.file("a.conll", "\n-DOCSTART- O\n\n");
    fails(read_conll(&path, Need::Required, false), &path, None, "there are no sentences");
    let path = folder.file("b.conll", b"in O\ncaf\xe9 O\n\nend O\n");
    let message = "byte 4 of the line, 0xE9, is not UTF-8; expected text in UTF-8";
    fails(read_conll(&path, Need::Required, false), &path, Some(2), message);
    assert_eq!(read_conll(&path, Need::Required, true).unwrap().rows, [sentence(4, &["end"], &["O"])]);
}

#[test]
fn json_lines_hold_words_and_tags() {
    let folder = Folder::new();
    let lines =
        "{\"tokens\": [\"EU\", \"is\"], \"ner_tags\": [3, 0]}\n\n{\"tokens\": [\"x\"], \"ner_tags\": [\"O\"]}\n";
    let path = folder.file("a.jsonl", lines);
    let expected = [sentence(1, &["EU", "is"], &["3", "0"]), sentence(3, &["x"], &["O"])];
    assert_eq!(read_conll(&path, Need::Required, false).unwrap().rows, expected);
}

#[test]
fn json_errors_name_the_line_and_field() {
    let folder = Folder::new();
    for (bad, message) in [
        (
            "{\"words\": [\"a\", \"b\"], \"tags\": [\"O\"]}",
            "the field \"words\" has 2 entries and \"tags\" has 1; expected a tag for each word",
        ),
        ("{\"text\": \"a\"}", "there is no field \"words\"; the fields are: text"),
        ("{\"words\": [\"a\"]}", "there is no field \"tags\"; the fields are: words"),
        ("{\"words\": \"a\"}", "the field \"words\" is a string; expected an array of strings"),
        ("{\"words\": [[]]}", "the field \"words\" has an array at [0]; expected a string"),
        ("{\"words\": []}", "the field \"words\" is empty; expected the words of a sentence"),
        ("7", "the line is a number; expected one JSON object a line"),
    ] {
        let path = folder.file("a.jsonl", format!("{{\"words\": [\"x\"], \"tags\": [\"O\"]}}\n{bad}\n"));
        fails(read_conll(&path, Need::Required, false), &path, Some(2), message);
        let loaded = read_conll(&path, Need::Required, true).unwrap();
        assert_eq!((loaded.rows.len(), loaded.skipped.count), (1, 1));
    }
}
