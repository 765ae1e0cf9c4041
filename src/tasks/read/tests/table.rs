//! TSV and JSON lines.

use super::*;

fn labelled() -> Columns {
    Columns::new().text(TEXT, Need::Required).list(LABEL, Need::Required)
}

fn unlabelled() -> Columns {
    Columns::new().text(TEXT, Need::Required).list(LABEL, Need::Optional)
}

fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.into()))
}

#[test]
fn tsv_has_no_quoting() {
    let folder = Folder::new();
    let bytes = "\u{feff}label\textra\tsentence\r\n1\tx\tShe said \"no\".\r\n\r\n0\t\t\"Open\r\n";
    let path = folder.file("a.tsv", bytes);
    let loaded = read_table(&path, &labelled(), false).unwrap();
    let expected = [
        TableRow { line: 2, values: vec![text("She said \"no\"."), text("1")] },
        TableRow { line: 4, values: vec![text("\"Open"), text("0")] },
    ];
    assert_eq!(loaded.rows, expected);
    assert_eq!((loaded.rows[0].text(0), loaded.rows[0].text(2)), (Some("She said \"no\"."), None));
    assert_eq!(columns(&path).unwrap(), ["label", "extra", "sentence"]);
}

#[test]
fn the_first_name_that_is_there_is_taken() {
    let folder = Folder::new();
    let path = folder.file("a.TSV", "score\tlabel\ttext\n0.5\tb\tone\n");
    assert_eq!(read_table(&path, &labelled(), false).unwrap().rows[0].text(1), Some("b"));
    let path = folder.file("b.tsv", "text\tlabel\none\t\ntwo\tb\n");
    let loaded = read_table(&path, &unlabelled(), false).unwrap();
    assert_eq!((loaded.rows[0].text(1), loaded.rows[1].text(1)), (None, Some("b")));
    let path = folder.file("c.tsv", "text\none\n");
    assert_eq!(read_table(&path, &unlabelled(), false).unwrap().rows[0].values, [text("one"), None]);
}

#[test]
fn shapes_follow_from_columns() {
    assert_eq!(Shape::of(&["label", "sentence"]), Some(Shape::Text));
    assert_eq!(Shape::of(&["sentence", "question"]), Some(Shape::Pair("question", "sentence")));
    assert_eq!(Shape::of(&["premise", "hypothesis", "text"]), Some(Shape::Pair("premise", "hypothesis")));
    assert_eq!(Shape::of(&["label", "query", "passage"]), Some(Shape::Ranking));
    assert_eq!(Shape::of(&["label", "Sentence1", "sentence2"]), Some(Shape::Pair("sentence1", "sentence2")));
    assert_eq!(Shape::of(&["label", "abstract"]), None);
}

#[test]
fn tsv_errors_name_the_line_and_column() {
    let folder = Folder::new();
    let header = "expected a header line with the names of the columns";
    for (name, bytes, line, message) in [
        ("b.tsv", "label\ttext\n1\tx\n\n1\n", Some(4), "the row has 1 field; the header has 2"),
        ("c.tsv", "label\ttext\n1\tx\ty\n", Some(2), "the row has 3 fields; the header has 2"),
        ("d.tsv", "", None, &format!("the file is empty; {header}")),
        ("e.tsv", "\nlabel\ttext\n", Some(1), &format!("the first line is blank; {header}")),
        ("f.tsv", "label\ttext\n", None, "there are no rows after the header"),
        ("g.tsv", "label\ttext\n1\tx\n1\t \n", Some(3), "the column \"text\" is empty; expected a text"),
        ("h.tsv", "label\ttext\n\tx\n", Some(2), "the column \"label\" is empty; expected a text"),
        ("i.tsv", "text\tlabel\tlabel\nx\t1\t2\n", Some(1), "there are two columns \"label\"; expected one"),
        (
            "j.txt",
            "one line\nanother\n",
            None,
            "this is no table whose columns are known; expected JSON objects, or fields between tabs or commas below a header with \
             the names of the columns, or --format and --text-column",
        ),
    ] {
        let path = folder.file(name, bytes);
        fails(read_table(&path, &labelled(), false), &path, line, message);
    }
    let path = folder.file("a.tsv", "id\tabstract\n1\tx\n");
    let error = read_table(&path, &labelled(), false).unwrap_err().to_string();
    for part in
        ["a.tsv:1: there is no column \"text\" or", "and no column \"label\" or", "the columns are: id, abstract"]
    {
        assert!(error.contains(part), "{error}");
    }
    let latin =
        "byte 4 of the field, 0xE9, is not UTF-8; expected text in UTF-8, as `iconv -f latin1 -t UTF-8 FILE` writes it";
    let path = folder.file("k.tsv", b"label\ttext\n1\tx\n1\tcaf\xe9\n");
    fails(read_table(&path, &labelled(), false), &path, Some(3), latin);
    let path = folder.file("l.tsv", b"text\tl\xe9\n1\tx\n");
    fails(read_table(&path, &labelled(), false), &path, Some(1), &latin.replace("byte 4", "byte 2"));
    fails(columns(&path), &path, Some(1), &latin.replace("byte 4", "byte 2"));
}

