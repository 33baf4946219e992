//! Finds the end of a JSON value in text that may still grow.
//!
//! It only parses the structure: brackets, strings, commas and colons. That is enough to distinguish a value that
//! continues on the next line from a truncated line, whose next line is not a continuation. The JSON parser validates
//! the value.

/// Values with deeper nesting are refused.
const DEPTH_MAX: u32 = u64::BITS;

/// The state of a scan. Each call must pass the same text, or more of it.
#[derive(Debug, Default)]
pub(super) struct Scan {
    at: usize,
    depth: u32,
    /// Which of the open brackets are braces, as bits; the innermost is the lowest.
    braces: u64,
    in_string: bool,
    last: Last,
}

/// The token before the current position.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Last {
    #[default]
    Open,
    Comma,
    Colon,
    /// Part of a number or a word.
    Scalar,
    Value,
}

/// The result of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The value ends before this byte.
    End(usize),
    /// The text ends first.
    Unfinished,
    /// Invalid, however the text continues.
    Broken,
}

impl Scan {
    /// The number of bytes scanned.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The end of the value at the beginning of `text`.
    pub(super) fn end_of_value(&mut self, text: &[u8]) -> Found {
        while let Some(byte) = text.get(self.at) {
            let stepped = if self.in_string { self.in_string(text) } else { self.outside(*byte) };
            if let Some(found) = stepped {
                return found;
            }
        }
        Found::Unfinished
    }

    /// Skips to the end of the string, which is on the same line.
    fn in_string(&mut self, text: &[u8]) -> Option<Found> {
        let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', &text[self.at..]) else {
            self.at = text.len();
            return None;
        };
        self.at += found;
        match (text[self.at], text.get(self.at + 1)) {
            (b'"', _) => {
                self.at += 1;
                self.in_string = false;
                (self.depth == 0).then_some(Found::End(self.at))
            }
            (b'\\', Some(escaped)) if *escaped != b'\n' => {
                self.at += 2;
                None
            }
            (b'\\', None) => Some(Found::Unfinished),
            _ => Some(Found::Broken),
        }
    }

    fn outside(&mut self, byte: u8) -> Option<Found> {
        let after_value = matches!(self.last, Last::Scalar | Last::Value);
        if self.depth == 0 && after_value && matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}') {
            return Some(Found::End(self.at));
        }
        let in_braces = self.depth > 0 && self.braces & 1 == 1;
        self.last = match byte {
            b' ' | b'\t' | b'\n' | b'\r' if self.last == Last::Scalar => Last::Value,
            b' ' | b'\t' | b'\n' | b'\r' => self.last,
            b'"' if !after_value => {
                self.in_string = true;
                Last::Value
            }
            b'{' | b'[' if !after_value && self.depth < DEPTH_MAX && (!in_braces || self.last == Last::Colon) => {
                self.depth += 1;
                self.braces = self.braces << 1 | u64::from(byte == b'{');
                Last::Open
            }
            b'}' | b']'
                if self.depth > 0 && (byte == b'}') == in_braces && (after_value || self.last == Last::Open) =>
            {
                self.depth -= 1;
                self.braces >>= 1;
                if self.depth == 0 {
                    return Some(Found::End(self.at + 1));
                }
                Last::Value
            }
            b',' if self.depth > 0 && after_value => Last::Comma,
            b':' if in_braces && after_value => Last::Colon,
            b'"' | b'{' | b'[' | b'}' | b']' | b',' | b':' => return Some(Found::Broken),
            _ if self.last == Last::Value => return Some(Found::Broken),
            _ => Last::Scalar,
        };
        self.at += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end_of(text: &str) -> Found {
        Scan::default().end_of_value(text.as_bytes())
    }

    #[test]
    fn a_value_ends_with_its_last_bracket_quote_or_digit() {
        for (text, end) in [
            (r#"{"a": [1, {"b": "}]\""}], "c": null} {"#, 36),
            ("[]]", 2),
            ("[\n  {\n  }\n]\n", 11),
            (r#""x\"]", 1"#, 6),
            ("-1.5e3,", 6),
            ("true ]", 4),
            ("[NaN]", 5),
        ] {
            assert_eq!(end_of(text), Found::End(end), "{text}");
        }
    }

    #[test]
    fn a_line_that_was_cut_off_is_no_value_with_the_next_one() {
        for cut_off in
            [r#"{"id": "x""#, r#"{"id": "x","#, r#"{"id": "x", "plate"#, r#"{"id": 1"#, "[1", "[{}", r#"{"id": "x\"#]
        {
            let unfinished = end_of(cut_off);
            let followed = end_of(&format!("{cut_off}\n{{\"id\": \"y\"}}\n"));
            assert_eq!((unfinished, followed), (Found::Unfinished, Found::Broken), "{cut_off}");
        }
        for broken in ["[1,]", "[,1]", "[1 2]", "[}", "{]", "{{", "{[", "[:", "{\"a\" \"b\"", "]", ",", &"[".repeat(65)]
        {
            assert_eq!(end_of(broken), Found::Broken, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn text_may_come_in_pieces(text in "[\\[\\]{}\":,\\\\\n1a ]{0,40}", cut in 0..40_usize) {
            let text = text.as_bytes();
            let mut scan = Scan::default();
            let first = scan.end_of_value(&text[..cut.min(text.len())]);
            let in_pieces = if first == Found::Unfinished { scan.end_of_value(text) } else { first };
            prop_assert_eq!(in_pieces, Scan::default().end_of_value(text));
        }

        #[test]
        fn every_json_value_is_whole(text in "[\\[\\]{}\":,1 ]{1,12}") {
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() && text.starts_with(['{', '[', '"']) {
                prop_assert_eq!(end_of(&text), Found::End(text.trim_end().len()));
            }
        }
    }
}
