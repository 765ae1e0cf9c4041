//! What a file is by its first bytes, where it is no text.

/// What to do with a file that begins with `first` and is no text; nothing for what may be one.
pub(crate) fn refusal(first: &[u8]) -> Option<String> {
    let unpack = |what: &str, how: &str| Some(format!("this is {what}, which is not unpacked; {how}"));
    let pipe = |tool: &str| format!("expected what `{tool} FILE` writes");
    match first {
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => unpack("a bzip2 file", &pipe("bunzip2 -c")),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => unpack("a zip archive", "unpack it and name its files, or their folder"),
        [b'7', b'z', 0xbc, 0xaf, ..] => unpack("a 7z archive", "unpack it and name its files, or their folder"),
        [b'R', b'a', b'r', b'!', ..] => unpack("a rar archive", "unpack it and name its files, or their folder"),
        [0x04, 0x22, 0x4d, 0x18, ..] => unpack("an lz4 file", &pipe("lz4 -dc")),
        [0x5d, 0x00, 0x00, ..] => unpack("an lzma file", &pipe("xz --format=lzma -dc")),
        [b'P', b'A', b'R', b'1', ..] => Some("this is a Parquet file, which is read as a corpus, by a name that ends in .parquet or --format parquet; expected text".into()),
        [b'%', b'P', b'D', b'F', ..] => Some("this is a PDF file; expected text, for example that of `pdftotext FILE -`".into()),
        [0x89, b'H', b'D', b'F', ..] => Some("this is an HDF5 file; expected text".into()),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            Some("this is text in UTF-32; convert it: `iconv -f UTF-32 -t UTF-8 FILE`".into())
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Some("this is text in UTF-16; convert it: `iconv -f UTF-16 -t UTF-8 FILE`".into())
        }
        _ if first.get(257..262) == Some(b"ustar") => {
            unpack("a tar archive", "unpack it (`tar -xf FILE`) and name its files, or their folder")
        }
        _ if first.starts_with(b"version https://git-lfs.github.com/") => {
            Some("this is a pointer of Git LFS and not the file itself; `git lfs pull` fetches it".into())
        }
        _ if first.len() > 3 && first.iter().filter(|&&byte| byte == 0).count() * 4 > first.len() => {
            let even = first.iter().step_by(2).filter(|&&byte| byte == 0).count();
            let odd = first.iter().skip(1).step_by(2).filter(|&&byte| byte == 0).count();
            let from = if even > odd { "UTF-16BE" } else { "UTF-16LE" };
            Some(format!(
                "more than a quarter of its first bytes are NUL; expected text in UTF-8 (`iconv -f {from} -t UTF-8` converts UTF-16)"
            ))
        }
        _ => None,
    }
}

/// Whether the lines of a text that begins with `first` end in a carriage return alone.
pub(crate) fn is_old_mac(first: &[u8]) -> bool {
    let first = &first[..first.len().min(1 << 16)];
    !first.contains(&b'\n') && first.iter().filter(|&&byte| byte == b'\r').count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_refused_by_name() {
        let of = |first: &[u8]| refusal(first).unwrap_or_default();
        assert!(of(b"BZh91AY").contains("bunzip2 -c"));
        assert!(of(b"PK\x03\x04..").contains("zip archive"));
        assert!(of(b"a\0b\0c\0d\0").contains("UTF-16LE"));
        assert!(of(b"\xff\xfea\0").contains("UTF-16"));
        assert!(of(b"\xff\xfe\0\0a\0\0\0").contains("UTF-32"));
        assert!(of(b"\0a\0b\0c\0d").contains("UTF-16BE"));
        assert!(is_old_mac(b"a\rb\rc") && !is_old_mac(b"a\r\nb\r") && !is_old_mac(b"a\r"));
        assert!(of(b"version https://git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
        let mut tar = vec![b'x'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert!(of(&tar).contains("tar -xf"));
        for text in [&b"BZh a village"[..], b"PK", b"", b"a\0b", b"%PD", b"Rar"] {
            assert_eq!(refusal(text), None, "{text:?}");
        }
    }
}
