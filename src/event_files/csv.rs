//! Reads CSV: a header with the members of a gate event in any order, then one event a record.
//!
//! Fields are separated by commas and may be quoted, and a quoted one may hold line ends; an empty field is an absent
//! member; columns of other names are ignored. What an event must have is the wire format's to say.

use std::borrow::Cow;
use std::ops::{ControlFlow, Range};

use parking::wire::Members;
use parking::{GateEvent, Refusal};

use super::source::Source;
use super::{Error, Item, Refused};

/// A record longer than this has a quote that is never closed: then only its first line is refused.
const RECORD_BYTES_MAX: usize = 64 * 1024;

pub(super) fn read(
    source: &mut Source,
    visit: &mut impl FnMut(Item<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Error> {
    let mut text = Vec::new();
    let mut line = 1;
    while text.trim_ascii().is_empty() {
        line += newlines(&text);
        text.clear();
        if !source.append_line(&mut text)? {
            return Ok(ControlFlow::Continue(()));
        }
    }
    let header = text.trim_ascii().to_vec();
    let columns = Columns::of(&header).map_err(|reason| source.unknown_format(reason))?;
    line += 1;
    text.clear();
    let mut fields = Vec::new();
    loop {
        if text.is_empty() && !source.append_line(&mut text)? {
            return Ok(ControlFlow::Continue(()));
        }
        let split = split(&text, &mut fields);
        if split == Split::Unclosed && text.len() < RECORD_BYTES_MAX && source.append_line(&mut text)? {
            continue;
        }
        let (length, event) = match split {
            Split::Record(length) if text[..length].trim_ascii().is_empty() => (length, None),
            Split::Record(length) => (length, Some(columns.event(&text, &fields))),
            Split::Unclosed => (first_line(&text), Some(refused("has a quote that is never closed"))),
            Split::Broken => (first_line(&text), Some(refused("has text behind a closing quote"))),
        };
        let record = text[..length].trim_ascii_end();
        let visited = match event {
            None => ControlFlow::Continue(()),
            Some(Ok(event)) => visit(Item::Event { event, json: None }),
            Some(Err(refusal)) => {
                let (file, header) = (source.name(), Some(&*header));
                visit(Item::Refused(Refused { file, line, text: record, header, refusal: &refusal }))
            }
        };
        if visited.is_break() {
            return Ok(visited);
        }
        line += newlines(&text[..length]);
        text.drain(..length);
    }
}

fn refused(problem: &str) -> Result<GateEvent, Refusal> {
    Err(Refusal::new("line", problem))
}

fn newlines(text: &[u8]) -> u64 {
    text.split(|byte| *byte == b'\n').count() as u64 - 1
}

/// The length of the first line, with its end.
fn first_line(text: &[u8]) -> usize {
    text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1)
}

/// A field of a record: where it stands, without its quotes, and whether doubled quotes in it stand for one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    at: Range<usize>,
    doubled: bool,
}

