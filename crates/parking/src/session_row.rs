//! The rows of session files: CSV, one row a session, the same wherever sessions are written.
//!
//! No field needs quotes: plates are letters and digits, names of lots are plain, the rest are ids, times and words.
//! Which sessions there are, and in which order, is left to the writer.

use uuid::Uuid;

use crate::{Reason, Session, SessionId, State, Timestamp};

/// The first line of a session file.
pub const HEADER: &str = "session_id,lot_id,vehicle_plate,entry_event_id,entry_date_time,exit_event_id,exit_date_time,\
                          dwell_seconds,state,reason\n";

/// The first line of a session file with misread matches.
pub const HEADER_WITH_MISREADS: &str = "session_id,lot_id,vehicle_plate,entry_event_id,entry_date_time,exit_event_id,\
                                        exit_date_time,dwell_seconds,state,reason,exit_vehicle_plate,\
                                        match_method,match_probability,doubt\n";

/// The first line of a list of sessions with what the operator's page shows of them.
pub const HEADER_OF_LIST: &str = "session_id,lot_id,vehicle_plate,entry_event_id,entry_date_time,exit_event_id,\
                                  exit_date_time,dwell_seconds,state,reason,entry_gate_id,exit_gate_id,\
                                  stay_seconds,permitted_stay_seconds,mark\n";

/// The last columns of such a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListColumns<'a> {
    /// The gate of the entry.
    pub entry_gate: Option<&'a str>,
    /// The gate of the exit.
    pub exit_gate: Option<&'a str>,
    /// How long the stay took, or how long the vehicle is inside, milliseconds.
    pub stay_ms: Option<i64>,
    /// How long the vehicle may stay, milliseconds.
    pub permitted_ms: Option<i64>,
    /// The marks, separated by spaces.
    pub marks: &'a str,
}

/// The last columns of a session file with misread matches; probabilities are in ten thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MisreadColumns<'a> {
    /// The plate at the exit, when it was read differently from the one at the entry.
    pub exit_plate: Option<&'a str>,
    /// How likely a misread match is right.
    pub match_probability: Option<u16>,
    /// How likely an exact match is two stays.
    pub doubt: Option<u16>,
}

/// One row: the members of a [`Session`], borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// Derived from the anchor event of the session.
    pub id: SessionId,
    /// The car park.
    pub lot: &'a str,
    /// The plate in its normal form.
    pub plate: &'a str,
    /// The entry event.
    pub entry_event_id: Option<Uuid>,
    /// When the vehicle entered.
    pub entry_time: Option<Timestamp>,
    /// The exit event.
    pub exit_event_id: Option<Uuid>,
    /// When the vehicle left.
    pub exit_time: Option<Timestamp>,
    /// The state of the session.
    pub state: State,
    /// Why it is unmatched.
    pub reason: Option<Reason>,
}

impl<'a> From<&'a Session> for Row<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            id: session.id,
            lot: session.vehicle.lot.as_str(),
            plate: session.vehicle.plate.as_str(),
            entry_event_id: session.entry_event_id,
            entry_time: session.entry_time,
            exit_event_id: session.exit_event_id,
            exit_time: session.exit_time,
            state: session.state,
            reason: session.reason,
        }
    }
}

/// Adds the row's line to `text`.
pub fn append_row(row: &Row<'_>, text: &mut Vec<u8>) {
    append_id(Some(row.id.as_uuid()), text);
    text.extend_from_slice(row.lot.as_bytes());
    text.push(b',');
    text.extend_from_slice(row.plate.as_bytes());
    text.push(b',');
    append_id(row.entry_event_id, text);
    append_time(row.entry_time, text);
    append_id(row.exit_event_id, text);
    append_time(row.exit_time, text);
    if let (State::Matched, Some(entry), Some(exit)) = (row.state, row.entry_time, row.exit_time) {
        append_seconds(exit.millis_since(entry), text);
    }
    text.push(b',');
    text.extend_from_slice(row.state.as_str().as_bytes());
    text.push(b',');
    text.extend_from_slice(row.reason.map_or("", Reason::as_str).as_bytes());
    text.push(b'\n');
}

