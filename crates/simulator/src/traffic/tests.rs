//! The promises of the traffic: any split of time results in the same events, both directions agree, and the meaning
//! of a seed never changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parking::{EventKey, Vehicle};
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::*;

const HOUR_MS: i64 = 60 * MINUTE_MS;

fn nine() -> Timestamp {
    Timestamp::parse_rfc3339("2024-09-24T09:00:00Z").unwrap()
}

fn traffic(config: TrafficConfig) -> Traffic {
    Traffic::new(config, &Lots::default()).unwrap()
}

fn flawed() -> TrafficConfig {
    TrafficConfig {
        duplicate_share: 0.2,
        late_share: 0.3,
        late_by: Duration::from_mins(3),
        lost_entry_share: 0.1,
        lost_exit_share: 0.1,
        ..TrafficConfig::default()
    }
}

/// The exits, and how many of them have an entry among `entries`.
fn matched(entries: &[GateEvent], exits: &[Publication]) -> (usize, usize) {
    let inside: BTreeMap<&Vehicle, EventKey> = entries.iter().map(|entry| (&entry.vehicle, entry.key)).collect();
    let exits: BTreeMap<EventKey, &Vehicle> = exits.iter().map(|exit| (exit.event.key, &exit.event.vehicle)).collect();
    let matched =
        exits.iter().filter(|(exit, vehicle)| inside.get(*vehicle).is_some_and(|entry| entry.time < exit.time));
    (exits.len(), matched.count())
}

/// The publications of the entry service when it starts at `from`.
fn all_entries(traffic: &Traffic, from: Timestamp, to: Timestamp) -> Vec<GateEvent> {
    let mut entries = traffic.inside_at(from);
    entries.extend(traffic.events(Direction::Entry, from, to).into_iter().map(|publication| publication.event));
    entries
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_split_of_time_gives_the_same_events(
        seed in any::<u64>(),
        entry in any::<bool>(),
        start_ms in 0..48 * HOUR_MS,
        mut cuts_ms in prop::collection::vec(0..20 * MINUTE_MS, 0..6),
        most in 1..200_usize,
    ) {
        let direction = if entry { Direction::Entry } else { Direction::Exit };
        let traffic = traffic(TrafficConfig { seed, ..flawed() });
        let from = nine().plus_millis(start_ms);
        let to = from.plus_millis(20 * MINUTE_MS);
        let whole = traffic.events(direction, from, to);
        prop_assert!(!whole.is_empty());
        prop_assert!(whole.iter().all(|publication| from <= publication.at && publication.at < to));

        cuts_ms.sort_unstable();
        let ends: Vec<Timestamp> = cuts_ms.iter().map(|cut| from.plus_millis(*cut)).chain([to]).collect();
        let mut begin = from;
        let mut pieces = Vec::new();
        for end in &ends {
            pieces.extend(traffic.events(direction, begin, *end));
            begin = *end;
        }
        prop_assert_eq!(&pieces, &whole);

        let mut upcoming = traffic.upcoming(direction, from);
        let mut taken = Vec::new();
        for end in ends {
            loop {
                let piece = upcoming.take(end, most);
                let all = piece.len() < most;
                taken.extend(piece);
                if all {
                    break;
                }
            }
            prop_assert_eq!(upcoming.position(), end);
        }
        prop_assert_eq!(taken, whole);
    }

    #[test]
    fn exits_belong_to_entries_of_the_same_traffic_whenever_one_begins(
        seed in any::<u64>(),
        start_ms in 0..48 * HOUR_MS,
    ) {
        let traffic = traffic(TrafficConfig { seed, stranger_share: 0.0, late_share: 0.3, ..TrafficConfig::default() });
        let from = nine().plus_millis(start_ms);
        let to = from.plus_millis(20 * MINUTE_MS);
        // An entry may be published after its exit, within its lateness.
        let late = to.plus_millis(HOUR_MS);

        let (exits, matched) = matched(&all_entries(&traffic, from, late), &traffic.events(Direction::Exit, from, to));

        prop_assert!(exits > 0);
        prop_assert_eq!(matched, exits);
    }

    #[test]
    fn nobody_stays_inside_whose_exit_was_published_before_the_beginning(
        seed in any::<u64>(),
        start_ms in 0..48 * HOUR_MS,
    ) {
        let traffic = traffic(TrafficConfig { seed, ..TrafficConfig::default() });
        let from = nine().plus_millis(start_ms);
        let inside: BTreeSet<Vehicle> = traffic.inside_at(from).into_iter().map(|entry| entry.vehicle).collect();
        let later = traffic.events(Direction::Exit, from, from.plus_millis(2 * HOUR_MS));
        let leaving: BTreeSet<Vehicle> = later.into_iter().map(|exit| exit.event.vehicle).collect();
        prop_assert!(inside.is_subset(&leaving));
    }
}

