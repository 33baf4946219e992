//! Reads files of gate events: JSON or CSV, plain or gzip, by file name or `-` for standard input. Writes session
//! files, which replace older ones atomically.
//!
//! Format and compression are detected from the content, never from the name. Each event is returned with its
//! original JSON text, each refused line with the reason ([`RefusedLines`] counts them). Only blank lines are skipped
//! silently: repeated headers, dropped members and files without events are reported, and if no file has an event,
//! reading fails.
//!
//! Start reading at [`read`] and [`read_in_parallel`]. Deliberately not here: the meaning of an event, the command
//! line, and the display of progress (see [`Observer`]).

pub mod atomic_file;
mod columns;
mod csv;
mod fields;
mod format;
mod gzip;
mod json;
mod lines;
mod observer;
mod parallel;
mod refused;
mod scan;
pub mod sequencer;
pub mod session_file;
mod sink;
mod source;
mod zeros;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking::{Certainty, GateEvent, Refusal};
use uuid::Uuid;

pub use observer::Observer;
pub use parallel::{Seen, read_in_parallel};
pub use refused::{RefusedLines, Verdict};

use self::format::Format;
use self::sink::Sink;
use self::source::Source;

/// The name of standard input on the command line.
pub const STDIN: &str = "-";
/// A longer line stops the reading: lines are kept in memory, and no file of gate events has such a line.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a file could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not exist, or is not readable.
    #[error("cannot open {file}")]
    Open {
        /// The file.
        file: String,
        /// The system's error.
        source: io::Error,
    },
    /// Reading failed later.
    #[error("cannot read {file} behind line {line}")]
    Read {
        /// The file.
        file: String,
        /// The last complete line, from 1.
        line: u64,
        /// The error of the system or the decompression.
        source: io::Error,
    },
    /// A truncated gzip stream.
    #[error("{file} is a gzip file that ends too early, behind line {line}: it was cut off; get a whole copy of it")]
    CutOff {
        /// The file.
        file: String,
        /// The last complete line, from 1.
        line: u64,
    },
    /// gzip data that can't be decompressed, or has another checksum.
    #[error("{file} is a gzip file that is damaged behind line {line}; get a whole copy of it")]
    DamagedGzip {
        /// The file.
        file: String,
        /// The last complete line, from 1.
        line: u64,
        /// The error of the decompression.
        source: io::Error,
    },
    /// Zero bytes in an array of several lines, or more of them than a line may have bytes.
    #[error("{file}:{line} has zero bytes: {}", zeros::DAMAGED)]
    Zeros {
        /// The file.
        file: String,
        /// Their line, from 1.
        line: u64,
    },
    /// The gzip data is followed by other bytes.
    #[error(
        "{file} has garbage behind the end of the gzip data, at byte {at}: something else was appended to it; get a whole \
         copy of it, or take what is before (head -c {at})"
    )]
    BehindGzip {
        /// The file.
        file: String,
        /// The offset of these bytes.
        at: u64,
    },
    /// A JSON array of several lines that is broken or not closed.
    #[error(
        "{file}:{line}: the JSON array that begins at line {begun} is broken here, or not closed; get a whole copy of it, or write one event a line (jq -c '.[]')"
    )]
    BrokenArray {
        /// The file.
        file: String,
        /// The line of the error, from 1.
        line: u64,
        /// The line where the array begins, from 1.
        begun: u64,
    },
    /// None of the files contains an event, or anything that could be one.
    #[error("there is no event to read: {reasons}")]
    NoEvents {
        /// The files, with the reasons.
        reasons: String,
    },
    /// Neither JSON nor CSV of gate events.
    #[error(
        "{file} is no file of gate events: {reason}; a line is a JSON object, or the file begins with a CSV header \
         that has id, vehicle_plate and entry_date_time or exit_date_time, separated by commas"
    )]
    UnknownFormat {
        /// The file.
        file: String,
        /// What is wrong with its beginning.
        reason: String,
    },
    /// A line above the maximum length.
    #[error("{file}:{line} is longer than {LINE_BYTES_MAX} bytes; write one event a line")]
    LongLine {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
    },
    /// Standard input can be read only once.
    #[error("- (standard input) is named twice; it can be read only once")]
    StdinTwice,
}

/// An item of a file, in order.
#[derive(Debug)]
pub enum Item<'a> {
    /// A gate event.
    Event {
        /// The event.
        event: GateEvent,
        /// What its camera says of its certainty beyond the confidence.
        certainty: Option<Box<Certainty>>,
        /// The id of the read of the same lot and gate that this one replaces.
        supersedes: Option<Uuid>,
        /// Its original JSON text; `None` in a CSV file.
        json: Option<&'a [u8]>,
    },
    /// A refused line or element.
    Refused(Refused<'a>),
}

/// A refused line, or a refused element of one.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The file's name, as given.
    pub file: &'a str,
    /// The line, from 1.
    pub line: u64,
    /// Its text, without the line end.
    pub text: &'a [u8],
    /// The header line, if the file is CSV.
    pub header: Option<&'a [u8]>,
    /// The reason.
    pub refusal: &'a Refusal,
}

/// Reads the files one after the other, until `visit` breaks off.
///
/// # Errors
/// The first file that can't be read to its end, or no file contains an event.
pub fn read(
    files: &[PathBuf],
    observer: &Arc<dyn Observer>,
    visit: &mut impl FnMut(Item<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut sink = Sink::new(visit);
    for file in files {
        let mut source = Source::open(file, observer)?;
        if read_records(&mut source, &mut sink)?.is_break() {
            return Ok(());
        }
    }
    sink.account.tell(observer.as_ref())
}

/// Reads a file from its beginning to its end.
fn read_records(
    source: &mut Source,
    sink: &mut Sink<impl FnMut(Item<'_>) -> ControlFlow<()>>,
) -> Result<ControlFlow<()>, Error> {
    let had_items = std::mem::take(&mut sink.account.has_items);
    let (read, problem) = match source.format() {
        Format::Lines | Format::Array => (json::read(source, sink)?, "has only blank lines"),
        Format::Csv => (csv::read(source, sink)?, "has a header and no record"),
        Format::Empty(problem) => (ControlFlow::Continue(()), problem),
    };
    if !sink.account.has_items {
        sink.account.is_empty(source.name(), problem);
    }
    sink.account.has_items |= had_items;
    Ok(read)
}

/// Checks the files before the work begins, so that a wrong name is reported early.
///
/// # Errors
/// Standard input is named twice, or a file does not exist.
pub fn check(files: &[PathBuf]) -> Result<(), Error> {
    if files.iter().filter(|file| is_stdin(file)).count() > 1 {
        return Err(Error::StdinTwice);
    }
    for file in files.iter().filter(|file| !is_stdin(file)) {
        std::fs::metadata(file).map_err(|source| Error::Open { file: file.display().to_string(), source })?;
    }
    Ok(())
}

/// The total size of the files; `None` if one of them has no known size.
pub fn total_bytes(files: &[PathBuf]) -> Option<u64> {
    let bytes = |file: &PathBuf| {
        let there = if is_stdin(file) { None } else { std::fs::metadata(file).ok() };
        there.filter(std::fs::Metadata::is_file).map(|there| there.len())
    };
    files.iter().map(bytes).sum()
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == STDIN
}

#[cfg(test)]
mod tests;
