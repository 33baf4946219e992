//! Claims about gates on a clock of their own.

use super::*;
use crate::testing::minute;

fn read(gate: &str, seen: Timestamp, after_ms: i64) -> Read {
    let gate = GateId::parse(gate).unwrap();
    Read { gate, seen, received: seen.plus_millis(after_ms), confidence: None, repeats: false }
}

fn lot() -> LotId {
    LotId::parse("P3").unwrap()
}

fn only(gates: &Gates, now: Timestamp) -> GateStatus {
    let mut status = gates.status(now);
    assert_eq!(status.len(), 1);
    status.remove(0)
}

#[test]
fn a_gate_tells_of_its_last_hour_and_of_all_its_time() {
    let mut gates = Gates::since(minute(0));
    gates.take(&lot(), &read("in", minute(0), 61_000), minute(0));
    gates.take(&lot(), &read("in", minute(30), 500), minute(30));
    gates.take(&lot(), &Read { confidence: Some(0.5), ..read("in", minute(31), 60_000) }, minute(31));
    gates.take(&lot(), &Read { confidence: Some(1.0), repeats: true, ..read("in", minute(29), 700) }, minute(59));

    let expected = GateStatus {
        place: Some((lot(), GateId::parse("in").unwrap())),
        last_event: minute(31),
        last_received: minute(32),
        reads_last_hour: 4,
        late_last_hour: 1,
        re_reads_last_hour: 1,
        confidence: Some(0.75),
        clock_difference_ms: 60_000,
        reads: 4,
        late: 1,
    };
    assert_eq!(only(&gates, minute(59)), expected);
    let later = GateStatus { reads_last_hour: 3, late_last_hour: 0, ..expected };
    assert_eq!(only(&gates, minute(60)), later);
    let silent = GateStatus { reads_last_hour: 0, re_reads_last_hour: 0, confidence: None, ..later };
    assert_eq!(only(&gates, minute(500)), silent);
}

#[test]
fn minutes_in_which_nothing_came_are_empty_again() {
    let mut gates = Gates::since(minute(0));
    for at in [0, 1, 59, 61, 119, 200] {
        gates.take(&lot(), &read("in", minute(at), 0), minute(at));
    }
    let reads = |at| only(&gates, minute(at)).reads_last_hour;
    assert_eq!([reads(200), reads(259), reads(260)], [1, 1, 0]);
    gates.take(&lot(), &read("in", minute(150), 0), minute(150));
    assert_eq!(only(&gates, minute(200)).reads_last_hour, 2);
}

#[test]
fn one_late_batch_does_not_make_the_clock_wrong() {
    let mut gates = Gates::since(minute(0));
    for at in 0..200 {
        let after_ms = if at % 10 == 0 { 3_600_000 } else { -2_000 };
        gates.take(&lot(), &read("in", minute(at), after_ms), minute(at));
    }
    assert_eq!(only(&gates, minute(200)).clock_difference_ms, -2_000);
}

#[test]
fn gates_beyond_the_bound_are_taken_together() {
    let mut gates = Gates::since(minute(0));
    for number in 0..MAX_GATES + 3 {
        let lot = LotId::parse(&format!("P{}", number % 7)).unwrap();
        gates.take(&lot, &read(&format!("gate-{number}"), minute(0), 0), minute(0));
    }
    gates.take(&LotId::parse("P0").unwrap(), &read("gate-0", minute(1), 0), minute(1));

    let status = gates.status(minute(1));
    assert_eq!(status.len(), MAX_GATES + 1);
    assert_eq!((status[0].gate_name(), status[0].reads), ("gate-0", 2));
    let last = status.last().unwrap();
    assert_eq!((last.lot_name(), last.gate_name(), last.reads), (OTHER, OTHER, 3));
}

#[test]
fn what_was_seen_before_the_process_began_counts_and_says_nothing_of_the_gate() {
    let mut gates = Gates::since(minute(30));
    gates.take(&lot(), &read("in", minute(1), 1_741_000), minute(30));
    let old = only(&gates, minute(30));
    assert_eq!((old.reads_last_hour, old.late_last_hour, old.late, old.clock_difference_ms), (1, 0, 0, 0));

    gates.take(&lot(), &read("in", minute(30), 61_000), minute(31));

    let status = only(&gates, minute(31));
    assert_eq!((status.reads_last_hour, status.late_last_hour, status.clock_difference_ms), (2, 1, 61_000));
}

#[test]
fn a_clock_that_was_wrong_once_leaves_nothing_behind() {
    let (wrong, after) = (minute(400 * 24 * 60), minute(5));
    let mut gates = Gates::since(wrong);
    gates.take(&lot(), &read("in", wrong, 500), wrong);

    assert_eq!(only(&gates, minute(4)).reads_last_hour, 0);
    gates.take(&lot(), &read("in", minute(4), 500), after);
    gates.take(&lot(), &read("in", after, 90_000), after);

    let status = only(&gates, minute(6));
    assert_eq!((status.last_event, status.last_received), (after, after.plus_millis(90_000)));
    assert_eq!((status.reads_last_hour, status.late_last_hour, status.reads), (2, 1, 3));
    assert_eq!(only(&gates, minute(500)).reads_last_hour, 0);
}

#[test]
fn no_lot_or_gate_can_have_the_name_that_stands_for_all_others() {
    assert_eq!((LotId::parse(OTHER).ok(), GateId::parse(OTHER).ok()), (None, None));
}

#[test]
fn a_gate_named_other_keeps_its_reads_beside_those_of_the_others() {
    let mut gates = Gates::since(minute(0));
    let other = LotId::parse("other").unwrap();
    for _ in 0..5 {
        gates.take(&other, &read("other", minute(0), 0), minute(0));
    }
    for number in 0..MAX_GATES + 2 {
        gates.take(&lot(), &read(&format!("gate-{number}"), minute(0), 0), minute(0));
    }

    let status = gates.status(minute(1));
    let named = |name| status.iter().find(|gate| gate.lot_name() == name && gate.gate_name() == name).unwrap().reads;
    assert_eq!((named("other"), named(OTHER)), (5, 3));
}
