//! Parquet: one column of text.

use super::{Assembler, ReadOptions, ReadStats, Reader, decode};
use crate::config::InvalidUtf8;
use crate::error::{Error, Result};
use crate::suggest::hint;
use parquet::basic::Type as Physical;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The rows of a file.
pub(super) struct Rows {
    rows: RowIter<'static>,
    path: PathBuf,
    policy: InvalidUtf8,
    /// For the progress: rows read, rows of the file, and its bytes.
    row: u64,
    total: u64,
    size: u64,
    read: Arc<AtomicU64>,
    counted: u64,
}

impl Rows {
    pub(super) fn open(path: &Path, size: u64, options: &ReadOptions, read: &Arc<AtomicU64>) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::input(path, error.to_string()))?;
        let rows = guarded(path, || {
            let reader = SerializedFileReader::new(file).map_err(|error| Error::input(path, error.to_string()))?;
            let total = reader.metadata().file_metadata().num_rows();
            let schema = projection(path, reader.metadata().file_metadata().schema(), &options.text_field)?;
            let rows = RowIter::from_file_into(Box::new(reader));
            let rows = rows.project(Some(schema)).map_err(|error| Error::input(path, error.to_string()))?;
            Ok((rows, total))
        });
        let (rows, total) = rows?;
        let total = u64::try_from(total).unwrap_or(0);
        let (path, policy, read) = (path.to_owned(), options.invalid_utf8, read.clone());
        Ok(Self { rows, path, policy, row: 0, total, size, read, counted: 0 })
    }
}

/// The schema with the text's column alone.
fn projection(path: &Path, schema: &Type, name: &str) -> Result<Type> {
    let fields = schema.get_fields();
    let Some(field) = fields.iter().find(|field| field.name() == name) else {
        let columns: Vec<_> = fields.iter().map(|field| field.name()).collect();
        let (hint, columns) = (hint(name, columns.iter().copied()), columns.join(", "));
        let message =
            format!("there is no column \"{name}\"; the columns are: {columns}; --text-field chooses one{hint}");
        return Err(Error::input(path, message));
    };
    if !field.is_primitive() || field.get_physical_type() != Physical::BYTE_ARRAY {
        return Err(Error::input(path, format!("the column \"{name}\" holds no text; expected strings")));
    }
    let builder = Type::group_type_builder(schema.name()).with_fields(vec![field.clone()]);
    builder.build().map_err(|error| Error::input(path, error.to_string()))
}

/// Damaged files make the crate panic in places; that is an error of the file, not of the program.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::input(path, "the Parquet file is damaged and cannot be decoded")))
}

impl Reader for Rows {
    fn advance(&mut self, to: &mut Assembler, stats: &mut ReadStats) -> Result<bool> {
        let (rows, path) = (&mut self.rows, &self.path);
        let next = guarded(path, || rows.next().transpose().map_err(|error| Error::input(path, error.to_string())))?;
        let Some(row) = next else { return Ok(false) };
        self.row += 1;
        // The pages are read by the crate, so the share of the rows stands for that of the bytes.
        let reached = (self.size as u128 * u128::from(self.row) / u128::from(self.total.max(self.row))) as u64;
        self.read.fetch_add(reached - self.counted, Ordering::Relaxed);
        self.counted = reached;
        let line = usize::try_from(self.row).ok();
        let bytes = match row.into_columns().into_iter().next() {
            Some((_, Field::Str(text))) => text.into_bytes(),
            Some((_, Field::Bytes(bytes))) => bytes.data().to_vec(),
            _ => Vec::new(),
        };
        if let Some(text) = decode(bytes, self.policy, &self.path, line, stats)? {
            to.record(&text, stats);
        }
        Ok(true)
    }
}
