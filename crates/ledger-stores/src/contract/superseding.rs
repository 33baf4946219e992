//! One event supersedes another: which ids are due, and what is recorded when the superseded one is taken out.

use std::collections::BTreeSet;

use matching::{Flags, Limits, Outcome, RecordedEvent, superseding_unit, superseding_unread_unit, unread_unit};
use parking::{Direction, EventKey, GateEvent, GateId, LotId, State};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use super::player::{NOW, Player, entry, event, exit, id_of, vehicle};
use super::{Store, contract};
use crate::{SessionFilter, SupersededId};

contract![
    the_id_of_a_superseded_event_is_due_whichever_of_the_two_comes_first,
    an_event_of_another_gate_or_lot_is_not_superseded,
    an_id_that_is_due_again_stays_due,
    a_superseded_event_stays_recorded_and_its_session_is_void,
    a_superseded_event_with_an_unread_plate_has_no_session,
    what_is_due_is_due_after_a_restart,
    any_history_with_superseded_events_gives_the_canonical_sessions,
];

const CASES: u32 = 24;

impl Player {
    /// Records one event that supersedes another one.
    async fn sees_better(&self, better: &GateEvent, supersedes: Uuid) {
        loop {
            let car = &better.vehicle;
            let mut unit = self.decide(car, self.load(car, None).await, std::slice::from_ref(better)).await;
            for event in &mut unit.events {
                event.supersedes = Some(supersedes);
            }
            if let Outcome::Recorded(_) = self.record_one(unit, NOW).await {
                return;
            }
        }
    }

    async fn due_ids(&self) -> Vec<SupersededId> {
        self.ledger.superseded_due(100, NOW).await.unwrap()
    }

    /// Takes out what is due, as the owner of a ledger does.
    async fn takes_out(&self) {
        let due = self.due_ids().await;
        for looked in &due {
            for event in self.ledger.events_with_id(looked.id).await.unwrap() {
                if event.superseded_by.is_some() && !event.flags.has(Flags::SUPERSEDED) {
                    self.supersede(&event.vehicle, event.key).await;
                }
            }
        }
        self.ledger.superseded_done(&due, NOW).await.unwrap();
    }

    async fn supersede(&self, car: &parking::Vehicle, key: EventKey) {
        let limits = Limits::of(&self.rules, &car.lot);
        let snapshot = self.load(car, Some(key.time)).await;
        if let Some(unit) = superseding_unit(car, &snapshot, limits, &[key]).unwrap() {
            assert!(matches!(self.record_one(unit, NOW).await, Outcome::Recorded(_)));
        }
    }

    async fn superseded_by(&self, event: &GateEvent) -> Vec<Option<Uuid>> {
        let rows = self.ledger.events_with_id(event.key.id).await.unwrap();
        rows.iter().map(|row| row.superseded_by).collect()
    }
}

fn ids(due: &[SupersededId]) -> Vec<Uuid> {
    due.iter().map(|due| due.id).collect()
}

async fn the_id_of_a_superseded_event_is_due_whichever_of_the_two_comes_first(store: Store) {
    let player = Player::on(&store).await;
    let (first, better) = (entry(&vehicle("P3", "A8C123"), 0), entry(&vehicle("P3", "ABC123"), 0));
    let (late, before_it) = (entry(&vehicle("P3", "X8"), 5), entry(&vehicle("P3", "XB"), 5));
    assert_eq!(player.due_ids().await, []);

    player.sees(std::slice::from_ref(&first), NOW).await;
    player.sees_better(&better, first.key.id).await;
    let of_first = player.due_ids().await;
    player.takes_out().await;
    player.sees_better(&before_it, late.key.id).await;
    player.takes_out().await;
    let between = player.due_ids().await;
    player.sees(std::slice::from_ref(&late), NOW).await;
    let of_late = player.due_ids().await;

    assert_eq!((ids(&of_first), between, ids(&of_late)), (vec![first.key.id], Vec::new(), vec![late.key.id]));
    assert_eq!(player.superseded_by(&first).await, [Some(better.key.id)]);
    assert_eq!(player.superseded_by(&late).await, [Some(before_it.key.id)]);
    let row = player.ledger.events_with_id(better.key.id).await.unwrap().remove(0);
    assert_eq!((row.supersedes, row.superseded_by), (Some(first.key.id), None));
}

