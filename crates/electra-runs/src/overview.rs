//! A first look at a long file: blocks at even distances, cut to whole lines. Extremes between them are missed, which is
//! why a page is marked as an overview.

use crate::metrics::Metrics;
use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};

/// Blocks that are read, and the bytes of each.
const BLOCKS: u64 = 500;
const BLOCK: u64 = 4096;

/// Bytes of the beginning, and of the end, where a page looks first.
const END: u64 = 1 << 16;

/// A sample of the first `length` bytes of `file`.
pub(crate) fn overview(file: &mut File, length: u64) -> Result<Metrics> {
    let mut metrics = Metrics::default();
    let distance = length / BLOCKS;
    let between = (1..BLOCKS).map(|block| (block * distance, BLOCK));
    let between = between.filter(|(start, size)| *start >= END && start + size <= length.saturating_sub(END));
    let blocks = std::iter::once((0, END)).chain(between).chain([(length.saturating_sub(END).max(END), END)]);
    let mut text = Vec::new();
    for (start, size) in blocks {
        file.seek(SeekFrom::Start(start))?;
        text.clear();
        file.take(size.min(length.saturating_sub(start))).read_to_end(&mut text)?;
        metrics.add(whole_lines(&text, start == 0));
    }
    Ok(metrics)
}

/// `text` without the line that begins before it, unless it is `first`, and the one that ends after it.
fn whole_lines(text: &[u8], first: bool) -> &[u8] {
    let newline = |byte: &u8| *byte == b'\n';
    let start = if first { Some(0) } else { text.iter().position(newline).map(|at| at + 1) };
    match (start, text.iter().rposition(newline)) {
        (Some(start), Some(end)) if start <= end => &text[start..=end],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn lines_are_whole_and_reach_from_one_end_to_the_other() {
        let mut file = tempfile::tempfile().unwrap();
        let lines = 100_000;
        for step in 0..lines {
            writeln!(file, "{{\"step\":{step},\"split\":\"train\",\"loss\":{step}.5,\"filler\":\"{:060}\"}}", 0)
                .unwrap();
        }
        let length = file.stream_position().unwrap();
        let metrics = overview(&mut file, length).unwrap();
        assert_eq!(metrics.damaged, 0);
        assert!(metrics.records > 8_000 && metrics.records < lines, "{}", metrics.records);
        let (first, last) = metrics.get("loss", "train").unwrap().ends().unwrap();
        assert_eq!((first.0, last.0), (0, lines - 1));
    }
}
