//! Writes session files: CSV, one row a session, in the order of the session ids.
//!
//! No field needs quotes: plates are letters and digits, names of lots are plain, the rest are ids, times and words.
//! Which sessions there are is left to the caller.

use std::path::Path;

use chrono::{Datelike as _, Timelike as _};
use parking::{Reason, SessionId, State, Timestamp};
use uuid::Uuid;

use crate::whole_file::{Error, WholeFile};

/// The first line of a session file.
pub const HEADER: &str = "session_id,lot_id,vehicle_plate,entry_event_id,entry_date_time,exit_event_id,exit_date_time,\
                          dwell_seconds,state,reason\n";

/// One row, as [`parking::Session`] has it but borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// Derived from the event that gives the session.
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
    /// Where the session stands.
    pub state: State,
    /// Why it is unmatched.
    pub reason: Option<Reason>,
}

/// A session file under way; it is in its place once it is [finished](Self::finish).
#[derive(Debug)]
pub struct SessionFile {
    file: WholeFile,
    line: Vec<u8>,
}

impl SessionFile {
    /// Begins a session file; `-` is standard output.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let mut file = WholeFile::create(path)?;
        file.write(HEADER.as_bytes())?;
        Ok(Self { file, line: Vec::with_capacity(256) })
    }

    /// Adds a row. The caller keeps the order of the ids.
    pub fn write(&mut self, row: &Row<'_>) -> Result<(), Error> {
        self.line.clear();
        write_row(row, &mut self.line);
        self.file.write(&self.line)
    }

    /// Makes the file durable and puts it in its place.
    pub fn finish(self) -> Result<(), Error> {
        self.file.finish()
    }
}

fn write_row(row: &Row<'_>, line: &mut Vec<u8>) {
    write_id(Some(row.id.as_uuid()), line);
    line.extend_from_slice(row.lot.as_bytes());
    line.push(b',');
    line.extend_from_slice(row.plate.as_bytes());
    line.push(b',');
    write_id(row.entry_event_id, line);
    write_time(row.entry_time, line);
    write_id(row.exit_event_id, line);
    write_time(row.exit_time, line);
    if let (State::Matched, Some(entry), Some(exit)) = (row.state, row.entry_time, row.exit_time) {
        write_seconds(exit.millis_since(entry), line);
    }
    line.push(b',');
    line.extend_from_slice(row.state.as_str().as_bytes());
    line.push(b',');
    line.extend_from_slice(row.reason.map_or("", Reason::as_str).as_bytes());
    line.push(b'\n');
}

fn write_id(id: Option<Uuid>, line: &mut Vec<u8>) {
    if let Some(id) = id {
        let mut buffer = Uuid::encode_buffer();
        line.extend_from_slice(id.hyphenated().encode_lower(&mut buffer).as_bytes());
    }
    line.push(b',');
}

/// The form of [`Timestamp`]'s own `Display`, without the cost of a format string at every row.
fn write_time(time: Option<Timestamp>, line: &mut Vec<u8>) {
    if let Some(time) = time {
        let at = time.to_datetime();
        write_digits(at.year().unsigned_abs(), 4, line);
        for (separator, number) in
            [(b'-', at.month()), (b'-', at.day()), (b'T', at.hour()), (b':', at.minute()), (b':', at.second())]
        {
            line.push(separator);
            write_digits(number, 2, line);
        }
        line.push(b'.');
        write_digits(at.timestamp_subsec_millis(), 3, line);
        line.push(b'Z');
    }
    line.push(b',');
}

fn write_digits(number: u32, count: u32, line: &mut Vec<u8>) {
    for place in (0..count).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        line.push(b"0123456789"[digit as usize]);
    }
}

/// Seconds with at most three decimals and no zero at their end.
fn write_seconds(millis: i64, line: &mut Vec<u8>) {
    let seconds = millis / 1_000;
    line.extend_from_slice(seconds.to_string().as_bytes());
    let rest = (millis % 1_000).unsigned_abs();
    if rest > 0 {
        line.push(b'.');
        write_digits(u32::try_from(rest).unwrap_or(0), 3, line);
        while line.last() == Some(&b'0') {
            line.pop();
        }
    }
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
        write_row(row, &mut line);
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
    fn seconds_have_no_zeros_at_their_end() {
        let seconds = |millis| {
            let mut line = Vec::new();
            write_seconds(millis, &mut line);
            String::from_utf8(line).unwrap()
        };
        assert_eq!(
            [0, 1, 10, 1_500, 60_000, 90_000_000, 1_234_567].map(seconds),
            ["0", "0.001", "0.01", "1.5", "60", "90000", "1234.567"]
        );
    }

    proptest! {
        #[test]
        fn a_time_is_written_as_it_is_displayed(millis in 0..=253_402_300_799_999_i64) {
            let time = Timestamp::from_millis(millis);
            let mut line = Vec::new();
            write_time(Some(time), &mut line);
            prop_assert_eq!(String::from_utf8(line).unwrap(), format!("{time},"));
        }
    }
}
