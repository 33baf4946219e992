//! Zones, directions, identities: what the gate makes of what its camera said.

use chrono::NaiveDate;

use super::*;
use crate::{RecentCars, WrittenGate};

fn gate(more: &str) -> Gate {
    let json = format!(r#"{{"id":"in-1","lot":"P3","format":"mapping","mapping":{{"plate":"plate"}},{more}}}"#);
    Gate::check(serde_json::from_str::<WrittenGate>(&json).unwrap()).unwrap()
}

fn local(month: u32, day: u32, hour: u32, minute: u32) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, month, day).and_then(|date| date.and_hms_opt(hour, minute, 0)).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

#[test]
fn a_wall_clock_is_read_in_the_gates_zone_through_changes_of_the_clock() {
    let berlin = Tz::Europe__Berlin;
    let read = |wall_clock, received: &str| from_wall_clock(wall_clock, berlin, at(received)).to_string();
    assert_eq!(read(local(7, 1, 12, 0), "2026-07-01T10:00:05Z"), "2026-07-01T10:00:00.000Z");
    assert_eq!(read(local(1, 1, 12, 0), "2026-01-01T11:00:05Z"), "2026-01-01T11:00:00.000Z");
    // 2026-10-25: 02:30 is there twice.
    assert_eq!(read(local(10, 25, 2, 30), "2026-10-25T00:30:05Z"), "2026-10-25T00:30:00.000Z");
    assert_eq!(read(local(10, 25, 2, 30), "2026-10-25T01:30:05Z"), "2026-10-25T01:30:00.000Z");
    // 2026-03-29: 02:30 is not there; the camera still shows winter time.
    assert_eq!(read(local(3, 29, 2, 30), "2026-03-29T01:30:05Z"), "2026-03-29T01:30:00.000Z");
}

#[test]
fn the_direction_is_the_gates_or_comes_from_the_camera_and_how_it_is_mounted() {
    let of = |more: &str, motion: Motion| match direction(&motion, &gate(more)) {
        Ok(direction) => direction.as_str().to_owned(),
        Err(NoRead::Skipped(skipped)) => skipped.to_string(),
        Err(NoRead::Refused(refusal)) => refusal.to_string(),
    };
    assert_eq!(of(r#""direction":"exit""#, Motion::Approaching), "exit");
    assert_eq!(of(r#""direction":"both""#, Motion::Approaching), "entry");
    assert_eq!(of(r#""direction":"both""#, Motion::Leaving), "exit");
    assert_eq!(of(r#""direction":"both","mounting":"rear""#, Motion::Approaching), "exit");
    assert_eq!(of(r#""direction":"both","mounting":"rear""#, Motion::Leaving), "entry");
    assert_eq!(of(r#""direction":"both""#, Motion::Way(Direction::Exit)), "exit");
    assert_eq!(of(r#""direction":"both""#, Motion::NotYet), "direction_not_yet_known");
    assert!(of(r#""direction":"both""#, Motion::Unknown).contains("\"entry\" or \"exit\""));
    assert!(of(r#""direction":"both""#, Motion::Heading(90.0)).contains("entry_heading"));
    let heading = r#""direction":"both","entry_heading":350"#;
    assert_eq!(of(heading, Motion::Heading(20.0)), "entry");
    assert_eq!(of(heading, Motion::Heading(170.0)), "exit");
    let zones = r#""direction":"both","entry_zones":["street","yard"]"#;
    let entered =
        |names: &[&str], may_grow| Motion::Zones(names.iter().map(|name| (*name).to_owned()).collect(), may_grow);
    assert_eq!(of(zones, entered(&["street", "pavement", "yard"], false)), "entry");
    assert_eq!(of(zones, entered(&["yard", "street"], false)), "exit");
    assert_eq!(of(zones, entered(&["yard"], true)), "direction_not_yet_known");
    assert!(of(zones, entered(&["yard"], false)).contains("entry_zones"));
}

#[test]
fn an_id_never_depends_on_the_plate() {
    let gate = gate(r#""direction":"entry""#);
    let id = |plate: &str| {
        let body = format!(r#"{{"plate":"{plate}"}}"#);
        let delivery = Delivery::new(body.as_bytes(), at("2026-11-18T10:26:40Z"));
        read(&delivery, &gate, &mut RecentCars::default()).unwrap().reads[0].id
    };
    assert_eq!(id("AB12XYZ"), id("OTHER1"));
    assert_eq!(id("AB12XYZ").get_version_num(), 8);
}

#[test]
fn confidences_of_characters_are_kept_when_their_number_fits() {
    assert_eq!(of_letters("AB1", vec![0.1, 0.2, 0.3]), [0.1, 0.2, 0.3]);
    assert_eq!(of_letters("A-1", vec![0.1, 0.2, 0.3]), [0.1, 0.3]);
    assert_eq!(of_letters("A-1", vec![0.1, 0.3]), [0.1, 0.3]);
    assert_eq!(of_letters("AB12", vec![0.1, 0.2]), Vec::<f32>::new());
}

#[test]
fn candidates_are_other_plates_without_repetitions() {
    let candidate = |plate: &str| Candidate { plate: plate.to_owned(), confidence: None };
    let all = ["ab-1", "AB1", "A81", "--", "a81", "4B1"].map(candidate).to_vec();
    let plate = Plate::from_read("AB 1").unwrap();
    assert_eq!(other_plates(&plate, all), [candidate("A81"), candidate("4B1")]);
}

#[test]
fn a_camera_is_recognised_whatever_separates_its_name() {
    let gate = gate(r#""direction":"entry","camera":"AC:CC:8E:00:11:22""#);
    assert!(check_camera(&["accc8e001122".to_owned()], &gate).is_ok());
    assert!(check_camera(&["gate".to_owned(), "AC-CC-8E-00-11-22".to_owned()], &gate).is_ok());
    let other = check_camera(&["B8A44F\u{1b}".to_owned()], &gate);
    assert!(matches!(other, Err(NoRead::Skipped(Skipped::OtherCamera(name))) if name == "B8A44F␛"));
    assert!(matches!(check_camera(&[], &gate), Err(NoRead::Refused(_))));
}