#[test]
fn bad_rows_are_left_out_on_request() {
    let folder = Folder::new();
    let path = folder.file("a.tsv", b"label\ttext\n1\tx\n1\n1\tcaf\xe9\n0\ty\n");
    let loaded = read_table(&path, &labelled(), true).unwrap();
    assert_eq!(loaded.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 5]);
    let messages = [
        "a.tsv:3: the row has 1 field; the header has 2",
        "a.tsv:4: byte 4 of the field, 0xE9, is not UTF-8; expected text in UTF-8, as `iconv -f latin1 -t UTF-8 FILE` writes it",
    ];
    assert_eq!((loaded.skipped.count, names(&folder, &loaded.skipped)), (2, words(&messages)));
    // A wrong header is no bad row.
    let path = folder.file("b.tsv", "label\tbody\n1\tx\n");
    let only = Columns::new().text(&["text"], Need::Required);
    let message = "there is no column \"text\"; the columns are: label, body";
    fails(read_table(&path, &only, true), &path, Some(1), message);
}

#[test]
fn json_values_become_texts_and_lists() {
    let folder = Folder::new();
    let lines = [
        "\u{feff}{\"text\": \"one\", \"labels\": [\"a\", 2], \"x\": {}}\r",
        " ",
        "{\"text\": \"two\", \"labels\": 3.5}",
        "{\"text\": \"three\", \"labels\": true}",
        "{\"text\": 4, \"labels\": null, \"label\": \"another field\"}",
        "{\"text\": \"five\", \"labels\": []}",
    ];
    let path = folder.file("a.jsonl", lines.join("\n"));
    let loaded = read_table(&path, &unlabelled(), false).unwrap();
    let list = |texts: &[&str]| Some(Value::List(words(texts)));
    let expected = [
        TableRow { line: 1, values: vec![text("one"), list(&["a", "2"])] },
        TableRow { line: 3, values: vec![text("two"), text("3.5")] },
        TableRow { line: 4, values: vec![text("three"), text("true")] },
        TableRow { line: 5, values: vec![text("4"), None] },
        TableRow { line: 6, values: vec![text("five"), list(&[])] },
    ];
    assert_eq!(loaded.rows, expected);
    let mut names = columns(&path).unwrap();
    names.sort();
    assert_eq!(names, ["labels", "text", "x"]);
}

#[test]
fn json_errors_name_the_line_and_field() {
    let folder = Folder::new();
    let wanted = Columns::new().text(TEXT, Need::Required).list(&["label"], Need::Required);
    let good = "{\"text\": \"x\", \"label\": 1}\n\n";
    for (bad, message) in [
        ("{\"body\": 1, \"label\": 1}", "there is no field \"text\"; the fields are: body, label"),
        ("{\"label\": null, \"text\": \"x\"}", "the field \"label\" is null; expected a string"),
        ("{}", "there is no field \"text\"; the fields are: none"),
        ("{\"text\": [\"x\"], \"label\": 1}", "the field \"text\" is an array; expected a string"),
        ("{\"text\": \" \", \"label\": 1}", "the field \"text\" is empty; expected a text"),
        ("{\"text\": \"x\", \"label\": {}}", "the field \"label\" is an object; expected a string"),
        ("{\"text\": \"x\", \"label\": [1, null]}", "the field \"label\" has null at [1]; expected a string"),
        ("[1]", "the line is an array; expected one JSON object a line"),
        ("{\"text\": \"x", "EOF while parsing a string at column 11; expected one JSON object a line"),
    ] {
        let path = folder.file("a.ndjson", format!("{good}{bad}\n"));
        fails(read_table(&path, &wanted, false), &path, Some(3), message);
        let loaded = read_table(&path, &wanted, true).unwrap();
        assert_eq!((loaded.rows.len(), names(&folder, &loaded.skipped)), (1, vec![format!("a.ndjson:3: {message}")]));
    }
    let path = folder.file("b.json", "\n");
    fails(read_table(&path, &wanted, false), &path, None, "there are no rows");
    fails(columns(&path), &path, None, "there are no rows");
    let path = folder.file("c.json", "\n[]\n");
    fails(columns(&path), &path, Some(2), "the line is an array; expected one JSON object a line");
    let path = folder.file("d.json", b"{\"text\": \"\xff\"}");
    let message =
        "byte 11 of the line, 0xFF, is not UTF-8; expected text in UTF-8, as `iconv -f latin1 -t UTF-8 FILE` writes it";
    fails(read_table(&path, &wanted, false), &path, Some(1), message);
}

