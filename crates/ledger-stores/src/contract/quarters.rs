//! The quarters of a lot match its sessions, in any order of events and after any revision.

use std::collections::BTreeMap;
use std::ops::Range;

use ledger::start_of;
use parking::{Direction, GateEvent, LotId, Source, State, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::auditing::recounted;
use super::player::{NOW, Player, entry, event, exit, minute, vehicle};
use super::{Store, contract};
use crate::{
    Connected, Counts, Order, QUARTER_MS, Quarters, Recent, RecentOf, SessionFilter, Summary, Tally, quarter_of,
};

contract![
    the_quarter_hours_are_those_of_the_sessions_after_any_history,
    two_units_of_a_vehicle_in_one_call_count_what_stands_in_the_end,
    many_who_record_at_once_count_each_passage_once,
    a_saved_summary_counts_in_no_quarter_hour,
    an_unread_event_counts_as_a_passage_that_matched_nothing,
    open_stays_are_counted_by_when_they_began_and_quarter_hours_without_their_dwells,
    an_unknown_lot_has_no_quarter_hours,
    a_quarter_hour_in_which_a_correlator_was_connected_is_noted_once,
];

const CASES: u32 = 24;
/// Contains every quarter that these tests use.
const ALWAYS: Range<i64> = 0..4_000_000;

async fn of_lot(player: &Player, lot: &str) -> Quarters {
    player.ledger.quarters(&LotId::parse(lot).unwrap(), ALWAYS).await.unwrap()
}

/// Counts the quarters of a lot from its sessions.
async fn counted(player: &Player, lot: &str) -> Quarters {
    let filter = SessionFilter { lot: LotId::parse(lot).ok(), ..SessionFilter::default() };
    let mut quarters: BTreeMap<i64, Tally> = BTreeMap::new();
    let mut inside_after = 0;
    for row in player.list(&filter, 100, Order::OldestFirst).await {
        if row.source == Source::Summary {
            continue;
        }
        let session = row.session;
        let was_inside = matches!(session.state, State::Open | State::Matched);
        let left_over = |time: Timestamp| start_of(quarter_of(time) + 1).millis_since(time);
        if let Some(time) = session.entry_time {
            let counts = &mut quarters.entry(quarter_of(time)).or_default().counts;
            counts.entries += 1;
            counts.unmatched_entries += i64::from(session.state == State::UnmatchedEntry);
            counts.inside_ms += if was_inside { left_over(time) } else { 0 };
        }
        if let Some(time) = session.exit_time {
            let tally = quarters.entry(quarter_of(time)).or_default();
            tally.counts.exits += 1;
            tally.counts.unmatched_exits += i64::from(session.state == State::UnmatchedExit);
            if let Some(dwell_ms) = session.dwell_ms() {
                tally.counts.matched += 1;
                tally.counts.inside_ms -= left_over(time);
                tally.counts.dwell_ms += dwell_ms;
                tally.dwells.add(dwell_ms, 1);
            }
        }
        inside_after += i64::from(session.state == State::Open);
    }
    Quarters { first: quarters.keys().next().copied(), quarters: quarters.into_iter().collect(), inside_after }
}

/// Removes the quarters whose counts are zero.
fn only_with_any(mut quarters: Quarters) -> Quarters {
    quarters.quarters.retain(|(_, tally)| *tally != Tally::default());
    quarters.first = quarters.quarters.first().map(|(quarter, _)| *quarter);
    quarters
}

/// One of three vehicles, the direction, the time in units of ten minutes, and whether holds and stays end after it.
type Read = (u8, bool, i64, bool);

fn histories() -> impl Strategy<Value = (Vec<Read>, Vec<usize>)> {
    let read = (0..3_u8, any::<bool>(), 0..40_i64, prop::bool::weighted(0.1));
    (vec(read, 1..80), vec(1..20_usize, 1..12))
}

async fn the_quarter_hours_are_those_of_the_sessions_after_any_history(store: Store) {
    let player = Player::on(&store).await;
    let (runtime, correlator) = (tokio::runtime::Handle::current(), player.clone());
    let checked = tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        let case = std::cell::Cell::new(0);
        runner.run(&histories(), |(reads, sizes)| {
            // All cases share one ledger; each has its own lot.
            case.set(case.get() + 1);
            runtime.block_on(check(&correlator, case.get(), &reads, &sizes))
        })
    });
    checked.await.unwrap().unwrap();
    // The adapter's own recount.
    let (recounted, _) = recounted(&player).await;
    assert!(recounted.different == 0 && recounted.quarters > 0, "{recounted:?}");
}