async fn an_event_of_another_gate_or_lot_is_not_superseded(store: Store) {
    let player = Player::on(&store).await;
    let first = entry(&vehicle("P3", "A8C123"), 0);
    let gate = GateId::parse("elsewhere").ok();
    let at_another_gate = GateEvent { gate, ..entry(&vehicle("P3", "ABC123"), 1) };
    let at_no_gate = GateEvent { gate: None, ..entry(&vehicle("P3", "ABC124"), 1) };
    let in_another_lot = GateEvent { gate: first.gate.clone(), ..entry(&vehicle("P4", "ABC123"), 1) };
    player.sees(std::slice::from_ref(&first), NOW).await;

    for other in [&at_another_gate, &at_no_gate, &in_another_lot] {
        player.sees_better(other, first.key.id).await;
    }
    player.takes_out().await;

    assert_eq!(player.superseded_by(&first).await, [None]);
    assert_eq!(player.state(&first).await, Some(State::Open));
}

async fn an_id_that_is_due_again_stays_due(store: Store) {
    let player = Player::on(&store).await;
    let first = entry(&vehicle("P3", "A8C123"), 0);
    player.sees_better(&entry(&vehicle("P3", "ABC123"), 0), first.key.id).await;
    let looked = player.due_ids().await;

    player.sees(std::slice::from_ref(&first), NOW).await;
    player.ledger.superseded_done(&looked, NOW).await.unwrap();

    assert_eq!(ids(&player.due_ids().await), [first.key.id]);
    player.takes_out().await;
    assert_eq!((player.due_ids().await, player.state(&first).await), (Vec::new(), Some(State::Void)));
}

async fn a_superseded_event_stays_recorded_and_its_session_is_void(store: Store) {
    let player = Player::on(&store).await;
    let (wrong, right) = (vehicle("P3", "A8C123"), vehicle("P3", "ABC123"));
    let (first, left, better) = (entry(&wrong, 0), exit(&wrong, 30), entry(&right, 0));
    player.sees(&[first.clone(), left.clone()], NOW).await;
    let stale = player.load(&wrong, None).await;

    player.sees_better(&better, first.key.id).await;
    player.takes_out().await;

    let states = [player.state(&first).await, player.state(&left).await, player.state(&better).await];
    assert_eq!(states, [Some(State::Void), Some(State::HeldExit), Some(State::Open)]);
    let events = player.ledger.vehicle_events(&wrong, None, 10).await.unwrap();
    let superseded = |row: &crate::EventRow| (row.key, row.flags.has(Flags::SUPERSEDED));
    assert_eq!(events.iter().map(superseded).collect::<Vec<_>>(), [(first.key, true), (left.key, false)]);
    let changes = player.ledger.changes_of(id_of(&first)).await.unwrap();
    let last = changes.last().unwrap();
    assert_eq!((last.from, last.to), (Some(State::Matched), State::Void));
    assert_eq!(last.rule, Some(matching::Rule::ReadSuperseded));
    // A correlator that has the vehicle as it was loses.
    let again = player.decide(&wrong, stale, &[exit(&wrong, 60)]).await;
    let current = player.load(&wrong, None).await;
    assert_eq!(player.record_one(again, NOW).await, Outcome::Lost(current));
}

