//! Reads NDJSON: each line is one gate event, or an array of them as in a message.
//!
//! What an event must have is the wire format's to say.

use std::ops::ControlFlow;

use parking::Refusal;
use parking::wire::{MAX_BODY_BYTES, parse_event, parse_message};

use super::source::Source;
use super::{Error, Item, Refused};

pub(super) fn read(
    source: &mut Source,
    visit: &mut impl FnMut(Item<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Error> {
    let mut text = Vec::new();
    let mut line = 0;
    while {
        text.clear();
        source.append_line(&mut text)?
    } {
        line += 1;
        let visited = read_line(source.name(), line, &text, visit);
        if visited.is_break() {
            return Ok(visited);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Visits what stands on one line.
pub(super) fn read_line(
    file: &str,
    line: u64,
    text: &[u8],
    visit: &mut impl FnMut(Item<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let json = text.trim_ascii();
    match json.first() {
        None => ControlFlow::Continue(()),
        Some(b'[') => elements(file, line, json, visit),
        Some(_) if json.len() > MAX_BODY_BYTES => elements(file, line, json, visit),
        Some(_) => match parse_event(json) {
            Ok(event) => visit(Item::Event { event, json: Some(json) }),
            Err(refusal) => refuse(file, line, json, &refusal, visit),
        },
    }
}

/// A line that is an array, or too long for a message.
fn elements(
    file: &str,
    line: u64,
    json: &[u8],
    visit: &mut impl FnMut(Item<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let elements = match parse_message(json) {
        Ok(elements) => elements,
        Err(refusal) => return refuse(file, line, json, &refusal, visit),
    };
    if elements.is_empty() {
        return refuse(file, line, json, &Refusal::new("body", "is an empty array"), visit);
    }
    for element in elements {
        match element.event {
            Ok(event) => visit(Item::Event { event, json: Some(element.json) })?,
            Err(refusal) => refuse(file, line, element.json, &refusal, visit)?,
        }
    }
    ControlFlow::Continue(())
}

fn refuse(
    file: &str,
    line: u64,
    text: &[u8],
    refusal: &Refusal,
    visit: &mut impl FnMut(Item<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    visit(Item::Refused(Refused { file, line, text, header: None, refusal }))
}
