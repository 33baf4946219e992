//! Reads JSON: a document is one gate event, or an array of them, on one line or on several.
//!
//! Usually each line has one document (NDJSON). A document of several lines is collected first, so that a broken one
//! is refused as a whole; only a long array is read element by element. A truncated line affects no other line: the
//! next one is not its continuation (see [`Scan`]). The wire format defines the required members.

use std::ops::ControlFlow;

use parking::Refusal;
use parking::wire::{MAX_BODY_BYTES, ParsedEvent, parse_event, parse_message, without_byte_order_mark};

use super::lines::{length_of_line, line_ends};
use super::scan::{Found, Scan};
use super::sink::Sink;
use super::source::Source;
use super::{Error, Item, Refused, zeros};

/// A longer array of several lines is read element by element.
const COLLECTED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A source of lines.
pub(super) trait Lines {
    /// The name of the file.
    fn file(&self) -> &str;

    /// Appends the next line, with its end, to `text`; false at the end.
    fn append_line(&mut self, text: &mut Vec<u8>) -> Result<bool, Error>;
}

impl Lines for &mut Source {
    fn file(&self) -> &str {
        self.name()
    }

    fn append_line(&mut self, text: &mut Vec<u8>) -> Result<bool, Error> {
        Source::append_line(self, text)
    }
}

/// Lines in memory.
#[derive(Debug)]
pub(super) struct LinesOf<'a> {
    pub(super) file: &'a str,
    pub(super) rest: &'a [u8],
}

impl Lines for LinesOf<'_> {
    fn file(&self) -> &str {
        self.file
    }

    fn append_line(&mut self, text: &mut Vec<u8>) -> Result<bool, Error> {
        let (line, rest) = self.rest.split_at(length_of_line(self.rest));
        text.extend_from_slice(line);
        self.rest = rest;
        Ok(!line.is_empty())
    }
}

