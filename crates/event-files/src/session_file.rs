//! Writes session files, in the order of the session ids.
//!
//! The form of a row is [`session_row`](parking::session_row)'s. Which sessions there are is left to the caller.

use std::path::Path;

pub use parking::session_row::{HEADER, Row, append_row};

use crate::atomic_file::{AtomicFile, Error};

/// A session file under way; it is in its place once it is [finished](Self::finish).
#[derive(Debug)]
pub struct SessionFile {
    file: AtomicFile,
    line: Vec<u8>,
}

impl SessionFile {
    /// Begins a session file; `-` is standard output.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let mut file = AtomicFile::create(path)?;
        file.write(HEADER.as_bytes())?;
        Ok(Self { file, line: Vec::with_capacity(256) })
    }

    /// Adds a row. The caller keeps the order of the ids.
    pub fn write(&mut self, row: &Row<'_>) -> Result<(), Error> {
        self.line.clear();
        append_row(row, &mut self.line);
        self.file.write(&self.line)
    }

    /// Adds rows that [`append_row`] made. The caller keeps the order of the ids.
    pub fn write_rows(&mut self, rows: &[u8]) -> Result<(), Error> {
        self.file.write(rows)
    }

    /// Makes the file durable and puts it in its place.
    pub fn finish(self) -> Result<(), Error> {
        self.file.finish()
    }
}
