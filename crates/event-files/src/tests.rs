//! Claims about reading files of every kind, and about errors of unreadable ones.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use parking::wire::write_event_with;

use super::*;
use crate::observer::silent;

const ENTRY: &str = r#"{"id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"ABC-123","entry_date_time":"2024-09-24T09:00:00.125Z","lot_id":"P3","gate_id":"P3-in-1"}"#;
const EXIT: &str = r#"{"id":"ea90a8f0-d66b-429e-aa8a-c4ba05805975","vehicle_plate":"ABC-123","exit_date_time":"2024-09-24T10:47:12.000Z","lot_id":"main"}"#;

mod csv;
mod json;
mod nothing;
mod zeros;

/// Everything that was read: events in canonical JSON, refused lines with position and reason.
fn read_all(contents: &[&[u8]]) -> Result<Vec<String>, Error> {
    let (seen, read) = seen_of(contents);
    read.map(|()| seen)
}

/// The items before the reading ended, and its result.
fn seen_of(contents: &[&[u8]]) -> (Vec<String>, Result<(), Error>) {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (number, content) in contents.iter().enumerate() {
        let file = folder.path().join(format!("file-{number}"));
        std::fs::write(&file, content).unwrap();
        files.push(file);
    }
    let mut seen = Vec::new();
    let read = read(&files, &silent(), &mut |item| {
        seen.push(match item {
            Item::Event { event, certainty, supersedes, json } => {
                let mut canonical = Vec::new();
                write_event_with(&event, certainty.as_deref(), supersedes, &mut canonical);
                if let Some(json) = json {
                    assert_eq!(parking::wire::parse_event(json).unwrap().event, event);
                }
                String::from_utf8(canonical).unwrap()
            }
            Item::Refused(Refused { file, line, text, refusal, .. }) => {
                let number = file.rsplit('-').next().unwrap();
                format!("{number}:{line}: {refusal}: {}", String::from_utf8_lossy(text))
            }
        });
        ControlFlow::Continue(())
    });
    (seen, read)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn said(contents: &[&[u8]]) -> String {
    read_all(contents).unwrap_err().to_string()
}

#[test]
fn one_event_a_line_or_an_array_of_them_with_blank_lines_and_any_line_end() {
    let content = format!("\u{feff}\n{ENTRY}\r\n\r\n  \n[{ENTRY},{EXIT}]\n{EXIT}");
    assert_eq!(read_all(&[content.as_bytes()]).unwrap(), [ENTRY, ENTRY, EXIT, EXIT]);
}

#[test]
fn csv_has_the_same_members_in_any_order_and_more_columns() {
    let content = "\u{feff}exit_date_time,note,vehicle_plate,id,lot_id,entry_date_time,gate_id\r\n\
                   ,\"first,\r\n\"\"best\"\"\",\"ABC-123\",9b810e76-6ec9-4286-a3ca-828dd5f4b3b2,P3,2024-09-24T09:00:00.125Z,P3-in-1\r\n\
                   \r\n\
                   2024-09-24T10:47:12Z,,ABC-123,ea90a8f0-d66b-429e-aa8a-c4ba05805975,,,\r\n";
    assert_eq!(read_all(&[content.as_bytes()]).unwrap(), [ENTRY, EXIT]);
}

#[test]
fn a_csv_field_without_a_plate_is_an_event_whose_plate_was_not_read() {
    let id = "ea90a8f0-d66b-429e-aa8a-c4ba05805975";
    let content = ["", "\"\"", "--"].map(|plate| format!("{id},{plate},2024-09-24T10:47:12Z\n")).concat();
    let content = format!("id,vehicle_plate,exit_date_time\n{content}");
    let read = ["", "", "--"].map(|as_read| EXIT.replace("ABC-123", as_read));
    assert_eq!(read_all(&[content.as_bytes()]).unwrap(), read);
}

#[test]
fn gzip_is_seen_from_the_content_also_in_several_parts() {
    let parts = [gzip(format!("{ENTRY}\n").as_bytes()), gzip(format!("{EXIT}\n").as_bytes())].concat();
    let csv =
        gzip(b"id,vehicle_plate,exit_date_time\nea90a8f0-d66b-429e-aa8a-c4ba05805975,ABC-123,2024-09-24T10:47:12Z\n");
    assert_eq!(read_all(&[&parts, &csv]).unwrap(), [ENTRY, EXIT, EXIT]);
}

#[test]
fn bad_lines_are_named_and_take_no_good_one_with_them() {
    let bad = r#"{"id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"ABC-123"}"#;
    let content = format!("nonsense\n{ENTRY}\n[{bad},{EXIT}]\n[]\n");
    let missing = "entry_date_time and exit_date_time are both missing: one of the two says the direction";
    assert_eq!(
        read_all(&[b"", content.as_bytes()]).unwrap(),
        [
            "1:1: body is not a JSON object: nonsense",
            ENTRY,
            &format!("1:3: {missing}: {bad}"),
            EXIT,
            "1:4: body is an empty array: []",
        ]
    );
}

#[test]
fn bad_records_are_named_and_take_no_good_one_with_them() {
    let good = "ea90a8f0-d66b-429e-aa8a-c4ba05805975,ABC-123,2024-09-24T10:47:12Z";
    let content = format!("\nid,vehicle_plate,exit_date_time\n{good}\na,b\n{good}\n\"a,b\n{good}\n\"a\"b,,\n");
    assert_eq!(
        read_all(&[content.as_bytes()]).unwrap(),
        [
            EXIT,
            "0:4: line has 2 fields, and the header has 3: a,b",
            EXIT,
            "0:6: line has text behind a closing quote: \"a,b",
            EXIT,
            "0:8: line has text behind a closing quote: \"a\"b,,",
        ]
    );
    let content = format!("id,vehicle_plate,exit_date_time\n{good}\n\"a,b\n{good}\n");
    assert_eq!(
        read_all(&[content.as_bytes()]).unwrap(),
        [EXIT, "0:3: line has a quote that is never closed: \"a,b", EXIT]
    );
}

#[test]
fn a_file_that_was_cut_off_is_named() {
    let whole = gzip(format!("{ENTRY}\n").repeat(10_000).as_bytes());
    let said = said(&[&whole[..whole.len() - 20]]);
    assert!(said.contains("file-0 is a gzip file that ends too early, behind line "), "{said}");
}

#[test]
fn what_is_no_file_of_gate_events_is_refused_with_what_is() {
    assert!(said(&[b"plate;time\nA;B\n"]).contains("as a CSV header it has no id; a line is a JSON object"));
    assert!(said(&[b"id,vehicle_plate\n"]).contains("it has no entry_date_time and no exit_date_time"));
    assert!(said(&[b"id,vehicle_plate,exit_date_time,id\n"]).contains("its header has the column id twice"));
    assert!(said(&[b"\x28\xb5\x2f\xfd\x00\x01"]).contains("is no file of gate events"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = read(&[PathBuf::from("/nowhere/events")], &silent(), &mut |_| panic!());
    assert_eq!(error.unwrap_err().to_string(), "cannot open /nowhere/events");
}

#[test]
fn what_is_refused_is_collected_so_that_it_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (csv, ndjson) = (folder.path().join("csv"), folder.path().join("ndjson"));
    std::fs::write(&csv, "id,vehicle_plate,exit_date_time\nx,ABC-123,\ny,ABC-123,\n").unwrap();
    std::fs::write(&ndjson, format!("{ENTRY}\n{{}}\n")).unwrap();
    let collected = folder.path().join("refused");
    let observer = silent();

    let mut refused = RefusedLines::new(Some(&collected), &observer).unwrap();
    read(&[csv, ndjson], &observer, &mut |item| {
        if let Item::Refused(line) = item {
            refused.take(&line).unwrap();
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    let count = refused.count();
    let verdict = refused.finish().unwrap();

    assert_eq!((count, verdict.check()), (3, Ok(())));
    assert_eq!(
        std::fs::read_to_string(&collected).unwrap(),
        "id,vehicle_plate,exit_date_time\nx,ABC-123,\ny,ABC-123,\n{}\n"
    );
}

#[test]
fn what_is_refused_and_not_collected_fails_the_command() {
    let observer = silent();
    let mut refused = RefusedLines::new(None, &observer).unwrap();
    let refusal = Refusal::new("body", "is not JSON");
    refused.take(&Refused { file: "events", line: 7, text: b"x", header: None, refusal: &refusal }).unwrap();

    let said = refused.finish().unwrap().check().unwrap_err().to_string();

    assert!(said.starts_with("1 event refused, the first 1 reason told above; all others were taken."), "{said}");
}

/// The result of several threads: the plates sorted, and the refused lines in their order.
fn read_by_threads(contents: &[String]) -> (Vec<String>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (number, content) in contents.iter().enumerate() {
        let file = folder.path().join(format!("file-{number}"));
        std::fs::write(&file, content).unwrap();
        files.push(file);
    }
    let mut takers = vec![Vec::new(); 3];
    let mut refused = Vec::new();
    let read = read_in_parallel(
        &files,
        &silent(),
        &mut takers,
        |plates, seen| {
            plates.push(String::from_utf8(seen.plate.to_vec()).unwrap());
            ControlFlow::Continue(())
        },
        |line| {
            refused.push(format!("{}:{}", line.file.rsplit('-').next().unwrap(), line.line));
            ControlFlow::Continue(())
        },
    );
    read.unwrap();
    let mut plates = takers.concat();
    plates.sort();
    (plates, refused)
}

#[test]
fn threads_read_every_event_once_and_tell_refused_lines_in_order() {
    let (mut plates, mut refused) = (Vec::new(), Vec::new());
    // Several blocks of lines, then records, then lines again, with another line end.
    let mut contents = vec![String::new(), "id,vehicle_plate,exit_date_time\n".to_owned(), String::new()];
    for number in 1..20_000 {
        let plate = format!("PL{number:05}");
        let (file, before, end) = if number < 18_000 { (0, 0, "\n") } else { (2, 17_999, "\r\n") };
        if number % 1_000 == 7 {
            contents[file] += "{}";
            refused.push(format!("{file}:{}", number - before));
        } else {
            contents[file] += &EXIT.replace("ABC-123", &plate);
            plates.push(plate);
        }
        contents[file] += end;
    }
    contents[1] += "x,ABC-123,\nea90a8f0-d66b-429e-aa8a-c4ba05805975,ABC-123,2024-09-24T10:47:12Z\n";
    plates.insert(0, "ABC123".to_owned());
    refused.insert(18, "1:2".to_owned());

    assert_eq!(read_by_threads(&contents), (plates, refused));
}

#[test]
fn a_line_that_is_longer_than_a_block_is_one_line() {
    let padding = "x".repeat(3 * 1024 * 1024);
    let long = EXIT.replace("{\"id\"", &format!("{{\"padding\":\"{padding}\",\"id\""));
    let contents = [format!("{EXIT}\n[{EXIT}]\n{long}\n{}", EXIT.replace("ABC-123", "LAST1"))];
    // The long one is longer than a message may be.
    let expected = (["ABC123", "ABC123", "LAST1"].map(str::to_owned).to_vec(), vec!["0:3".to_owned()]);
    assert_eq!(read_by_threads(&contents), expected);
}
