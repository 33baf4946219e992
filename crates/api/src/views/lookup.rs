//! A look-up at the exit, and its answer.

use serde::{Deserialize, Serialize};
use sessions::lookup::{EntryAtGate, LookUp, LookedUp, MODEL, Matches, SimilarEntry, UsualStay};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Seconds, schemas};

/// A vehicle at the exit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = LookUp)]
pub struct LookUpBody {
    /// The car park; the default is `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$", example = "P3")]
    pub lot_id: Option<String>,
    /// The plate as read. Without it, the candidate with the greatest confidence counts as read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "A8-12CDE")]
    pub vehicle_plate: Option<String>,
    /// How sure the camera is of the whole plate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub confidence: Option<f32>,
    /// How sure the camera is of each letter and digit of `vehicle_plate`, or of each of its characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub character_confidences: Option<Vec<f32>>,
    /// Other plates that the camera thinks possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 16)]
    pub candidates: Option<Vec<LookUpCandidate>>,
    /// When the plate was read: RFC 3339 with an offset, at most five minutes ahead of the server's clock. The default is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, example = "2024-09-24T10:47:12Z")]
    pub time: Option<String>,
    /// Answer only if the change with this number is included: the sequence of an earlier answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub min_sequence: Option<u64>,
}

/// Another plate that a camera thinks possible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LookUpCandidate {
    /// The plate as read.
    #[schema(example = "AB-12CDE")]
    pub plate: String,
    /// How sure the camera is of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub confidence: Option<f32>,
}

/// What is known of a vehicle at the exit. Nothing of the question is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = LookedUp)]
pub struct LookedUpView {
    /// The car park.
    #[schema(example = "P3")]
    pub lot_id: String,
    /// The plate that was looked up, in its normal form; empty if no letter and no digit was read.
    #[schema(example = "A812CDE")]
    pub vehicle_plate: String,
    /// The time for which it was looked up, UTC.
    #[schema(format = DateTime)]
    pub time: String,
    /// The answer includes all changes up to this number.
    pub sequence: u64,
    /// `exact`: the open session of this plate is in `open_session`. `similar`: open sessions of similar plates are in
    /// `entries`. `none`: there is neither. `unread`: the plate says that nothing was read.
    #[schema(schema_with = schemas::look_up_outcome)]
    pub outcome: String,
    /// The open session of exactly this plate.
    #[schema(required)]
    pub open_session: Option<EntryAtGateView>,
    /// The most likely open sessions of other plates, the most likely first.
    #[schema(max_items = 5)]
    pub entries: Vec<SimilarEntryView>,
    /// How many further open sessions are possible, all less likely.
    pub further_entries: u64,
    /// The probability that the vehicle has no open session; null unless the outcome is `similar` or `none`.
    #[schema(minimum = 0, maximum = 1, required)]
    pub none_probability: Option<f64>,
    /// How long stays are at this car park; null until 200 matched stays of its last 30 days are known.
    #[schema(required)]
    pub usual_stay: Option<UsualStayView>,
    /// The model by which plates are compared: `start`, which has learned nothing of cameras and known plates.
    #[schema(example = "start")]
    pub model: String,
}

/// The entry of an open session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = EntryAtGate)]
pub struct EntryAtGateView {
    /// The session.
    pub session_id: Uuid,
    /// The plate as read at the entry, in its normal form.
    #[schema(example = "AB12CDE")]
    pub vehicle_plate: String,
    /// The id of the entry event.
    pub entry_event_id: Uuid,
    /// When the vehicle entered, UTC.
    #[schema(format = DateTime)]
    pub entry_date_time: String,
    /// The gate of the entry, if known.
    #[schema(required)]
    pub entry_gate_id: Option<String>,
    /// The dwell time so far, seconds.
    #[schema(value_type = f64)]
    pub dwell_seconds: Seconds,
}

