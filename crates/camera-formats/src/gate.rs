//! How a gate is configured, as far as reading its camera's messages needs it.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use parking::{Direction, GateId, LotId, Plate};
use serde::{Deserialize, Serialize};

use crate::Format;

/// Which ways vehicles pass a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateDirection {
    /// Only in. What the camera says of the direction is not looked at.
    Entry,
    /// Only out. What the camera says of the direction is not looked at.
    Exit,
    /// In and out: the message has to say which.
    Both,
}

impl GateDirection {
    /// The direction of all reads of a gate that is one way.
    pub fn fixed(self) -> Option<Direction> {
        match self {
            Self::Entry => Some(Direction::Entry),
            Self::Exit => Some(Direction::Exit),
            Self::Both => None,
        }
    }
}

/// Which side of an entering vehicle the camera sees: it turns "approaching" and "leaving" into entry and exit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mounting {
    /// The front: entering vehicles approach the camera.
    #[default]
    Front,
    /// The rear: entering vehicles move away from the camera.
    Rear,
}

impl Mounting {
    /// The direction of a vehicle that approaches the camera.
    pub fn of_approaching(self) -> Direction {
        match self {
            Self::Front => Direction::Entry,
            Self::Rear => Direction::Exit,
        }
    }

    /// The direction of a vehicle that moves away from the camera.
    pub fn of_leaving(self) -> Direction {
        match self {
            Self::Front => Direction::Exit,
            Self::Rear => Direction::Entry,
        }
    }
}

/// How a date of two-digit parts is written, where the sender does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// 31/12/2026.
    DayFirst,
    /// 12/31/2026.
    MonthFirst,
}

/// Where the members of a format of one's own stand. A place is a JSON pointer (`/data/plate`) or a path of element
/// names (`data/plate`), for XML and JSON alike; in XML an attribute is `@name`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The list of reads, when a message has several. The other places are then within one of its elements.
    pub reads: Option<String>,
    /// The plate as read.
    pub plate: String,
    /// The time of capture: RFC 3339, a date and time without offset (the gate's zone), or seconds, milliseconds,
    /// microseconds or nanoseconds since 1970. Without it a read has the time of its arrival.
    pub time: Option<String>,
    /// How sure the camera is; see `score_scale`.
    pub confidence: Option<String>,
    /// What says the direction.
    pub direction: Option<String>,
    /// The words that mean entry there. Case is ignored.
    #[serde(default)]
    pub entry: Vec<String>,
    /// The words that mean exit there.
    #[serde(default)]
    pub exit: Vec<String>,
    /// What stays the same when a message is sent again.
    pub id: Option<String>,
    /// The camera's name, compared with the gate's `camera`.
    pub camera: Option<String>,
}

/// A gate as the lots file has it, before it is checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenGate {
    /// 1 to 64 of `[A-Za-z0-9._-]`.
    pub id: String,
    /// The lot it leads into.
    pub lot: String,
    /// `entry`, `exit` or `both`.
    pub direction: GateDirection,
    /// A format's name.
    pub format: String,
    /// The camera's name in its messages; reads of others are left out.
    pub camera: Option<String>,
    /// The zone of the camera's wall clock, such as `Europe/Berlin`; UTC without one.
    pub zone: Option<String>,
    /// `front` or `rear`.
    #[serde(default)]
    pub mounting: Mounting,
    /// Gates that see the same passages share a name. For the matching; nothing here looks at it.
    pub group: Option<String>,
    /// The heading, in the camera's degrees, that means entry; the opposite half of the circle is exit.
    pub entry_heading: Option<f32>,
    /// Zones of the camera's picture in the order in which an entering vehicle crosses them.
    #[serde(default)]
    pub entry_zones: Vec<String>,
    /// The number that stands for certainty, where models differ (100, 999, 1000).
    pub score_scale: Option<f32>,
    /// How dates such as 01/02/2026 are meant.
    pub date_order: Option<DateOrder>,
    /// The plates of vehicles that the sender calls by a name.
    #[serde(default)]
    pub known_plates: BTreeMap<String, String>,
    /// Plates that are never reported, for instance of the site's own vehicles.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// For the format `mapping`.
    pub mapping: Option<Mapping>,
    /// MQTT topics on which its camera's messages are sent. The gateway reads them.
    #[serde(default)]
    pub topics: Vec<String>,
}