async fn check(player: &Player, case: i64, reads: &[Read], sizes: &[usize]) -> Result<(), TestCaseError> {
    let lot = format!("case{case}");
    let read = |(plate, is_exit, at, _): &Read| {
        let direction = if *is_exit { Direction::Exit } else { Direction::Entry };
        event(&vehicle(&lot, &format!("CAR{plate}")), direction, *at * 10)
    };
    // Leases of one round have expired in the next.
    let mut now = NOW.plus_millis(case * 1_000_000_000);
    let mut rest = reads;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, left) = rest.split_at((*size).min(rest.len()));
        let events: Vec<GateEvent> = batch.iter().map(read).collect();
        player.sees(&events, now).await;
        now = now.plus_millis(3_600_000);
        if batch.iter().any(|(_, _, _, ends)| *ends) {
            for due in player.due(100, now).await {
                player.ends(&due, now).await;
            }
        }
        rest = left;
        prop_assert_eq!(only_with_any(of_lot(player, &lot).await), counted(player, &lot).await);
    }
    inside_is_known_after_any_hour(player, &lot).await
}

async fn inside_is_known_after_any_hour(player: &Player, lot: &str) -> Result<(), TestCaseError> {
    let all = of_lot(player, lot).await;
    let mut inside = 0;
    for (quarter, tally) in &all.quarters {
        inside += tally.counts.inside();
        let until = player.ledger.quarters(&LotId::parse(lot).unwrap(), ALWAYS.start..quarter + 1).await.unwrap();
        prop_assert_eq!(until.inside_after, inside);
    }
    prop_assert_eq!(inside, all.inside_after);
    Ok(())
}

async fn two_units_of_a_vehicle_in_one_call_count_what_stands_in_the_end(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    let first = player.decide(&car, player.load(&car, None).await, &[entry(&car, 0), exit(&car, 200)]).await;
    let second = player.decide(&car, first.next_snapshot(), &[exit(&car, 30)]).await;
    let third = player.decide(&car, second.next_snapshot(), &[exit(&car, 10)]).await;

    player.ledger.record(vec![first, second, third], &player.rules, NOW).await.unwrap();

    let quarters = of_lot(&player, "P3").await;
    assert_eq!(only_with_any(quarters.clone()), counted(&player, "P3").await);
    let matched: Vec<i64> = quarters.quarters.iter().map(|(_, tally)| tally.counts.matched).collect();
    assert_eq!((matched.iter().sum::<i64>(), quarters.inside_after), (1, 0));
}

/// Each writer has its own vehicles; all have the same quarter hours, in different orders.
async fn many_who_record_at_once_count_each_passage_once(store: Store) {
    const HOURS: i64 = 7;
    let player = Player::on(&store).await;
    let records = (0..6_i64).map(async |who| {
        for round in 0..10_i64 {
            let car = |hour: i64| vehicle("P3", &format!("CAR{who}X{round}X{hour}"));
            let hours: Vec<i64> = (0..HOURS).map(|hour| (hour * (who % 3 + 1) + round) % HOURS).collect();
            let entries: Vec<GateEvent> = hours.iter().map(|hour| entry(&car(*hour), hour * 60)).collect();
            player.sees(&entries, NOW).await;
            let exits: Vec<GateEvent> = hours.iter().map(|hour| exit(&car(*hour), hour * 60 + who * 11)).collect();
            player.sees(&exits, NOW).await;
        }
    });

    futures::future::join_all(records).await;

    let quarters = of_lot(&player, "P3").await;
    assert_eq!(quarters, counted(&player, "P3").await);
    assert_eq!(quarters.quarters.iter().map(|(_, tally)| tally.counts.exits).sum::<i64>(), 6 * 10 * HOURS);
}

async fn a_saved_summary_counts_in_no_quarter_hour(store: Store) {
    let player = Player::on(&store).await;
    let summary = Summary { vehicle: vehicle("P3", "ABC123"), entry: minute(0), exit: minute(90) };

    player.ledger.save_summary(summary, NOW).await.unwrap();

    assert_eq!(of_lot(&player, "P3").await, Quarters::default());
}

