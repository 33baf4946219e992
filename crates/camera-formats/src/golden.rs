//! Walks the folder `golden`: for each vendor messages as its firmware writes them (`*.in.*`), and beside each what is
//! made of it (`*.expected.json`), with the gate and the delivery that it came by.
//!
//! `UPDATE_GOLDEN=1` writes what is made now; look at the difference before it is kept. Messages of a folder are read
//! in the order of their names, by one gateway.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use parking::Timestamp;
use serde_json::{Value, json};

use crate::{Delivery, Format, Gate, Outcome, RecentCars, Skipped, read};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The messages of a vendor: the body's file and the expectation's.
pub(crate) fn cases(vendor: &Path) -> Vec<(PathBuf, PathBuf)> {
    let bodies = sorted(vendor).into_iter().filter(|path| path.to_string_lossy().contains(".in."));
    bodies
        .map(|body| {
            let name = body.file_name().unwrap().to_string_lossy().into_owned();
            let case = name.split(".in.").next().unwrap().to_owned();
            (body.clone(), body.with_file_name(format!("{case}.expected.json")))
        })
        .collect()
}

pub(crate) fn vendors() -> Vec<PathBuf> {
    sorted(&folder())
}

/// A gate from an expectation.
pub(crate) fn gate(expected: &Value) -> Gate {
    Gate::check(serde_json::from_value(expected["gate"].clone()).unwrap()).unwrap()
}

pub(crate) fn delivery<'a>(expected: &'a Value, body: &'a [u8]) -> Delivery<'a> {
    let text = |member: &str| expected["delivery"][member].as_str();
    Delivery {
        content_type: text("content_type"),
        query: text("query"),
        path: text("path").unwrap_or_default(),
        camera: text("camera"),
        ..Delivery::new(body, Timestamp::parse_rfc3339(expected["received"].as_str().unwrap()).unwrap())
    }
}

fn told(outcome: &Result<Outcome, parking::Refusal>) -> Value {
    match outcome {
        Err(refusal) => json!({ "refused": refusal.to_string() }),
        Ok(outcome) => {
            let event = |read: &crate::Read| serde_json::from_slice::<Value>(&read.to_json()).unwrap();
            let sources: Vec<_> = outcome.reads.iter().map(|read| read.time_source.as_str()).collect();
            json!({
                "events": outcome.reads.iter().map(event).collect::<Vec<_>>(),
                "times_from": sources,
                "skipped": outcome.skipped.iter().map(Skipped::as_str).collect::<Vec<_>>(),
                "refused_elements": outcome.refused.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "images": outcome.images,
            })
        }
    }
}

#[test]
fn every_message_of_the_folder_gives_what_stands_beside_it() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut formats = BTreeSet::new();
    for vendor in vendors() {
        let mut cars = RecentCars::default();
        for (body_file, expected_file) in cases(&vendor) {
            let body = std::fs::read(&body_file).unwrap();
            let mut expected: Value = serde_json::from_slice(&std::fs::read(&expected_file).unwrap()).unwrap();
            let gate = gate(&expected);
            formats.insert(gate.format);
            let made = told(&read(&delivery(&expected, &body), &gate, &mut cars));
            if update {
                expected["result"] = made;
                std::fs::write(&expected_file, serde_json::to_string_pretty(&expected).unwrap() + "\n").unwrap();
            } else {
                assert_eq!(made, expected["result"], "{}", body_file.display());
            }
        }
    }
    let missing: Vec<_> = Format::ALL.iter().filter(|format| !formats.contains(format)).collect();
    assert!(missing.is_empty(), "no golden file for {missing:?}");
}

/// What is published is what the pipeline takes, with all that a gate event has to have.
#[test]
fn every_read_of_the_folder_is_a_gate_event() {
    for vendor in vendors() {
        let mut cars = RecentCars::default();
        for (body_file, expected_file) in cases(&vendor) {
            let body = std::fs::read(&body_file).unwrap();
            let expected: Value = serde_json::from_slice(&std::fs::read(&expected_file).unwrap()).unwrap();
            let Ok(outcome) = read(&delivery(&expected, &body), &gate(&expected), &mut cars) else { continue };
            for read in outcome.reads {
                let event = parking::wire::parse_event(&read.to_json()).unwrap().event;
                assert_eq!((event.key.id, event.key.time, event.key.direction), (read.id, read.time, read.direction));
                assert_eq!((event.confidence, event.gate), (read.confidence, Some(read.gate)));
            }
        }
    }
}

/// Sending again is harmless, also to a restarted gateway; a sender without a time of capture gets a new one.
#[test]
fn a_message_that_is_sent_again_gives_the_same_reads() {
    for vendor in vendors() {
        let mut cars = RecentCars::default();
        for (body_file, expected_file) in cases(&vendor) {
            let body = std::fs::read(&body_file).unwrap();
            let expected: Value = serde_json::from_slice(&std::fs::read(&expected_file).unwrap()).unwrap();
            let (gate, first) = (gate(&expected), delivery(&expected, &body));
            let later = Delivery { received: first.received.plus_millis(3_600_000), ..first };
            let (first, second) = (read(&first, &gate, &mut cars), read(&later, &gate, &mut cars));
            let ids = |outcome: &Result<Outcome, _>| {
                outcome
                    .as_ref()
                    .map_or_else(|_| Vec::new(), |outcome| outcome.reads.iter().map(|read| read.id).collect())
            };
            assert_eq!(ids(&first), ids(&second), "{}", body_file.display());
        }
    }
}