/// Adds the row's line with the columns of misread matches to `text`.
pub fn append_row_with_misreads(row: &Row<'_>, columns: &MisreadColumns<'_>, text: &mut Vec<u8>) {
    append_row(row, text);
    text.pop();
    text.push(b',');
    text.extend_from_slice(columns.exit_plate.unwrap_or_default().as_bytes());
    text.push(b',');
    let method = match (row.state, columns.match_probability) {
        (State::Matched, None) => "exact",
        (State::Matched, Some(_)) => "misread",
        _ => "",
    };
    text.extend_from_slice(method.as_bytes());
    for probability in [columns.match_probability, columns.doubt] {
        text.push(b',');
        if let Some(probability) = probability {
            let (whole, decimals) = (probability / 10_000, probability % 10_000);
            text.extend_from_slice(format!("{whole}.{decimals:04}").as_bytes());
        }
    }
    text.push(b'\n');
}

/// Adds the row's line with the columns of a list to `text`.
pub fn append_row_of_list(row: &Row<'_>, columns: &ListColumns<'_>, text: &mut Vec<u8>) {
    append_row(row, text);
    text.pop();
    for gate in [columns.entry_gate, columns.exit_gate] {
        text.push(b',');
        text.extend_from_slice(gate.unwrap_or_default().as_bytes());
    }
    for millis in [columns.stay_ms, columns.permitted_ms] {
        text.push(b',');
        if let Some(millis) = millis {
            append_seconds(millis, text);
        }
    }
    text.push(b',');
    text.extend_from_slice(columns.marks.as_bytes());
    text.push(b'\n');
}

const HYPHENS: [u8; 37] = *b"------------------------------------,";

fn append_id(id: Option<Uuid>, text: &mut Vec<u8>) {
    if let Some(id) = id {
        let (high, low) = id.as_u64_pair();
        let (first, second, third, last) = (hex_of(high >> 32), hex_of(high), hex_of(low >> 32), hex_of(low));
        let hyphenated = appended(&HYPHENS, text);
        hyphenated[..8].copy_from_slice(&first);
        hyphenated[9..13].copy_from_slice(&second[..4]);
        hyphenated[14..18].copy_from_slice(&second[4..]);
        hyphenated[19..23].copy_from_slice(&third[..4]);
        hyphenated[24..28].copy_from_slice(&third[4..]);
        hyphenated[28..36].copy_from_slice(&last);
    } else {
        text.push(b',');
    }
}

/// The lower 32 bits as eight digits, all at once: each half byte goes to a byte of its own, then becomes a digit.
const fn hex_of(number: u64) -> [u8; 8] {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let number = (number & 0xffff) | ((number & 0xffff_0000) << 16);
    let number = (number & 0x0000_00ff_0000_00ff) | ((number & 0x0000_ff00_0000_ff00) << 8);
    let number = (number & 0x000f_000f_000f_000f) | ((number & 0x00f0_00f0_00f0_00f0) << 4);
    let are_letters = ((number + EACH * 6) >> 4) & EACH;
    (number + EACH * b'0' as u64 + are_letters * (b'a' - b'0' - 10) as u64).to_be_bytes()
}

fn append_time(time: Option<Timestamp>, text: &mut Vec<u8>) {
    if let Some(time) = time {
        time.write_rfc3339(appended(&[0; 24], text));
    }
    text.push(b',');
}

/// Adds bytes to `text`, to be changed in their place: what is put together elsewhere and copied waits for its parts.
#[inline]
fn appended<'a, const LENGTH: usize>(bytes: &[u8; LENGTH], text: &'a mut Vec<u8>) -> &'a mut [u8; LENGTH] {
    text.extend_from_slice(bytes);
    text.last_chunk_mut().expect("the bytes were just added")
}

