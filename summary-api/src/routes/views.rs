//! The JSON of answers: members, names and forms that clients build on. Also for programs that read them.

use std::fmt;

use async_graphql::SimpleObject;
use ledger::SessionRow;
use matching::DependencyReport;
use parking::{SessionId, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sessions::{LotStatus, ReportedCorrelator, Status};
use utoipa::ToSchema;
use uuid::Uuid;

use super::schemas;

/// A length of time in seconds, with at most three decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds {
    /// The same in milliseconds.
    pub millis: i64,
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.millis < 0 { "-" } else { "" };
        let (seconds, millis) = (self.millis.unsigned_abs() / 1_000, self.millis.unsigned_abs() % 1_000);
        match millis {
            0 => write!(f, "{sign}{seconds}"),
            _ => f.write_str(format!("{sign}{seconds}.{millis:03}").trim_end_matches('0')),
        }
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.millis % 1_000 == 0 {
            return serializer.serialize_i64(self.millis / 1_000);
        }
        #[expect(clippy::cast_precision_loss, reason = "2^52 ms are more than all years that a time may have")]
        serializer.serialize_f64(self.millis as f64 / 1_000.0)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let millis = (f64::deserialize(deserializer)? * 1_000.0).round();
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        if millis.abs() < 9.0e15 { Ok(Self { millis: millis as i64 }) } else { Err(de::Error::custom("not a dwell")) }
    }
}

