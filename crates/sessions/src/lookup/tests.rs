//! Claims about look-ups over a real ledger.

use std::sync::Arc;

use ledger_stores::testing::temporary;
use matching::{Flags, Limits, LoadRequest, Outcome, RecordedEvent, TooOld, Unit};
use parking::Lots;
use proptest::prelude::*;
use service_kit::ServiceContext;

use super::*;
use crate::CallOptions;
use crate::testing::{Fixture, Vehicles, minute, rules, vehicle};

fn lot(name: &str) -> LotId {
    LotId::parse(name).unwrap()
}

fn plate(text: &str) -> Plate {
    Plate::from_read(text).unwrap()
}

fn of(lot_id: &str, text: &str, at: i64) -> LookUp {
    LookUp {
        lot: lot(lot_id),
        plate: plate(text),
        time: Some(minute(at)),
        confidence: None,
        character_confidences: Vec::new(),
        candidates: Vec::new(),
    }
}

async fn looked_up(fixture: &Fixture, text: &str, at: i64) -> Matches {
    fixture.local().look_up(&of("P3", text, at)).await.unwrap().matches
}

/// The plates of the likely entries, and the chance of none in ten thousandths.
async fn likely(fixture: &Fixture, text: &str, at: i64) -> (Vec<String>, u16) {
    match looked_up(fixture, text, at).await {
        Matches::Similar { entries, none, .. } => {
            (entries.iter().map(|found| found.entry.plate.to_string()).collect(), none)
        }
        other @ (Matches::Exact(_) | Matches::Unread) => panic!("{other:?}"),
    }
}

/// A service with these vehicles inside P3, one a minute from minute 0 on.
async fn inside(plates: &[&str]) -> (Fixture, Vehicles) {
    let (fixture, mut vehicles) = (Fixture::new(temporary().await), Vehicles::default());
    let units = (0..).zip(plates).map(|(at, plate)| vehicles.entry("P3", plate, minute(at))).collect();
    fixture.record(units).await;
    (fixture, vehicles)
}

/// Records an event of P3, whatever came before.
async fn arrive(service: &Service, text: &str, key: EventKey) {
    let vehicle = vehicle("P3", text);
    let (limits, mut reaching) = (Limits::of(&rules(), &vehicle.lot), None);
    loop {
        let request = LoadRequest { vehicle: vehicle.clone(), reaching };
        let snapshot = service.load(vec![request], CallOptions::default()).await.unwrap().remove(0);
        let decision = match snapshot.step(&vehicle, limits, &[key], &[]) {
            Ok(decision) => decision,
            Err(TooOld(time)) => {
                reaching = Some(time);
                continue;
            }
        };
        let event = |(_, flags): &(usize, Flags)| RecordedEvent {
            key,
            plate_as_read: text.into(),
            gate: None,
            confidence: None,
            received_at: key.time,
            flags: *flags,
            receipt: None,
            supersedes: None,
        };
        let unit = Unit {
            events: decision.new_events.iter().map(event).collect(),
            base: Some(snapshot.base),
            timeline: decision.timeline,
            flags: decision.flags,
            changes: decision.changes,
            first_matched: decision.first_matched,
            first_unmatched: decision.first_unmatched,
            vehicle,
        };
        let outcomes = service.record(vec![unit], CallOptions::default()).await.unwrap();
        assert!(matches!(outcomes[..], [Outcome::Recorded(_)]), "{outcomes:?}");
        return;
    }
}

/// All entries of P3's index.
async fn indexed(service: &Service) -> Vec<OpenEntry> {
    let (mut kept, _) = service.indexed(&lot("P3")).await.unwrap();
    kept.index(&lot("P3")).unwrap().all()
}

/// Another process on the ledger.
fn another(fixture: &Fixture) -> Service {
    Service::new(Arc::clone(&fixture.ledger), rules(), Lots::default(), &ServiceContext::for_testing())
}

#[tokio::test]
async fn the_open_session_of_exactly_this_plate_is_the_answer() {
    let (fixture, _) = inside(&["AB12CDE", "A812CDE"]).await;
    let Matches::Exact(found) = looked_up(&fixture, "ab-12 cde", 90).await else { panic!() };
    assert_eq!((found.plate, found.entered, found.dwell_ms), (plate("AB12CDE"), minute(0), 90 * 60_000));
    assert_eq!(likely(&fixture, "AB12CDE", -5).await, (vec![], 10_000), "it entered later");
}

