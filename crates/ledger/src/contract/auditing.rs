//! All that the ledger has of each vehicle is read, part by part, and has no fault.

use std::collections::{BTreeMap, BTreeSet};

use matching::history::Fault;
use matching::{RecordedEvent, unread_unit};
use parking::{GateEvent, LotId, Timestamp};

use super::player::{NOW, Player, entry, exit, minute, vehicle};
use super::{Store, contract};
use crate::{AuditedVehicle, Summary};

contract![what_was_recorded_is_read_whole_and_has_no_fault, an_empty_ledger_has_no_vehicles];

async fn audited(player: &Player) -> (Vec<AuditedVehicle>, usize) {
    let (mut vehicles, mut parts, mut next) = (Vec::new(), 0, Some(0));
    while let Some(from) = next {
        let part = player.ledger.audit(&player.rules, from).await.unwrap();
        vehicles.extend(part.vehicles);
        (parts, next) = (parts + 1, part.next);
    }
    (vehicles, parts)
}

async fn faults(player: &Player, vehicles: &[AuditedVehicle]) -> Vec<Fault> {
    let lots = player.ledger.lots().await.unwrap();
    let times: BTreeMap<LotId, Timestamp> = lots.into_iter().filter_map(|lot| Some((lot.id, lot.time?))).collect();
    let faults =
        |audited: &AuditedVehicle| audited.account.faults(&audited.vehicle, &player.rules, times[&audited.vehicle.lot]);
    vehicles.iter().flat_map(faults).collect()
}

/// Late events, re-reads, revisions, an end of a hold, unread plates and a summary, of many vehicles.
async fn what_was_recorded_is_read_whole_and_has_no_fault(store: Store) {
    let player = Player::on(&store).await;
    let mut recorded: u64 = 0;
    for round in 0..6 {
        for number in 0..7 {
            let car = vehicle(if number % 2 == 0 { "P3" } else { "P9" }, &format!("CAR{number}"));
            let at = round * 100 + number;
            let events: Vec<GateEvent> = match (round + number) % 4 {
                0 => vec![exit(&car, at + 30), entry(&car, at)],
                1 => vec![exit(&car, at + 30)],
                2 => vec![entry(&car, at), entry(&car, at), entry(&car, at + 1)],
                _ => vec![exit(&car, at - 60)],
            };
            let new: BTreeSet<_> = events.iter().map(|event| event.key).collect();
            recorded += new.len() as u64;
            player.sees(&events, NOW).await;
        }
    }
    // An exit alone, whose session its late entry makes void.
    let late = vehicle("P3", "LATE");
    player.sees(&[exit(&late, 50)], NOW).await;
    player.sees(&[entry(&late, 40)], NOW).await;
    recorded += 2;
    for due in player.due(3, NOW.plus_millis(player.rules.hold_ms + 1)).await {
        player.ends(&due, NOW.plus_millis(player.rules.hold_ms + 1)).await;
    }
    let unread = vehicle("P3", "NOPLATE");
    let event = RecordedEvent::new(&entry(&unread, 5), minute(5), matching::Flags::default());
    player.record_one(unread_unit(&unread, vec![event]), NOW).await;
    let summary = Summary { vehicle: vehicle("P3", "FIN123"), entry: minute(0), exit: minute(9) };
    player.ledger.save_summary(summary, NOW).await.unwrap();

    let (vehicles, parts) = audited(&player).await;

    assert_eq!(faults(&player, &vehicles).await, []);
    assert!(parts > 2, "{parts}");
    let count = |of: fn(&AuditedVehicle) -> usize| vehicles.iter().map(of).sum::<usize>() as u64;
    assert_eq!(count(|one| one.account.events.len()), recorded + 1);
    assert_eq!((vehicles.len(), count(|one| one.summaries.len()), count(|one| one.unchained.len())), (10, 1, 0));
    assert!(count(|one| one.account.void.len()) > 0);
}

async fn an_empty_ledger_has_no_vehicles(store: Store) {
    let player = Player::on(&store).await;
    assert_eq!(audited(&player).await, (Vec::new(), 1));
}
