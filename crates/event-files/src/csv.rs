//! Reads CSV: a header with the members of a gate event in any order, then one event per record.
//!
//! An empty field is an absent member; an empty plate is the empty text. A record that is a complete header counts as
//! one: concatenated files have several. [`fields`](super::fields) splits records, [`columns`](super::columns)
//! interprets them.

use std::ops::ControlFlow;

use parking::Refusal;
use parking::wire::{ParsedEvent, without_byte_order_mark};

use super::columns::Columns;
use super::fields::{Split, split};
use super::lines::{length_of_line, line_ends};
use super::sink::Sink;
use super::source::Source;
use super::{Error, Item, Refused, zeros};

/// A longer record has a quote that is never closed. Then only its first line is refused.
const RECORD_BYTES_MAX: usize = 64 * 1024;

pub(super) fn read(
    source: &mut Source,
    sink: &mut Sink<impl FnMut(Item<'_>) -> ControlFlow<()>>,
) -> Result<ControlFlow<()>, Error> {
    let mut text = Vec::new();
    let mut line = 1;
    while trimmed(&text).is_empty() {
        line += line_ends(&text);
        text.clear();
        if !source.append_line(&mut text)? {
            return Ok(ControlFlow::Continue(()));
        }
    }
    let mut header = trimmed(&text).to_vec();
    let mut columns = Columns::of(&header).map_err(|reason| source.unknown_format(reason))?;
    line += 1;
    text.clear();
    let mut fields = Vec::new();
    loop {
        if text.is_empty() && !source.append_line(&mut text)? {
            return Ok(ControlFlow::Continue(()));
        }
        let mark = text.len() - without_byte_order_mark(&text).len();
        text.drain(..mark);
        let split = split(&text, &mut fields);
        if split == Split::Unclosed && text.len() < RECORD_BYTES_MAX && source.append_line(&mut text)? {
            continue;
        }
        let (length, event) = match split {
            // A field with zeros may look right, such as a plate without its middle.
            Split::Record(length) if zeros::are_in(&text[..length]) => (length, Some(refused("has zero bytes"))),
            Split::Record(length) => match columns.event(&text, &fields) {
                Err(_) if fields.iter().all(|field| field.trimmed(&text).is_empty()) => (length, None),
                event => (length, Some(event)),
            },
            Split::Unclosed => (length_of_line(&text), Some(refused("has a quote that is never closed"))),
            Split::Broken => (length_of_line(&text), Some(refused("has text behind a closing quote"))),
        };
        let record = text[..length].trim_ascii_end();
        let visited = match event {
            None => ControlFlow::Continue(()),
            Some(Ok(event)) => sink.event(event, None),
            Some(Err(refusal)) => {
                if let Ok(others) = Columns::of(record) {
                    sink.account.repeated_headers += 1;
                    (header, columns) = (record.to_vec(), others);
                    ControlFlow::Continue(())
                } else {
                    let (file, header) = (source.name(), Some(&*header));
                    sink.refuse(Refused { file, line, text: record, header, refusal: &refusal })
                }
            }
        };
        if visited.is_break() {
            return Ok(visited);
        }
        line += line_ends(&text[..length]);
        text.drain(..length);
    }
}

fn refused(problem: &str) -> Result<ParsedEvent, Refusal> {
    Err(Refusal::new("line", problem))
}

/// A line without surrounding blanks and byte order mark.
fn trimmed(line: &[u8]) -> &[u8] {
    without_byte_order_mark(line.trim_ascii()).trim_ascii()
}
