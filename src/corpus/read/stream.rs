//! Streams of bytes, unpacked where they are gzip, zstd or xz.

use std::io::{BufReader, Cursor, Read};

/// A decompressed stream of bytes.
pub(super) type Stream = BufReader<Box<dyn Read>>;

/// The longest window of zstd that is read, as a power of two: 2 GiB, the most that its own program takes with `--long=31`.
const LONGEST_WINDOW: u32 = 31;

/// What an error of unpacking means.
pub(super) fn unpacked(error: &std::io::Error) -> String {
    let message = error.to_string();
    if message.contains("too much memory") {
        return format!(
            "its zstd window is longer than 2^{LONGEST_WINDOW} bytes, the longest that is read; expected it packed with less"
        );
    }
    message
}

/// Reads `count` bytes, fewer at the end, and puts them back in front.
fn peek(mut stream: impl Read, count: u64) -> std::io::Result<(Vec<u8>, impl Read)> {
    let mut first = Vec::new();
    (&mut stream).take(count).read_to_end(&mut first)?;
    Ok((first.clone(), Cursor::new(first).chain(stream)))
}

/// `bytes` unpacked, where they are gzip, zstd or xz; `most` is the size that is allowed.
///
/// # Errors
/// What is wrong with them, in words.
pub(crate) fn unpack(bytes: Vec<u8>, most: u64) -> std::result::Result<Vec<u8>, String> {
    let is_packed = |magic: &&[u8]| bytes.starts_with(magic);
    let magics: [&[u8]; 3] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], &[0xfd, b'7', b'z', b'X', b'Z', 0]];
    if !magics.iter().any(is_packed) {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    let (stream, _) = decompress(Cursor::new(bytes)).map_err(|error| unpacked(&error))?;
    stream.take(most.saturating_add(1)).read_to_end(&mut text).map_err(|error| unpacked(&error))?;
    match text.len() as u64 > most {
        true => Err(format!("it has more than {most} bytes when it is unpacked, the most that are expected of it")),
        false => Ok(text),
    }
}

/// Unpacks gzip, zstd and xz, recognised by their first bytes, and leaves out a byte order mark; also the first bytes of what was
/// unpacked, as many as it takes to recognise a tar archive.
pub(super) fn decompress(raw: impl Read + 'static) -> std::io::Result<(Stream, Vec<u8>)> {
    let (first, raw) = peek(raw, 6)?;
    let raw = BufReader::with_capacity(1 << 16, raw);
    let plain: Box<dyn Read> = if first.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(raw))
    } else if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(raw)?;
        decoder.window_log_max(LONGEST_WINDOW)?;
        Box::new(decoder)
    } else if first.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(raw))
    } else {
        Box::new(raw)
    };
    let (first, plain) = peek(plain, 512)?;
    let mut plain: Box<dyn Read> = Box::new(plain);
    if first.starts_with(&[0xef, 0xbb, 0xbf]) {
        plain.read_exact(&mut [0; 3])?;
    }
    Ok((BufReader::with_capacity(1 << 16, plain), first))
}
