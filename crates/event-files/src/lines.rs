//! Line ends in a text: LF, CRLF or CR.
//!
//! The readers of the formats parse the lines.

/// The length of the first line of `text`, with its end.
pub(super) fn length_of_line(text: &[u8]) -> usize {
    match memchr::memchr2(b'\n', b'\r', text) {
        None => text.len(),
        Some(end) if text[end..].starts_with(b"\r\n") => end + 2,
        Some(end) => end + 1,
    }
}

/// The number of line ends in `text`.
pub(super) fn line_ends(text: &[u8]) -> u64 {
    let ends = memchr::memchr2_iter(b'\n', b'\r', text);
    ends.filter(|end| !(text[*end] == b'\r' && text.get(end + 1) == Some(&b'\n'))).count() as u64
}
