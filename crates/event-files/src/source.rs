//! The bytes of a file: opened, decompressed, and split into lines, which end with LF, CRLF or CR.
//!
//! The readers of the formats parse the lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use parking::wire::without_byte_order_mark;

use super::format::{Format, format_of};
use super::gzip::{self, Garbage, Gunzip};
use super::{Error, LINE_BYTES_MAX, Observer, is_stdin, zeros};

const BUFFER_BYTES: usize = 256 * 1024;
/// Fits into a processor's cache until its lines are parsed.
const BLOCK_BYTES: usize = 512 * 1024;
/// A block of this size without a boundary between two documents ends with a line.
const GROWN_BLOCK_BYTES: usize = 4 * 1024 * 1024;
/// The format is detected in this many bytes.
const FORMAT_BYTES: usize = 64 * 1024;

/// A file being read.
pub(super) struct Source {
    name: String,
    reader: Box<dyn BufRead + Send>,
    format: Format,
    lines: u64,
    /// The bytes after the last line end of a block, from [`read_block`](Self::read_block).
    rest: Vec<u8>,
}

/// Complete lines of a file, and complete JSON documents, unless these are longer than [`GROWN_BLOCK_BYTES`].
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Longer than the content, so that it can be read into again.
    room: Vec<u8>,
    filled: usize,
    /// The number of its first line, from 1.
    pub(super) first_line: u64,
}

impl Block {
    pub(super) fn text(&self) -> &[u8] {
        &self.room[..self.filled]
    }

    /// Makes the lines after `from` end with LF: JSON treats CR as white space only.
    fn end_lines(&mut self, from: usize) {
        let mut at = from.saturating_sub(1);
        while let Some(found) = memchr::memchr(b'\r', &self.room[at..self.filled]) {
            at += found + 1;
            if at < self.filled && self.room[at] != b'\n' {
                self.room[at - 1] = b'\n';
            }
        }
    }

    /// The position after the last line end after `from` that separates two documents; in a grown block, after the
    /// last line end.
    fn last_end(&self, from: usize) -> Option<usize> {
        let text = self.text();
        let mut ends = memchr::memrchr_iter(b'\n', &text[from..]).map(|at| from + at + 1);
        if text.len() > GROWN_BLOCK_BYTES {
            return ends.next();
        }
        ends.find(|end| {
            let (before, behind) = text.split_at(*end);
            let next = without_byte_order_mark(behind.trim_ascii_start()).first();
            matches!(before.trim_ascii_end().last(), Some(b'}' | b']')) && matches!(next, Some(b'{' | b'['))
        })
    }
}

impl Source {
    pub(super) fn open(path: &Path, observer: &Arc<dyn Observer>) -> Result<Self, Error> {
        let name = if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() };
        observer.show(&name);
        let raw: Box<dyn Read + Send> = if is_stdin(path) {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|source| Error::Open { file: name.clone(), source })?)
        };
        let mut source =
            Self { name, reader: Box::new(io::empty()), format: Format::Lines, lines: 0, rest: Vec::new() };
        let raw = Counted { inner: raw, observer: Arc::clone(observer) };
        source.reader = decompressed(raw).map_err(|error| source.failed(error))?;
        let mut head = Vec::new();
        (&mut source.reader).take(FORMAT_BYTES as u64).read_to_end(&mut head).map_err(|error| source.failed(error))?;
        source.format = format_of(&head).map_err(|reason| source.unknown_format(reason))?;
        source.reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(source.reader)));
        Ok(source)
    }

    /// The file's name, as given.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Appends the next line, with its end, to `text`; false at the end of the file.
    pub(super) fn append_line(&mut self, text: &mut Vec<u8>) -> Result<bool, Error> {
        let before = text.len();
        loop {
            let bytes = self.fill()?;
            let end = memchr::memchr2(b'\n', b'\r', bytes);
            let taken = end.map_or(bytes.len(), |end| end + 1);
            text.extend_from_slice(&bytes[..taken]);
            self.reader.consume(taken);
            let is_whole = end.is_some() || (taken == 0 && text.len() > before);
            self.lines += u64::from(is_whole);
            if text.ends_with(b"\r") && end.is_some() && self.fill()?.first() == Some(&b'\n') {
                text.push(b'\n');
                self.reader.consume(1);
            }
            if is_whole || taken == 0 {
                return Ok(is_whole);
            }
            if text.len() - before > LINE_BYTES_MAX {
                return Err(self.long_line(&text[before..]));
            }
        }
    }

    /// The buffered bytes; empty at the end of the file.
    fn fill(&mut self) -> Result<&[u8], Error> {
        loop {
            match self.reader.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        // The buffer is filled, so this does not read.
        self.reader.fill_buf().map_err(|source| Error::Read { file: self.name.clone(), line: self.lines, source })
    }

    /// Reads complete lines, about [`BLOCK_BYTES`]; false at the end of the file. Must not be mixed with
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
                    return Err(self.long_line(block.text()));
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
            block.end_lines(before);
            if read == 0 {
                break;
            }
            if block.filled * 2 > block.room.len()
                && let Some(end) = block.last_end(before)
            {
                self.rest.extend_from_slice(&block.room[end..block.filled]);
                block.filled = end;
                break;
            }
        }
        self.lines += memchr::memchr_iter(b'\n', block.text()).count() as u64;
        Ok(block.filled > 0)
    }

    /// The error of a line that is too long, from its beginning.
    fn long_line(&self, text: &[u8]) -> Error {
        let (file, line) = (self.name.clone(), self.lines + 1);
        if zeros::are_in(text) { Error::Zeros { file, line } } else { Error::LongLine { file, line } }
    }

    pub(super) fn unknown_format(&self, reason: impl Into<String>) -> Error {
        Error::UnknownFormat { file: self.name.clone(), reason: reason.into() }
    }

    fn failed(&self, source: io::Error) -> Error {
        let (file, line) = (self.name.clone(), self.lines);
        let garbage = source.get_ref().and_then(|inner| inner.downcast_ref::<Garbage>());
        match garbage {
            Some(Garbage { at }) => Error::BehindGzip { file, at: *at },
            None if source.kind() == io::ErrorKind::UnexpectedEof => Error::CutOff { file, line },
            None if matches!(source.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
                Error::DamagedGzip { file, line, source }
            }
            None => Error::Read { file, line, source },
        }
    }
}

/// Reports the number of bytes read to the observer.
struct Counted<R> {
    inner: R,
    observer: Arc<dyn Observer>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.observer.advance(read as u64);
        Ok(read)
    }
}

fn decompressed(mut raw: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut magic = Vec::new();
    (&mut raw).take(gzip::MAGIC.len() as u64).read_to_end(&mut magic)?;
    let is_gzip = magic == gzip::MAGIC;
    let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(magic).chain(raw));
    if is_gzip {
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, Gunzip::new(whole))));
    }
    Ok(Box::new(whole))
}
