//! Messages of nobody's firmware: no body may make an adapter panic, take long, or give a read that the pipeline
//! refuses.

use parking::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

use crate::golden::{cases, gate, vendors};
use crate::{Delivery, Format, Gate, MAX_READS, Outcome, RecentCars, WrittenGate, read};

fn plain_gate(format: Format, direction: &str) -> Gate {
    let json = serde_json::json!({
        "id": "g-1", "lot": "P3", "direction": direction, "format": format.as_str(), "zone": "America/Santiago",
        "mapping": {"plate": "//plate", "time": "/time", "reads": "/reads", "direction": "d", "entry": ["in"], "id": "/a~1b"},
    });
    Gate::check(serde_json::from_value::<WrittenGate>(json).unwrap()).unwrap()
}

/// Reads a body in every way, and checks what has to hold of any outcome.
fn check(body: &[u8], content_type: Option<&str>, gate: &Gate) {
    let received = Timestamp::parse_rfc3339("2026-11-18T10:26:40Z").unwrap();
    let delivery = Delivery { content_type, ..Delivery::new(body, received) };
    let first = read(&delivery, gate, &mut RecentCars::default());
    assert_eq!(first, read(&delivery, gate, &mut RecentCars::default()), "not a function of the delivery");
    if let Ok(outcome) = &first {
        check_reads(outcome);
    }
    let answer = match &first {
        Ok(outcome) => gate.format.accepted(outcome),
        Err(refusal) => gate.format.refused(refusal),
    };
    assert!(serde_json::from_str::<Value>(&answer.body).is_ok());
}

fn check_reads(outcome: &Outcome) {
    assert!(outcome.reads.len() <= MAX_READS);
    for read in &outcome.reads {
        let event = parking::wire::parse_event(&read.to_json()).expect("the pipeline takes what is published").event;
        assert_eq!(event.key.id, read.id);
        assert_ne!(read.supersedes, Some(read.id));
        let all = read.character_confidences.iter().chain(&read.confidence);
        assert!(all.into_iter().all(|confidence| (0.0..=1.0).contains(confidence)));
    }
}

const CONTENT_TYPES: [Option<&str>; 4] = [
    None,
    Some("application/json"),
    Some("multipart/form-data; boundary=X"),
    Some("application/x-www-form-urlencoded"),
];

/// A body, its type and its gate.
type Message = (Vec<u8>, Option<String>, Gate);

/// The golden messages.
fn corpus() -> Vec<Message> {
    let of_vendor = |vendor: std::path::PathBuf| {
        cases(&vendor).into_iter().map(|(body, expected)| {
            let expected: Value = serde_json::from_slice(&std::fs::read(expected).unwrap()).unwrap();
            let content_type = expected["delivery"]["content_type"].as_str().map(str::to_owned);
            (std::fs::read(body).unwrap(), content_type, gate(&expected))
        })
    };
    vendors().into_iter().flat_map(of_vendor).collect()
}

#[test]
fn every_prefix_of_every_golden_message_is_read_or_refused() {
    for (body, content_type, gate) in corpus() {
        for end in (0..body.len()).step_by(1 + body.len() / 150) {
            check(&body[..end], content_type.as_deref(), &gate);
        }
    }
}

#[test]
fn every_golden_message_is_read_or_refused_by_every_adapter() {
    let gates: Vec<Gate> =
        Format::ALL.iter().flat_map(|format| [plain_gate(*format, "entry"), plain_gate(*format, "both")]).collect();
    for (body, content_type, _) in corpus() {
        for gate in &gates {
            check(&body, content_type.as_deref(), gate);
        }
    }
}

