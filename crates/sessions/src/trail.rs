//! The trail of an event: the stages of its way from the door to its session, each with its time.
//!
//! The door writes its receipt into the message, the correlator adds when it received that, and the ledger when it
//! recorded the event and each change to its session. A stage whose time no part of Dwell writes down is shown as
//! unknown.

use access::Lots;
use ledger::EventRow;
use matching::Flags;
use parking::{Door, Receipt, SessionId, Timestamp};
use uuid::Uuid;

use super::seen::Sight;
use super::{Error, Inner, SeenChange, SeenEvent, Service, within};

/// A stage of an event's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageKind {
    /// A door received it.
    Received,
    /// The broker confirmed it to the door.
    Confirmed,
    /// A correlator received it from the queue.
    Delivered,
    /// The ledger recorded it.
    Recorded,
    /// Later evidence changed its session.
    Revised,
}

impl StageKind {
    /// All of them, in the order of the way.
    pub const ALL: [Self; 5] = [Self::Received, Self::Confirmed, Self::Delivered, Self::Recorded, Self::Revised];

    /// The word for responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Confirmed => "confirmed",
            Self::Delivered => "delivered",
            Self::Recorded => "recorded",
            Self::Revised => "revised",
        }
    }
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Which.
    pub kind: StageKind,
    /// When; `None` if unknown.
    pub at: Option<Timestamp>,
    /// What happened, or why it is unknown, without a plate.
    pub text: String,
    /// The change of a revision.
    pub change: Option<SeenChange>,
}

/// The way of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Trail {
    /// The event.
    pub event: SeenEvent,
    /// Its stages: received, confirmed, delivered, recorded, and each revision in order of commit.
    pub stages: Vec<Stage>,
}

impl Service {
    /// The trails of the events of these lots with this id: none when it is not known, several when the id was used again.
    pub(crate) async fn trails(&self, event: Uuid, lots: &Lots, sight: &Sight) -> Result<Vec<Trail>, Error> {
        within(async {
            let mut trails = Vec::new();
            let events = self.inner.ledger.events_with_id(event).await?.into_iter();
            for event in events.filter(|event| lots.contains(&event.vehicle.lot)) {
                trails.push(self.inner.trail(event, sight).await?);
            }
            Ok(trails)
        })
        .await
    }
}

impl Inner {
    async fn trail(&self, event: EventRow, sight: &Sight) -> Result<Trail, Error> {
        let explanation = self.explanation(&event.vehicle, &event.key, event.flags.has(Flags::SUPERSEDED)).await?;
        let changes = self.changes_of_event(&event, explanation.session, sight).await?;
        let mut stages = vec![
            received(event.receipt.as_ref()),
            confirmed(event.receipt.as_ref()),
            known(StageKind::Delivered, event.received_at, "a correlator received it from the queue".to_owned()),
            known(StageKind::Recorded, event.recorded_at, "the ledger recorded it".to_owned()),
        ];
        let own = sight.session_id(SessionId::of_event(&event.vehicle, &event.key));
        stages.extend(revisions(changes, event.recorded_at, own).into_iter().map(revised));
        Ok(Trail { event: sight.event(event), stages })
    }
}

/// The changes after the commit that recorded the event. `own` is the session that the event gives its id.
///
/// That commit has the event's time. Of several within that millisecond it is the first one if the event began its
/// session, and else the last one.
fn revisions(mut changes: Vec<SeenChange>, recorded_at: Timestamp, own: Uuid) -> Vec<SeenChange> {
    let of_time = changes.iter().filter(|change| change.recorded_at == recorded_at);
    let versions = of_time.map(|change| change.vehicle_version);
    let is_anchor = changes.iter().any(|change| change.session == own);
    let own_version = if is_anchor { versions.min() } else { versions.max() };
    changes.retain(|change| match own_version {
        Some(version) => change.vehicle_version > version,
        // A re-read has no change of its own.
        None => change.recorded_at > recorded_at,
    });
    changes
}

fn known(kind: StageKind, at: Timestamp, text: String) -> Stage {
    Stage { kind, at: Some(at), text, change: None }
}

fn received(receipt: Option<&Receipt>) -> Stage {
    let at = receipt.and_then(|receipt| receipt.received_at);
    let mut text = match receipt {
        None => "unknown: recorded by a program that did not keep how events came in".to_owned(),
        Some(receipt) => way(receipt),
    };
    if receipt.is_some() && at.is_none() {
        text.push_str("; when is unknown, because the message does not contain it");
    }
    Stage { kind: StageKind::Received, at, text, change: None }
}

/// How an event came in, in words.
fn way(receipt: &Receipt) -> String {
    let format = receipt.format.as_ref().map_or_else(String::new, |format| format!(", format {format}"));
    let way = match receipt.door {
        Door::Http => "by HTTP",
        Door::Grpc => "by gRPC",
        Door::Mqtt => "by MQTT",
        Door::Camera => "from a camera by HTTP",
        Door::Amqp => "a client published it to the queue",
        Door::File => "from a file",
        Door::Simulated => "from a simulated gate",
    };
    format!("{way}{format}")
}

fn confirmed(receipt: Option<&Receipt>) -> Stage {
    let text = match receipt.map(|receipt| receipt.door) {
        Some(Door::Http | Door::Grpc | Door::Mqtt | Door::Camera) => {
            "unknown: the gateway alone knows when the broker confirmed, and answered its sender after that"
        }
        Some(Door::File | Door::Simulated) => "unknown: its publisher alone knows when the broker confirmed",
        Some(Door::Amqp) => "unknown: the client that published it may not have asked for a confirm",
        None => "unknown",
    };
    Stage { kind: StageKind::Confirmed, at: None, text: text.to_owned(), change: None }
}

fn revised(change: SeenChange) -> Stage {
    let from = change.from.map_or("new", |state| state.as_str());
    let rule = change.rule.map_or("saved", |rule| rule.as_str());
    let text = format!("its session changed from {from} to {}, rule {rule}", change.to);
    Stage { kind: StageKind::Revised, at: Some(change.recorded_at), text, change: Some(change) }
}
