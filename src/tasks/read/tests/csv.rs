//! CSV, where rows may have several lines.

use super::*;

fn wanted() -> Columns {
    Columns::new().text(&["text"], Need::Required).text(&["label"], Need::Required)
}

fn read(path: &Path) -> Vec<(usize, String, String)> {
    let loaded = read_table(path, &wanted(), false).unwrap();
    let parts = |row: TableRow| (row.line, row.text(0).unwrap().to_owned(), row.text(1).unwrap().to_owned());
    loaded.rows.into_iter().map(parts).collect()
}

fn row(line: usize, text: &str, label: &str) -> (usize, String, String) {
    (line, text.into(), label.into())
}

#[test]
fn quotes_hold_commas_and_line_ends() {
    let folder = Folder::new();
    let rows = "label, text ,x\n1,\"a, \"\"b\"\"\nc\",\n\n0,5\" disk,\n \n1,\"end\",z";
    let path = folder.file("a.csv", format!("\u{feff}{rows}"));
    let expected = [row(2, "a, \"b\"\nc", "1"), row(5, "5\" disk", "0"), row(7, "end", "1")];
    assert_eq!(read(&path), expected);
    assert_eq!(columns(&path).unwrap(), ["label", "text", "x"]);
    let path = folder.file("b.csv", rows.replace('\n', "\r\n"));
    let lines = read(&path).into_iter().map(|(line, ..)| line).collect::<Vec<_>>();
    assert_eq!(lines, [2, 5, 7]);
}

#[test]
fn csv_errors_name_the_line_and_column() {
    let folder = Folder::new();
    for (name, bytes, line, message) in [
        ("a.csv", "id,text\n1,x\n", Some(1), "there is no column \"label\"; the columns are: id, text"),
        ("b.csv", "label,text\r\n1,\"x\r\ny\"\r\n\r\n1\r\n", Some(5), "the row has 1 field; the header has 2"),
        ("c.csv", "label,text\n1,x,y\n", Some(2), "the row has 3 fields; the header has 2"),
        ("d.csv", "label,text\n1,\"\"\n", Some(2), "the column \"text\" is empty; expected a text"),
        ("e.csv", "", None, "the file is empty; expected a header line with the names of the columns"),
        ("f.csv", "label,text\n", None, "there are no rows after the header"),
        (
            "g.csv",
            "label,text\n1,x\n1,\"y\n0,z\n",
            Some(3),
            "a quote is opened in this row and never closed; expected its end, or two of them for a quote in a text",
        ),
        (
            "h.csv",
            "\nlabel,text\n",
            Some(1),
            "the first line is blank; expected a header line with the names of the columns",
        ),
    ] {
        let path = folder.file(name, bytes);
        fails(read_table(&path, &wanted(), false), &path, line, message);
    }
    let path = folder.file("i.csv", b"label,text\n1,x\n\n1,caf\xe9\n");
    let message =
        "byte 4 of the field, 0xE9, is not UTF-8; expected text in UTF-8, as `iconv -f latin1 -t UTF-8 FILE` writes it";
    fails(read_table(&path, &wanted(), false), &path, Some(4), message);
}

#[test]
fn a_quote_that_stays_open_on_one_line_does_no_harm() {
    let folder = Folder::new();
    let path = folder.file("a.csv", "label,text\n1,x\n0,6\" pipe\n");
    assert_eq!(read(&path), [row(2, "x", "1"), row(3, "6\" pipe", "0")]);
}
