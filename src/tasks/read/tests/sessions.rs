//! Sessions of items, and tables of users and items.

use super::*;

fn of(line: usize, user: &str, items: &[&str]) -> ItemSession {
    ItemSession { line, user: user.to_owned(), items: words(items) }
}

#[test]
fn sessions_are_items_between_white_space() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "\u{feff}1 2\t3\r\n\n  \nx  y\n");
    let loaded = read_sessions(&path, 2, false).unwrap();
    assert_eq!(loaded.rows, [of(1, "", &["1", "2", "3"]), of(4, "", &["x", "y"])]);
    assert_eq!(loaded.notes, ["a session a line", "first session: 1 2 3 (3 items)"]);
}

#[test]
fn a_session_needs_two_items() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "1 2\n\n3\n4 5\n");
    let message = "the session has only the item \"3\"; expected two items at least";
    fails(read_sessions(&path, 2, false), &path, Some(3), message);
    let loaded = read_sessions(&path, 2, true).unwrap();
    assert_eq!((loaded.rows.len(), loaded.skipped.count), (2, 1));
    assert_eq!(names(&folder, &loaded.skipped), [format!("a.txt:3: {message}")]);

    let path = folder.file("b.txt", "1\n2\n3\n4\n5\n6\n");
    let first = format!("{}:1: {}", path.display(), message.replace('3', "1"));
    fails(read_sessions(&path, 2, true), &path, None, &format!("all sessions are bad, 6 of them; the first: {first}"));
    let path = folder.file("c.txt", " \n\n");
    fails(read_sessions(&path, 2, true), &path, None, "there are no sessions");
    let path = folder.file("d.txt", b"1 2\n3 caf\xe9\n");
    let message =
        "byte 6 of the line, 0xE9, is not UTF-8; expected text in UTF-8, as `iconv -f latin1 -t UTF-8 FILE` writes it";
    fails(read_sessions(&path, 2, false), &path, Some(2), message);
}

#[test]
fn a_table_of_users_and_items_becomes_sessions() {
    let folder = Folder::new();
    let text = "user_id:token\titem_id:token\ttimestamp:float\nu\tb\t2\nv\tx\t1\nu\ta\t1\nu\tc\t2\n";
    let loaded = read_sessions(&folder.file("a.inter", text), 2, false).unwrap();
    assert_eq!(loaded.rows, [of(2, "u", &["a", "b", "c"])]);
    assert_eq!(loaded.notes[1], "1 user with a single item left out");
    assert_eq!(
        read_sessions(&folder.file("a.inter", text), 1, false).unwrap().rows.len(),
        2,
        "one item is enough to ask by"
    );
    let loaded = read_sessions(&folder.file("b.csv", "userId,movieId,rating\n1,7,5\n1,3,4\n"), 2, false).unwrap();
    assert_eq!(loaded.rows, [of(2, "1", &["7", "3"])]);
}

#[test]
fn a_table_without_a_header_is_known_by_its_times() {
    let folder = Folder::new();
    let text = "1\t9\t5\t881251982\n2\t7\t3\t881251990\n1\t8\t4\t881251900\n";
    let loaded = read_sessions(&folder.file("u.data", text), 2, false).unwrap();
    assert_eq!(loaded.rows, [of(1, "1", &["8", "9"])]);
    assert!(
        loaded.notes[0].starts_with("a table of users and items without a header: 2 users (1)"),
        "{:?}",
        loaded.notes
    );

    let dates = "session_id,user_id,item_id,date\ns,u,b,2024-05-31\ns,u,a,2024-04-30\n";
    let loaded = read_sessions(&folder.file("d.csv", dates), 2, false).unwrap();
    assert_eq!(loaded.rows, [of(2, "s", &["a", "b"])], "by the session, in the order of time");
    let path = folder.file("e.csv", format!("{dates}s,u,c,7\n"));
    let message = "the time is \"7\"; expected a number, or in all rows a date such as 2024-05-31";
    fails(read_sessions(&path, 2, false), &path, Some(4), message);
}

#[test]
fn what_is_no_file_of_sessions_is_refused() {
    let folder = Folder::new();
    for (text, message) in [
        ("{\"session\": 0, \"items\": [1, 2]}\n", "this is JSON; expected a session"),
        ("1::2::5::978308023\n", "fields between \"::\" are not read; write tabs in their place"),
        ("user_id,rating\n1,2\n", "the header has no column of items; expected \"item_id\" or \"item\""),
        ("a,item_id\n1,2\n", "the header has no column of users; expected \"session_id\""),
        ("user_number,thing\n1,2\n", "; of a table the header names users and items, such as user_id,item_id"),
    ] {
        let error = read_sessions(&folder.file("a.csv", text), 2, false).unwrap_err();
        assert!(error.to_string().contains("a.csv:1: ") && error.to_string().contains(message), "{error}");
        assert!(error.is_wrong_input());
    }
    let note = |line: &dyn Fn(usize) -> String| {
        let path = folder.file("b.txt", (0..20).map(line).collect::<String>());
        read_sessions(&path, 2, false).unwrap().notes.join("; ")
    };
    assert!(note(&|_| "1 15\n".into()).contains("every line has two items; are they a user and an item?"));
    assert!(
        note(&|user| format!("{user} 15 16\n")).contains("the first items of the lines count 1, 2, 3, ...; are they")
    );
    assert!(!note(&|_| "1 15 16\n".into()).contains("warning"));
}