async fn an_unread_event_counts_as_a_passage_that_matched_nothing(store: Store) {
    let player = Player::on(&store).await;
    let unread = vehicle("P3", "NOPLATE");
    let record = |event: &GateEvent| matching::RecordedEvent::new(event, event.key.time, matching::Flags::default());
    let events = [entry(&unread, 0), exit(&unread, 1)];
    let unit = matching::unread_unit(&unread, events.iter().map(record).collect());

    for _ in 0..2 {
        player.record_one(unit.clone(), NOW).await;
    }

    let counts = Counts { entries: 1, exits: 1, unmatched_exits: 1, unmatched_entries: 1, ..Counts::default() };
    let tally = Tally { counts, ..Tally::default() };
    let quarter = quarter_of(minute(0));
    let expected = Quarters { quarters: vec![(quarter, tally)], inside_after: 0, first: Some(quarter) };
    assert_eq!(of_lot(&player, "P3").await, expected);
}

async fn open_stays_are_counted_by_when_they_began_and_quarter_hours_without_their_dwells(store: Store) {
    let player = Player::on(&store).await;
    let cars: Vec<_> = (0..5).map(|number| vehicle("P3", &format!("CAR{number}"))).collect();
    let entries: Vec<GateEvent> = cars.iter().zip(0..).map(|(car, at)| entry(car, at * 60)).collect();
    player.sees(&entries, NOW).await;
    player.sees(&[exit(&cars[1], 90), entry(&vehicle("P4", "CAR0"), 0)], NOW).await;

    let asked = |lot: &str, open_before, open_within: &[(i64, i64)]| RecentOf {
        lot: LotId::parse(lot).unwrap(),
        quarters: quarter_of(minute(60))..=quarter_of(minute(120)),
        open_before,
        open_within: open_within.iter().map(|(from, to)| minute(*from)..minute(*to)).collect(),
    };
    let asked = [
        asked("P9", [minute(1_000); 2], &[(0, 1_000)]),
        // Of the minutes 60, 120 and 240; the first has left.
        asked("P3", [minute(181), minute(1)], &[(-1_000, 0), (60, 121), (240, 1_000)]),
        asked("P4", [minute(0), minute(1_000)], &[]),
    ];

    let recent = player.ledger.recent(&asked).await;

    let quarter = |at: i64, counts| (quarter_of(minute(at)), counts);
    let left_over = |at: i64| QUARTER_MS - minute(at).as_millis().rem_euclid(QUARTER_MS);
    let one_in = |at: i64| Counts { entries: 1, inside_ms: left_over(at), ..Counts::default() };
    let one_out =
        Counts { exits: 1, matched: 1, dwell_ms: 30 * 60_000, inside_ms: -left_over(90), ..Counts::default() };
    let p3 = vec![quarter(60, one_in(60)), quarter(90, one_out), quarter(120, one_in(120))];
    assert_eq!(
        recent,
        Ok(vec![
            Recent::default(),
            Recent { quarters: p3, open_before: [3, 1], open_within: 2 },
            Recent { quarters: Vec::new(), open_before: [0, 1], open_within: 0 },
        ])
    );
}

async fn an_unknown_lot_has_no_quarter_hours(store: Store) {
    let player = Player::on(&store).await;
    assert_eq!(of_lot(&player, "P3").await, Quarters::default());
}

async fn a_quarter_hour_in_which_a_correlator_was_connected_is_noted_once(store: Store) {
    let player = Player::on(&store).await;
    let ledger = &player.ledger;
    assert_eq!(ledger.connected(ALWAYS).await, Ok(Connected::default()));

    // The first entry is from before the ledger was created, because a clock was wrong.
    for quarter in [-2, 7, 9, 9, 8, 12] {
        ledger.note_connected(quarter).await.unwrap();
    }

    let connected = |quarters: &[i64]| Connected { quarters: quarters.iter().copied().collect(), since: Some(7) };
    assert_eq!(ledger.connected(8..12).await, Ok(connected(&[8, 9])));
    assert_eq!(ledger.connected(20..30).await, Ok(connected(&[])));
}
