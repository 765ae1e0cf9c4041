//! Follows `metrics.jsonl` of a run: what has been read once is never read again, and a long file is read in the
//! background, while pages get an overview.

use crate::discover::Run;
use crate::layout::METRICS;
use crate::metrics::Metrics;
use crate::overview::overview;
use std::fs::{File, Metadata};
use std::io::{Read, Result, Seek, SeekFrom};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What is read while a page waits; more is read in the background.
const AT_ONCE: u64 = 8 << 20;

/// Bytes that are read at a time; a longer line is left out.
const CHUNK: u64 = 1 << 20;

/// Where in which file someone has read to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Tells a file from the one that took its place.
    pub file: u64,
    /// Bytes, all of them whole lines.
    pub offset: u64,
    /// Whether all of them were read, not a sample.
    pub whole: bool,
}

impl std::fmt::Display for Position {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(to, "{:x}-{}-{}", self.file, self.offset, u8::from(self.whole))
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let mut parts = text.split('-');
        let mut part = || parts.next().ok_or(());
        let file = u64::from_str_radix(part()?, 16).map_err(drop)?;
        Ok(Self { file, offset: part()?.parse().map_err(drop)?, whole: part()? == "1" })
    }
}

/// A number that a file has as long as it is the same one.
pub fn identity(metadata: &Metadata) -> u64 {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        metadata.ino() ^ metadata.dev().rotate_left(32)
    }
    #[cfg(not(unix))]
    {
        let since = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).ok();
        metadata.created().ok().and_then(since).map_or(0, |time| time.as_nanos() as u64)
    }
}

/// Whole lines after `offset`, at most `CHUNK` bytes, and the bytes that they end at; more than `text` where a line is
/// too long to be one.
pub fn lines_after(file: &mut File, offset: u64) -> Result<(Vec<u8>, u64)> {
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(CHUNK).read_to_end(&mut text)?;
    match text.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => {
            text.truncate(end + 1);
            let end = offset + text.len() as u64;
            Ok((text, end))
        }
        // The rest of the line will not be a record either.
        None if text.len() as u64 == CHUNK => Ok((Vec::new(), offset + CHUNK)),
        None => Ok((Vec::new(), offset)),
    }
}

/// What has been read of a file.
#[derive(Default)]
struct Reader {
    position: Position,
    metrics: Metrics,
}

impl Reader {
    /// Reads on to the end of the file of `run`, from its beginning where it is another one than before.
    fn catch_up(&mut self, run: &Run) -> Result<()> {
        let mut file = run.open(METRICS)?;
        self.check(&file.metadata()?);
        loop {
            let (text, end) = lines_after(&mut file, self.position.offset)?;
            self.metrics.add(&text);
            if end == self.position.offset {
                return Ok(());
            }
            self.position.offset = end;
        }
    }

    fn check(&mut self, metadata: &Metadata) {
        let file = identity(metadata);
        if file != self.position.file || metadata.len() < self.position.offset {
            *self = Self { position: Position { file, offset: 0, whole: true }, metrics: Metrics::default() };
        }
    }
}

/// A file of metrics that someone looks at.
pub struct Follower {
    run: Run,
    /// Absent while it reads in the background.
    reader: Mutex<Option<Reader>>,
    /// What is shown meanwhile, made once.
    overview: Mutex<Option<(Metrics, Position)>>,
}

impl Follower {
    /// Of the metrics of `run`, which need not be there.
    pub fn new(run: Run) -> Arc<Self> {
        Arc::new(Self { run, reader: Mutex::new(Some(Reader::default())), overview: Mutex::default() })
    }

