//! Detects the format of a file from its beginning, and describes files that contain no events.
//!
//! The file's name is ignored.

use parking::wire::without_byte_order_mark;

use super::columns::{self, Columns};
use super::lines::length_of_line;
use super::scan::{Found, Scan};
use super::zeros;

/// The format of a file's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// JSON documents that begin on separate lines.
    Lines,
    /// A JSON array of several lines, or the inside of one, up to the end of the file.
    Array,
    /// A header, then one event per record.
    Csv,
    /// Empty; the text is the rest of the sentence.
    Empty(&'static str),
}

/// The beginnings of other file types, and what to do with them.
const OTHER_FILE_TYPES: [(&[u8], &str); 11] = [
    // Before UTF-16, whose mark is the beginning of this one.
    (b"\xff\xfe\0\0", UTF_32),
    (b"\0\0\xfe\xff", UTF_32),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
    (b"\x1f\x8b", "it is gzip within gzip; decompress it once (gzip -d)"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with Zstandard; decompress it (zstd -d), or use gzip"),
    (b"\xfd7zXZ\0", "it is compressed with xz; decompress it (xz -d), or use gzip"),
    (b"BZh", "it is compressed with bzip2; decompress it (bzip2 -d), or use gzip"),
    (b"PK\x03\x04", "it is a ZIP archive or a spreadsheet; unpack it, or save it as CSV in UTF-8"),
    (b"PAR1", "it is a Parquet file; write it as CSV"),
    (b"SQLite format 3\0", "it is a database"),
];
const ZERO_BYTE: &str =
    "it begins with a zero byte: it is damaged, or was not written to its end; get a whole copy of it";
const UTF_32: &str = "it is UTF-32; save it as UTF-8 (iconv -f UTF-32 -t UTF-8)";
const UTF_16: &str = "it is UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)";

/// The format of a file that begins with `head`, or why it is not one.
pub(super) fn format_of(head: &[u8]) -> Result<Format, String> {
    let text = without_byte_order_mark(head);
    if text.is_empty() {
        return Ok(Format::Empty("is empty"));
    }
    if let Some((_, reason)) = OTHER_FILE_TYPES.iter().find(|(magic, _)| text.starts_with(magic)) {
        return Err((*reason).to_owned());
    }
    // UTF-16 has a zero byte in each ASCII character, and UTF-32 has three. Other zeros in the beginning are neither.
    match text {
        [0, 0, 0, 1..=u8::MAX, 0, 0, 0, 1..=u8::MAX, ..] | [1..=u8::MAX, 0, 0, 0, 1..=u8::MAX, 0, 0, 0, ..] => {
            return Err(UTF_32.to_owned());
        }
        [0, 1..=u8::MAX, 0, 1..=u8::MAX, ..] | [1..=u8::MAX, 0, 1..=u8::MAX, 0, ..] => return Err(UTF_16.to_owned()),
        [0, ..] => return Err(ZERO_BYTE.to_owned()),
        _ => {}
    }
    let Some(first) = lines_of(text).next() else { return Ok(Format::Empty("has only blank lines")) };
    if begins_document(first) {
        return Ok(if goes_on(text) { Format::Array } else { Format::Lines });
    }
    let csv = || {
        if zeros::are_in(first) {
            return Err(format!("its first line has zero bytes: {}", zeros::DAMAGED));
        }
        Columns::of(first).map(|_| Format::Csv)
    };
    if columns::is_header(first) {
        return csv();
    }
    // A file of events may begin with a broken line: one line of JSON anywhere near the beginning is enough.
    if lines_of(text).any(begins_document) { Ok(Format::Lines) } else { csv() }
}

/// The lines of `text` that are not blank, trimmed.
fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b'\n' | b'\r'))
        .map(|line| without_byte_order_mark(line.trim_ascii()).trim_ascii())
        .filter(|line| !line.is_empty())
}

fn begins_document(line: &[u8]) -> bool {
    matches!(line.first(), Some(b'{' | b'['))
}

