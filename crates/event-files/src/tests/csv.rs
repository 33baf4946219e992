//! CSV as programs and people write it.

use super::*;

const HEADER: &str = "id,vehicle_plate,entry_date_time,exit_date_time,lot_id";
const ENTRY_RECORD: &str = "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2,ABC-123,2024-09-24T09:00:00.125Z,,P3";
const EXIT_RECORD: &str = "ea90a8f0-d66b-429e-aa8a-c4ba05805975,ABC-123,,2024-09-24T10:47:12Z,";

fn entry() -> String {
    ENTRY.replace(",\"gate_id\":\"P3-in-1\"", "")
}

#[test]
fn lines_may_end_with_lf_crlf_or_cr() {
    for end in ["\n", "\r\n", "\r"] {
        for last in ["", end, "\n", "\r", "\r\n", "\r\r\n"] {
            let content = format!("{HEADER}{end}{ENTRY_RECORD}{end}{end}{EXIT_RECORD}{last}");
            assert_eq!(read_all(&[content.as_bytes()]).unwrap(), [entry(), EXIT.to_owned()], "{content:?}");
            let (plates, refused) = read_by_threads(&[content]);
            assert_eq!((plates.len(), refused.len()), (2, 0));
        }
    }
    let mixed = format!("{HEADER}\r{ENTRY_RECORD}\n\r{EXIT_RECORD}\r\nbroken\r{EXIT_RECORD}\r");
    assert_eq!(
        read_all(&[mixed.as_bytes()]).unwrap(),
        [&entry(), EXIT, "0:5: line has 1 fields, and the header has 5: broken", EXIT]
    );
}

#[test]
fn a_record_that_looks_like_json_is_a_record_below_a_header() {
    let content = format!("{HEADER}\n{ENTRY_RECORD}\n{{U5}},CCC333,2024-09-24T09:00:00Z,,P3\n[],,,,\n{EXIT_RECORD}\n");
    let read = read_all(&[content.as_bytes()]).unwrap();
    assert_eq!((read.len(), &read[0], &*read[3]), (4, &entry(), EXIT));
    assert!(read[1].starts_with("0:3: id (4 characters) is not a UUID"), "{}", read[1]);
    assert!(read[2].starts_with("0:4: id (2 characters) is not a UUID"), "{}", read[2]);
}

#[test]
fn blanks_around_fields_are_ignored() {
    let content = format!(
        " id , \"vehicle_plate\",entry_date_time ,\texit_date_time,lot_id, gate_id , confidence\n\
         {},P3-in-1 , 0.5 \n {} , , \n",
        ENTRY_RECORD.replace(',', " , "),
        EXIT_RECORD.replace(',', " ,\t"),
    );
    let expected = ENTRY.replace('}', ",\"confidence\":0.5}");
    assert_eq!(read_all(&[content.as_bytes()]).unwrap(), [expected, EXIT.to_owned()]);
    let quoted = format!("{HEADER}\n \"{}\" \n", ENTRY_RECORD.replace(',', "\" , \" "));
    assert_eq!(read_all(&[quoted.as_bytes()]).unwrap(), [entry()]);
}

#[test]
fn words_for_no_value_are_absent_members() {
    for word in ["NULL", "null", "\\N", "None", "NaN", "NaT", "\"NULL\"", " NULL "] {
        let content = format!(
            "{HEADER},gate_id,confidence\n{},{word},{word}\n{}{word},{word},{word}\n",
            ENTRY_RECORD.replace(",,", &format!(",{word},")),
            EXIT_RECORD.replace(",,", &format!(",{word},")),
        );
        assert_eq!(read_all(&[content.as_bytes()]).unwrap(), [entry(), EXIT.to_owned()], "{content}");
    }
    let content =
        format!("{HEADER}\nNULL,ABC-123,2024-09-24T09:00:00Z,,\n{}\n", EXIT_RECORD.replace("ABC-123", "NULL"));
    let read = read_all(&[content.as_bytes()]).unwrap();
    assert!(read[0].starts_with("0:2: id is missing: "), "{}", read[0]);
    assert!(read[1].contains("\"vehicle_plate\":\"NULL\""), "{}", read[1]);
    for no_plate in ["\\N", "NaT", "\"\\N\""] {
        let content = format!("{HEADER}\n{}\n", EXIT_RECORD.replace("ABC-123", no_plate));
        assert_eq!(read_all(&[content.as_bytes()]).unwrap(), [EXIT.replace("ABC-123", "")]);
    }
}