/// Finding 10 of the audit: a row whose label is `null` took its score for a label.
#[test]
fn a_file_has_one_name_for_a_field() {
    let folder = Folder::new();
    let rows =
        "{\"text\": \"x\", \"label\": \"a\", \"score\": 0.9}\n{\"text\": \"y\", \"label\": null, \"score\": 0.9}\n";
    let path = folder.file("a.jsonl", rows);
    let wanted = Columns::new().text(TEXT, Need::Required).text(LABEL, Need::Required);
    let message = "the field \"label\" is null; expected a string";
    fails(read_table(&path, &wanted, false), &path, Some(2), message);
    let first = folder.file("b.jsonl", "{\"text\": \"y\", \"label\": null, \"score\": 0.9}\n");
    fails(read_table(&first, &wanted, false), &first, Some(1), message);
}

#[test]
fn the_layout_is_told_by_contents_first() {
    let folder = Folder::new();
    let names = |name: &str, text: &str| columns(&folder.file(name, text)).unwrap();
    assert_eq!(names("a.txt", "label\tsentence\n1\tx\n"), ["label", "sentence"]);
    assert_eq!(names("a.csv", "label;text\n1;x\n"), ["label", "text"], "as spreadsheets write it");
    assert_eq!(names("b.csv", "label\ttext\n1\tx\n"), ["label", "text"]);
    assert_eq!(names("b.tsv", "label,text\n1,x\n"), ["label", "text"]);
    let quoted = folder.file("q.tsv", "\"label\"\t\"text\"\n\"1\"\t\"a \"\"b\"\"\tc\"\n");
    assert_eq!(read_table(&quoted, &labelled(), false).unwrap().rows[0].text(0), Some("a \"b\"\tc"));
    for (name, text) in [
        ("a.json", "[{\"text\": \"one\", \"label\": 1},\n {\"text\": \"two\", \"label\": NaN}]"),
        (
            "b.json",
            "{\n \"version\": 1,\n \"data\": [{\"text\": \"one\", \"label\": 1}, {\"text\": \"two\", \"label\": null}]}",
        ),
        ("c.txt", "{\"text\": \"one\", \"label\": 1}\n{\"text\": \"two\", \"label\": null}\n"),
    ] {
        let rows = read_table(&folder.file(name, text), &unlabelled(), false).unwrap().rows;
        assert_eq!((rows.len(), rows[0].text(1), rows[1].text(1)), (2, Some("1"), None), "{name}");
    }
    for text in ["{a text in braces}\nanother\n", "Title, sentence\none\n", "a label, a text\nx, y\n"] {
        let none = folder.file("d.txt", text);
        assert!(LabelledTable::open(&none, &Reading::default()).is_err(), "{text}");
    }
}

#[test]
fn numbers_name_the_columns_of_a_table_without_a_header() {
    let folder = Folder::new();
    let path = folder.file("a.tsv", "gj04\t1\t\tThe cat.\ngj04\t0\t*\tCat the.\n");
    let asked = Reading { text_columns: vec!["4".into()], label_column: Some("2".into()), ..Reading::default() };
    let table = LabelledTable::open(&path, &asked).unwrap();
    let wanted = Columns::new().text(&["4"], Need::Required).list(&["2"], Need::Required);
    let rows = table.read(&wanted, false).unwrap().rows;
    assert_eq!((rows.len(), rows[0].line, rows[0].text(0), rows[1].text(1)), (2, 1, Some("The cat."), Some("0")));

    // A field of the first row may be a number that a column is asked for by.
    for first in ["1,a title,a text", "3,a title,a text", "a title,2,3"] {
        let path = folder.file("news.csv", format!("{first}\n2,b,c\n"));
        let asked =
            Reading { text_columns: vec!["2".into(), "3".into()], label_column: Some("1".into()), ..asked.clone() };
        assert_eq!(LabelledTable::open(&path, &asked).unwrap().names, ["1", "2", "3"], "{first}");
        assert_eq!(
            LabelledTable::open(&path, &asked).unwrap().read(&wanted_of(["2", "3", "1"]), false).unwrap().rows.len(),
            2
        );
    }
    let numbered = folder.file("frame.csv", "0,1\n4,a text\n");
    let asked = Reading { text_columns: vec!["1".into()], label_column: Some("0".into()), ..asked };
    let table = LabelledTable::open(&numbered, &asked).unwrap();
    assert_eq!(table.read(&wanted_of(["1", "0", "0"]), false).unwrap().rows[0].line, 2, "the first line is a header");
}

