//! The columns of a CSV file: the members of a gate event in any order, and others, which are ignored.
//!
//! The wire format defines the required members.

use std::borrow::Cow;

use parking::Refusal;
use parking::wire::{Members, ParsedEvent};

use super::fields::{Field, Split, split};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Id,
    VehiclePlate,
    EntryDateTime,
    ExitDateTime,
    LotId,
    GateId,
    Confidence,
    CharacterConfidences,
    Candidates,
    Supersedes,
}

impl Member {
    /// Whether an event is taken without it when it can't be used.
    fn is_optional(self) -> bool {
        matches!(
            self,
            Self::GateId | Self::Confidence | Self::CharacterConfidences | Self::Candidates | Self::Supersedes
        )
    }
}

const MEMBERS: [(&str, Member); 10] = [
    ("id", Member::Id),
    ("vehicle_plate", Member::VehiclePlate),
    ("entry_date_time", Member::EntryDateTime),
    ("exit_date_time", Member::ExitDateTime),
    ("lot_id", Member::LotId),
    ("gate_id", Member::GateId),
    ("confidence", Member::Confidence),
    ("character_confidences", Member::CharacterConfidences),
    ("candidates", Member::Candidates),
    ("supersedes", Member::Supersedes),
];

/// Texts that programs write into an empty field. In a plate they are kept: an unread plate is an event too.
const EMPTY_TEXTS: [&[u8]; 6] = [b"NULL", b"null", b"\\N", b"None", b"NaN", b"NaT"];

/// Those of them whose letters could be a plate. There they become the empty text, or two of them would be a stay.
const NO_PLATE_TEXTS: [&[u8]; 2] = [b"\\N", b"NaT"];

/// An invalid value of an optional member, which never costs an event.
const INVALID_TEXT: Cow<'static, str> = Cow::Borrowed("");

/// The separators of tables that are not CSV, and their names.
const SEPARATORS: [(u8, &str); 3] = [(b';', "semicolons"), (b'\t', "tabs"), (b'|', "bars")];

/// The member of each column.
#[derive(Debug)]
pub(super) struct Columns(Vec<Option<(&'static str, Member)>>);

/// Whether the line contains names of members as a header does, complete or not, with any separator.
pub(super) fn is_header(line: &[u8]) -> bool {
    names_of(line, b',') > 0 || separator_of(line).is_some()
}

/// The number of members named on the line.
fn names_of(line: &[u8], separator: u8) -> usize {
    let fields = line.split(|byte| *byte == separator).map(<[u8]>::trim_ascii);
    let bare = fields.map(|field| field.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(field));
    bare.filter(|field| MEMBERS.iter().any(|(name, _)| name.as_bytes() == field.trim_ascii())).count()
}

/// The separator of the names, if it is not a comma.
fn separator_of(line: &[u8]) -> Option<&'static str> {
    SEPARATORS.iter().find(|(separator, _)| names_of(line, *separator) > 1).map(|(_, name)| *name)
}

impl Columns {
    /// The columns of a header, which must be complete.
    pub(super) fn of(header: &[u8]) -> Result<Self, String> {
        if let Some(separator) = separator_of(header) {
            return Err(format!("its columns are separated by {separator}; separate them by commas"));
        }
        let mut fields = Vec::new();
        let Split::Record(_) = split(header, &mut fields) else {
            return Err("its first line is neither JSON nor a CSV header".to_owned());
        };
        let mut columns = Vec::new();
        for field in &fields {
            let name = field.text(header).ok_or("its header is not UTF-8")?;
            let member = MEMBERS.iter().find(|(member, _)| *member == name).copied();
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

    /// The event of a record.
    pub(super) fn event(&self, record: &[u8], fields: &[Field]) -> Result<ParsedEvent, Refusal> {
        if fields.len() != self.0.len() {
            let problem = format!("has {} fields, and the header has {}", fields.len(), self.0.len());
            return Err(Refusal::new("line", problem));
        }
        let mut members = Members::default();
        for (column, field) in self.0.iter().zip(fields) {
            let Some((name, member)) = column else { continue };
            let written = field.trimmed(record);
            // A camera that can't read a plate leaves the field empty, but has seen a vehicle.
            if *member != Member::VehiclePlate && (written.is_empty() || EMPTY_TEXTS.contains(&written)) {
                continue;
            }
            let text = match field.text(record) {
                _ if *member == Member::VehiclePlate && NO_PLATE_TEXTS.contains(&written) => Some(Cow::Borrowed("")),
                None if member.is_optional() => Some(INVALID_TEXT),
                None => return Err(Refusal::new(name, "is not UTF-8")),
                text => text,
            };
            match member {
                Member::Id => members.id = text,
                Member::VehiclePlate => members.vehicle_plate = text,
                Member::EntryDateTime => members.entry_date_time = text,
                Member::ExitDateTime => members.exit_date_time = text,
                Member::LotId => members.lot_id = text,
                Member::GateId => members.gate_id = text,
                Member::Confidence => members.confidence = text,
                Member::CharacterConfidences => members.character_confidences = text,
                Member::Candidates => members.candidates = text,
                Member::Supersedes => members.supersedes = text,
            }
        }
        members.check()
    }
}
