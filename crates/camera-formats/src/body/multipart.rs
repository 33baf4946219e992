//! Multipart bodies, split where they stand. Cameras write them loosely: bare line feeds, no end, quotes or none.

use memchr::memmem;
use parking::Refusal;

use super::MAX_PARTS;

/// One part of a body.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Part<'a> {
    /// The field's name.
    pub(super) name: String,
    pub(super) filename: Option<String>,
    content_type: String,
    pub(super) content: &'a [u8],
}

impl Part<'_> {
    /// Whether its headers call it a picture.
    pub(super) fn is_image(&self) -> bool {
        let ends = [".jpg", ".jpeg", ".png", ".bmp", ".webp"];
        let filename = self.filename.as_deref().unwrap_or_default().to_ascii_lowercase();
        self.content_type.starts_with("image/") || ends.iter().any(|end| filename.ends_with(end))
    }
}

/// The boundary of a multipart body, from its type; `None` for other types. Some senders leave it out.
pub(super) fn boundary(content_type: &str, body: &[u8]) -> Option<String> {
    let is_multipart = content_type.trim_start().to_ascii_lowercase().starts_with("multipart/");
    let written = is_multipart.then(|| parameter(content_type, "boundary")).flatten();
    if written.as_ref().is_some_and(|boundary| !boundary.is_empty()) {
        return written;
    }
    // The first line is then the boundary.
    let first = body.trim_ascii_start().strip_prefix(b"--")?.split(|byte| *byte == b'\n').next()?.trim_ascii_end();
    let is_plain = (1..=70).contains(&first.len()) && first.iter().all(u8::is_ascii_graphic);
    is_plain.then(|| String::from_utf8_lossy(first).into_owned())
}

/// The parts of a body. What stands before the first boundary and behind the last is left out.
pub(super) fn split<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>, Refusal> {
    let delimiter = format!("--{boundary}");
    let mut starts = memmem::find_iter(body, delimiter.as_bytes()).filter(|at| *at == 0 || body[*at - 1] == b'\n');
    let mut parts = Vec::new();
    let Some(mut start) = starts.next() else {
        return Err(Refusal::new("body", "is multipart without the boundary that its type names"));
    };
    loop {
        let next = starts.next();
        let section = &body[start + delimiter.len()..next.unwrap_or(body.len())];
        if section.starts_with(b"--") {
            return Ok(parts);
        }
        if parts.len() == MAX_PARTS {
            return Err(Refusal::new("body", format!("has more than {MAX_PARTS} parts")));
        }
        parts.extend(part(section));
        let Some(next) = next else { return Ok(parts) };
        start = next;
    }
}

/// `None` for what has no headers.
fn part(section: &[u8]) -> Option<Part<'_>> {
    let section = without_line_end_before(section)?;
    let mut part = Part::default();
    let mut rest = section;
    loop {
        let (line, after) = match memchr::memchr(b'\n', rest) {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        rest = after;
        if line.is_empty() {
            break;
        }
        part.take_header(&String::from_utf8_lossy(&line[..line.len().min(1_024)]));
        if rest.is_empty() {
            return None;
        }
    }
    let content = rest.strip_suffix(b"\n").unwrap_or(rest);
    part.content = content.strip_suffix(b"\r").unwrap_or(content);
    Some(part)
}

/// What follows the line of a boundary.
fn without_line_end_before(section: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr(b'\n', section)?;
    section[..end].trim_ascii().is_empty().then(|| &section[end + 1..])
}

impl Part<'_> {
    fn take_header(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        if name.trim().eq_ignore_ascii_case("content-type") {
            self.content_type = value.trim().to_ascii_lowercase();
        } else if name.trim().eq_ignore_ascii_case("content-disposition") {
            self.name = parameter(value, "name").unwrap_or_default();
            self.filename = parameter(value, "filename");
        }
    }
}

/// The parameter of a header, with or without quotes.
fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|part| {
        let (found, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        found.trim().eq_ignore_ascii_case(name).then(|| value.chars().take(200).collect())
    })
}