/// Seconds with at most three decimals and no zero at their end.
fn append_seconds(millis: i64, text: &mut Vec<u8>) {
    let digit = |number: u64| b'0' + u8::try_from(number % 10).unwrap_or(0);
    let (mut seconds, millis) = (millis.unsigned_abs() / 1_000, millis.unsigned_abs() % 1_000);
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = digit(seconds);
        seconds /= 10;
        if seconds == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[start..]);
    let decimals = [b'.', digit(millis / 100), digit(millis / 10), digit(millis)];
    let length = match (millis, millis % 100, millis % 10) {
        (0, ..) => 0,
        (_, 0, _) => 2,
        (_, _, 0) => 3,
        _ => 4,
    };
    text.extend_from_slice(&decimals[..length]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn id(text: &str) -> Uuid {
        text.parse().unwrap()
    }

    fn written(row: &Row<'_>) -> String {
        let mut line = Vec::new();
        append_row(row, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_row_has_the_columns_of_the_header_and_a_dwell_only_when_matched() {
        let matched = Row {
            id: SessionId::from_uuid(id("01922381-3500-8abc-8def-0123456789ab")),
            lot: "P3",
            plate: "ABC123",
            entry_event_id: Some(id("9b810e76-6ec9-4286-a3ca-828dd5f4b3b2")),
            entry_time: Some(at("2024-09-24T09:00:00.125Z")),
            exit_event_id: Some(id("ea90a8f0-d66b-429e-aa8a-c4ba05805975")),
            exit_time: Some(at("2024-09-24T10:47:12.375Z")),
            state: State::Matched,
            reason: None,
        };
        let alone = Row {
            exit_event_id: None,
            exit_time: None,
            state: State::UnmatchedEntry,
            reason: Some(Reason::ReEntered),
            ..matched
        };

        let file = HEADER.to_owned() + &written(&matched) + &written(&alone);

        assert_eq!(
            file,
            "session_id,lot_id,vehicle_plate,entry_event_id,entry_date_time,exit_event_id,exit_date_time,\
             dwell_seconds,state,reason\n\
             01922381-3500-8abc-8def-0123456789ab,P3,ABC123,9b810e76-6ec9-4286-a3ca-828dd5f4b3b2,\
             2024-09-24T09:00:00.125Z,ea90a8f0-d66b-429e-aa8a-c4ba05805975,2024-09-24T10:47:12.375Z,6432.25,matched,\n\
             01922381-3500-8abc-8def-0123456789ab,P3,ABC123,9b810e76-6ec9-4286-a3ca-828dd5f4b3b2,\
             2024-09-24T09:00:00.125Z,,,,unmatched_entry,re_entered\n"
        );
    }

    #[test]
    fn the_columns_of_misread_matches_stand_behind_all_others() {
        let row = Row {
            id: SessionId::from_uuid(id("01922381-3500-8abc-8def-0123456789ab")),
            lot: "P3",
            plate: "ABC123",
            entry_event_id: None,
            entry_time: None,
            exit_event_id: None,
            exit_time: None,
            state: State::Open,
            reason: None,
        };
        let columns = MisreadColumns { exit_plate: Some("A8C123"), match_probability: Some(9_870), doubt: None };
        let mut line = Vec::new();
        append_row_with_misreads(&row, &columns, &mut line);
        let count = |text: &str| text.matches(',').count();
        let line = String::from_utf8(line).unwrap();
        assert!(line.starts_with(written(&row).trim_end()) && line.ends_with(",A8C123,,0.9870,\n"), "{line}");
        assert_eq!(count(&line), count(HEADER_WITH_MISREADS));
        assert!(HEADER_WITH_MISREADS.starts_with(HEADER.trim_end()));
    }

    #[test]
    fn seconds_have_no_zeros_at_their_end() {
        let seconds = |millis| {
            let mut line = Vec::new();
            append_seconds(millis, &mut line);
            String::from_utf8(line).unwrap()
        };
        assert_eq!(
            [0, 1, 10, 1_500, 60_000, 90_000_000, 1_234_567].map(seconds),
            ["0", "0.001", "0.01", "1.5", "60", "90000", "1234.567"]
        );
    }

    proptest! {
        #[test]
        fn an_id_is_written_as_it_is_displayed(id: u128) {
            let mut line = Vec::new();
            append_id(Some(Uuid::from_u128(id)), &mut line);
            prop_assert_eq!(String::from_utf8(line).unwrap(), format!("{},", Uuid::from_u128(id)));
        }

        #[test]
        fn a_time_is_written_as_it_is_displayed(millis in 0..=253_402_300_799_999_i64) {
            let time = Timestamp::from_millis(millis);
            let mut line = Vec::new();
            append_time(Some(time), &mut line);
            prop_assert_eq!(String::from_utf8(line).unwrap(), format!("{time},"));
        }
    }
}
