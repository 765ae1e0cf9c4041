//! An image as a PNG file: the four chunks that it needs, compressed by `flate2`.

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::io::Write;

/// Eight bits a colour, red, green and blue; no interlacing.
const KIND: [u8; 5] = [8, 2, 0, 0, 0];

/// The file of `rgb`, three bytes a pixel, row by row.
pub(super) fn encode((width, height): (u32, u32), rgb: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &KIND].concat();
    chunk(&mut file, b"IHDR", &header);
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    for row in rgb.chunks_exact(3 * width as usize) {
        // Each row says how it was filtered: not at all.
        packed.write_all(&[0])?;
        packed.write_all(row)?;
    }
    chunk(&mut file, b"IDAT", &packed.finish()?);
    chunk(&mut file, b"IEND", &[]);
    Ok(file)
}

/// Length, name, contents, checksum of the latter two.
fn chunk(file: &mut Vec<u8>, name: &[u8; 4], bytes: &[u8]) {
    let mut crc = Crc::new();
    crc.update(name);
    crc.update(bytes);
    file.extend((bytes.len() as u32).to_be_bytes());
    file.extend(name);
    file.extend(bytes);
    file.extend(crc.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn an_image_is_read_again() {
        let rgb: Vec<u8> = (0..3 * 5 * 4).map(|byte| (byte * 7) as u8).collect();
        let file = encode((5, 4), &rgb).unwrap();
        let (signature, mut rest) = file.split_at(8);
        assert_eq!(signature, [137, 80, 78, 71, 13, 10, 26, 10]);
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            let mut crc = Crc::new();
            crc.update(&rest[4..8 + length]);
            assert_eq!(crc.sum().to_be_bytes(), rest[8 + length..12 + length]);
            chunks.push((&rest[4..8], &rest[8..8 + length]));
            rest = &rest[12 + length..];
        }
        assert_eq!(chunks[0], (&b"IHDR"[..], &[0, 0, 0, 5, 0, 0, 0, 4, 8, 2, 0, 0, 0][..]));
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(chunks[1].1).read_to_end(&mut rows).unwrap();
        let filtered: Vec<u8> = rgb.chunks(15).flat_map(|row| [&[0], row].concat()).collect();
        assert_eq!((chunks[1].0, rows), (&b"IDAT"[..], filtered));
        // The end of every PNG file, byte for byte.
        assert_eq!(file[file.len() - 12..], *b"\0\0\0\0IEND\xae\x42\x60\x82");
    }
}
