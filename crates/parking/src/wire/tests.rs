//! What the wire format takes, and what it refuses.

use proptest::prelude::*;

use super::*;

const ENTRY: &str = r#"{"id": "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", "vehicle_plate": "ABC-123", "entry_date_time": "2024-09-24T09:00:00.125Z", "lot_id": "P3", "gate_id": "P3-in-1"}"#;
const EXIT: &str = r#"{"id": "ea90a8f0-d66b-429e-aa8a-c4ba05805975", "vehicle_plate": "ABC-123", "exit_date_time":  "2024-09-24T10:47:12Z"}"#;

fn entry() -> GateEvent {
    GateEvent {
        vehicle: Vehicle { lot: LotId::parse("P3").unwrap(), plate: Plate::from_read("ABC123").unwrap() },
        key: EventKey {
            time: Timestamp::from_millis(1_727_168_400_125),
            direction: Direction::Entry,
            id: "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2".parse().unwrap(),
        },
        plate_as_read: "ABC-123".into(),
        gate: Some(GateId::parse("P3-in-1").unwrap()),
        confidence: None,
    }
}

/// An event of which nothing was dropped.
fn whole(event: GateEvent) -> ParsedEvent {
    ParsedEvent::of(event)
}

fn refusal(json: &str) -> String {
    parse_event(json.as_bytes()).unwrap_err().to_string()
}

#[test]
fn an_object_is_one_event() {
    assert_eq!(
        parse_message(ENTRY.as_bytes()),
        Ok(vec![Element { event: Ok(whole(entry())), json: ENTRY.as_bytes() }])
    );
}

#[test]
fn an_event_without_a_lot_belongs_to_main() {
    let event = parse_event(EXIT.as_bytes()).unwrap().event;
    assert_eq!(event.vehicle.lot, LotId::default());
    assert_eq!((event.key.direction, event.gate, event.confidence), (Direction::Exit, None, None));
}