#[test]
fn one_exit_in_five_is_a_strangers_from_the_first_minute_on() {
    let traffic = traffic(TrafficConfig::default());
    for (from, span_ms) in [(nine(), 24 * HOUR_MS), (nine().plus_millis(-6 * HOUR_MS), HOUR_MS)] {
        let to = from.plus_millis(span_ms);
        let entries = all_entries(&traffic, from, to.plus_millis(MINUTE_MS));
        let (exits, matched) = matched(&entries, &traffic.events(Direction::Exit, from, to));
        let count = f64::from(u32::try_from(exits).unwrap());
        let share = f64::from(u32::try_from(exits - matched).unwrap()) / count;
        let deviation = (0.2 * 0.8 / count).sqrt();
        assert!((share - 0.2).abs() < 4.0 * deviation, "{share} of {exits} exits");
    }
}

#[test]
fn day_has_as_many_entries_as_the_lots_say() {
    let traffic = traffic(TrafficConfig { duplicate_share: 0.0, ..TrafficConfig::default() });
    let entries = traffic.events(Direction::Entry, nine(), nine().plus_millis(24 * HOUR_MS)).len();
    let expected = 24 * (600 + 300 + 600);
    assert!(entries.abs_diff(expected) < 4 * expected.isqrt(), "{entries} entries, not {expected}");
}

#[test]
fn every_minute_of_the_night_has_its_events() {
    let three = nine().plus_millis(-6 * HOUR_MS);
    let traffic = traffic(TrafficConfig::default());
    for direction in [Direction::Entry, Direction::Exit] {
        for minute in 0..60 {
            let from = three.plus_millis(minute * MINUTE_MS);
            assert!(!traffic.events(direction, from, from.plus_millis(MINUTE_MS)).is_empty(), "{direction:?} {from}");
        }
    }
}

#[test]
fn late_events_keep_the_time_at_which_they_were_seen() {
    let config = TrafficConfig { late_share: 1.0, duplicate_share: 0.0, ..TrafficConfig::default() };
    let late = traffic(config).events(Direction::Exit, nine(), nine().plus_millis(HOUR_MS));
    let delays: Vec<i64> = late.iter().map(|exit| exit.at.millis_since(exit.event.key.time)).collect();
    assert!(delays.iter().all(|delay| (0..=20_000).contains(delay)));
    assert!(delays.iter().any(|delay| *delay > 19_000));
}

#[test]
fn stays_are_divided_by_the_scale() {
    let stay_ms = |stay_scale| {
        let traffic = traffic(TrafficConfig { stay_scale, stranger_share: 0.0, ..TrafficConfig::default() });
        let to = nine().plus_millis(48 * HOUR_MS);
        let entry = traffic.events(Direction::Entry, nine(), to).swap_remove(0).event;
        let exits = traffic.events(Direction::Exit, nine(), to);
        let exit = exits.into_iter().find(|exit| exit.event.vehicle == entry.vehicle).unwrap();
        exit.event.key.time.millis_since(entry.key.time)
    };
    let real = stay_ms(1.0);
    assert!(real > 60 * 60);
    assert!((stay_ms(60.0) * 60).abs_diff(real) <= 60);
}

#[test]
fn seed_means_the_same_for_ever() {
    let traffic = traffic(flawed());
    let story = |direction, span_ms| -> Vec<String> {
        traffic.events(direction, nine(), nine().plus_millis(span_ms)).iter().map(told).collect()
    };
    assert_eq!(
        story(Direction::Entry, 3_000),
        [
            "2024-09-24T09:00:00.077Z 2024-09-24T09:00:00.077Z 580a9b30-0466-8e27-a113-08800e4e86c7 粤G·XC5WA old-market-in-2 0.841",
            "2024-09-24T09:00:01.254Z 2024-09-24T09:00:01.254Z 8c32d902-ebdf-8a94-91b4-2baf07ef5436 黑R·0T37U old-market-in-2 0.839",
        ]
    );
    assert_eq!(
        story(Direction::Exit, 1_100),
        [
            "2024-09-24T09:00:00.605Z 2024-09-24T09:00:00.605Z 12400ad2-c621-8102-8335-1af4385ed795 蒙Q-SHYZQ central-mall-out-2 0.948",
            "2024-09-24T09:00:00.777Z 2024-09-24T09:00:00.777Z 23d75332-8509-8533-9ad2-c2924dff8edf HQ２６ TUM central-mall-out-1 0.918",
            "2024-09-24T09:00:01.088Z 2024-09-24T08:58:17.644Z 12a5cf25-da47-8306-bd8c-fc6cd46a805d 粤T·E47VD central-mall-out-2 0.803",
        ]
    );
    let hour = [Direction::Entry, Direction::Exit].map(|direction| story(direction, HOUR_MS).join("\n"));
    assert_eq!(hour.map(|story| xxh3_64(story.as_bytes())), [6_200_757_969_641_462_559, 17_171_049_860_439_654_446]);
}

fn told(Publication { at, event }: &Publication) -> String {
    let gate = event.gate.as_ref().unwrap();
    let confidence = event.confidence.unwrap();
    format!("{at} {} {} {} {gate} {confidence}", event.key.time, event.key.id, event.plate_as_read)
}