#[tokio::test]
async fn a_look_alike_and_a_cut_off_end_have_their_entry_with_words() {
    let (fixture, _) = inside(&["AB12CDE", "XK77TTT"]).await;
    let Matches::Similar { entries, others: 0, none } = looked_up(&fixture, "AB12C", 90).await else { panic!() };
    assert!(none < 1_000, "{none}");
    let [found] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((found.entry.plate.clone(), found.likely_plate.as_str()), (plate("AB12CDE"), "AB12CDE"));
    assert_eq!(found.misread, [vec![], vec!["DE cut off the end".to_owned()]]);
    assert_eq!(found.differing, [vec![6, 7], vec![]]);
    assert_eq!(likely(&fixture, "A812CDE", 90).await.0, ["AB12CDE"]);
}

#[tokio::test]
async fn without_a_similar_plate_inside_there_is_most_likely_no_session() {
    let (fixture, mut vehicles) = inside(&["AB12CDE"]).await;
    assert_eq!(likely(&fixture, "GH55MNO", 90).await, (vec![], 10_000));
    fixture.record(vec![vehicles.exit("P3", "AB12CDE", minute(60))]).await;
    assert_eq!(likely(&fixture, "A812CDE", 90).await, (vec![], 10_000));
}

#[tokio::test]
async fn a_plate_that_left_meanwhile_belongs_to_no_entry_before_that() {
    let (fixture, mut vehicles) = inside(&["AB12CDE", "A812CDE"]).await;
    fixture.record(vec![vehicles.exit("P3", "A812CDE", minute(30))]).await;
    assert_eq!(likely(&fixture, "A812CDE", 90).await, (vec![], 10_000));
    // An exit without an entry may be this very read.
    fixture.record(vec![vehicles.exit("P3", "AB12CD", minute(89))]).await;
    assert_eq!(likely(&fixture, "AB12CD", 90).await.0, ["AB12CDE"]);
}

#[tokio::test]
async fn what_a_camera_says_of_its_certainty_decides_between_two() {
    let others: Vec<String> =
        (0..40_u8).map(|n| format!("{}K{n:02}{}RT", char::from(b'A' + n % 26), char::from(b'Z' - n % 20))).collect();
    let plates: Vec<&str> = ["AB12CDE", "AB12CDF"].into_iter().chain(others.iter().map(String::as_str)).collect();
    let (fixture, _) = inside(&plates).await;
    let (both, _) = likely(&fixture, "AB12CDL", 90).await;
    assert!(both.len() >= 2, "{both:?}");
    let asked = LookUp { candidates: vec![plate("AB12CDF")], ..of("P3", "AB12CDL", 90) };
    let Matches::Similar { entries, .. } = fixture.local().look_up(&asked).await.unwrap().matches else { panic!() };
    let next = entries.get(1).map_or(0, |next| next.probability);
    assert!(entries[0].entry.plate == plate("AB12CDF") && entries[0].probability > 4 * next, "{entries:?}");
}

#[tokio::test]
async fn plates_that_say_nothing_have_no_session_and_other_lots_are_not_looked_at() {
    let (fixture, mut vehicles) = inside(&["AB12CDE"]).await;
    assert_eq!(looked_up(&fixture, "NOPLATE", 90).await, Matches::Unread);
    assert_eq!(looked_up(&fixture, "--", 90).await, Matches::Unread);
    fixture.record(vec![vehicles.entry("P4", "GH55MNO", minute(0))]).await;
    assert_eq!(likely(&fixture, "GH55MNO", 90).await, (vec![], 10_000));
    let unknown = fixture.local().look_up(&of("P5", "GH55MNO", 90)).await;
    assert_eq!(unknown, Err(crate::statistics::unknown_lot(&lot("P5"))));
}

#[tokio::test]
async fn an_answer_includes_what_any_process_has_recorded_before() {
    let (fixture, mut vehicles) = inside(&["XK77TTT"]).await;
    let other = another(&fixture);
    let before = fixture.local().look_up(&of("P3", "AB12CDE", 90)).await.unwrap();
    assert_eq!(before.matches, Matches::Similar { entries: vec![], others: 0, none: 10_000 });

    let unit = vehicles.entry("P3", "AB12CDE", minute(5));
    other.record(vec![unit], CallOptions::default()).await.unwrap();

    let after = fixture.local().look_up(&of("P3", "AB12CDE", 90)).await.unwrap();
    assert!(matches!(after.matches, Matches::Exact(_)), "{after:?}");
    assert_eq!((before.sequence, after.sequence), (1, 2));
}

#[tokio::test]
async fn an_index_of_several_pages_has_the_first_and_the_last_entry() {
    let (fixture, mut vehicles) = inside(&[]).await;
    let units: Vec<_> = (0..2_100).map(|n| vehicles.entry("P3", &format!("KX{n:04}Z"), minute(n / 100))).collect();
    for units in units.chunks(500) {
        fixture.record(units.to_vec()).await;
    }
    assert_eq!(indexed(&fixture.service).await.len(), 2_100);
    for at in ["KX0000Z", "KX2099Z"] {
        assert!(matches!(looked_up(&fixture, at, 90).await, Matches::Exact(_)), "{at}");
    }
}

