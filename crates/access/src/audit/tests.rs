//! The chain as a whole: what verifies, and that nothing which was tampered with does.

use std::time::Duration;

use parking::{Plate, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::{Keyring, Lots, PlateHash, Who};

const BEGIN: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HOUR_MS: i64 = 3_600_000;
const DAY: Duration = Duration::from_hours(24);

fn keys() -> Keyring {
    Keyring::from_random(&[1; 32])
}

fn begin() -> Head {
    Head::begin(b"ledger")
}

fn entry(number: u64) -> Entry {
    let plate = Plate::named(&format!("AB{number}")).unwrap();
    Entry::new(&Who::Local, Action::Search)
        .with_lots(&Lots::All)
        .about(&keys(), &[&plate], "the owner asked")
        .with_object("session")
        .with_rows(number)
}

/// A chain of `length` records, one an hour.
fn chain(length: u64) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for number in 0..length {
        append(&mut records, &keys(), entry(number));
    }
    records
}

fn append(records: &mut Vec<Record>, keys: &Keyring, entry: Entry) {
    let head = records.last().map_or_else(begin, Record::head);
    let hours = i64::try_from(records.len()).unwrap();
    records.push(Record::append(&head, keys, BEGIN.plus_millis(hours * HOUR_MS), entry));
}

/// All faults of a chain.
fn faults(mut verifier: Verifier<'_>, records: &[Record]) -> Vec<Fault> {
    let mut faults: Vec<Fault> = records.iter().filter_map(|record| verifier.push(record).err()).collect();
    faults.extend(verifier.finish().err());
    faults
}

fn faults_from_begin(records: &[Record]) -> Vec<Fault> {
    faults(Verifier::from_begin(begin(), &keys()), records)
}

#[test]
fn a_chain_as_it_was_written_has_no_fault() {
    assert_eq!(faults_from_begin(&[]), []);
    let records = chain(20);
    assert_eq!(faults_from_begin(&records), []);
    let ring = keys();
    let verifier = Verifier::from_begin(begin(), &ring).with_noted(records[9].head()).with_noted(records[19].head());
    assert_eq!(faults(verifier, &records), []);
}

#[test]
fn a_chain_goes_on_under_a_new_key_and_needs_the_old_one_too() {
    let (old, new) = (keys(), keys().rotated(&[2; 32]));
    let mut records = chain(2);
    append(&mut records, &new, entry(2));
    assert_eq!(faults(Verifier::from_begin(begin(), &new), &records), []);
    assert_eq!(faults(Verifier::from_begin(begin(), &old), &records), [Fault::UnknownKey { sequence: 3, key: 2 }]);
}

#[test]
fn a_chain_of_another_ledger_or_another_key_does_not_fit() {
    let records = chain(2);
    let ring = keys();
    let other = Verifier::from_begin(Head::begin(b"another"), &ring);
    assert_eq!(faults(other, &records), [Fault::Changed { sequence: 1 }]);
    let other = Keyring::from_random(&[2; 32]);
    let all_changed = [Fault::Changed { sequence: 1 }, Fault::Changed { sequence: 2 }];
    assert_eq!(faults(Verifier::from_begin(begin(), &other), &records), all_changed);
}

#[test]
fn missing_records_are_named() {
    let mut records = chain(6);
    records.drain(1..3);
    assert_eq!(faults_from_begin(&records), [Fault::Missing { first: 2, last: 3 }]);
}

#[test]
fn records_that_were_renumbered_over_a_gap_do_not_fit() {
    let mut records = chain(4);
    records.remove(1);
    for (record, sequence) in records.iter_mut().zip(1..) {
        record.sequence = sequence;
    }
    assert_eq!(faults_from_begin(&records), [Fault::Changed { sequence: 2 }, Fault::Changed { sequence: 3 }]);
}

#[test]
fn a_missing_end_shows_against_a_head_that_was_kept_elsewhere() {
    let records = chain(5);
    assert_eq!(faults_from_begin(&records[..3]), [], "the chain alone can't show it");
    let ring = keys();
    let verifier = Verifier::from_begin(begin(), &ring).with_noted(records[4].head());
    assert_eq!(faults(verifier, &records[..3]), [Fault::Truncated { last: 3, known: 5 }]);
}

#[test]
fn a_chain_that_was_made_anew_with_the_key_shows_against_a_head_that_was_kept_elsewhere() {
    let before = chain(3)[1].head();
    let mut replaced = Vec::new();
    for number in [0, 7, 2] {
        append(&mut replaced, &keys(), entry(number));
    }
    assert_eq!(faults_from_begin(&replaced), []);
    let ring = keys();
    let verifier = Verifier::from_begin(begin(), &ring).with_noted(before);
    assert_eq!(faults(verifier, &replaced), [Fault::Replaced { sequence: 2 }]);
}

#[test]
fn whole_days_are_cut_and_the_rest_goes_on_from_there() {
    // From 22:13 on a day, one an hour: 2 that day, 24 on each of the next ones.
    let mut records = chain(60);
    let now = records[59].at;
    let cut = cut_point(&records, DAY, now).unwrap();
    assert_eq!(cut, records[25].head(), "two days are over, of which the first record kept is the first of its day");
    append(&mut records, &keys(), cut_entry(&Who::System("audit"), &cut, 26));
    let rest = records.split_off(26);
    let keys = keys();
    let verifier = Verifier::from_cut(cut, &keys).with_noted(records[3].head());
    assert_eq!(faults(verifier, &rest), []);
    assert_eq!(cut_point(&rest, DAY, now), None, "there is nothing more to cut");
}