fn wanted_of(names: [&str; 3]) -> Columns {
    names.iter().fold(Columns::new(), |columns, name| columns.text(&[name], Need::Required))
}

#[test]
fn half_a_character_is_a_bad_row_where_it_is_read() {
    let folder = Folder::new();
    let rows = "{\"text\": \"ok\", \"label\": 1, \"id\": \"\\ud83d\"}\n{\"text\": \"\\ud83d\", \"label\": 1}\n";
    let path = folder.file("a.jsonl", rows);
    let message = "the field \"text\" holds half a surrogate pair, which is no character; expected a text in Unicode";
    fails(read_table(&path, &labelled(), false), &path, Some(2), message);
    assert_eq!(read_table(&path, &labelled(), true).unwrap().rows.len(), 1);
}

#[test]
fn a_header_is_no_row() {
    let folder = Folder::new();
    let path = folder.file("stars.csv", "stars,text,useful\n5,the stone,1\nstars,text,useful\n4,of wood,0\n");
    let asked = Reading { text_columns: vec!["2".into()], label_column: Some("1".into()), ..Reading::default() };
    let said = "the first line is a header: stars, text, useful";
    let again = "1 repetition of the header left out";
    for (asked, names, notes) in
        [(asked, ["2", "1", "1"], &[said, again][..]), (Reading::default(), ["text", "stars", "stars"], &[again])]
    {
        let loaded = LabelledTable::open(&path, &asked).unwrap().read(&wanted_of(names), false).unwrap();
        let rows: Vec<_> = loaded.rows.iter().map(|row| (row.line, row.text(0), row.text(1))).collect();
        assert_eq!(rows, [(2, Some("the stone"), Some("5")), (4, Some("of wood"), Some("4"))]);
        assert_eq!(loaded.notes, notes);
    }
    for line in ["label\ttext", "question,context", "Premise\tHypothesis"] {
        assert!(is_known_header(line), "{line}");
    }
    for line in ["label, text", "the text", "a\tb", "Text: a label, and a text"] {
        assert!(!is_known_header(line), "{line}");
    }
}

/// What follows is no part of a name: objects with arrays of objects, packed files, quoted fields between tabs.
#[test]
fn rows_are_known_by_what_they_hold() {
    let folder = Folder::new();
    let nested = "{\"text\": \"a\", \"label\": 1, \"spans\": [{\"start\": 0}]}\n";
    let texts = |name: &str, bytes: &[u8]| -> Vec<String> {
        let rows = read_table(&folder.file(name, bytes), &labelled(), false).unwrap().rows;
        rows.iter().map(|row| row.text(0).unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(texts("one.jsonl", nested.as_bytes()), ["a"]);
    assert_eq!(texts("two.jsonl", nested.repeat(2).as_bytes()), ["a", "a"]);
    let quoted = "label\ttext\n1\t\"\"\"a\"\" b\"\n0\tc\n";
    assert_eq!(texts("q.tsv", quoted.as_bytes()), ["\"a\" b", "c"]);
    assert_eq!(texts("stray.tsv", b"label\ttext\n1\t\"a\" b\n0\t\"\"c\"\"\n"), ["\"a\" b", "\"\"c\"\""]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, quoted.as_bytes()).unwrap();
    assert_eq!(texts("q.tsv.gz", &packed.finish().unwrap()), ["\"a\" b", "c"]);
    assert_eq!(texts("tabs.csv", b"label\ttext\n1\ta, b\n"), ["a, b"]);

    for (name, bytes, message) in [
        ("a.xlsx", &b"PK\x03\x04"[..], "this is a workbook; expected it saved as CSV"),
        ("a.tsv", b"\xff\xfea\0", "this is text in UTF-16"),
        (
            "a.tsv.bz2",
            b"BZh91AY",
            "this is a bzip2 file, which is not unpacked; expected what `bunzip2 -c FILE` writes",
        ),
    ] {
        let error = columns(&folder.file(name, bytes)).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    assert!(columns(folder.0.path()).unwrap_err().to_string().contains("this is a folder; expected a file"));

    // Rows without a header may end with fields that others lack.
    let path = folder.file("ragged.tsv", "a\t1\tone\nb\t0\ttwo\tsource\nc\t1\n");
    let asked = Reading { text_columns: vec!["3".into()], label_column: Some("2".into()), ..Reading::default() };
    let loaded = LabelledTable::open(&path, &asked).unwrap().read(&wanted_of(["3", "2", "2"]), true).unwrap();
    assert_eq!((loaded.rows.len(), loaded.skipped.count), (2, 1), "{:?}", loaded.notes);
    assert!(loaded.notes[0].starts_with("1 row with more or fewer fields than the 3 fields of the first"));
}