    fn reader(&self) -> MutexGuard<'_, Option<Reader>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows `look` what the file holds by now, all of it or an overview.
    pub fn look<T>(self: &Arc<Self>, look: impl FnOnce(&Metrics, Position) -> T) -> T {
        let mut guard = self.reader();
        if let Some(mut reader) = guard.take() {
            let length = self.run.open(METRICS).and_then(|file| file.metadata()).inspect(|it| reader.check(it));
            let ahead = length.map_or(0, |metadata| metadata.len()).saturating_sub(reader.position.offset);
            if ahead <= AT_ONCE {
                // A file that is not there, or cannot be read, is one without lines.
                if reader.catch_up(&self.run).is_err() {
                    reader = Reader::default();
                    reader.position.whole = true;
                }
                let seen = look(&reader.metrics, reader.position);
                *guard = Some(reader);
                return seen;
            }
            self.read_in_background(reader, &mut guard);
            *self.overview.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        drop(guard);
        let mut overview = self.overview.lock().unwrap_or_else(PoisonError::into_inner);
        let (metrics, position) = overview.get_or_insert_with(|| self.overview().unwrap_or_default());
        look(metrics, *position)
    }

    /// Whether a look would show all of the file.
    pub fn is_whole(&self) -> bool {
        self.reader().is_some()
    }

    fn read_in_background(self: &Arc<Self>, mut reader: Reader, guard: &mut Option<Reader>) {
        let this = self.clone();
        let read = move || {
            if reader.catch_up(&this.run).is_err() {
                reader = Reader::default();
            }
            *this.reader() = Some(reader);
        };
        if thread::Builder::new().name("metrics".into()).spawn(read).is_err() {
            // Without a thread the next look tries again.
            *guard = Some(Reader::default());
        }
    }

    fn overview(&self) -> Result<(Metrics, Position)> {
        let mut file = self.run.open(METRICS)?;
        let metadata = file.metadata()?;
        let metrics = overview(&mut file, metadata.len())?;
        // A line that is being written is left for the events.
        let end = metadata.len().saturating_sub(CHUNK / 16);
        let (text, end_of_lines) = lines_after(&mut file, end)?;
        let offset = if text.is_empty() { metadata.len() } else { end_of_lines.min(metadata.len()) };
        Ok((metrics, Position { file: identity(&metadata), offset, whole: false }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::{Links, discover};
    use crate::layout::CONFIG;
    use std::io::Write;
    use std::path::{Path, PathBuf};

    fn run(directory: &Path) -> (Run, PathBuf) {
        std::fs::write(directory.join(CONFIG), "").unwrap();
        (discover(directory, Links::Inside).remove(0), directory.join(METRICS))
    }

    fn record(step: usize) -> String {
        format!("{{\"step\":{step},\"split\":\"train\",\"loss\":1.5}}\n")
    }

    #[test]
    fn lines_are_read_once_and_only_when_they_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let (run, path) = run(directory.path());
        let follower = Follower::new(run);
        let lines = || follower.look(|metrics, position| (metrics.records, metrics.damaged, position.offset));
        assert_eq!(lines(), (0, 0, 0), "no file yet");
        let mut file = File::create(&path).unwrap();
        write!(file, "{}{{\"step\":2,", record(1)).unwrap();
        assert_eq!(lines(), (1, 0, record(1).len() as u64));
        write!(file, "\"split\":\"train\"}}\n{}broken\n", record(3)).unwrap();
        assert_eq!((lines().0, lines().1), (3, 1));
        // A run that is resumed cuts its file: another one takes its place.
        let other = directory.path().join("other");
        std::fs::write(&other, record(1) + &record(2)).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!((lines().0, lines().1), (2, 0));
        std::fs::write(&path, record(9)).unwrap();
        assert_eq!(lines().0, 1, "it became shorter");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(lines().0, 0);
        let long = "x".repeat((3 << 20) + 5) + "\n" + &record(1);
        std::fs::write(&path, long).unwrap();
        assert_eq!((lines().0, lines().1), (1, 1), "a line that is too long is left out");
    }

    #[test]
    fn a_long_file_is_shown_at_once_and_then_whole() {
        let directory = tempfile::tempdir().unwrap();
        let (run, path) = run(directory.path());
        let count = 300_000;
        std::fs::write(&path, (0..count).map(record).collect::<String>()).unwrap();
        let follower = Follower::new(run);
        let (lines, first) = follower.look(|metrics, position| (metrics.records, position));
        assert!(!first.whole && lines > 0 && lines < count as u64, "{lines}");
        assert_eq!(first.to_string().parse(), Ok(first));
        while !follower.is_whole() {
            thread::sleep(std::time::Duration::from_millis(10));
        }
        let (lines, second) = follower.look(|metrics, position| (metrics.records, position));
        assert_eq!((lines, second), (count as u64, Position { whole: true, ..first }));
    }
}
