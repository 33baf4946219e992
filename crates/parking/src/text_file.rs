//! Text files that people write: the byte order mark at their beginning, and line numbers for errors.
//!
//! Not here: their formats. Each reader knows its own.

/// The text behind a byte order mark, with which editors on Windows begin a file.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

/// The line of a byte of the text, from 1; that of its end for any byte behind it.
pub fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one_and_behind_the_mark() {
        let text = without_byte_order_mark("\u{feff}one\ntwo\n");
        assert_eq!(text, "one\ntwo\n");
        assert_eq!([0, 3, 4, 7, 8, 100].map(|byte| line_of(text, byte)), [1, 1, 2, 2, 3, 3]);
    }
}
