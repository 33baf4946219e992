//! Files with zero bytes, as a power cut leaves them, are named as such by every reader.

use super::*;

const HEADER: &str = "id,vehicle_plate,entry_date_time,exit_date_time,lot_id\n";
const EVENTS: usize = 3;

fn id(number: usize) -> String {
    format!("9b810e76-6ec9-4286-a3ca-{number:012}")
}

fn json(number: usize) -> String {
    let id = id(number);
    format!(r#"{{"id":"{id}","vehicle_plate":"ABC123","entry_date_time":"2024-09-24T09:00:00.000Z","lot_id":"P3"}}"#)
}

/// The same events as lines of JSON, as an array of several lines, and as CSV.
fn contents() -> [String; 3] {
    let rows = |row: fn(usize) -> String, separator: &str| (0..EVENTS).map(row).collect::<Vec<_>>().join(separator);
    let record = |number| format!("{},ABC123,2024-09-24T09:00:00Z,,P3", id(number));
    [rows(json, "\n") + "\n", format!("[\n{}\n]\n", rows(json, ",\n")), format!("{HEADER}{}\n", rows(record, "\n"))]
}

#[test]
fn zeros_at_the_end_are_one_refusal_that_names_them() {
    for content in contents() {
        let padded = [content.as_bytes(), &[0; 5_000]].concat();
        let seen = read_all(&[&padded]).unwrap();
        assert_eq!(seen[..EVENTS], (0..EVENTS).map(json).collect::<Vec<_>>());
        let [refused] = &seen[EVENTS..] else { panic!("{seen:?}") };
        let named = "line has 5,000 zero bytes: the file is damaged, or was not written to its end";
        assert!(refused.contains(named), "{refused}");
    }
}

#[test]
fn zeros_anywhere_are_named_and_never_become_an_event() {
    const HOLE: usize = 20;
    let originals: Vec<String> = (0..EVENTS).map(json).collect();
    for content in contents() {
        for at in 0..content.len() - HOLE {
            let mut damaged = content.clone().into_bytes();
            damaged[at..at + HOLE].fill(0);
            let (seen, read) = seen_of(&[&damaged]);
            let (events, mut said): (Vec<_>, Vec<_>) = seen.into_iter().partition(|seen| originals.contains(seen));
            said.extend(read.err().map(|error| error.to_string()));
            assert!(events.len() < EVENTS, "byte {at} of {content}");
            assert!(said.iter().any(|said| said.contains("zero byte")), "byte {at} of {content}: {said:?}");
            assert!(!said.iter().any(|said| said.starts_with('{')), "another event: {said:?}");
        }
    }
}

#[test]
fn more_zeros_than_a_line_may_have_bytes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let [lines, _, csv] = contents();
    for content in [lines, csv] {
        std::fs::write(&path, &content).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(LINE_BYTES_MAX as u64 + 1_000_000).unwrap();

        let error = read(std::slice::from_ref(&path), &silent(), &mut |_| ControlFlow::Continue(())).unwrap_err();

        assert!(matches!(error, Error::Zeros { .. }), "{error}");
    }
}

#[test]
fn damaged_gzip_data_is_named() {
    let [content, ..] = contents();
    let whole = gzip(content.as_bytes());
    for at in 10..whole.len() - 20 {
        let mut damaged = whole.clone();
        damaged[at..at + 20].fill(0);
        let (_, read) = seen_of(&[&damaged]);
        let said = read.map_err(|error| error.to_string()).unwrap_err();
        assert!(said.contains("gzip"), "byte {at}: {said}");
    }
}