/// An open session whose plate is similar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SimilarEntry)]
pub struct SimilarEntryView {
    /// The session.
    pub session: EntryAtGateView,
    /// The probability that the vehicle is this one.
    #[schema(minimum = 0, maximum = 1)]
    pub probability: f64,
    /// The plate that the vehicle most likely has.
    #[schema(example = "AB12CDE")]
    pub likely_plate: String,
    /// What was misread of that plate at the entry.
    pub misread_at_entry: Vec<String>,
    /// What was misread of that plate at the exit.
    #[schema(example = json!(["8 read for B at place 2"]))]
    pub misread_at_exit: Vec<String>,
    /// The places of the entry's plate that differ from the exit's, counted from 1.
    pub differing_at_entry: Vec<usize>,
    /// The places of the exit's plate that differ from the entry's, counted from 1.
    pub differing_at_exit: Vec<usize>,
}

/// How long stays are at a car park.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = UsualStay)]
pub struct UsualStayView {
    /// The stays that were counted.
    pub stays: u64,
    /// The median dwell time, seconds.
    #[schema(value_type = f64)]
    pub dwell_p50_seconds: Seconds,
    /// The 90th percentile of the dwell time, seconds.
    #[schema(value_type = f64)]
    pub dwell_p90_seconds: Seconds,
}

impl LookedUpView {
    /// The answer to a question.
    pub fn new(asked: &LookUp, found: &LookedUp) -> Self {
        let (outcome, open_session, entries, further, none) = match &found.matches {
            Matches::Unread => ("unread", None, &[][..], 0, None),
            Matches::Exact(entry) => ("exact", Some(EntryAtGateView::from(entry)), &[][..], 0, None),
            Matches::Similar { entries, others, none } => {
                let outcome = if entries.is_empty() { "none" } else { "similar" };
                (outcome, None, &entries[..], *others, Some(share(*none)))
            }
        };
        Self {
            lot_id: asked.lot.to_string(),
            vehicle_plate: asked.plate.to_string(),
            time: found.time.to_string(),
            sequence: found.sequence,
            outcome: outcome.to_owned(),
            open_session,
            entries: entries.iter().map(SimilarEntryView::from).collect(),
            further_entries: u64::try_from(further).unwrap_or(u64::MAX),
            none_probability: none,
            usual_stay: found.usual_stay.map(UsualStayView::from),
            model: MODEL.to_owned(),
        }
    }
}

/// Ten thousandths as a share.
fn share(ten_thousandths: u16) -> f64 {
    f64::from(ten_thousandths) / 10_000.0
}

impl From<&EntryAtGate> for EntryAtGateView {
    fn from(entry: &EntryAtGate) -> Self {
        Self {
            session_id: entry.session,
            vehicle_plate: entry.plate.to_string(),
            entry_event_id: entry.event,
            entry_date_time: entry.entered.to_string(),
            entry_gate_id: entry.gate.as_ref().map(ToString::to_string),
            dwell_seconds: Seconds { millis: entry.dwell_ms },
        }
    }
}

impl From<&SimilarEntry> for SimilarEntryView {
    fn from(found: &SimilarEntry) -> Self {
        let SimilarEntry { entry, probability, likely_plate, misread, differing } = found;
        let ([misread_at_entry, misread_at_exit], [differing_at_entry, differing_at_exit]) =
            (misread.clone(), differing.clone());
        Self {
            session: EntryAtGateView::from(entry),
            probability: share(*probability),
            likely_plate: likely_plate.clone(),
            misread_at_entry,
            misread_at_exit,
            differing_at_entry,
            differing_at_exit,
        }
    }
}

impl From<UsualStay> for UsualStayView {
    fn from(UsualStay { stays, median_ms, p90_ms }: UsualStay) -> Self {
        Self { stays, dwell_p50_seconds: Seconds { millis: median_ms }, dwell_p90_seconds: Seconds { millis: p90_ms } }
    }
}