#[test]
fn a_record_of_empty_fields_is_a_blank_line() {
    let content = format!("{HEADER}\n,,,,\n{ENTRY_RECORD}\n , ,\"\",\t,\n\n,\n{EXIT_RECORD}\n,,,,,,,");
    assert_eq!(read_all(&[content.as_bytes()]).unwrap(), [entry(), EXIT.to_owned()]);
}

#[test]
fn a_gate_or_a_confidence_that_cannot_be_used_costs_no_event() {
    for (gate, confidence) in [("gate 1", "88.06"), ("x/y", "high"), ("S\u{fc}d", "0,9"), ("-\u{2028}", "nan")] {
        let content = format!("{HEADER},gate_id,confidence\n{ENTRY_RECORD},{gate},\"{confidence}\"\n");
        assert_eq!(read_all(&[content.as_bytes()]).unwrap(), [entry()]);
    }
    let latin_1 = [format!("{HEADER},gate_id\n{ENTRY_RECORD},S").as_bytes(), b"\xfcd\n"].concat();
    assert_eq!(read_all(&[&latin_1]).unwrap(), [entry()]);
}

#[test]
fn a_header_in_the_middle_is_skipped_and_says_what_follows() {
    let other =
        "exit_date_time,\"id\",vehicle_plate\r\n2024-09-24T10:47:12Z,ea90a8f0-d66b-429e-aa8a-c4ba05805975,ABC-123\n";
    let content =
        format!("{HEADER}\n{ENTRY_RECORD}\n{HEADER}\n{EXIT_RECORD}\n\u{feff}{HEADER}\n{EXIT_RECORD}\n{other}x,,\n");
    assert_eq!(read_all(&[content.as_bytes()]).unwrap(), [&entry(), EXIT, EXIT, EXIT, "0:9: id is missing: x,,"]);
    let (plates, refused) = read_by_threads(&[content]);
    assert_eq!((plates.len(), refused), (4, vec!["0:9".to_owned()]));
}

#[test]
fn a_byte_order_mark_before_any_record_is_ignored() {
    let content = format!("\u{feff}{HEADER}\n\u{feff}{ENTRY_RECORD}\n\u{feff}\n\u{feff}{EXIT_RECORD}\n");
    assert_eq!(read_all(&[content.as_bytes()]).unwrap(), [entry(), EXIT.to_owned()]);
    assert_eq!(read_all(&[&gzip(content.as_bytes())]).unwrap(), [entry(), EXIT.to_owned()]);
}

#[test]
fn confidences_of_characters_and_candidates_are_json_in_quotes() {
    let header = "id,vehicle_plate,entry_date_time,character_confidences,candidates";
    let id = "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2";
    let record = |lists: &str| format!("{header}\n{id},AB1,2024-09-24T09:00:00Z,{lists}\n");
    let event = |lists: &str| {
        format!(
            r#"{{"id":"{id}","vehicle_plate":"AB1","entry_date_time":"2024-09-24T09:00:00.000Z","lot_id":"main"{lists}}}"#
        )
    };
    let whole = record(r#""[0.9,0.8,1]","[{""plate"":""A81""}]""#);
    let lists = r#","character_confidences":[0.9,0.8,1.0],"candidates":[{"plate":"A81"}]"#;
    assert_eq!(read_all(&[whole.as_bytes()]).unwrap(), [event(lists)]);
    assert_eq!(read_all(&[record("0.9,A81").as_bytes()]).unwrap(), [event("")]);
    assert_eq!(read_all(&[record(",").as_bytes()]).unwrap(), [event("")]);
}
