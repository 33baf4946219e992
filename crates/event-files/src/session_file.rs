//! Writes session files, in the order of the session ids.
//!
//! [`session_row`](parking::session_row) defines the row. The caller supplies the sessions.

use std::path::Path;

pub use parking::session_row::{
    HEADER, HEADER_WITH_MISREADS, MisreadColumns, Row, append_row, append_row_with_misreads,
};

use crate::atomic_file::{AtomicFile, Error};

/// A session file being written. It gets its final name when it is [finished](Self::finish).
#[derive(Debug)]
pub struct SessionFile {
    file: AtomicFile,
    line: Vec<u8>,
}

impl SessionFile {
    /// Begins a session file; `-` is standard output.
    pub fn create(path: &Path) -> Result<Self, Error> {
        Self::with_header(path, HEADER)
    }

    /// Begins a session file with the columns of misread matches; `-` is standard output.
    pub fn create_with_misreads(path: &Path) -> Result<Self, Error> {
        Self::with_header(path, HEADER_WITH_MISREADS)
    }

    fn with_header(path: &Path, header: &str) -> Result<Self, Error> {
        let mut file = AtomicFile::create(path)?;
        file.write(header.as_bytes())?;
        Ok(Self { file, line: Vec::with_capacity(256) })
    }

    /// Appends a row. The caller keeps the order of the ids.
    pub fn write(&mut self, row: &Row<'_>) -> Result<(), Error> {
        self.line.clear();
        append_row(row, &mut self.line);
        self.file.write(&self.line)
    }

    /// Appends rows made by [`append_row`]. The caller keeps the order of the ids.
    pub fn write_rows(&mut self, rows: &[u8]) -> Result<(), Error> {
        self.file.write(rows)
    }

    /// Makes the file durable and renames it to its final name.
    pub fn finish(self) -> Result<(), Error> {
        self.file.finish()
    }
}
