//! One read against entries that come and go, and the same by the decision of a whole lot.

use std::collections::BTreeMap;

use parking::{Direction, LotId};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::Limits;
use crate::misread::{Lot, Models, Weigher, decide};

const MAX_STAY_MS: i64 = 30 * 86_400_000;

fn plate(text: &str) -> Plate {
    Plate::from_read(text).unwrap()
}

fn read(text: &str, minute: i64, direction: Direction) -> GateRead {
    let id = Uuid::from_u128(u128::from(minute.unsigned_abs()) + 1);
    GateRead::plain(plate(text), EventKey { time: Timestamp::from_millis(minute * 60_000), direction, id })
}

fn exit(text: &str, minute: i64) -> GateRead {
    read(text, minute, Direction::Exit)
}

fn entries(plates: &[&str]) -> OpenEntries {
    let mut entries = OpenEntries::new(LotId::default(), MAX_STAY_MS);
    for (minute, text) in (0..).step_by(20).zip(plates) {
        let GateRead { plate, key, .. } = read(text, minute, Direction::Entry);
        entries.insert(plate, key);
    }
    entries
}

/// These plates among sixty others that look like them, and what can be learned of all.
fn in_a_crowd(plates: &[&str]) -> OpenEntries {
    let letter = |number: u32| char::from(b'A' + u8::try_from(number % 26).unwrap());
    let other = |number: u32| {
        let [one, two] = [number, number * 7 + 3].map(letter);
        let [three, four, five] = [number * 11 + 5, number * 5 + 1, number * 17 + 9].map(letter);
        format!("{one}{two}{:02}{three}{four}{five}", number * 13 % 70)
    };
    let others: Vec<String> = (0..60).map(other).collect();
    let others = others.iter().map(String::as_str).filter(|other| !plates.contains(other));
    let mut entries = entries(&plates.iter().copied().chain(others).collect::<Vec<_>>());
    entries.set_tables(&StayTable::default());
    entries
}

/// The slots with their ten thousandths, and those of none.
fn found(entries: &mut OpenEntries, exit: &GateRead) -> (Vec<(u32, u16)>, u16) {
    let Found { candidates, none, .. } = entries.look_up(exit, None, 10);
    (candidates.iter().map(|likely| (likely.slot, likely.posterior)).collect(), none)
}

#[test]
fn a_look_alike_and_a_cut_off_end_are_found_with_their_words() {
    let mut entries = in_a_crowd(&["AB12CDE", "XK77TTT"]);
    let words = |found: &Found| {
        let Likely { slot, plate, misread, differing, posterior } = &found.candidates[0];
        assert!(*posterior > 9_000, "{found:?}");
        let [at_entry, at_exit] = misread.each_ref().map(|errors| errors.iter().map(ToString::to_string).collect());
        (*slot, plate.clone(), [at_entry, at_exit], differing.clone())
    };
    let expected = |words: &str, differing: [Vec<usize>; 2]| {
        (0, "AB12CDE".to_owned(), [Vec::<String>::new(), vec![words.to_owned()]], differing)
    };
    let alike = words(&entries.look_up(&exit("A812CDE", 180), None, 5));
    assert_eq!(alike, expected("8 read for B at place 2", [vec![2], vec![2]]));
    let cut = words(&entries.look_up(&exit("AB12C", 180), None, 5));
    assert_eq!(cut, expected("DE cut off the end", [vec![6, 7], vec![]]));
}

#[test]
fn without_a_near_plate_it_is_none_of_them() {
    assert_eq!(found(&mut entries(&["AB12CDE", "XK77TTT"]), &exit("GH55MNO", 180)), (vec![], 10_000));
    assert_eq!(found(&mut entries(&[]), &exit("GH55MNO", 180)), (vec![], 10_000));
}

#[test]
fn two_near_entries_share_what_they_have_and_a_candidate_of_the_camera_decides() {
    let mut entries = in_a_crowd(&["AB12CDE", "AB12CDF"]);
    let of_both =
        |found: &[(u32, u16)]| [0, 1].map(|slot| found.iter().find(|(of, _)| *of == slot).map_or(0, |of| of.1));
    let (plain, _) = found(&mut entries, &exit("AB12CDL", 180));
    let [one, other] = of_both(&plain);
    assert!(one.abs_diff(other) < 3_000 && one.min(other) > 500, "{plain:?}");
    let listed = GateRead { candidates: vec![plate("AB12CDF")], ..exit("AB12CDL", 180) };
    let (listed, _) = found(&mut entries, &listed);
    let [one, other] = of_both(&listed);
    assert!(other > 4 * one.max(1), "{listed:?}");
}