/// Whether the text begins with an array that continues after its first line, or with an element and a comma.
fn goes_on(text: &[u8]) -> bool {
    let text = without_byte_order_mark(text.trim_ascii_start());
    if let Found::End(end) = Scan::default().end_of_value(text) {
        return text[end..].trim_ascii_start().starts_with(b",");
    }
    let line = &text[..length_of_line(text)];
    let is_cut = !line.ends_with(b"\n") && !line.ends_with(b"\r");
    line.starts_with(b"[") && !is_cut && Scan::default().end_of_value(line) == Found::Unfinished
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "id,vehicle_plate,entry_date_time,exit_date_time,lot_id";

    #[test]
    fn a_first_line_that_is_a_complete_header_makes_a_file_csv() {
        for first in [
            HEADER.to_owned(),
            format!("\u{feff}{HEADER}"),
            format!("\n \r\n{HEADER}"),
            "note, \"exit_date_time\" ,vehicle_plate , \"id\"".to_owned(),
        ] {
            for end in ["\n", "\r\n", "\r"] {
                for row in ["{U5},CCC333,2024-09-24T09:00:00Z,,P3", "[1],,,,", "{}", ""] {
                    assert_eq!(
                        format_of(format!("{first}{end}{row}").as_bytes()),
                        Ok(Format::Csv),
                        "{first}{end}{row}"
                    );
                }
            }
        }
    }

    #[test]
    fn json_is_seen_from_one_line_that_begins_a_document() {
        for text in ["{}", "[]", "\u{feff}{\"id\": 1}", "broken\n{}", "\n\n  [{}]", "{\n}", "[{}, {\n", "[\"x\n\n"] {
            let expected = if text == "[{}, {\n" { Format::Array } else { Format::Lines };
            assert_eq!(format_of(text.as_bytes()), Ok(expected), "{text}");
        }
        for text in ["[\n", "[\r{},\r{", "\u{feff} \n [\r\n  {", "{\n},\n{\n", "[{}] , {}"] {
            assert_eq!(format_of(text.as_bytes()), Ok(Format::Array), "{text}");
        }
    }

    #[test]
    fn nothing_is_told_from_blank_lines() {
        assert_eq!(format_of(b""), Ok(Format::Empty("is empty")));
        assert_eq!(format_of("\u{feff}".as_bytes()), Ok(Format::Empty("is empty")));
        assert_eq!(format_of(b" \n\r\n\r\t"), Ok(Format::Empty("has only blank lines")));
    }

    #[test]
    fn other_files_are_named_with_what_to_do() {
        let utf_16 = |text: &str, mark: bool, order: fn(u16) -> [u8; 2]| {
            let mark = mark.then_some(0xfeff);
            mark.into_iter().chain(text.encode_utf16()).flat_map(order).collect::<Vec<u8>>()
        };
        for text in [HEADER, "{\"id\": 1}"] {
            for (mark, order) in [(true, u16::to_le_bytes as fn(u16) -> [u8; 2]), (false, u16::to_le_bytes)] {
                assert_eq!(format_of(&utf_16(text, mark, order)), Err(UTF_16.to_owned()));
                assert_eq!(format_of(&utf_16(text, mark, u16::to_be_bytes)), Err(UTF_16.to_owned()));
            }
        }
        for mark in ["", "\u{feff}"] {
            for order in [u32::to_le_bytes as fn(u32) -> [u8; 4], u32::to_be_bytes] {
                let utf_32: Vec<u8> = format!("{mark}{HEADER}").chars().map(u32::from).flat_map(order).collect();
                assert_eq!(format_of(&utf_32), Err(UTF_32.to_owned()));
            }
        }
        for damaged in [format!("\0{HEADER}"), "\0".repeat(500)] {
            assert_eq!(format_of(damaged.as_bytes()), Err(ZERO_BYTE.to_owned()));
        }
        let said = |head: &[u8]| format_of(head).unwrap_err();
        assert!(said(b"PK\x03\x04\x14").contains("a spreadsheet"));
        for (separator, name) in [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")] {
            let text = format!("{}\n{{}}", HEADER.replace(',', separator));
            assert!(said(text.as_bytes()).contains(&format!("separated by {name}")), "{}", said(text.as_bytes()));
        }
    }
}
