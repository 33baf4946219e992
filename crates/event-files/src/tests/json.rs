//! JSON documents of one line and of several.

use serde_json::Value;

use super::*;

/// The items of the files, which must be equal in order and with threads.
fn plates_read_either_way(contents: &[&str]) -> Vec<String> {
    let bytes: Vec<&[u8]> = contents.iter().map(|content| content.as_bytes()).collect();
    let plate = |event: &String| {
        serde_json::from_str::<Value>(event).ok()?["vehicle_plate"].as_str().map(|plate| plate.replace('-', ""))
    };
    let mut plates: Vec<String> = read_all(&bytes).unwrap().iter().filter_map(plate).collect();
    plates.sort();
    let (by_threads, _) = read_by_threads(&contents.iter().map(|content| (*content).to_owned()).collect::<Vec<_>>());
    assert_eq!(by_threads, plates);
    plates
}

fn event(number: usize) -> Value {
    serde_json::from_str(&EXIT.replace("ABC-123", &format!("P{number:06}"))).unwrap()
}

fn events(count: usize) -> (Value, Vec<String>) {
    ((0..count).map(event).collect(), (0..count).map(|number| format!("P{number:06}")).collect())
}

#[test]
fn an_array_over_several_lines_is_taken_whole() {
    let (array, plates) = events(3);
    let lines: Vec<String> = array.as_array().unwrap().iter().map(Value::to_string).collect();
    for text in [
        serde_json::to_string_pretty(&array).unwrap(),
        format!("[\n{}\n]\n", lines.join(",\n")),
        format!("[{}\n]", lines.join("\n, ")),
        format!("\u{feff}\n[\r\n{}\r\n]\r\n", lines.join("\r\n,\r\n")),
        format!("[\r{}\r]\r", lines.join(",\r")),
        format!("[\n\n  {}] ", lines.join(" ,\n\n")),
        format!("{}\n[\n{}\n]", lines[0], lines[1..].join(",\n")),
    ] {
        assert_eq!(plates_read_either_way(&[&text]), plates, "{text}");
    }
}

#[test]
fn objects_over_several_lines_are_taken_whole() {
    let (array, plates) = events(4);
    let pretty: Vec<String> =
        array.as_array().unwrap().iter().map(|event| serde_json::to_string_pretty(event).unwrap()).collect();
    assert_eq!(plates_read_either_way(&[&pretty[0]]), plates[..1]);
    for between in ["\n", "\r\n", "\n\n", " ", "\u{feff}", "\n\u{feff}"] {
        let text = pretty.join(between);
        assert_eq!(plates_read_either_way(&[&text]), plates, "{between:?}");
        assert_eq!(plates_read_either_way(&[&text.replace('\n', "\r")]), plates, "{between:?}");
    }
    let mixed = format!("{}\n{}\n[\n{},\n{}\n]\n", array[0], pretty[1], pretty[2], array[3]);
    assert_eq!(plates_read_either_way(&[&mixed]), plates);
}

#[test]
fn several_documents_may_stand_on_one_line() {
    let (array, plates) = events(3);
    assert_eq!(plates_read_either_way(&[&format!("{} {}{}\n", array[0], array[1], array[2])]), plates);
    assert_eq!(plates_read_either_way(&[&format!("[{}] [{},{}]", array[0], array[1], array[2])]), plates);
}

#[test]
fn lines_may_be_those_of_an_array_without_its_brackets() {
    let (array, plates) = events(3);
    let lines: Vec<String> = array.as_array().unwrap().iter().map(Value::to_string).collect();
    let pretty: Vec<String> =
        array.as_array().unwrap().iter().map(|event| serde_json::to_string_pretty(event).unwrap()).collect();
    for text in [lines.join(",\n"), lines.join(" ,\r\n") + ",", lines.join(", "), pretty.join(",\n"), lines.join(",\r")]
    {
        assert_eq!(plates_read_either_way(&[&text]), plates, "{text}");
    }
}

#[test]
fn an_array_may_be_longer_than_a_message_on_one_line_and_on_many() {
    let (array, plates) = events(20_000);
    assert_eq!(plates_read_either_way(&[&array.to_string()]), plates);
    assert_eq!(plates_read_either_way(&[&serde_json::to_string_pretty(&array).unwrap()]), plates);
    // A first line that is not part of it, so that it is read in blocks.
    let small = Value::Array(array.as_array().unwrap()[1..3_000].to_vec());
    let text = format!("{}\n{}", array[0], serde_json::to_string_pretty(&small).unwrap());
    assert_eq!(plates_read_either_way(&[&text]), plates[..3_000]);
}

