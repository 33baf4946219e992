//! The request that 2N devices take from plate readers.
//!
//! It has no time, so a read has that of its arrival. One arrival of a car (`lprID`) can be read several times, each
//! time with an own `lprUuid` and a better plate; nothing says which read came first, so the gateway's memory does.

use parking::{Direction, Refusal};

use super::{day, missing};
use crate::body::Tree;
use crate::identity::{Identity, hash};
use crate::sighting::{Context, Found, Moment, Motion, Sighting};
use crate::values::plate;

pub(super) fn read(tree: &Tree, context: &mut Context<'_>) -> Result<Vec<Found>, Refusal> {
    if tree.at("plateText").is_none() {
        return Err(missing("plateText"));
    }
    let uuid = tree.text("lprUuid");
    let mut sighting = Sighting::new(plate(tree.text("plateText")), Moment::Received);
    sighting.motion = match (tree.text("accessPoint"), tree.text("lprDir")) {
        (Some("0"), _) | (None, Some("2")) => Motion::Way(Direction::Entry),
        (Some("1"), _) | (None, Some("3")) => Motion::Way(Direction::Exit),
        (Some(_), _) => return Err(Refusal::new("accessPoint", "is not 0 (in) or 1 (out)")),
        (None, _) => Motion::Unknown,
    };
    sighting.identity = match (tree.text("lprID"), uuid) {
        (Some(arrival), _) => {
            let day = day(Moment::Received, context.gate, context.delivery.received);
            let car = format!("{day} {arrival}");
            let key = hash(&[context.gate.id.as_str(), &car]);
            let stage = context.recall.place(key, hash(&[uuid.unwrap_or(&sighting.plate)]));
            Identity::Revision { car, stage, links: false }
        }
        (None, Some(uuid)) => Identity::Vendor(uuid.to_owned()),
        (None, None) => return Err(missing("lprUuid")),
    };
    Ok(vec![sighting.into()])
}