#[test]
fn null_is_absent_and_extra_members_are_ignored() {
    let json = ENTRY
        .replace("\"P3-in-1\"", "null")
        .replace('{', r#"{"exit_date_time": null, "camera": {"x": [1, {}]}, "camera": 2, "confidence": 0.5,"#);
    let expected = GateEvent { gate: None, confidence: Some(0.5), ..entry() };
    assert_eq!(parse_event(json.as_bytes()), Ok(whole(expected)));
}

#[test]
fn the_id_of_the_read_that_an_event_replaces_is_kept_and_written() {
    let json = ENTRY.replace('}', r#", "supersedes": "EA90A8F0-d66b-429e-aa8a-c4ba05805975"}"#);
    let supersedes = Uuid::try_parse("ea90a8f0-d66b-429e-aa8a-c4ba05805975").ok();

    let parsed = parse_event(json.as_bytes());
    let mut written = Vec::new();
    write_event_with(&entry(), None, supersedes, &mut written);

    assert_eq!(parsed, Ok(ParsedEvent { supersedes, ..whole(entry()) }));
    assert_eq!(parse_event(&written), parsed);
}

#[test]
fn an_event_that_names_itself_or_no_event_supersedes_nothing() {
    let own = format!("\"{}\"", entry().key.id);
    let nil = "\"00000000-0000-0000-0000-000000000000\"";
    for value in [&own, nil, "\"\"", "\"ea90a8f0\"", "7", "true", "[]", "{\"id\": 1}"] {
        let json = ENTRY.replace('}', &format!(r#", "supersedes": {value}}}"#));
        let dropped = Dropped { supersedes: true, ..Dropped::default() };
        assert_eq!(parse_event(json.as_bytes()), Ok(ParsedEvent { dropped, ..whole(entry()) }), "{json}");
    }
    let json = ENTRY.replace('}', r#", "supersedes": null}"#);
    assert_eq!(parse_event(json.as_bytes()), Ok(whole(entry())));
}

#[test]
fn an_optional_member_never_costs_an_event() {
    let gate = |value: &str| ENTRY.replace("\"P3-in-1\"", value);
    let confidence = |value: &str| ENTRY.replace('}', &format!(r#", "confidence": {value}}}"#));
    let long = format!("\"{}\"", "x".repeat(65));
    let gates = ["\"\"", "\" \"", "\"gate 1\"", "\"Süd\"", "5", "true", "[]", "{\"id\": 1}", r#""\ud800""#, &long];
    for json in gates.map(gate) {
        let expected = GateEvent { gate: None, ..entry() };
        let dropped = Dropped { gate_id: true, ..Dropped::default() };
        assert_eq!(parse_event(json.as_bytes()), Ok(ParsedEvent { dropped, ..whole(expected) }), "{json}");
    }
    let confidences =
        ["1.0000001", "88.06", "-0.1", "1e999", "\"0.93\"", "\"\"", "\"high\"", "true", "[0.9]", "{\"plate\": 0.9}"];
    for json in confidences.map(confidence) {
        let dropped = Dropped { confidence: true, ..Dropped::default() };
        assert_eq!(parse_event(json.as_bytes()), Ok(ParsedEvent { dropped, ..whole(entry()) }), "{json}");
    }
    let both = gate("7").replace('}', r#", "confidence": 93}"#);
    let dropped = parse_event(both.as_bytes()).unwrap().dropped;
    assert_eq!(dropped.members().collect::<Vec<_>>(), ["gate_id", "confidence"]);
}

#[test]
fn the_lot_is_no_member_to_drop() {
    for lot in ["\"\"", "\" \"", "5", "[]", "true"] {
        let refusal = refusal(&ENTRY.replace("\"P3\"", lot));
        assert!(refusal.starts_with("lot_id "), "{lot}: {refusal}");
    }
    let of_main = parse_event(ENTRY.replace("\"P3\"", "null").as_bytes()).unwrap().event;
    assert_eq!(of_main.vehicle.lot, LotId::default());
}

#[test]
fn a_byte_order_mark_before_a_body_or_an_event_is_ignored() {
    let (object, array) = (format!("\u{feff}{ENTRY}"), format!("\u{feff}\u{feff}[{ENTRY}]"));
    for body in [&object, &array] {
        let elements = parse_message(body.as_bytes()).unwrap();
        assert_eq!(elements, [Element { event: Ok(whole(entry())), json: ENTRY.as_bytes() }]);
    }
    assert_eq!(parse_event(object.as_bytes()), Ok(whole(entry())));
}

#[test]
fn of_an_array_only_the_bad_elements_are_refused() {
    let body = format!(" [{ENTRY}, 5, {{}}, {EXIT}]");
    let elements = parse_message(body.as_bytes()).unwrap();
    let outcomes: Vec<_> =
        elements.iter().map(|element| element.event.as_ref().map(|_| ()).map_err(ToString::to_string)).collect();
    assert_eq!(outcomes, [Ok(()), Err("body is not a JSON object".into()), Err("id is missing".into()), Ok(())]);
    assert_eq!(elements[1].json, b"5");
    assert_eq!(parse_message(b"[]"), Ok(vec![]));
}

#[test]
fn a_refusal_names_the_member_and_what_is_allowed_and_tells_no_value() {
    assert_eq!(
        refusal(&ENTRY.replace("9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", "7")),
        "id (1 character) is not a UUID such as 9b810e76-6ec9-4286-a3ca-828dd5f4b3b2"
    );
    assert_eq!(
        refusal(&ENTRY.replace("9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", "00000000-0000-0000-0000-000000000000")),
        "id is the nil UUID, which names nothing"
    );
    assert_eq!(refusal(&ENTRY.replace("\"ABC-123\"", "null")), "vehicle_plate is missing");
    assert_eq!(refusal(&ENTRY.replace("ABC-123", &"-".repeat(257))), "vehicle_plate is longer than 256 bytes");
    assert_eq!(
        refusal(&ENTRY.replace("00.125Z", "00.125")),
        "entry_date_time (23 characters) has no offset from UTC: end it with Z or, for example, +08:00"
    );
    assert_eq!(
        refusal(&ENTRY.replace("\"P3\"", "\"P 3\"")),
        "lot_id (3 characters) is not 1 to 64 of A-Z a-z 0-9 . _ -"
    );
    assert_eq!(refusal(&ENTRY.replace("\"P3\"", "3")), "lot_id is not a string");
    assert_eq!(refusal(&ENTRY.replace('}', r#", "id": "x"}"#)), "id is there twice");
    assert_eq!(
        refusal(&ENTRY.replace('}', r#", "exit_date_time": "2024-09-24T10:47:12Z"}"#)),
        "exit_date_time stands beside entry_date_time: one of the two says the direction"
    );
    assert_eq!(
        refusal(&ENTRY.replace("entry_date_time", "when")),
        "entry_date_time and exit_date_time are both missing: one of the two says the direction"
    );
}

#[test]
fn one_element_that_is_no_json_takes_no_other_with_it() {
    let body =
        [b"[", ENTRY.as_bytes(), b", {\"id\": NaN}, {\"vehicle_plate\": \"\xff\"}, ", EXIT.as_bytes(), b"]"].concat();
    let taken: Vec<bool> = parse_message(&body).unwrap().iter().map(|element| element.event.is_ok()).collect();
    assert_eq!(taken, [true, false, false, true]);
}

#[test]
fn a_read_without_a_letter_or_digit_is_an_event_of_the_empty_plate() {
    for nothing in ["", " ", "--", "???", "？", "\\u2014", "\\t"] {
        let json = ENTRY.replace("ABC-123", nothing);
        let event = parse_event(json.as_bytes()).unwrap().event;
        let as_read: String = serde_json::from_str(&format!("\"{nothing}\"")).unwrap();
        assert_eq!((event.vehicle.plate.as_str(), event.plate_as_read.as_str()), ("", as_read.as_str()), "{nothing:?}");
        assert_eq!(parse_any(json.as_bytes()).map(|parsed| parsed.event), Ok(event));
    }
}

#[test]
fn no_refusal_tells_the_plate() {
    let plate = "SECRETPLATE0123456789";
    for json in [
        ENTRY.replace("ABC-123", plate),
        ENTRY.replace("\"ABC-123\"", plate),
        format!("\"{plate}\""),
        ENTRY.replace("ABC-123\"", plate),
        ENTRY.replace("9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", plate),
        ENTRY.replace("2024-09-24T09:00:00.125Z", plate),
        ENTRY.replace("\"P3\"", &format!("\"{plate} \"")),
    ] {
        let text = parse_message(json.as_bytes()).unwrap_err().to_string();
        assert!(!text.contains("SECRET"), "{text}");
    }
}

#[test]
fn a_body_that_is_no_event_is_refused_as_a_whole() {
    let deep = "[".repeat(100_000);
    for body in [
        "",
        " ",
        "null",
        "7",
        "\"x\"",
        "{",
        "[",
        "[1,",
        "{} {}",
        "[] []",
        deep.as_str(),
        "{\"id\": \"\\ud800\"}",
        "nonsense",
    ] {
        assert!(parse_message(body.as_bytes()).is_err(), "{body:.20} was taken");
    }
    assert!(parse_message(b"{\"id\": \"\xff\"}").is_err());
    assert!(parse_message(&vec![b' '; MAX_BODY_BYTES + 1]).is_err());
    assert!(parse_message(format!("[{}0]", "0,".repeat(MAX_EVENTS_OF_MESSAGE)).as_bytes()).is_err());
}

#[test]
fn events_as_programs_write_them_take_the_short_way() {
    let reordered = r#" {"extra":1.5,"lot_id":null, "vehicle_plate" : "京A·12345","confidence":0.25,"more":"x","exit_date_time":"2024-09-24T10:47:12Z","id":"ea90a8f0-d66b-429e-aa8a-c4ba05805975","id_":true} "#;
    for json in [ENTRY, EXIT, reordered] {
        assert_eq!(
            parse_plain(json.as_bytes()).map(|event| whole(event.into_event())),
            parse_any(json.as_bytes()).ok()
        );
        assert!(parse_plain(json.as_bytes()).is_some(), "{json}");
    }
}

/// A text with one byte changed, put in or taken out, or as it is.
fn mutated(text: &str, place: usize, change: u8, byte: u8) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let place = place % bytes.len();
    match change % 4 {
        0 => bytes[place] = byte,
        1 => bytes.insert(place, byte),
        2 => drop(bytes.remove(place)),
        _ => {}
    }
    bytes
}

fn member() -> impl Strategy<Value = String> {
    let id = r#""id": ?"[0-9a-fA-F]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}""#;
    let plate = r#""vehicle_plate" ?: ?"[A-Za-z0-9 äß京·-]{0,18}""#;
    let time = r#""(entry|exit)_date_time":"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:[0-6][0-9])""#;
    let name = r#""(lot|gate)_id":(null|"[A-Za-z0-9._-]{0,20}"|"[a-z ]{1,3}"|5)"#;
    let confidence = r#""confidence":(-?[01](\.[0-9]{1,3})?([eE]-?[0-9])?|null|true|"0.5"|88.06|1.0000001)"#;
    let certainty =
        r#""(character_confidences|candidates)" ?:(null|5|"x"|\[\]|\[(0\.5,){0,3}1\]|\[\{"plate":"[A-Z-]{0,3}"\}\])"#;
    let extra = r#""[a-z_]{0,20}":("[a-zé\\n"]{0,9}"|-?[0-9]{1,4}|0\.5|true|false|null|\[\]|\{"id":1\}|tru)"#;
    prop_oneof![8 => id, 8 => plate, 8 => time, 4 => name, 2 => confidence, 2 => certainty, 2 => extra]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn the_short_way_never_disagrees_with_the_general_parser(
        members in proptest::collection::vec(member(), 0..9),
        (place, change) in any::<(usize, u8)>(),
        byte in prop_oneof![any::<u8>(), proptest::sample::select(&b"\"\\{}[]:,-.0e \t\n\x0c\x1f\x7f\xc3"[..])],
    ) {
        let object = format!("{{{}}}", members.join(","));
        for json in [mutated(&object, place, change, byte), mutated(ENTRY, place, change, byte)] {
            if let Some(event) = parse_plain(&json) {
                prop_assert_eq!(Ok(whole(event.into_event())), parse_any(&json));
            }
        }
    }

    #[test]
    fn what_follows_an_event_is_no_part_of_it(
        members in proptest::collection::vec(member(), 0..9),
        (place, change, byte) in any::<(usize, u8, u8)>(),
        rest in "[\\n\"},:a]{0,2}[ -~\n]{0,40}",
    ) {
        let object = format!("{{{}}}", members.join(","));
        for json in [mutated(&object, place, change, byte), mutated(ENTRY, place, change, byte)] {
            let followed = [&json, rest.as_bytes()].concat();
            prop_assert_eq!(parse_plain_line(&followed, json.len()), parse_plain(&json));
        }
    }

    #[test]
    fn every_whole_event_without_escapes_takes_the_short_way(place: usize, change: u8, byte: u8) {
        let json = mutated(ENTRY, place, change, byte);
        let is_plain = !json.iter().any(|byte| *byte < b' ' || *byte == b'\\');
        let is_whole = parse_any(&json).is_ok_and(|parsed| parsed.dropped == Dropped::default());
        if is_whole && is_plain {
            prop_assert!(parse_plain(&json).is_some(), "{}", String::from_utf8_lossy(&json));
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(plate in "[ -~]{0,4}[A-Z0-9äß京]{1,12}", millis in 0i64..253_402_300_799_999, id in 1u128.., exit: bool, confidence in proptest::option::of(0f32..=1.0), gate in proptest::option::of("[a-z0-9._-]{1,64}")) {
        let event = GateEvent {
            key: EventKey { time: Timestamp::from_millis(millis), direction: if exit { Direction::Exit } else { Direction::Entry }, id: Uuid::from_u128(id) },
            vehicle: Vehicle { lot: LotId::default(), plate: match Plate::from_read(&plate) { Ok(plate) => plate, Err(_) => return Ok(()) } },
            plate_as_read: plate.into(),
            gate: gate.map(|gate| GateId::parse(&gate).unwrap()),
            confidence,
        };
        let mut json = Vec::new();
        write_event(&event, &mut json);
        prop_assert_eq!(parse_event(&json), Ok(whole(event)));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _outcome = parse_message(&body);
    }

    #[test]
    fn no_json_makes_the_parser_panic(body in "[\\[\\]{}\":,0-9a-z_ ]{0,100}") {
        let _outcome = parse_message(body.as_bytes());
    }
}
