//! Claims about files without events, which are always reported; and about bytes after gzip data.

use super::*;

const HEADER: &str = "id,vehicle_plate,entry_date_time,exit_date_time,lot_id";

/// The error of a file, equal for every way of reading.
fn said_either_way(content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events");
    std::fs::write(&file, content).unwrap();
    let observer = silent();
    let files = [file];
    let in_order = read(&files, &observer, &mut |_| panic!("an item")).unwrap_err().to_string();
    let (mut takers, panics) = ([(), ()], || panic!("an item"));
    let by_threads = read_in_parallel(&files, &observer, &mut takers, |(), _| panics(), |_| panics());
    assert_eq!(by_threads.unwrap_err().to_string(), in_order);
    in_order.replace(&files[0].display().to_string(), "FILE")
}

#[test]
fn a_file_without_events_fails_and_says_why() {
    let blank = "\n \r\n\t\r".repeat(20_000);
    for (content, said) in [
        ("", "FILE is empty"),
        ("\u{feff}", "FILE is empty"),
        ("\n", "FILE has only blank lines"),
        (" \r\n\r\n\t", "FILE has only blank lines"),
        (HEADER, "FILE has a header and no record"),
        (&format!("{HEADER}\r\n"), "FILE has a header and no record"),
        (&format!("\u{feff}{HEADER}\r\r\r"), "FILE has a header and no record"),
        (&format!("{HEADER}\n{HEADER}\n"), "FILE has a header and no record"),
    ] {
        assert_eq!(said_either_way(content.as_bytes()), format!("there is no event to read: {said}"), "{content:?}");
        assert_eq!(said_either_way(&gzip(content.as_bytes())), format!("there is no event to read: {said}"));
    }
    assert!(said_either_way(blank.as_bytes()).contains("only blank lines"));
}

#[test]
fn a_file_in_another_encoding_or_with_other_separators_says_which() {
    let utf_16: Vec<u8> = format!("\u{feff}{HEADER}\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(said_either_way(&utf_16).contains("it is UTF-16; save it as UTF-8"));
    assert!(said_either_way(&gzip(&utf_16)).contains("it is UTF-16; save it as UTF-8"));
    for (separator, name) in [(";", "semicolons"), ("\t", "tabs")] {
        let content = format!("{HEADER}\r\na,b,c,d,e\r\n").replace(',', separator);
        let expected = format!("its columns are separated by {name}; separate them by commas");
        assert!(said_either_way(content.as_bytes()).contains(&expected));
    }
}

#[test]
fn one_file_without_events_does_no_harm_to_others() {
    let header = format!("{HEADER}\n");
    assert_eq!(read_all(&[b"", header.as_bytes(), EXIT.as_bytes(), b"\n"]).unwrap(), [EXIT]);
    let contents = ["", &header, EXIT, "\n"].map(str::to_owned);
    assert_eq!(read_by_threads(&contents), (vec!["ABC123".to_owned()], vec![]));
}

#[test]
fn zeros_behind_gzip_data_are_padding() {
    let whole = gzip(format!("{ENTRY}\n").as_bytes());
    for zeros in [1, 2, 9, 511, 300_000] {
        let padded = [&whole[..], &vec![0; zeros]].concat();
        assert_eq!(read_all(&[&padded]).unwrap(), [ENTRY], "{zeros}");
        let again = [&padded[..], &gzip(EXIT.as_bytes()), &[0; 10]].concat();
        assert_eq!(read_all(&[&again]).unwrap(), [ENTRY, EXIT], "{zeros}");
    }
}

#[test]
fn garbage_behind_gzip_data_is_told_with_its_place() {
    let whole = gzip(format!("{ENTRY}\n").repeat(10_000).as_bytes());
    for (zeros, garbage) in [(0, &b"garbage"[..]), (0, b"g"), (100, b"\x01"), (300_000, b"\x8b\x1f")] {
        let said = said(&[&[&whole[..], &vec![0; zeros], garbage].concat()]);
        let place = format!("garbage behind the end of the gzip data, at byte {}:", whole.len() + zeros);
        assert!(said.contains(&place), "{said}");
    }
    let cut_off = [&whole[..], &gzip(EXIT.as_bytes())[..20]].concat();
    assert!(said(&[&cut_off]).contains("ends too early"));
}
