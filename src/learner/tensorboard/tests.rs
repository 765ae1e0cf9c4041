//! What is written, read again by a decoder that shares no code with the writer.

use super::*;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Tensor;
use burn::train::Interrupter;

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

#[derive(Module, Debug)]
struct Net {
    layers: Vec<Linear>,
}

fn board(run: &Path, start: usize) -> Board {
    Board::create(run, start, Failure::new(Interrupter::new())).unwrap()
}

#[test]
fn what_was_written_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path();
    std::fs::write(run.join("config.toml"), "seed = 1\n").unwrap();
    let before = now();
    let first = board(run, 0);
    first.write_record(
        r#"{"step":200,"split":"train","mlm_loss":25.300063133239746,"disc_auc":null,"skipped_steps":2}"#,
    );
    let events_of_first = events(&first.path);
    assert_eq!(inner(&events_of_first[1], 7), [[(1, Field::Number(1))]], "the second event is a START");
    assert_eq!(events_of_first.iter().map(|event| step(event)).collect::<Vec<_>>(), [0, 0, 0, 200]);
    // Half way between two numbers in single precision, so that the last place counts.
    let expected = [("mlm_loss/train".into(), 25.300_063_133_239_746_f64 as f32), ("skipped_steps/train".into(), 2.0)];
    assert_eq!(values(&events_of_first[3]), expected);
    for event in &events_of_first {
        let Some((1, Field::Double(time))) = event.first() else { panic!("{event:?}") };
        assert!((before..=now()).contains(time), "{time}");
    }
    let text = inner(&inner(&events_of_first[2], 5)[0], 1).remove(0);
    let tensor = inner(&text, 8).remove(0);
    assert!(tensor.contains(&(8, Field::Bytes(b"```toml\nseed = 1\n```\n".to_vec()))), "{tensor:?}");

    // The run resumes after step 150: what the first file has of step 151 and later is void. However fast it follows, its
    // file comes after the first.
    let second = board(run, 150);
    assert!(second.path > first.path);
    assert_eq!(events(&second.path).iter().map(|event| step(event)).collect::<Vec<_>>(), [0, 151, 150]);
}

#[test]
fn norms_are_by_block() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.toml"), "").unwrap();
    let device = crate::device::select("flex").unwrap().device;
    let linear = |factor: f64| {
        let linear = LinearConfig::new(2, 2).with_bias(false).init(&device);
        Linear { weight: linear.weight.map(|weight| weight.zeros_like() + factor), bias: None }
    };
    let model = Net { layers: vec![linear(1.0), linear(3.0)] };
    let square = |value: f32| Tensor::from_data([value], &device);
    let gradients = vec![("layers.0.weight".to_owned(), square(9.0)), ("layers.0.bias".to_owned(), square(16.0))];
    let board = board(directory.path(), 0);
    board.write_norms(5, &model, gradients).unwrap();
    let event = events(&board.path).remove(3);
    let expected = [("norm/gradients/layers.0", 5.0), ("norm/weights/layers.0", 2.0), ("norm/weights/layers.1", 6.0)];
    assert_eq!(values(&event), expected.map(|(tag, norm)| (tag.to_owned(), norm)));
    assert_eq!(step(&event), 5);
}

/// A disk that is full, for a file.
#[test]
#[cfg(target_os = "linux")]
fn a_write_that_fails_stops_the_run() {
    let interrupter = Interrupter::new();
    let failure = Failure::new(interrupter.clone());
    let file = File::options().write(true).open("/dev/full").unwrap();
    let board = Board { path: "/dev/full".into(), file: Mutex::new(file), failure: failure.clone() };
    board.write_record(r#"{"step":1,"split":"train","loss":1.0}"#);
    assert!(interrupter.should_stop());
    let error = failure.take().unwrap();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().starts_with("/dev/full: "), "{error}");
}
