//! Every kind of exit counts as what it is.

use std::collections::BTreeSet;

use parking::Timestamp;

use super::*;
use crate::dips::{Doubts, doubts};
use crate::mistakes::{Mistake, MistakeKind, mistakes};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A stay that ends at the minute of its exit's number.
fn visit(plate: &str, entry: Option<u128>, exit: u128) -> Visit {
    let minute = i64::try_from(exit).unwrap();
    Visit {
        plate: plate.into(),
        entered: Timestamp::default(),
        left: Timestamp::from_millis(minute * 60_000),
        entry: entry.map(id),
        exit: Some(id(exit)),
        re_reads: Vec::new(),
    }
}

/// Seven exits: found exactly, found, missed, a false match, a wrong vehicle, a double dip, and one before the first
/// that is judged.
fn example() -> (Truth, Vec<Paired>) {
    let visits = vec![
        visit("A", Some(1), 11),
        visit("B", Some(2), 12),
        visit("C", Some(3), 13),
        visit("D", None, 14),
        visit("E", Some(5), 15),
        visit("A", None, 16),
        visit("G", Some(7), 10),
    ];
    let pair = |entry: u128, exit: u128, probability| Paired { entry: id(entry), exit: id(exit), probability };
    let pairs = vec![
        pair(1, 11, None),
        pair(2, 12, Some(0.9)),
        pair(3, 14, Some(0.8)),
        pair(7, 15, Some(0.95)),
        pair(1, 16, None),
    ];
    (Truth { visits, judged_from: Timestamp::from_millis(11 * 60_000) }, pairs)
}

#[test]
fn each_judged_exit_counts_as_what_it_is() {
    let (truth, pairs) = example();
    let score = score(&truth, &pairs);
    assert_eq!((score.with_entry, score.found, score.found_exactly, score.wrong), (4, 2, 1, 1));
    assert_eq!((score.without_entry, score.falsely, score.dips), (2, 1, 1));
    assert_eq!((score.paired, score.unequal, score.bad), (5, 3, 2));
    assert!((score.expected_bad - 0.35).abs() < 1e-9 && (score.precision() - 40.0).abs() < 1e-9);
}

#[test]
fn each_mistake_is_listed_with_its_kind() {
    let (truth, pairs) = example();
    let kinds: Vec<_> = mistakes(&truth, &pairs).iter().map(|Mistake { kind, exit, .. }| (*kind, *exit)).collect();
    let expected = [
        (MistakeKind::Missed, id(13)),
        (MistakeKind::FalseMatch, id(14)),
        (MistakeKind::WrongVehicle, id(15)),
        (MistakeKind::OtherStay, id(16)),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_double_dip_in_doubt_is_caught() {
    let (truth, pairs) = example();
    let doubts = doubts(&truth, &pairs, &BTreeSet::from([id(16), id(11)]));
    assert_eq!(doubts, Doubts { dips: 1, dips_in_doubt: 1, in_doubt: 2 });
}

#[test]
fn the_second_read_of_a_passage_counts_as_its_first() {
    let visits = vec![Visit { re_reads: vec![id(3), id(4)], ..visit("A", Some(1), 2) }];
    let truth = Truth { visits, judged_from: Timestamp::default() };
    let pairs = [Paired { entry: id(3), exit: id(4), probability: None }];
    assert_eq!(score(&truth, &pairs).found_exactly, 1);
}