pub(super) fn read(
    source: &mut Source,
    sink: &mut Sink<impl FnMut(Item<'_>) -> ControlFlow<()>>,
) -> Result<ControlFlow<()>, Error> {
    let mut documents = Documents::new(source, 1);
    while documents.has_more()? {
        if documents.visit_next(sink)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Parses lines as documents.
#[derive(Debug)]
pub(super) struct Documents<L> {
    lines: L,
    /// The lines read so far; the part before `at` is done.
    text: Vec<u8>,
    at: usize,
    /// The line number of `at`.
    line: u64,
}

/// The extent of a document.
enum Extent {
    /// It is complete, with this many bytes.
    Whole(usize),
    /// It is an array of several lines, perhaps a long one.
    LongArray,
    /// Its first line does not begin a document.
    Broken,
}

impl<L: Lines> Documents<L> {
    /// The documents on the lines; the first line has this number.
    pub(super) fn new(lines: L, line: u64) -> Self {
        Self { lines, text: Vec::new(), at: 0, line }
    }

    /// The number of the next line, and the number of bytes read but not done.
    pub(super) fn position(&self) -> (u64, usize) {
        (self.line, self.rest().len())
    }

    /// The source of the lines.
    pub(super) fn lines(&self) -> &L {
        &self.lines
    }

    fn has_more(&mut self) -> Result<bool, Error> {
        Ok(!self.rest().is_empty() || self.append_line()?)
    }

    fn rest(&self) -> &[u8] {
        &self.text[self.at..]
    }

    fn append_line(&mut self) -> Result<bool, Error> {
        self.text.drain(..self.at);
        self.at = 0;
        self.lines.append_line(&mut self.text)
    }

    fn skip(&mut self, bytes: usize) {
        self.line += line_ends(&self.rest()[..bytes]);
        self.at += bytes;
    }

    /// Skips a line of this many bytes, with its end.
    fn skip_line(&mut self, bytes: usize) {
        self.line += 1;
        self.at += bytes;
    }

    /// Skips white space and byte order marks in the available text.
    fn skip_blanks(&mut self) {
        loop {
            let rest = without_byte_order_mark(self.rest().trim_ascii_start());
            let blank = self.rest().len() - rest.len();
            if blank == 0 {
                return;
            }
            self.skip(blank);
        }
    }

    /// Visits the next document, or a line without one.
    pub(super) fn visit_next(
        &mut self,
        sink: &mut Sink<impl FnMut(Item<'_>) -> ControlFlow<()>>,
    ) -> Result<ControlFlow<()>, Error> {
        if self.rest().is_empty() {
            self.append_line()?;
        }
        self.skip_blanks();
        let length = length_of_line(self.rest());
        let line = self.rest()[..length].trim_ascii_end();
        let Some(first) = line.first().copied() else { return Ok(ControlFlow::Continue(())) };
        let refusal = if first == b'[' {
            // Usually an array is short, as in a message, and is parsed as fast.
            if let Ok(elements) = parse_message(line)
                && !elements.is_empty()
            {
                let visited = elements.into_iter().try_for_each(|element| match element.event {
                    Ok(event) => sink.event(event, Some(element.json)),
                    Err(refusal) => self.refuse(element.json, &refusal, sink),
                });
                self.skip_line(length);
                return Ok(visited);
            }
            Refusal::new("body", "is not a whole JSON array")
        } else {
            match event(line) {
                Ok(event) => {
                    let visited = sink.event(event, Some(line));
                    self.skip_line(length);
                    return Ok(visited);
                }
                Err(refusal) => refusal,
            }
        };
        let extent = if matches!(first, b'{' | b'[') { self.extent()? } else { Extent::Broken };
        match extent {
            Extent::Whole(end) if first == b'{' => {
                let visited = self.visit_event(end, sink);
                self.skip(end);
                self.skip_comma();
                Ok(visited)
            }
            Extent::Whole(_) | Extent::LongArray => {
                let visited = self.visit_array(sink)?;
                self.skip_comma();
                Ok(visited)
            }
            Extent::Broken => {
                let length = length_of_line(self.rest());
                let line = self.rest()[..length].trim_ascii_end();
                let visited = self.refuse(line, &refusal, sink);
                self.skip_line(length);
                Ok(visited)
            }
        }
    }

    /// The extent of the next document.
    fn extent(&mut self) -> Result<Extent, Error> {
        let is_array = self.rest().first() == Some(&b'[');
        let first_line = length_of_line(self.rest());
        let mut scan = Scan::default();
        loop {
            let found = scan.end_of_value(self.rest());
            let further = self.rest().get(first_line..scan.at()).unwrap_or(&[]);
            let goes_on = is_array && !further.trim_ascii().is_empty();
            match found {
                Found::End(end) if goes_on || self.is_followed_well(end) => return Ok(Extent::Whole(end)),
                Found::Unfinished if goes_on && self.rest().len() > COLLECTED_BYTES_MAX => {
                    return Ok(Extent::LongArray);
                }
                Found::Unfinished if (is_array || self.rest().len() <= MAX_BODY_BYTES) && self.append_line()? => {}
                _ if goes_on => {
                    let (begun, has_zeros) = (self.line, zeros::are_in(self.rest()));
                    self.skip(scan.at());
                    return Err(self.broken_array(begun, has_zeros));
                }
                Found::End(_) | Found::Unfinished | Found::Broken => return Ok(Extent::Broken),
            }
        }
    }

    /// Whether a document is followed by the end of its line, or by the next document; a comma is allowed between
    /// them.
    fn is_followed_well(&self, end: usize) -> bool {
        let behind = &self.rest()[end..];
        let line = behind[..length_of_line(behind)].trim_ascii();
        let line = line.strip_prefix(b",").unwrap_or(line).trim_ascii_start();
        without_byte_order_mark(line).first().is_none_or(|byte| matches!(byte, b'{' | b'['))
    }

    /// Skips a comma after a document: the lines may be those of an array without its brackets.
    fn skip_comma(&mut self) {
        let blanks = self.rest().iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if self.rest().get(blanks) == Some(&b',') {
            self.skip(blanks + 1);
        }
    }

    fn visit_event(&self, length: usize, sink: &mut Sink<impl FnMut(Item<'_>) -> ControlFlow<()>>) -> ControlFlow<()> {
        let json = &self.rest()[..length];
        match event(json) {
            Ok(event) => sink.event(event, Some(json)),
            Err(refusal) => self.refuse(json, &refusal, sink),
        }
    }

    fn visit_array(
        &mut self,
        sink: &mut Sink<impl FnMut(Item<'_>) -> ControlFlow<()>>,
    ) -> Result<ControlFlow<()>, Error> {
        let begun = self.line;
        self.skip(1);
        if self.next_mark()? == Some(b']') {
            self.skip(1);
            let refusal = Refusal::new("body", "is an empty array");
            let file = self.lines.file();
            return Ok(sink.refuse(Refused { file, line: begun, text: b"[]", header: None, refusal: &refusal }));
        }
        loop {
            let Some(end) = self.end_of_element()? else { return Err(self.broken_here(begun)) };
            let visited = self.visit_event(end, sink);
            self.skip(end);
            if visited.is_break() {
                return Ok(visited);
            }
            match self.next_mark()? {
                Some(b']') => {
                    self.skip(1);
                    return Ok(ControlFlow::Continue(()));
                }
                Some(b',') => self.skip(1),
                _ => return Err(self.broken_here(begun)),
            }
            self.next_mark()?;
        }
    }

    /// The next byte that is not white space; `None` at the end.
    fn next_mark(&mut self) -> Result<Option<u8>, Error> {
        loop {
            self.skip_blanks();
            if let Some(byte) = self.rest().first() {
                return Ok(Some(*byte));
            }
            if !self.append_line()? {
                return Ok(None);
            }
        }
    }

    /// The end of the next element; `None` if it has none, or is too long.
    fn end_of_element(&mut self) -> Result<Option<usize>, Error> {
        let mut scan = Scan::default();
        loop {
            match scan.end_of_value(self.rest()) {
                Found::End(end) => return Ok(Some(end)),
                Found::Broken => return Ok(None),
                Found::Unfinished if self.rest().len() > MAX_BODY_BYTES => return Ok(None),
                Found::Unfinished if !self.append_line()? => return Ok(None),
                Found::Unfinished => {}
            }
        }
    }

    fn broken_here(&self, begun: u64) -> Error {
        self.broken_array(begun, zeros::are_in(self.rest()))
    }

    fn broken_array(&self, begun: u64, has_zeros: bool) -> Error {
        let (file, line) = (self.lines.file().to_owned(), self.line);
        if has_zeros { Error::Zeros { file, line } } else { Error::BrokenArray { file, line, begun } }
    }

    fn refuse(
        &self,
        text: &[u8],
        refusal: &Refusal,
        sink: &mut Sink<impl FnMut(Item<'_>) -> ControlFlow<()>>,
    ) -> ControlFlow<()> {
        let (file, line) = (self.lines.file(), self.line);
        sink.refuse(Refused { file, line, text, header: None, refusal })
    }
}

/// The event of an object, which may not be longer than a message.
fn event(json: &[u8]) -> Result<ParsedEvent, Refusal> {
    if json.len() > MAX_BODY_BYTES {
        return Err(Refusal::new("body", format!("has {} bytes; allowed are {MAX_BODY_BYTES}", json.len())));
    }
    parse_event(json)
}