#[test]
fn documents_of_several_lines_are_never_cut_by_a_block() {
    let (array, plates) = events(30_000);
    let pretty: Vec<String> =
        array.as_array().unwrap().iter().map(|event| serde_json::to_string_pretty(event).unwrap()).collect();
    assert_eq!(plates_read_either_way(&[&pretty.join("\n")]), plates);
    assert_eq!(plates_read_either_way(&[&pretty.join(",\n")]), plates);
    assert_eq!(plates_read_either_way(&[&pretty.join("\r\n").replace('\n', "\r")]), plates);
}

#[test]
fn lines_may_end_with_a_carriage_return() {
    let (array, plates) = events(9_000);
    let lines: Vec<String> = array.as_array().unwrap().iter().map(Value::to_string).collect();
    assert_eq!(plates_read_either_way(&[&lines.join("\r")]), plates);
    let mixed: String =
        lines.iter().zip(["\r", "\n", "\r\n", "\r\r"].iter().cycle()).flat_map(|(line, end)| [line, *end]).collect();
    assert_eq!(plates_read_either_way(&[&mixed]), plates);
}

#[test]
fn of_an_array_over_several_lines_that_is_broken_nothing_is_taken_and_it_is_said_where() {
    let (array, _) = events(3);
    let lines: Vec<String> = array.as_array().unwrap().iter().map(Value::to_string).collect();
    for (text, location) in [
        (format!("[\n{}\n{}\n]\n", lines[0], lines[1]), "file-0:3: the JSON array that begins at line 1 is broken"),
        (format!("{}\n[\n{},\n{}\n", lines[0], lines[1], lines[2]), "file-0:5: the JSON array that begins at line 2"),
        (format!("[\n{},\n{{\"id\": \n", lines[0]), "file-0:4: the JSON array that begins at line 1 is broken"),
        (format!("[\n{},\n]\n", lines[0]), "file-0:3: the JSON array that begins at line 1 is broken"),
    ] {
        let (seen, read) = seen_of(&[text.as_bytes()]);
        let said = read.unwrap_err().to_string();
        assert!(said.contains(location) && said.contains("jq -c '.[]'"), "{said}");
        assert_eq!(seen.len(), usize::from(text.starts_with('{')), "{seen:?}");
    }
}

#[test]
fn a_line_that_was_cut_off_takes_no_other_with_it() {
    for cut_off in [&EXIT[..60], r#"{"id":"x","#, r#"{"id":"x""#, "{", "[", r#"[{"id":"x"}"#, r#"{"id":"x","gate_id":"#]
    {
        let text = format!("{ENTRY}\n{cut_off}\n{ENTRY}\n{EXIT}\n");
        let read = read_all(&[text.as_bytes()]);
        // An array may continue on the next line: then the cut can't be detected there.
        if cut_off == "[" {
            assert!(read.unwrap_err().to_string().contains("begins at line 2"));
            continue;
        }
        let read = read.unwrap();
        assert_eq!(
            (read.len(), &read[0], &read[2..]),
            (4, &ENTRY.to_owned(), &[ENTRY.to_owned(), EXIT.to_owned()][..])
        );
        assert!(read[1].starts_with("0:2: body is not "), "{}", read[1]);
    }
}

#[test]
fn of_an_array_over_several_lines_only_the_bad_elements_are_refused() {
    assert_eq!(read_all(&[b"\n[\n\n]"]).unwrap(), ["0:2: body is an empty array: []"]);
    let text = format!("[\n {ENTRY},\n 5,\n {{\"id\": NaN}}\n ,{EXIT}]");
    assert_eq!(
        read_all(&[text.as_bytes()]).unwrap(),
        [
            ENTRY,
            "0:3: body is not a JSON object: 5",
            "0:4: body is not JSON: a syntax error at line 1 column 8: {\"id\": NaN}",
            EXIT
        ]
    );
}

#[test]
fn a_byte_order_mark_before_any_line_is_ignored() {
    let text = format!("\u{feff}{ENTRY}\n\u{feff}[{EXIT}]\n \u{feff}{ENTRY}\n\u{feff}\n");
    assert_eq!(read_all(&[text.as_bytes()]).unwrap(), [ENTRY, EXIT, ENTRY]);
    assert_eq!(read_all(&[&gzip(text.as_bytes())]).unwrap(), [ENTRY, EXIT, ENTRY]);
    plates_read_either_way(&[&text]);
}

#[test]
fn an_optional_member_that_cannot_be_used_costs_no_event_in_a_file() {
    let bad = ENTRY.replace("\"P3-in-1\"", "\"\"").replace('}', ",\"confidence\":88.06}");
    assert_eq!(read_all(&[bad.as_bytes()]).unwrap(), [ENTRY.replace(",\"gate_id\":\"P3-in-1\"", "")]);
}
