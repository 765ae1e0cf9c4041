//! The file format of TensorBoard: a TFRecord for each event, and the few fields of the protocol buffers `Event` and
//! `Summary` that a run needs. Both are small and fixed, so they are written here and no generator of code is needed.

/// The parts of an event that differ.
pub(super) enum What<'a> {
    /// The first event of a file: the version of the format.
    Version,
    /// A process begins: what an earlier one has written at this step and later ones is void.
    Start,
    /// Numbers by tag.
    Scalars(&'a [(String, f64)]),
    /// A text in Markdown under a tag.
    Text(&'a str, &'a str),
}

/// An event as it stands in the file; `time` is in seconds since 1970.
pub(super) fn record(time: f64, step: usize, what: &What) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, time);
    event.number(2, step as u64);
    match what {
        What::Version => event.bytes(3, b"brain.Event:2"),
        // SessionLog: its status is START.
        What::Start => event.message(7, |log| log.number(1, 1)),
        What::Scalars(scalars) => event.message(5, |summary| {
            for (tag, value) in *scalars {
                summary.message(1, |entry| {
                    entry.bytes(1, tag.as_bytes());
                    entry.float(2, *value as f32);
                });
            }
        }),
        What::Text(tag, text) => event.message(5, |summary| summary.message(1, |entry| write_text(entry, tag, text))),
    }
    framed(&event.0)
}

/// A tensor of one string, and the name of the plugin that shows it.
fn write_text(entry: &mut Message, tag: &str, text: &str) {
    const DT_STRING: u64 = 7;
    entry.bytes(1, tag.as_bytes());
    entry.message(8, |tensor| {
        tensor.number(1, DT_STRING);
        tensor.message(2, |shape| shape.message(2, |dimension| dimension.number(1, 1)));
        tensor.bytes(8, text.as_bytes());
    });
    entry.message(9, |metadata| metadata.message(1, |plugin| plugin.bytes(1, b"text")));
}

/// A TFRecord: length, its checksum, the bytes, their checksum.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(bytes.len() + 16);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(bytes);
    record.extend(masked_crc(bytes).to_le_bytes());
    record
}

/// CRC-32C, turned and shifted, so that a checksum of bytes that hold checksums is none of a special kind.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A protocol buffer that is being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A field's number and how its value is laid out.
    fn key(&mut self, field: u64, layout: u64) {
        self.varint(field << 3 | layout);
    }

    /// A zero is the default, which is left out.
    fn number(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.key(field, 0);
            self.varint(value);
        }
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The check values of RFC 3720, appendix B.4, and a masked one worked out by hand.
    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        // 0xe3069283 turned by 15 is 0x2507c60d.
        assert_eq!(masked_crc(b"123456789"), 0x2507_c60d_u32.wrapping_add(0xa282_ead8));
    }

    /// The bytes that TensorBoard's own `RecordWriter` and protocol buffers make of the same events.
    #[test]
    fn records_are_those_of_tensorboard() {
        assert_eq!(
            hex(&record(1.5, 0, &What::Version)),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c"
        );
        assert_eq!(
            hex(&record(1.5, 7, &What::Start)),
            "0f000000000000006d532b0909000000000000f83f10073a020801774771c7"
        );
        let scalars = [("loss/train".to_owned(), 0.25)];
        assert_eq!(
            hex(&record(1.5, 300, &What::Scalars(&scalars))),
            "2100000000000000017becf609000000000000f83f10ac022a130a110a0a6c6f73732f747261696e150000803e6c5611a4"
        );
    }
}
