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
    let message = "the word \"one\" has no tag; expected a word and its tag in the last column, or --tag-column";
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
    let message =
        "byte 4 of the line, 0xE9, is not UTF-8; expected text in UTF-8, as `iconv -f latin1 -t UTF-8 FILE` writes it";
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

/// Files as others write them: the tags of the first words, and the note of what was taken for what.
#[test]
fn columns_are_told_by_what_they_hold() {
    let folder = Folder::new();
    let read = |name: &str, text: &str, reading: &Reading| {
        let loaded = super::super::read_conll(&folder.file(name, text), Need::Required, reading).unwrap();
        let first = loaded.rows[0].clone();
        (first.words, first.tags.unwrap(), loaded.rows.len(), loaded.notes.join("; "))
    };
    let usual = Reading::default();
    let (anna, entity) = (words(&["anna", "runs"]), words(&["B-PER", "O"]));

    let conllu = "# newdoc\n# sent_id = 1\n# text = anna runs\n1\tanna\tanna\tPROPN\t_\t_\t2\tnsubj\t_\t_\n\
                  1-2\tannaruns\t_\t_\t_\t_\t_\t_\t_\t_\n2\truns\trun\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No\n\n";
    let (found, tags, _, note) = read("a.conllu", conllu, &usual);
    assert_eq!((found, tags), (anna.clone(), words(&["PROPN", "VERB"])));
    assert!(note.contains("word = 2, tag = 4, the part of speech of CoNLL-U"), "{note}");

    let germeval =
        "#\thttp://example.org/0 [2009-10-17]\n1\tanna\tB-PER\tO\n2\truns\tO\tO\n\n#\tx\n1\tbell\tO\tB-LOC\n\n";
    let (found, tags, sentences, note) = read("a.tsv", germeval, &usual);
    assert_eq!((found, tags, sentences), (anna.clone(), entity.clone(), 2));
    assert!(note.contains("column 4 has tags too"), "{note}");
    let inner = Reading { tag_column: Some("4".into()), ..Reading::default() };
    assert_eq!(read("b.tsv", germeval, &inner).1, words(&["O", "O"]));

    let multi = "# id 01-0\tdomain=en\nanna _ _ B-PER\nruns _ _ O\n\n# id 01-1\tdomain=en\nbell _ _ O\n";
    assert_eq!(read("c.conll", multi, &usual).1, entity);
    let named = "tokens ner_tags\nanna B-PER\nruns O\n\n# O\n";
    let (found, tags, sentences, _) = read("d.txt", named, &usual);
    assert_eq!((found, tags, sentences), (anna.clone(), entity.clone(), 2));
    let spaced = "anna bell\tB-PER\nruns\tO\n\n";
    assert_eq!(read("e.txt", spaced, &usual).0, words(&["anna bell", "runs"]), "tabs alone separate");
    let array = "[{\"tokens\": [\"anna\", \"runs\"], \"ner_tags\": [\"B-PER\", \"O\"]},\n {\"tokens\": [\"x\"], \"ner_tags\": [\"O\"]}]";
    assert_eq!(read("f.json", array, &usual).1, entity);
    let other = Reading { word_column: Some("w".into()), tag_column: Some("t".into()), ..Reading::default() };
    assert_eq!(read("g.jsonl", "{\"w\": [\"anna\", \"runs\"], \"t\": [\"B-PER\", \"O\"]}", &other).1, entity);
}

#[test]
fn a_column_that_is_not_there_is_refused() {
    let folder = Folder::new();
    let path = folder.file("a.conll", "anna B-PER\n");
    let asked = Reading { tag_column: Some("3".into()), ..Reading::default() };
    let message = "there is no column \"3\", as --tag-column has it; the columns are: 1 to 2";
    fails(super::super::read_conll(&path, Need::Required, &asked), &path, Some(1), message);
    let hidden = folder.file("b.conll", "anna _ _ _\nruns _ _ _\n");
    let message = "the word \"anna\" has no tag; expected a word and its tag in the last column, or --tag-column";
    fails(super::super::read_conll(&hidden, Need::Required, &Reading::default()), &hidden, Some(1), message);
    assert_eq!(super::super::read_conll(&hidden, Need::Optional, &Reading::default()).unwrap().rows[0].tags, None);
}

/// Files whose tags do not stand last, or whose words have something in front.
#[test]
fn columns_are_known_by_what_they_hold() {
    let folder = Folder::new();
    let read = |text: &str| read_conll(&folder.file("a.bio", text), Need::Required, false).unwrap();
    let swapped = read("O\tplay\nB-ACTOR\tLoses\n\nO\ta\n");
    assert_eq!(swapped.rows[0], sentence(1, &["play", "Loses"], &["O", "B-ACTOR"]));
    assert!(swapped.notes[0].starts_with("columns: word = 2, tag = 1;"), "{:?}", swapped.notes);
    let judged = read("# sent_id = 0\n1\triver\tO\t-\t-\n2\tGives\tB-MISC\t-\tjd\n\n1\tSad\tO\t-\tjd\n");
    assert_eq!(judged.rows[0], sentence(2, &["river", "Gives"], &["O", "B-MISC"]), "the last column is an annotator's");
    let prefixed = read("de:eats\tO\nde::\tO\nde:Paris\tB-LOC\n\nde:in\tO\nde:it\tO\n");
    assert_eq!(prefixed.rows[0].words, words(&["eats", ":", "Paris"]));
    assert!(prefixed.notes[0].contains("\"de:\" is taken off every word"), "{:?}", prefixed.notes);
    let commented =
        read("###MEDLINE:95369245\n\n#begin document (a); part 000\nIL-2\tB-DNA\ngene\tO\n\n## x-0\tA text\n#a\tO\n");
    assert_eq!(commented.rows[1], sentence(8, &["#a"], &["O"]), "a word may begin with a hash");

    let path = folder.file("c.iob", "BOS river EOS\tO B-city O\n");
    let message = "the tag \"O B-city O\" has blanks; expected a word and its tag a line";
    fails(read_conll(&path, Need::Required, false), &path, Some(1), message);
    let path = folder.file("latin.conll", b"caf\xe9 O\nb B-X\n\n");
    let message =
        "byte 4 of the line, 0xE9, is not UTF-8; expected text in UTF-8, as `iconv -f latin1 -t UTF-8 FILE` writes it";
    fails(read_conll(&path, Need::Required, false), &path, Some(1), message);
    let whole = read(&"a O\nb B-X\n".repeat(150));
    assert!(whole.notes[1].starts_with("warning: the file is one sentence of 300 words"), "{:?}", whole.notes);
    let offsets = folder.file("d.jsonl", "{\"text\": \"a b\", \"label\": [[0, 1, \"X\"]]}\n");
    let error = read_conll(&offsets, Need::Required, false).unwrap_err();
    assert!(error.to_string().contains("entities by their offsets are not read"), "{error}");
}