#[test]
fn what_plates_look_like_makes_a_stranger_likelier() {
    let seen = exit("AB12CXE", 180);
    let (_, unknown) = found(&mut entries(&["AB12CDE"]), &seen);
    let (_, known) = found(&mut in_a_crowd(&["AB12CDE"]), &seen);
    assert!(known > unknown, "{unknown} {known}");
}

#[test]
fn an_entry_later_than_the_exit_or_than_the_plates_last_exit_or_too_old_is_no_candidate() {
    let mut entries = entries(&["AB12CDE"]);
    let of = |entries: &mut OpenEntries, minute: i64, gone_at: Option<i64>| {
        let gone_at = gone_at.map(|minute| Timestamp::from_millis(minute * 60_000));
        entries.look_up(&exit("A812CDE", minute), gone_at, 5).candidates.len()
    };
    assert_eq!([of(&mut entries, -5, None), of(&mut entries, 60, None)], [0, 1]);
    assert_eq!([of(&mut entries, 60, Some(30)), of(&mut entries, 60, Some(-30))], [0, 1]);
    assert_eq!(of(&mut entries, 31 * 24 * 60, None), 0);
}

#[test]
fn an_entry_that_left_is_found_no_more_and_its_slot_is_used_again() {
    let mut entries = entries(&["AB12CDE", "XK77TTT"]);
    entries.remove(0);
    entries.remove(0);
    assert_eq!((entries.len(), found(&mut entries, &exit("A812CDE", 180)).0), (1, vec![]));
    let GateRead { plate, key, .. } = read("GH55MNO", 60, Direction::Entry);
    assert_eq!((entries.insert(plate, key), entries.len()), (0, 2));
    assert_eq!(found(&mut entries, &exit("GH55MN0", 180)).0[0].0, 0);
}

#[test]
fn many_passages_make_a_stranger_likelier() {
    let mut entries = in_a_crowd(&["AB12CDE"]);
    let seen = exit("AB12CXW", 180);
    let (_, quiet) = found(&mut entries, &seen);
    entries.set_tables(&StayTable { passages: [[36_000; 24]; 2], ..StayTable::default() });
    let (_, crowded) = found(&mut entries, &seen);
    assert!(crowded > quiet, "{quiet} {crowded}");
}

proptest! {
    /// The candidates, weights and posteriors are those by which a whole lot is decided.
    #[test]
    fn a_look_up_agrees_with_the_decision_of_a_lot(
        plates in prop::collection::btree_set("[A-B][0-1]8[BCDO][0-1]", 1..12),
        sought in "[A-B][0-1][8B][BCDO8][0-1]?",
    ) {
        let plates: Vec<&str> = plates.iter().map(String::as_str).filter(|plate| *plate != sought).collect();
        let seen = exit(&sought, 60 * 24);
        let minutes = (0..).step_by(20);
        let mut reads: Vec<GateRead> = minutes.zip(&plates).map(|(at, text)| read(text, at, Direction::Entry)).collect();
        reads.push(seen.clone());
        let limits = Limits { re_read_window_ms: 60_000, max_stay_ms: MAX_STAY_MS };
        let lot = Lot::of_reads(&reads, limits, |_| false);
        let models = Models::new(&LotId::default(), &[], PlateKey::default());
        let mut weigher = Weigher::new(&lot, &models);
        let decided = decide(&mut weigher);
        let expected: BTreeMap<EventKey, u16> =
            decided.pairs.iter().map(|pair| (lot.entries[pair.entry].read.key, pair.posterior)).collect();

        let mut entries = entries(&plates);
        let Found { candidates, .. } = entries.look_up(&seen, None, 100);

        let found: BTreeMap<EventKey, u16> =
            candidates.iter().map(|likely| (entries.key_of(likely.slot).unwrap(), likely.posterior)).collect();
        prop_assert_eq!(found, expected);
    }
}