#[test]
fn bombs_are_refused() {
    let laughs = "<!DOCTYPE a [<!ENTITY a \"ha\">]><Picture>&a;</Picture>".to_owned();
    let deep = "{\"Picture\":".repeat(50_000);
    let wide = format!("[{}]", "{\"plate\":1},".repeat(100_000));
    let long = format!("{{\"results\":[{}]}}", vec!["{\"plate\":\"A\"}"; 5_000].join(","));
    let parts = "--X\r\n\r\n{}\r\n".repeat(10_000);
    let lines = "Events[0].a=1\n".repeat(10_000);
    for format in Format::ALL {
        let gate = plain_gate(format, "entry");
        for bomb in [&laughs, &deep, &wide, &long, &parts, &lines] {
            for content_type in CONTENT_TYPES {
                check(bomb.as_bytes(), content_type, &gate);
                let delivery = Delivery {
                    content_type,
                    ..Delivery::new(bomb.as_bytes(), Timestamp::from_millis(1_795_000_000_000))
                };
                let outcome = read(&delivery, &gate, &mut RecentCars::default());
                let is_harmless =
                    outcome.as_ref().is_err() || outcome.as_ref().is_ok_and(|outcome| outcome.reads.is_empty());
                assert!(is_harmless, "{format}: {outcome:?}");
            }
        }
    }
}

#[test]
fn a_refusal_never_tells_the_plate() {
    let secret = "QX7SECRETQX7SECRETQX7";
    for (body, content_type, gate) in corpus() {
        let Ok(text) = String::from_utf8(body) else { continue };
        for plate in ["AB12XYZ", "ab12xyz", "1795000000", "2026-11-18"] {
            let body = text.replace(plate, secret);
            let delivery = Delivery {
                content_type: content_type.as_deref(),
                ..Delivery::new(body.as_bytes(), Timestamp::from_millis(1_795_000_000_000))
            };
            let outcome = read(&delivery, &gate, &mut RecentCars::default());
            let refusals = match &outcome {
                Err(refusal) => std::slice::from_ref(refusal),
                Ok(outcome) => &outcome.refused,
            };
            for refusal in refusals {
                assert!(!refusal.to_string().contains("QX7SECRET"), "{}: {refusal}", gate.format);
            }
        }
    }
}

fn any_format() -> impl Strategy<Value = Format> {
    prop::sample::select(Format::ALL.to_vec())
}

/// JSON of any shape with the names that adapters look for.
fn any_json() -> impl Strategy<Value = Value> {
    const NAMES: &str = "(data|results|plate|time|timestamp|alarm|triggers|key|value|Picture|Plate|PlateNumber|SnapInfo|\
                         AccurateTime|anpr|decision|@date|@plate|after|before|id|type|uuids|epoch_start|best_plate_number|carID|\
                         carState|plateUTF8|capture_timestamp|DateUtc|TimeUtc|Code|Data|Object|Text|RealUTC|UTC|GroupID|dateTime|\
                         ANPR|licensePlate|plateText|lprID|detected|eventId|reads|EventNotificationAlert|PLATE_STRING|DATE|TIME)";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(Value::from("1795000000123")),
        Just(Value::from(1_795_000_000_i64)),
        Just(Value::from("2026-11-18 18:06:40")),
        Just(Value::from("AB12XYZ")),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(NAMES, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        format in any_format(),
        body in prop::collection::vec(any::<u8>(), 0..512),
        content_type in prop::sample::select(CONTENT_TYPES.to_vec()),
    ) {
        check(&body, content_type, &plain_gate(format, "both"));
    }

    #[test]
    fn arbitrary_text_with_the_marks_of_a_format_never_panics(format in any_format(), body in "[\\[{<\"A-Za-z0-9@/:;=,. \\-\n\\]}>]{0,200}") {
        check(body.as_bytes(), None, &plain_gate(format, "entry"));
    }

    #[test]
    fn json_of_any_shape_never_panics(format in any_format(), json in any_json()) {
        check(json.to_string().as_bytes(), None, &plain_gate(format, "entry"));
    }

    #[test]
    fn mutated_golden_messages_never_panic(pick: prop::sample::Index, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..8)) {
        let corpus = CORPUS.with(Clone::clone);
        let (mut body, content_type, gate) = corpus[pick.index(corpus.len())].clone();
        for (place, byte, kind) in changes {
            if body.is_empty() {
                break;
            }
            let at = place.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                2 => { body.remove(at); }
                _ => { let end = (at + 16).min(body.len()); let piece = body[at..end].to_vec(); body.splice(at..at, piece); }
            }
        }
        check(&body, content_type.as_deref(), &gate);
    }
}

thread_local! {
    static CORPUS: std::rc::Rc<Vec<Message>> = std::rc::Rc::new(corpus());
}
