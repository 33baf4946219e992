//! The bytes of a file: opened, decompressed, without byte order mark, and cut into lines.
//!
//! What stands on a line is left to the readers of the formats.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::{Error, LINE_BYTES_MAX, is_stdin};
use crate::progress::Progress;

const BUFFER_BYTES: usize = 256 * 1024;
/// Fits into a processor's cache until its lines are read.
const BLOCK_BYTES: usize = 512 * 1024;
/// So much of the beginning is looked at to tell the format.
const HEAD_BYTES: usize = 64 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How the events of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A JSON object, or an array of them, a line.
    Ndjson,
    /// A header, then an event a record.
    Csv,
    /// There is nothing in it.
    Empty,
}

/// A file that is being read.
pub(super) struct Source {
    name: String,
    reader: Box<dyn BufRead + Send>,
    format: Format,
    lines: u64,
    /// What was read behind the last line end, by [`read_block`](Self::read_block).
    rest: Vec<u8>,
}

/// Whole lines of a file.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Longer than what is in it, so that it can be read into again.
    room: Vec<u8>,
    filled: usize,
    /// The line, from 1, that it begins with.
    pub(super) first_line: u64,
}

impl Block {
    pub(super) fn text(&self) -> &[u8] {
        &self.room[..self.filled]
    }
}

impl Source {
    pub(super) fn open(path: &Path, progress: &Progress) -> Result<Self, Error> {
        let name = if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() };
        progress.show(name.clone());
        let raw: Box<dyn Read + Send> = if is_stdin(path) {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|source| Error::Open { file: name.clone(), source })?)
        };
        let mut source =
            Self { name, reader: Box::new(io::empty()), format: Format::Empty, lines: 0, rest: Vec::new() };
        let raw = Counted { inner: raw, progress: progress.clone() };
        source.reader = decompressed(raw).map_err(|error| source.failed(error))?;
        let mut head = Vec::new();
        (&mut source.reader).take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(|error| source.failed(error))?;
        if head.starts_with(BYTE_ORDER_MARK) {
            head.drain(..BYTE_ORDER_MARK.len());
        }
        source.format = format_of(&head);
        source.reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(source.reader)));
        Ok(source)
    }

    /// The file, as it was named.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Adds the next line, with its end, to `text`; false at the end of the file.
    pub(super) fn append_line(&mut self, text: &mut Vec<u8>) -> Result<bool, Error> {
        let before = text.len();
        let room = LINE_BYTES_MAX + 1;
        let read = (&mut self.reader).take(room as u64).read_until(b'\n', text);
        let read = read.map_err(|error| self.failed(error))?;
        if read == 0 {
            return Ok(false);
        }
        self.lines += 1;
        if text.len() - before == room {
            return Err(Error::LongLine { file: self.name.clone(), line: self.lines });
        }
        Ok(true)
    }

    /// Reads whole lines, about [`BLOCK_BYTES`] of them; false at the end of the file. Not to be mixed with
    /// [`append_line`](Self::append_line).
    pub(super) fn read_block(&mut self, block: &mut Block) -> Result<bool, Error> {
        block.first_line = self.lines + 1;
        block.filled = self.rest.len();
        let room = block.room.len().max(BLOCK_BYTES).max(block.filled);
        block.room.resize(room, 0);
        block.room[..block.filled].copy_from_slice(&self.rest);
        self.rest.clear();
        loop {
            if block.filled == block.room.len() {
                if block.filled > LINE_BYTES_MAX {
                    return Err(Error::LongLine { file: self.name.clone(), line: self.lines + 1 });
                }
                block.room.resize(block.filled * 2, 0);
            }
            let read = match self.reader.read(&mut block.room[block.filled..]) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.lines += memchr::memchr_iter(b'\n', block.text()).count() as u64;
                    return Err(self.failed(error));
                }
            };
            let before = block.filled;
            block.filled += read;
            if read == 0 {
                break;
            }
            let last_end = memchr::memrchr(b'\n', &block.room[before..block.filled]);
            if let Some(end) = last_end
                && block.filled * 2 > block.room.len()
            {
                self.rest.extend_from_slice(&block.room[before + end + 1..block.filled]);
                block.filled = before + end + 1;
                break;
            }
        }
        self.lines += memchr::memchr_iter(b'\n', block.text()).count() as u64;
        Ok(block.filled > 0)
    }

    pub(super) fn unknown_format(&self, reason: impl Into<String>) -> Error {
        Error::UnknownFormat { file: self.name.clone(), reason: reason.into() }
    }

    fn failed(&self, source: io::Error) -> Error {
        let (file, line) = (self.name.clone(), self.lines);
        if source.kind() == io::ErrorKind::UnexpectedEof {
            Error::CutOff { file, line }
        } else {
            Error::Read { file, line, source }
        }
    }
}

/// Tells the progress how much was read.
struct Counted<R> {
    inner: R,
    progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.advance(read as u64);
        Ok(read)
    }
}

fn decompressed(mut raw: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut magic = Vec::new();
    (&mut raw).take(GZIP.len() as u64).read_to_end(&mut magic)?;
    let is_gzip = magic == GZIP;
    let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(magic).chain(raw));
    if is_gzip {
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(whole))));
    }
    Ok(Box::new(whole))
}

/// One line of JSON anywhere near the beginning is enough: a file of events may begin with a broken line.
fn format_of(head: &[u8]) -> Format {
    let mut lines =
        head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).peekable();
    if lines.peek().is_none() {
        return if head.len() == HEAD_BYTES { Format::Ndjson } else { Format::Empty };
    }
    if lines.any(|line| matches!(line.first(), Some(b'{' | b'['))) { Format::Ndjson } else { Format::Csv }
}
