//! Splits CSV into records and fields.
//!
//! Fields are separated by commas and may be quoted; a quoted field may contain commas, line ends and doubled quotes.
//! Blanks around a field are removed. A record ends with LF, CRLF or CR. `columns` interprets the fields.

use std::borrow::Cow;
use std::ops::Range;

use super::lines::length_of_line;

/// A field of a record: its range without quotes, and whether it contains doubled quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    at: Range<usize>,
    doubled: bool,
}

impl Field {
    /// The bytes of the field, without surrounding blanks.
    pub(super) fn trimmed<'a>(&self, record: &'a [u8]) -> &'a [u8] {
        record[self.at.clone()].trim_ascii()
    }

    /// The text of the field, without surrounding blanks; `None` if it is not UTF-8.
    pub(super) fn text<'a>(&self, record: &'a [u8]) -> Option<Cow<'a, str>> {
        let text = std::str::from_utf8(self.trimmed(record)).ok()?;
        Some(if self.doubled { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    /// A record of this many bytes, with its line end.
    Record(usize),
    /// A quoted field is not closed.
    Unclosed,
    /// A closing quote is followed by something other than blanks and a comma.
    Broken,
}

/// Splits the first record off `text`.
pub(super) fn split(text: &[u8], fields: &mut Vec<Field>) -> Split {
    fields.clear();
    let mut start = 0;
    loop {
        let quote = start + blanks(&text[start..]);
        let (field, end) = if text.get(quote) == Some(&b'"') {
            match quoted_field(text, quote + 1) {
                Some((field, end)) => (field, end + blanks(&text[end..])),
                None => return Split::Unclosed,
            }
        } else {
            let ends = text[start..].iter().position(|byte| matches!(byte, b',' | b'\n' | b'\r'));
            let end = ends.map_or(text.len(), |at| start + at);
            (Field { at: start..end, doubled: false }, end)
        };
        fields.push(field);
        match text.get(end) {
            None | Some(b'\n' | b'\r') => return Split::Record(end + length_of_line(&text[end..])),
            Some(b',') => start = end + 1,
            Some(_) => return Split::Broken,
        }
    }
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// The field after an opening quote, and the position after its closing quote.
fn quoted_field(text: &[u8], start: usize) -> Option<(Field, usize)> {
    let mut doubled = false;
    let mut at = start;
    loop {
        at += text[at..].iter().position(|byte| *byte == b'"')?;
        if text.get(at + 1) != Some(&b'"') {
            return Some((Field { at: start..at, doubled }, at + 1));
        }
        doubled = true;
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(mut text: &[u8]) -> Vec<Vec<String>> {
        let mut fields = Vec::new();
        let mut records = Vec::new();
        while !text.is_empty() {
            let Split::Record(length) = split(text, &mut fields) else { panic!("not a record") };
            records.push(fields.iter().map(|field| field.text(text).unwrap().into_owned()).collect());
            text = &text[length..];
        }
        records
    }

    #[test]
    fn fields_may_be_quoted_empty_and_over_several_lines() {
        assert_eq!(
            records(b"a,\"b,\"\"c\"\"\",\r\n\"d\ne\",,f\r\n\"\",\"g\""),
            [vec!["a", "b,\"c\"", ""], vec!["d\ne", "", "f"], vec!["", "g"]]
        );
    }

    #[test]
    fn blanks_around_fields_and_their_quotes_are_no_part_of_them() {
        assert_eq!(
            records(b"a , b,\t\"c\" , \" d,\"\"e\"\" \" \n ,\" \",x y\r f,g\r"),
            [vec!["a", "b", "c", "d,\"e\""], vec!["", "", "x y"], vec!["f", "g"]]
        );
    }

    #[test]
    fn broken_quotes_are_told_apart() {
        let mut fields = Vec::new();
        assert_eq!(split(b"a,\"b\nc,d\n", &mut fields), Split::Unclosed);
        assert_eq!(split(b"a,\"b\"c,d\n", &mut fields), Split::Broken);
        assert_eq!(split(b"a,\"b\" c,d\n", &mut fields), Split::Broken);
        assert_eq!(split(b"a\"b,c\n", &mut fields), Split::Record(6));
    }

    proptest! {
        #[test]
        fn what_another_writer_wrote_is_read_back(
            rows in prop::collection::vec(prop::collection::vec("[a-c\",\n\r ]{0,6}", 2..4), 1..5),
        ) {
            let mut writer = ::csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let trimmed: Vec<Vec<&str>> = rows.iter().map(|row| row.iter().map(|field| field.trim()).collect()).collect();
            prop_assert_eq!(records(&writer.into_inner().unwrap()), trimmed);
        }
    }
}
