//! Similar plates: plates with easily confused letters come first, and an unrelated plate is not similar.

use matching::similar_plates::{SIMILAR_PLATES_MAX, SimilarPlate, half_edits, half_edits_max, most_similar};
use parking::{Plate, Timestamp};
use proptest::prelude::*;

fn plate(text: &str) -> Plate {
    Plate::from_read(text).unwrap()
}

fn distance(one: &str, other: &str) -> usize {
    half_edits(&plate(one), &plate(other))
}

#[test]
fn what_gates_confuse_counts_half() {
    assert_eq!(distance("ABC123", "ABC123"), 0);
    assert_eq!(distance("ABC120", "ABC12O"), 1);
    assert_eq!(distance("8I0123", "BI0I23"), 2);
    assert_eq!(distance("ABC123", "ABX123"), 2);
    assert_eq!(distance("ABC123", "ABC12"), 2);
    assert_eq!(distance("ABC123", "ACB123"), 2);
    assert_eq!(distance("ABC123", "XYC123"), 4);
}

#[test]
fn the_most_similar_come_first_and_an_equal_plate_is_left_out() {
    let at = Timestamp::from_millis;
    let plates = ["ABC120", "ABC123", "ABC12", "XYZ789", "ABC1Z3", "ABC125", "A8C1Z3", "ABC124"].map(plate);
    let times = [10, 20, 30, 40, 50, 60, 70, 58];
    let candidates: Vec<(&Plate, Timestamp)> = plates.iter().zip(times.map(at)).collect();

    let found = most_similar(&plate("ABC123"), at(59), &candidates);

    let expected = [(4, 1), (5, 2), (7, 2), (6, 2), (2, 2)];
    assert_eq!(found, expected.map(|(index, half_edits)| SimilarPlate { index, half_edits }));
    assert_eq!(found.len(), SIMILAR_PLATES_MAX);
}

#[test]
fn the_shorter_a_plate_is_the_less_of_it_may_differ() {
    let is_similar = |one: &str, other: &str| distance(one, other) <= half_edits_max(&plate(one), &plate(other));
    for (one, other) in [("AB", "A8"), ("RED1", "RED2"), ("ABC123", "AXC1Z3"), ("ABC1234", "XYC1234")] {
        assert!(is_similar(one, other) && is_similar(other, one), "{one} {other}");
    }
    for (one, other) in [("A1", "A2"), ("RED1", "OLD1"), ("ABC123", "XYC123"), ("ABC1234", "XYZ1234")] {
        assert!(!is_similar(one, other) && !is_similar(other, one), "{one} {other}");
    }
}

proptest! {
    #[test]
    fn similarity_is_mutual(one in "[A-Z0-9]{1,9}", other in "[A-Z0-9]{1,9}") {
        prop_assert_eq!(distance(&one, &other), distance(&other, &one));
        prop_assert_eq!(distance(&one, &other) == 0, one == other);
        let near = most_similar(&plate(&one), Timestamp::from_millis(0), &[(&plate(&other), Timestamp::from_millis(0))]);
        prop_assert_eq!(!near.is_empty(), one != other && distance(&one, &other) <= half_edits_max(&plate(&one), &plate(&other)));
    }
}
