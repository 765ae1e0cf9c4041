//! What is written, read again by a decoder that shares no code with the writer.

use super::*;
use crate::learner::length::Length;
use serde_json::{Value, json};

/// The fields of a protocol buffer: number and value.
#[derive(Debug, Clone, PartialEq)]
enum Field {
    Number(u64),
    Double(f64),
    Float(f32),
    Bytes(Vec<u8>),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let take = |count: usize, bytes: &mut &[u8]| {
            let (taken, rest) = bytes.split_at(count);
            *bytes = rest;
            taken.to_vec()
        };
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Double(f64::from_le_bytes(take(8, &mut bytes).try_into().unwrap())),
            2 => {
                let length = varint(&mut bytes) as usize;
                Field::Bytes(take(length, &mut bytes))
            }
            5 => Field::Float(f32::from_le_bytes(take(4, &mut bytes).try_into().unwrap())),
            layout => panic!("layout {layout}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn inner(fields: &[(u64, Field)], number: u64) -> Vec<Vec<(u64, Field)>> {
    let of = |(found, field): &(u64, Field)| match field {
        Field::Bytes(bytes) if *found == number => Some(self::fields(bytes)),
        _ => None,
    };
    fields.iter().filter_map(of).collect()
}

/// CRC-32C bit by bit, masked.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    let crc = !crc;
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The events of a file.
fn events(path: &Path) -> Vec<Vec<(u64, Field)>> {
    let bytes = std::fs::read(path).unwrap();
    let (mut rest, mut events) = (bytes.as_slice(), Vec::new());
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        assert_eq!(word(&rest[8..12]), checksum(&rest[..8]));
        let (event, behind) = rest[12..].split_at(length);
        assert_eq!(word(&behind[..4]), checksum(event));
        events.push(fields(event));
        rest = &behind[4..];
    }
    events
}

fn step(event: &[(u64, Field)]) -> u64 {
    let found = event.iter().find(|(number, _)| *number == 2);
    found.map_or(0, |(_, field)| if let Field::Number(step) = field { *step } else { panic!("{field:?}") })
}

/// Tag and value of the scalars of an event.
fn values(event: &[(u64, Field)]) -> Vec<(String, f32)> {
    let entries = inner(event, 5).into_iter().flat_map(|summary| inner(&summary, 1));
    let entry = |entry: Vec<(u64, Field)>| match (&entry[0], &entry[1]) {
        ((1, Field::Bytes(tag)), (2, Field::Float(value))) => Some((String::from_utf8(tag.clone()).unwrap(), *value)),
        _ => None,
    };
    entries.filter_map(entry).collect()
}

/// A board of a run that begins after step `step`, and its file.
fn board(run: &Path, step: usize) -> (TensorBoard, PathBuf) {
    let start = RunStart {
        run: run.to_owned(),
        devices: vec![],
        step,
        tokens: 0,
        length: Length::of_steps(300),
        compiles: false,
        checkpoint: None,
        numbers: vec![],
    };
    let mut board = TensorBoard::new();
    board.on_start(&start).unwrap();
    let path = board.file.as_ref().unwrap().0.clone();
    (board, path)
}

fn add_record(board: &mut TensorBoard, columns: Value) -> Result<()> {
    let (step, split) = (columns["step"].as_u64().unwrap() as usize, columns["split"].as_str().unwrap().to_owned());
    let Value::Object(columns) = columns else { panic!("{columns}") };
    board.on_record(&RecordEvent { step, split: &split, columns: &columns, summary: "" })
}

#[test]
fn what_was_written_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path();
    std::fs::write(run.join("config.toml"), "seed = 1\n").unwrap();
    let before = now();
    let (mut first, first_path) = board(run, 0);
    let loss = 25.300_063_133_239_746_f64;
    let columns = json!({"step": 200, "split": "train", "mlm_loss": loss, "disc_auc": null, "skipped_steps": 2});
    add_record(&mut first, columns).unwrap();
    let norms = [("weights/layers.0".to_owned(), 2.0)];
    first.on_validation(&ValidationEvent { step: 210, numbers: &[], sample: None, norms: &norms }).unwrap();
    let events_of_first = events(&first_path);
    assert_eq!(inner(&events_of_first[1], 7), [[(1, Field::Number(1))]], "the second event is a START");
    assert_eq!(events_of_first.iter().map(|event| step(event)).collect::<Vec<_>>(), [0, 0, 0, 200, 210]);
    // Half way between two numbers in single precision, so that the last place counts.
    let expected = [("mlm_loss/train".into(), loss as f32), ("skipped_steps/train".into(), 2.0)];
    assert_eq!(values(&events_of_first[3]), expected);
    assert_eq!(values(&events_of_first[4]), [("norm/weights/layers.0".into(), 2.0)]);
    for event in &events_of_first {
        let Some((1, Field::Double(time))) = event.first() else { panic!("{event:?}") };
        assert!((before..=now()).contains(time), "{time}");
    }
    let text = inner(&inner(&events_of_first[2], 5)[0], 1).remove(0);
    let tensor = inner(&text, 8).remove(0);
    assert!(tensor.contains(&(8, Field::Bytes(b"```toml\nseed = 1\n```\n".to_vec()))), "{tensor:?}");

    // The run resumes after step 150: what the first file has of step 151 and later is void. However fast it follows, its
    // file comes after the first.
    let (_, second_path) = board(run, 150);
    assert!(second_path > first_path);
    assert_eq!(events(&second_path).iter().map(|event| step(event)).collect::<Vec<_>>(), [0, 151, 150]);
}

/// A disk that is full, for a file.
#[test]
#[cfg(target_os = "linux")]
fn a_write_that_fails_is_an_error() {
    let file = File::options().write(true).open("/dev/full").unwrap();
    let mut board = TensorBoard { file: Some(("/dev/full".into(), file)) };
    let error = add_record(&mut board, json!({"step": 1, "split": "train", "loss": 1.0})).unwrap_err();
    assert!(!error.is_wrong_input());
    assert!(error.to_string().starts_with("/dev/full: "), "{error}");
}