/// A session: one stay as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, SimpleObject)]
#[schema(as = Session)]
#[graphql(name = "Session", complex)]
pub struct SessionView {
    /// A UUID of version 8, made from the event that gives the session; ids grow with its time.
    pub session_id: Uuid,
    /// The car park.
    #[schema(example = "P3")]
    pub lot_id: String,
    /// The plate in its normal form; empty when no letter and no digit was read.
    #[schema(example = "ABC123")]
    pub vehicle_plate: String,
    /// The entry event.
    #[schema(required)]
    pub entry_event_id: Option<Uuid>,
    /// When the vehicle entered, UTC.
    #[schema(format = DateTime, example = "2024-09-24T09:00:00.125Z", required)]
    pub entry_date_time: Option<String>,
    /// The exit event.
    #[schema(required)]
    pub exit_event_id: Option<Uuid>,
    /// When the vehicle left, UTC.
    #[schema(format = DateTime, example = "2024-09-24T10:47:12.000Z", required)]
    pub exit_date_time: Option<String>,
    /// Exit minus entry of a matched session, with at most three decimals.
    #[schema(value_type = Option<f64>, example = 6431.875, required)]
    pub dwell_seconds: Option<Seconds>,
    /// `open`, `matched`, `held_exit`, `unmatched_exit`, `unmatched_entry` or `void`.
    #[schema(schema_with = schemas::state)]
    pub state: String,
    /// Why it is unmatched: `re_entered`, `max_stay` or `unread`.
    #[schema(schema_with = schemas::reason, required)]
    pub reason: Option<String>,
    /// `events` or `summary`.
    #[schema(schema_with = schemas::source)]
    pub source: String,
    /// The gate of the entry, when it is known.
    #[schema(required)]
    pub entry_gate_id: Option<String>,
    /// The gate of the exit, when it is known.
    #[schema(required)]
    pub exit_gate_id: Option<String>,
    /// Of a void session: the session that has its giving event now.
    #[schema(required)]
    pub superseded_by: Option<Uuid>,
    /// When the session was first recorded, UTC.
    #[schema(format = DateTime)]
    pub recorded_at: String,
    /// When it last changed, UTC.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

impl From<&SessionRow> for SessionView {
    fn from(row: &SessionRow) -> Self {
        let session = &row.session;
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        Self {
            session_id: session.id.as_uuid(),
            lot_id: session.vehicle.lot.to_string(),
            vehicle_plate: session.vehicle.plate.to_string(),
            entry_event_id: session.entry_event_id,
            entry_date_time: time(session.entry_time),
            exit_event_id: session.exit_event_id,
            exit_date_time: time(session.exit_time),
            dwell_seconds: session.dwell_ms().map(|millis| Seconds { millis }),
            state: session.state.to_string(),
            reason: session.reason.map(|reason| reason.to_string()),
            source: row.source.to_string(),
            entry_gate_id: row.entry_gate.as_ref().map(ToString::to_string),
            exit_gate_id: row.exit_gate.as_ref().map(ToString::to_string),
            superseded_by: row.superseded_by.map(SessionId::as_uuid),
            recorded_at: row.recorded_at.to_string(),
            updated_at: row.updated_at.to_string(),
        }
    }
}

/// A page of a list of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionPage {
    /// The sessions, in the order that was asked for.
    pub sessions: Vec<SessionView>,
    /// What to send as `cursor` for the next page; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// A lot as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, SimpleObject)]
#[schema(as = Lot)]
#[graphql(name = "Lot")]
pub struct LotView {
    /// Its name.
    #[schema(example = "P3")]
    pub id: String,
    /// What it serves, when it is known beforehand: `hotel`, `mall`, `market`, `industrial` or `community`.
    #[schema(required)]
    pub kind: Option<String>,
    /// How many vehicles fit in, when it is known.
    #[schema(required)]
    pub capacity: Option<u32>,
    /// Vehicles inside now: open sessions.
    pub inside: u64,
    /// The lot's own time, UTC: that of the newest event recorded there; null before the first.
    #[schema(format = DateTime, required)]
    pub time: Option<String>,
    /// Those inside for longer than 99.5 of 100 stays of the lot's last 30 days lasted: their exit was probably missed.
    /// Null until 200 stays are known.
    #[schema(required)]
    pub doubtful: Option<u64>,
    /// Those inside for longer than the lot's longest stay, until they are decided.
    pub overstays: u64,
    /// Entries of the clock hour (UTC) that the lot's own time is in, so far.
    pub entries_this_hour: u64,
    /// Exits of that hour so far.
    pub exits_this_hour: u64,
    /// Entries of the whole clock hour before it.
    pub entries_hour_before: u64,
    /// Exits of the whole clock hour before it.
    pub exits_hour_before: u64,
    /// Exits of the lot's last 24 clock hours that have their entry.
    pub matched_last_day: u64,
    /// Exits of the lot's last 24 clock hours that have none.
    pub unmatched_last_day: u64,
    /// The share of the last day's exits that has no entry, 0 to 1; null without any.
    #[schema(required)]
    pub unmatched_share_last_day: Option<f64>,
}

impl From<&LotStatus> for LotView {
    fn from(lot: &LotStatus) -> Self {
        let kind = lot.known.as_ref().and_then(|known| serde_json::to_value(known.kind).ok());
        Self {
            id: lot.id.to_string(),
            kind: kind.and_then(|kind| kind.as_str().map(str::to_owned)),
            capacity: lot.known.as_ref().and_then(|known| known.capacity),
            inside: lot.inside,
            time: lot.time.map(|time| time.to_string()),
            doubtful: lot.doubtful,
            overstays: lot.overstays,
            entries_this_hour: lot.entries_this_hour,
            exits_this_hour: lot.exits_this_hour,
            entries_hour_before: lot.entries_hour_before,
            exits_hour_before: lot.exits_hour_before,
            matched_last_day: lot.matched_last_day,
            unmatched_last_day: lot.unmatched_last_day,
            unmatched_share_last_day: lot.unmatched_share(),
        }
    }
}

/// A page of the list of lots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LotPage {
    /// The lots, by name.
    pub lots: Vec<LotView>,
    /// What to send as `cursor` for the next page; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// What the ledger still waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, SimpleObject)]
#[schema(as = Pending)]
#[graphql(name = "Pending")]
pub struct PendingView {
    /// Exits that are held for a late entry.
    pub held_exits: u64,
    /// Open sessions beyond the longest stay on their lot's own time that are not decided yet.
    pub overdue_stays: u64,
}

/// A correlator's last report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, SimpleObject)]
#[schema(as = Correlator)]
#[graphql(name = "Correlator")]
pub struct CorrelatorView {
    /// Made anew at each start of the correlator.
    pub id: Uuid,
    /// Messages ready in the entry queue; null while the broker does not say.
    #[schema(required)]
    pub entry_ready: Option<u64>,
    /// Messages ready in the exit queue, likewise.
    #[schema(required)]
    pub exit_ready: Option<u64>,
    /// Messages received and not yet acknowledged.
    pub in_flight: u64,
    /// What its process needs; empty when that is the summary API's own, whose `/readyz` says it.
    pub dependencies: Vec<DependencyView>,
    /// When it said so, UTC.
    #[schema(format = DateTime)]
    pub reported_at: String,
}

impl From<&ReportedCorrelator> for CorrelatorView {
    fn from(reported: &ReportedCorrelator) -> Self {
        let status = &reported.status;
        Self {
            id: status.correlator,
            entry_ready: status.entry.ready(),
            exit_ready: status.exit.ready(),
            in_flight: status.in_flight(),
            dependencies: status.dependencies.iter().map(DependencyView::from).collect(),
            reported_at: reported.reported_at.to_string(),
        }
    }
}

/// How a dependency of a correlator is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, SimpleObject)]
#[schema(as = Dependency)]
#[graphql(name = "Dependency")]
pub struct DependencyView {
    /// Its name.
    #[schema(example = "redis")]
    pub name: String,
    /// Whether it answers.
    pub up: bool,
    /// Whether the correlator can do without it.
    pub optional: bool,
    /// Why it can't be used; null while it is up.
    #[schema(required, example = "Connection refused (os error 111)")]
    pub reason: Option<String>,
}

impl From<&DependencyReport> for DependencyView {
    fn from(report: &DependencyReport) -> Self {
        Self {
            name: report.name.clone(),
            up: report.away.is_none(),
            optional: report.is_optional,
            reason: report.away.clone(),
        }
    }
}

/// Whether all work is done, and what is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, SimpleObject)]
#[schema(as = Status)]
#[graphql(name = "Status")]
pub struct StatusView {
    /// When this was asked, UTC.
    #[schema(format = DateTime)]
    pub now: String,
    /// A correlator reports, no message is ready or in anybody's hands, and the ledger waits for nothing.
    pub settled: bool,
    /// What the ledger still waits for.
    pub pending: PendingView,
    /// The correlators that reported within the last ten seconds, and silent ones that may have messages in their hands,
    /// by id.
    pub correlators: Vec<CorrelatorView>,
    /// Silent correlators, and consumers of the queues that belong to no correlator, in words: `settled` stays false while
    /// they may have messages in their hands.
    #[serde(default)]
    pub waits_for: Vec<String>,
}

impl From<&Status> for StatusView {
    fn from(status: &Status) -> Self {
        Self {
            now: status.now.to_string(),
            settled: status.settled,
            pending: PendingView { held_exits: status.pending.held_exits, overdue_stays: status.pending.overdue_stays },
            correlators: status.correlators.iter().map(CorrelatorView::from).collect(),
            waits_for: status.waits_for.iter().map(ToString::to_string).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dwell_has_at_most_three_decimals_in_text_and_json_and_is_read_back() {
        for (millis, text) in [
            (0, "0"),
            (90_000_000, "90000"),
            (6_431_875, "6431.875"),
            (1_500, "1.5"),
            (10, "0.01"),
            (1, "0.001"),
            (253_402_300_799_999, "253402300799.999"),
            (-1_250, "-1.25"),
        ] {
            let seconds = Seconds { millis };
            assert_eq!(seconds.to_string(), text);
            assert_eq!(serde_json::to_string(&seconds).unwrap(), text);
            assert_eq!(serde_json::from_str::<Seconds>(text).unwrap(), seconds);
        }
    }
}