async fn a_superseded_event_with_an_unread_plate_has_no_session(store: Store) {
    let player = Player::on(&store).await;
    let nothing = vehicle("P3", "NOPLATE");
    let (first, other) = (exit(&nothing, 0), exit(&nothing, 7));
    let record = |event: &GateEvent| RecordedEvent::new(event, event.key.time, Flags::default());
    player.record_one(unread_unit(&nothing, vec![record(&first), record(&other)]), NOW).await;
    player.sees_better(&exit(&vehicle("P3", "ABC123"), 0), first.key.id).await;

    let base = player.load(&nothing, None).await.base;
    let unit = superseding_unread_unit(&nothing, base, &[first.key]);
    let recorded = player.record_one(unit.clone(), NOW).await;
    let again = player.record_one(unit, NOW).await;

    assert!(matches!(recorded, Outcome::Recorded(_)) && matches!(again, Outcome::Lost(_)), "{recorded:?} {again:?}");
    assert_eq!(player.state(&first).await, Some(State::Void));
    assert_eq!(player.state(&other).await, Some(State::UnmatchedExit));
    let row = player.ledger.events_with_id(first.key.id).await.unwrap().remove(0);
    assert!(row.flags.has(Flags::SUPERSEDED) && row.superseded_by.is_some());
    // Its plate goes on as before.
    let third = exit(&nothing, 9);
    player.record_one(unread_unit(&nothing, vec![record(&third), record(&first)]), NOW).await;
    assert_eq!(player.state(&third).await, Some(State::UnmatchedExit));
    assert_eq!(player.state(&first).await, Some(State::Void));
}

async fn what_is_due_is_due_after_a_restart(store: Store) {
    let first = entry(&vehicle("P3", "A8C123"), 0);
    {
        let player = Player::on(&store).await;
        player.sees(std::slice::from_ref(&first), NOW).await;
        player.sees_better(&entry(&vehicle("P3", "ABC123"), 0), first.key.id).await;
        player.ledger.close().await;
    }
    let player = Player::on(&store).await;

    let due = player.due_ids().await;
    player.takes_out().await;

    assert_eq!((ids(&due), player.state(&first).await), (vec![first.key.id], Some(State::Void)));
}

/// One of three vehicles, the direction, the minute, and the place of the event that it supersedes.
type Read = (u8, bool, i64, Option<prop::sample::Index>);

async fn any_history_with_superseded_events_gives_the_canonical_sessions(store: Store) {
    let player = Player::on(&store).await;
    let runtime = tokio::runtime::Handle::current();
    let reads =
        vec((0..3_u8, any::<bool>(), 0..40_i64, prop::option::weighted(0.3, any::<prop::sample::Index>())), 1..40);
    let checked = tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        let case = std::cell::Cell::new(0);
        runner.run(&(reads, vec(any::<bool>(), 1..5)), |(reads, looks)| {
            // All cases share one ledger; each has its own lot.
            let lot = format!("case{}", case.replace(case.get() + 1));
            runtime.block_on(check(&player, &lot, &reads, &looks))
        })
    });
    checked.await.unwrap().unwrap();
}

async fn check(player: &Player, lot: &str, reads: &[Read], looks: &[bool]) -> Result<(), TestCaseError> {
    let read = |(plate, is_exit, minute, _): &Read| {
        let direction = if *is_exit { Direction::Exit } else { Direction::Entry };
        let gate = GateId::parse("both-ways").ok();
        GateEvent { gate, ..event(&vehicle(lot, &format!("CAR{plate}")), direction, *minute) }
    };
    let events: Vec<GateEvent> = reads.iter().map(read).collect();
    let (mut seen, mut superseded) = (BTreeSet::new(), BTreeSet::new());
    for ((event, (.., named)), look) in events.iter().zip(reads).zip(looks.iter().cycle()) {
        let named = named.map(|index| events[index.index(events.len())].key.id).filter(|id| *id != event.key.id);
        // Of copies the one that is recorded first counts.
        if let Some(named) = named.filter(|_| seen.insert(event.key.id)) {
            superseded.insert(named);
            player.sees_better(event, named).await;
        } else {
            seen.insert(event.key.id);
            player.sees(std::slice::from_ref(event), NOW).await;
        }
        if *look {
            player.takes_out().await;
        }
    }
    player.takes_out().await;
    let counting: Vec<GateEvent> = events.iter().filter(|event| !superseded.contains(&event.key.id)).cloned().collect();
    let of_lot = SessionFilter { lot: LotId::parse(lot).ok(), ..SessionFilter::default() };
    prop_assert_eq!(player.sessions(of_lot).await, player.canonical(&counting));
    Ok(())
}