impl Field {
    fn text<'a>(&self, record: &'a [u8]) -> Option<Cow<'a, str>> {
        let text = std::str::from_utf8(&record[self.at.clone()]).ok()?;
        Some(if self.doubled { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    /// A record of so many bytes, with its line end.
    Record(usize),
    /// A quoted field is not closed yet.
    Unclosed,
    /// Something other than a comma follows a closing quote.
    Broken,
}

/// Splits the first record of `text`, which may have more.
fn split(text: &[u8], fields: &mut Vec<Field>) -> Split {
    fields.clear();
    let mut start = 0;
    loop {
        let quoted = text.get(start) == Some(&b'"');
        let (field, end) = if quoted {
            match quoted_field(text, start + 1) {
                Some(found) => found,
                None => return Split::Unclosed,
            }
        } else {
            let end =
                text[start..].iter().position(|byte| matches!(byte, b',' | b'\n')).map_or(text.len(), |at| start + at);
            (Field { at: start..end, doubled: false }, end)
        };
        let rest = &text[end..];
        let line_end = if rest.is_empty() {
            Some(0)
        } else if rest[0] == b'\n' {
            Some(1)
        } else {
            rest.starts_with(b"\r\n").then_some(2)
        };
        fields.push(field);
        match line_end {
            Some(length) => {
                drop_carriage_return(text, fields);
                return Split::Record(end + length);
            }
            None if rest[0] == b',' => start = end + 1,
            // A lone carriage return at the end of the file.
            None if rest == b"\r" => return Split::Record(text.len()),
            None => return Split::Broken,
        }
    }
}

/// The field behind an opening quote, and where it ends with its closing quote.
fn quoted_field(text: &[u8], start: usize) -> Option<(Field, usize)> {
    let mut doubled = false;
    let mut at = start;
    loop {
        at += text[at..].iter().position(|byte| *byte == b'"')?;
        if text.get(at + 1) != Some(&b'"') {
            return Some((Field { at: start..at, doubled }, at + 1));
        }
        doubled = true;
        at += 2;
    }
}

/// An unquoted last field ends before the carriage return of its line.
fn drop_carriage_return(text: &[u8], fields: &mut [Field]) {
    if let Some(last) = fields.last_mut()
        && text[last.at.clone()].ends_with(b"\r")
        && text.get(last.at.end) != Some(&b'"')
    {
        last.at.end -= 1;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Id,
    VehiclePlate,
    EntryDateTime,
    ExitDateTime,
    LotId,
    GateId,
    Confidence,
}

const MEMBERS: [(&str, Member); 7] = [
    ("id", Member::Id),
    ("vehicle_plate", Member::VehiclePlate),
    ("entry_date_time", Member::EntryDateTime),
    ("exit_date_time", Member::ExitDateTime),
    ("lot_id", Member::LotId),
    ("gate_id", Member::GateId),
    ("confidence", Member::Confidence),
];

/// Which member each column has.
#[derive(Debug)]
struct Columns(Vec<Option<(&'static str, Member)>>);

impl Columns {
    fn of(header: &[u8]) -> Result<Self, String> {
        let mut fields = Vec::new();
        let Split::Record(_) = split(header, &mut fields) else {
            return Err("its first line is neither JSON nor a CSV header".to_owned());
        };
        let mut columns = Vec::new();
        for field in &fields {
            let name = field.text(header).ok_or("its header is not UTF-8")?;
            let member = MEMBERS.iter().find(|(member, _)| *member == name.trim()).copied();
            if let Some((name, _)) = member.filter(|member| columns.contains(&Some(*member))) {
                return Err(format!("its header has the column {name} twice"));
            }
            columns.push(member);
        }
        let has = |wanted| columns.iter().flatten().any(|(_, member)| *member == wanted);
        let missing = if !has(Member::Id) {
            "id"
        } else if !has(Member::VehiclePlate) {
            "vehicle_plate"
        } else if !has(Member::EntryDateTime) && !has(Member::ExitDateTime) {
            "entry_date_time and no exit_date_time"
        } else {
            return Ok(Self(columns));
        };
        Err(format!("its first line is not JSON, and as a CSV header it has no {missing}"))
    }

    fn event(&self, record: &[u8], fields: &[Field]) -> Result<GateEvent, Refusal> {
        if fields.len() != self.0.len() {
            let problem = format!("has {} fields, and the header has {}", fields.len(), self.0.len());
            return Err(Refusal::new("line", problem));
        }
        let mut members = Members::default();
        for (column, field) in self.0.iter().zip(fields) {
            let Some((name, member)) = column else { continue };
            if field.at.is_empty() {
                continue;
            }
            let text = Some(field.text(record).ok_or_else(|| Refusal::new(name, "is not UTF-8"))?);
            match member {
                Member::Id => members.id = text,
                Member::VehiclePlate => members.vehicle_plate = text,
                Member::EntryDateTime => members.entry_date_time = text,
                Member::ExitDateTime => members.exit_date_time = text,
                Member::LotId => members.lot_id = text,
                Member::GateId => members.gate_id = text,
                Member::Confidence => members.confidence = text,
            }
        }
        members.check()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(mut text: &[u8]) -> Vec<Vec<String>> {
        let mut fields = Vec::new();
        let mut records = Vec::new();
        while !text.is_empty() {
            let Split::Record(length) = split(text, &mut fields) else { panic!("not a record") };
            records.push(fields.iter().map(|field| field.text(text).unwrap().into_owned()).collect());
            text = &text[length..];
        }
        records
    }

    #[test]
    fn fields_may_be_quoted_empty_and_over_several_lines() {
        assert_eq!(
            records(b"a,\"b,\"\"c\"\"\",\r\n\"d\ne\",,f\r\n\"\",\"g\""),
            [vec!["a", "b,\"c\"", ""], vec!["d\ne", "", "f"], vec!["", "g"]]
        );
    }

    #[test]
    fn broken_quotes_are_told_apart() {
        let mut fields = Vec::new();
        assert_eq!(split(b"a,\"b\nc,d\n", &mut fields), Split::Unclosed);
        assert_eq!(split(b"a,\"b\"c,d\n", &mut fields), Split::Broken);
        assert_eq!(split(b"a\"b,c\n", &mut fields), Split::Record(6));
    }

    proptest! {
        #[test]
        fn what_another_writer_wrote_is_read_back(
            rows in prop::collection::vec(prop::collection::vec("[a-c\",\n ]{0,6}", 2..4), 1..5),
        ) {
            let mut writer = ::csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            prop_assert_eq!(records(&writer.into_inner().unwrap()), rows);
        }
    }
}