#[tokio::test]
async fn an_index_that_is_not_used_for_an_hour_is_dropped_and_built_again_when_it_is_needed() {
    let (fixture, _) = inside(&["AB12CDE", "XK77TTT"]).await;
    let kept = || ["dwell_lookup_lots", "dwell_lookup_entries"].map(|name| fixture.metric(name).unwrap());
    assert_eq!(kept(), [0, 0]);
    looked_up(&fixture, "AB12CDE", 90).await;
    assert_eq!(kept(), [1, 2]);
    assert!(fixture.metric("dwell_lookup_index_bytes").unwrap() > 0);

    fixture.clock.advance_millis(UNUSED_MS - 1);
    fixture.service.keep_look_ups().await.unwrap();
    assert_eq!(kept(), [1, 2]);
    fixture.clock.advance_millis(1);
    fixture.service.keep_look_ups().await.unwrap();
    assert_eq!(kept(), [0, 0]);

    assert!(matches!(looked_up(&fixture, "AB12CDE", 90).await, Matches::Exact(_)));
    let count = |name: &str| fixture.metric(&format!("{name}_count")).unwrap();
    let counts = ["dwell_lookup_build_duration_seconds", "dwell_lookup_duration_seconds"].map(count);
    assert_eq!((kept(), counts), ([1, 2], [2, 0]));
}

#[tokio::test]
async fn the_lot_that_was_not_used_for_longest_makes_room() {
    let (fixture, mut vehicles) = inside(&["AB12CDE"]).await;
    looked_up(&fixture, "AB12CDE", 90).await;
    for number in 0..LOTS_MAX {
        let name = format!("L{number}");
        fixture.record(vec![vehicles.entry(&name, "AB12CDE", minute(0))]).await;
        fixture.clock.advance_millis(1);
        fixture.local().look_up(&of(&name, "AB12CDE", 90)).await.unwrap();
    }
    let mut kept = fixture.service.inner.indexes.kept_for_testing().await;
    assert!(kept.index(&lot("P3")).is_none() && kept.index(&lot("L0")).is_some());
}

#[tokio::test]
async fn usual_stays_are_known_once_there_are_enough() {
    let (fixture, mut vehicles) = inside(&["AB12CDE"]).await;
    let first = fixture.local().look_up(&of("P3", "AB12CDE", 600)).await.unwrap();
    assert_eq!(first.usual_stay, None);
    let stays = (0..200).flat_map(|n| {
        let plate = format!("KX{n:04}Z");
        [vehicles.entry("P3", &plate, minute(n)), vehicles.exit("P3", &plate, minute(n + 60))]
    });
    for unit in stays.collect::<Vec<_>>() {
        fixture.record(vec![unit]).await;
    }
    fixture.service.last_change().await.unwrap();
    fixture.clock.advance_millis(600_000);
    fixture.service.keep_look_ups().await.unwrap();
    let usual = fixture.local().look_up(&of("P3", "AB12CDE", 600)).await.unwrap().usual_stay.unwrap();
    assert!(usual.stays == 200 && (usual.median_ms - 3_600_000).abs() < 60_000, "{usual:?}");
}

/// An arrival: which vehicle, whether it leaves, at which minute; and whether somebody looks it up then.
fn arrival() -> impl Strategy<Value = (u8, bool, i64, bool)> {
    (0..5_u8, any::<bool>(), 0..240_i64, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Whatever arrives late, is revised or becomes void.
    #[test]
    fn an_index_that_was_kept_up_equals_one_that_is_built_from_the_ledger(
        arrivals in prop::collection::vec(arrival(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (kept_up, rebuilt, listed) = runtime.block_on(async {
            let (fixture, _) = inside(&[]).await;
            for (number, (vehicle, is_exit, at, is_looked_up)) in (1..).zip(arrivals) {
                let direction = if is_exit { Direction::Exit } else { Direction::Entry };
                let key = EventKey { time: minute(at), direction, id: Uuid::from_u128(number) };
                arrive(&fixture.service, &format!("AB{vehicle}CDE"), key).await;
                if is_looked_up {
                    drop(fixture.service.indexed(&lot("P3")).await.unwrap());
                }
            }
            fixture.service.last_change().await.unwrap();
            let filter = SessionFilter { states: vec![State::Open], ..SessionFilter::default() };
            let page = Page { limit: 100, after: None, order: Order::OldestFirst };
            let rows = fixture.service.sessions(&filter, page).await.unwrap().rows;
            let listed: Vec<OpenEntry> = rows.iter().filter_map(|row| OpenEntry::of_row(row, &rules())).collect();
            (indexed(&fixture.service).await, indexed(&another(&fixture)).await, listed)
        });
        prop_assert_eq!(&kept_up, &rebuilt);
        prop_assert_eq!(&kept_up, &listed);
    }
}