/// A gate and its camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// Its name.
    pub id: GateId,
    /// The lot it leads into.
    pub lot: LotId,
    /// Which ways vehicles pass it.
    pub direction: GateDirection,
    /// What its camera speaks.
    pub format: Format,
    /// The camera's name in its messages.
    pub camera: Option<String>,
    /// The zone of the camera's wall clock.
    pub zone: Tz,
    /// Which side of an entering vehicle the camera sees.
    pub mounting: Mounting,
    /// The gates that see the same passages.
    pub group: Option<String>,
    /// The heading, in the camera's degrees, that means entry.
    pub entry_heading: Option<f32>,
    /// Zones of the picture in the order of an entering vehicle.
    pub entry_zones: Vec<String>,
    /// The number that stands for certainty.
    pub score_scale: Option<f32>,
    /// How dates are meant that could be read two ways.
    pub date_order: Option<DateOrder>,
    /// The plates of vehicles that the sender calls by a name.
    pub known_plates: BTreeMap<String, String>,
    /// Plates that are never reported, in their normal form.
    pub ignore: Vec<Plate>,
    /// For the format `mapping`.
    pub mapping: Option<Mapping>,
}

/// Which member of a gate is wrong, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateError {
    /// The member.
    pub member: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl std::fmt::Display for GateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.member, self.problem)
    }
}

impl std::error::Error for GateError {}

impl Gate {
    /// Checks a gate of the lots file.
    ///
    /// # Errors
    /// The first member that is wrong, and what is allowed.
    pub fn check(written: WrittenGate) -> Result<Self, GateError> {
        let wrong = |member, problem: String| GateError { member, problem };
        let id = GateId::parse(&written.id).map_err(|problem| wrong("id", format!("{:?} {problem}", written.id)))?;
        let lot = LotId::parse(&written.lot).map_err(|problem| wrong("lot", format!("{:?} {problem}", written.lot)))?;
        let format: Format = written.format.parse().map_err(|error| wrong("format", format!("{error}")))?;
        let zone = match &written.zone {
            None => Tz::UTC,
            Some(zone) => zone.parse().map_err(|_| {
                wrong("zone", format!("{zone:?} is not a zone of the IANA data base such as \"Europe/Berlin\""))
            })?,
        };
        if format == Format::Mapping && written.mapping.is_none() {
            return Err(wrong("mapping", "is missing: the format \"mapping\" needs a table of places".to_owned()));
        }
        if written.score_scale.is_some_and(|scale| !scale.is_finite() || scale <= 0.0) {
            return Err(wrong("score_scale", "is not a number above 0".to_owned()));
        }
        if written.entry_heading.is_some_and(|degrees| !(0.0..=360.0).contains(&degrees)) {
            return Err(wrong("entry_heading", "is not a number of degrees from 0 to 360".to_owned()));
        }
        let ignore = written.ignore.iter().enumerate().map(|(place, plate)| {
            Plate::named(plate).map_err(|problem| wrong("ignore", format!("entry {}: the plate {problem}", place + 1)))
        });
        Ok(Self {
            id,
            lot,
            direction: written.direction,
            format,
            camera: written.camera,
            zone,
            mounting: written.mounting,
            group: written.group,
            entry_heading: written.entry_heading,
            entry_zones: written.entry_zones,
            score_scale: written.score_scale,
            date_order: written.date_order,
            known_plates: written.known_plates,
            ignore: ignore.collect::<Result<_, _>>()?,
            mapping: written.mapping,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> String {
        let written = serde_json::from_str(json).unwrap();
        Gate::check(written).unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_member_is_named_with_what_is_allowed() {
        let gate = |more: &str| format!("{{\"id\":\"in-1\",\"lot\":\"P3\",\"direction\":\"entry\",{more}}}");
        assert!(problem(&gate(r#""format":"axes""#)).starts_with("format \"axes\" is not known; known are "));
        assert_eq!(
            problem(&gate(r#""format":"axis","zone":"Mars""#)),
            "zone \"Mars\" is not a zone of the IANA data base such as \"Europe/Berlin\""
        );
        assert!(problem(&gate(r#""format":"mapping""#)).starts_with("mapping is missing"));
        assert!(problem(&gate(r#""format":"axis","score_scale":0"#)).starts_with("score_scale is not"));
        assert!(problem(&gate(r#""format":"axis","entry_heading":400"#)).starts_with("entry_heading is not"));
        assert_eq!(
            problem(&gate(r#""format":"axis","ignore":["AB1","--"]"#)),
            "ignore entry 2: the plate has no letter and no digit"
        );
        assert!(serde_json::from_str::<WrittenGate>(&gate(r#""format":"axis","colour":"red""#)).is_err());
    }
}