#[test]
fn nothing_is_cut_behind_a_record_whose_clock_was_ahead() {
    let mut records = chain(60);
    records[0].at = BEGIN.plus_millis(10_000 * HOUR_MS);
    assert_eq!(cut_point(&records, DAY, records[59].at), None);
    assert_eq!(cut_point(&chain(60), Duration::MAX, BEGIN), None);
}

#[test]
fn a_cut_that_no_record_tells_of_is_a_fault() {
    let records = chain(10);
    let ring = keys();
    let verifier = Verifier::from_cut(records[3].head(), &ring);
    assert_eq!(faults(verifier, &records[4..]), [Fault::CutNotRecorded { after: 4 }]);
}

#[test]
fn a_further_cut_than_the_one_that_was_recorded_is_a_fault() {
    let mut records = chain(10);
    let cut = records[3].head();
    append(&mut records, &keys(), cut_entry(&Who::Local, &cut, 4));
    let ring = keys();
    let verifier = Verifier::from_cut(records[6].head(), &ring);
    assert_eq!(faults(verifier, &records[7..]), [Fault::CutNotRecorded { after: 7 }]);
}

#[test]
fn a_head_comes_back_from_its_text() {
    let head = chain(3)[2].head();
    assert_eq!(Head::parse(&head.to_string()), Ok(head));
    for wrong in ["", "3", "3:", ":abc", "x:0000"] {
        assert!(Head::parse(wrong).is_err(), "{wrong:?} was taken");
    }
}

/// Changes one field of a record to a value that it does not have.
fn change(record: &mut Record, field: usize, byte: usize, bit: u8) {
    let flip = |text: &mut String| {
        let mut bytes = text.clone().into_bytes();
        match bytes.len() {
            0 => text.push('x'),
            length => {
                bytes[byte % length] ^= 1 << (bit % 7);
                // Texts here are ASCII, and the highest bit stays: the result is one again.
                *text = String::from_utf8(bytes).unwrap();
            }
        }
    };
    match field {
        0 => record.at = record.at.plus_millis(1 << bit),
        1 => record.rows ^= 1 << bit,
        2 => flip(&mut record.actor),
        3 => flip(&mut record.action),
        4 => flip(&mut record.outcome),
        5 => flip(&mut record.lots),
        6 => flip(&mut record.object),
        7 => flip(&mut record.reason),
        8 => record.hash[byte % 32] ^= 1 << bit,
        9 => record.plates = vec![PlateHash::new(&keys(), &Plate::named("XY1").unwrap())],
        10 => record.plates.clear(),
        11 => record.sequence += 1 + u64::from(bit),
        _ => record.key += 1,
    }
}

proptest! {
    #[test]
    fn every_change_of_a_record_is_found(
        length in 1_u64..30, at: prop::sample::Index, field in 0_usize..13, byte: usize, bit in 0_u8..8,
    ) {
        let mut records = chain(length);
        let at = at.index(records.len());
        change(&mut records[at], field, byte, bit);
        prop_assert_ne!(faults_from_begin(&records), []);
    }

    #[test]
    fn every_text_that_moves_from_one_field_to_the_next_is_found(at: prop::sample::Index, bytes in 1_usize..5) {
        let mut records = chain(5);
        let record = &mut records[at.index(5)];
        let moved: String = record.object.drain(..bytes).collect();
        record.lots.push_str(&moved);
        prop_assert_ne!(faults_from_begin(&records), []);
    }

    #[test]
    fn every_deletion_but_at_the_end_is_found_and_there_too_with_a_noted_head(
        length in 2_u64..30, from: prop::sample::Index, count in 1_usize..5,
    ) {
        let whole = chain(length);
        let from = from.index(whole.len());
        let to = whole.len().min(from + count);
        let mut left = whole.clone();
        left.drain(from..to);
        if to < whole.len() {
            prop_assert_ne!(faults_from_begin(&left), []);
        }
        let noted = whole[whole.len() - 1].head();
        prop_assert_ne!(faults(Verifier::from_begin(begin(), &keys()).with_noted(noted), &left), []);
    }

    #[test]
    fn every_other_order_is_found_with_the_numbers_or_without(
        order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(), renumber: bool,
    ) {
        prop_assume!(!order.is_sorted());
        let whole = chain(8);
        let mut records: Vec<Record> = order.into_iter().map(|at| whole[at].clone()).collect();
        if renumber {
            records.iter_mut().zip(1..).for_each(|(record, sequence)| record.sequence = sequence);
        }
        prop_assert_ne!(faults_from_begin(&records), []);
    }

    #[test]
    fn a_record_put_in_without_the_key_is_found(at in 0_usize..10, renumber: bool) {
        let mut records = chain(10);
        let head = if at == 0 { begin() } else { records[at - 1].head() };
        let forged = Record::append(&head, &Keyring::from_random(&[9; 32]), BEGIN, entry(99));
        records.insert(at, forged);
        if renumber {
            records.iter_mut().zip(1..).for_each(|(record, sequence)| record.sequence = sequence);
        }
        prop_assert_ne!(faults_from_begin(&records), []);
    }
}
